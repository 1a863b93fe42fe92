#include "passes/axes.h"

#include <algorithm>
#include <map>
#include <set>

#include "ir/op.h"
#include "ir/space.h"

namespace kiln {
namespace {

/// Extents of the axes a window op combines over: those of the window, in a convolution then the
/// input features of a group.
Ints window_extents(const Node& node) {
  if (const auto* window = attrs_if<WindowAttrs>(node.attrs())) return window->extents;
  const auto& attrs = node.attrs<ConvolutionAttrs>();
  const Ints& kernel = node.operand(1).type().dims;
  Ints extents;
  for (std::int64_t axis : attrs.kernel_spatial)
    extents.push_back(kernel[static_cast<std::size_t>(axis)]);
  extents.push_back(kernel[static_cast<std::size_t>(attrs.kernel_input_feature)]);
  return extents;
}

Ints without_units(const Ints& dims) {
  Ints rest;
  for (std::int64_t extent : dims)
    if (extent != 1) rest.push_back(extent);
  return rest;
}

}  // namespace

bool is_unit_reshape(const Node& node) {
  return node.op() == Op::reshape &&
         without_units(node.type().dims) == without_units(node.operand(0).type().dims);
}

bool is_index_map(const Node& node) {
  return traits(node).view && (node.op() != Op::reshape || is_unit_reshape(node));
}

bool reads_memory(const Node& node) {
  const Traits& t = traits(node);
  return t.indexed || t.window || t.sequential;
}

std::vector<int> through_view(const Node& view, const std::vector<int>& axes) {
  const Ints& from = view.operand(0).type().dims;
  std::vector<int> seen(from.size(), Axes::kUnit);
  if (view.op() == Op::reshape) {
    std::size_t next = 0;
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (from[i] == 1) continue;
      while (view.type().dims[next] == 1) ++next;
      seen[i] = axes[next++];
    }
    return seen;
  }
  const Ints& dims = view.attrs<DimsAttrs>().dims;
  if (view.op() == Op::transpose) {
    for (std::size_t i = 0; i < dims.size(); ++i) seen[static_cast<std::size_t>(dims[i])] = axes[i];
    return seen;
  }
  internal_check(view.op() == Op::broadcast_in_dim, "the view is an index map");
  for (std::size_t i = 0; i < from.size(); ++i)
    if (from[i] != 1) seen[i] = axes[static_cast<std::size_t>(dims[i])];
  return seen;
}

int Axes::fresh(std::int64_t extent) {
  if (extent == 1) return kUnit;
  extents_.push_back(extent);
  parent_.push_back(static_cast<int>(parent_.size()));
  return parent_.back();
}

int Axes::find(int dim) const {
  if (dim == kUnit) return kUnit;
  auto& up = parent_[static_cast<std::size_t>(dim)];
  if (up != dim) up = find(up);
  return up;
}

void Axes::unify(int a, int b) {
  a = find(a), b = find(b);
  if (a == b) return;
  internal_check(a != kUnit && b != kUnit && extent(a) == extent(b), "axes of one extent");
  parent_[static_cast<std::size_t>(std::max(a, b))] = std::min(a, b);
}

void Axes::look_through(Value operand, const std::vector<int>& axes) {
  const auto member = result_.find(operand.node);
  if (member != result_.end()) {
    for (std::size_t i = 0; i < axes.size(); ++i) unify(axes[i], member->second[i]);
  } else if (is_index_map(*operand.node)) {
    look_through(operand.node->operand(0), through_view(*operand.node, axes));
  }
}

bool Axes::add(const Node* node) {
  std::vector<int> result;
  for (std::int64_t extent : node->type().dims) result.push_back(fresh(extent));
  std::vector<std::vector<int>> operands(node->operands().size());
  std::vector<int> reduced;
  const Traits& t = traits(*node);
  if (t.elementwise) {
    for (auto& axes : operands) axes = result;
  } else if (t.view) {
    operands[0] = through_view(*node, result);
  } else if (t.window) {
    for (std::int64_t extent : window_extents(*node)) reduced.push_back(fresh(extent));
  } else if (t.reduction) {
    const Ints& over = node->attrs<DimsAttrs>().dims;
    std::vector<int> input;
    std::size_t kept = 0;
    const Ints& dims = node->operand(0).type().dims;
    for (std::size_t i = 0; i < dims.size(); ++i) {
      const bool summed =
          std::find(over.begin(), over.end(), static_cast<std::int64_t>(i)) != over.end();
      input.push_back(summed ? fresh(dims[i]) : result[kept++]);
      if (summed) reduced.push_back(input.back());
    }
    for (std::size_t i = 0; i < operands.size() / 2; ++i) operands[i] = input;
  } else if (t.contraction) {
    const auto& attrs = node->attrs<DotAttrs>();
    const auto fill = [&](Value operand, const Ints& batch, const Ints& contracting,
                          std::size_t& next) {
      std::vector<int> axes(operand.type().dims.size(), kUnit);
      std::vector<bool> free(axes.size(), true);
      for (std::size_t i = 0; i < batch.size(); ++i) {
        axes[static_cast<std::size_t>(batch[i])] = result[i];
        free[static_cast<std::size_t>(batch[i])] = false;
      }
      for (std::size_t i = 0; i < contracting.size(); ++i) {
        if (reduced.size() == i)
          reduced.push_back(fresh(operand.type().dims[static_cast<std::size_t>(contracting[i])]));
        axes[static_cast<std::size_t>(contracting[i])] = reduced[i];
        free[static_cast<std::size_t>(contracting[i])] = false;
      }
      for (std::size_t i = 0; i < axes.size(); ++i)
        if (free[i]) axes[i] = result[next++];
      return axes;
    };
    std::size_t next = attrs.lhs_batch.size();
    operands[0] = fill(node->operand(0), attrs.lhs_batch, attrs.lhs_contracting, next);
    operands[1] = fill(node->operand(1), attrs.rhs_batch, attrs.rhs_contracting, next);
  } else if (!t.leaf && !reads_memory(*node)) {
    return false;
  }
  for (std::size_t i = 0; i < operands.size() && !reads_memory(*node); ++i)
    look_through(node->operand(static_cast<int>(i)), operands[i]);
  members_.push_back(node);
  result_[node] = std::move(result);
  operands_[node] = std::move(operands);
  reduced_[node] = std::move(reduced);
  return !contradictory() && dimensions() <= space::kMaxDims;
}

void Axes::share_reads() {
  std::map<std::pair<const Node*, int>, std::vector<int>> first_read;
  for (const Node* member : members_)
    for (std::size_t i = 0; i < member->operands().size() && !reads_memory(*member); ++i) {
      Value value = member->operand(static_cast<int>(i));
      std::vector<int> axes = operands_.at(member)[i];
      while (!result_.contains(value.node) && is_index_map(*value.node)) {
        axes = through_view(*value.node, axes);
        value = value.node->operand(0);
      }
      if (result_.contains(value.node)) continue;
      const auto [seen, fresh] = first_read.try_emplace({value.node, value.index}, axes);
      if (fresh) continue;
      const std::vector<int> before = parent_;
      const std::size_t parallel_before = parallel().size();
      for (std::size_t axis = 0; axis < axes.size(); ++axis)
        if (axes[axis] != kUnit && seen->second[axis] != kUnit)
          unify(axes[axis], seen->second[axis]);
      if (contradictory() || parallel().size() != parallel_before) parent_ = before;
    }
}

bool Axes::contradictory() const {
  const auto repeats = [&](const std::vector<int>& axes) {
    std::set<int> seen;
    for (int axis : axes)
      if (axis != kUnit && !seen.insert(find(axis)).second) return true;
    return false;
  };
  for (const Node* member : members_) {
    if (repeats(result_.at(member))) return true;
    for (const auto& axes : operands_.at(member))
      if (repeats(axes)) return true;
  }
  return false;
}

int Axes::dimensions() const {
  int roots = 0;
  for (std::size_t dim = 0; dim < parent_.size(); ++dim)
    roots += parent_[dim] == static_cast<int>(dim);
  return roots;
}

std::vector<int> Axes::of_result(const Node* member) const {
  std::vector<int> axes = result_.at(member);
  for (int& axis : axes) axis = find(axis);
  return axes;
}

std::vector<int> Axes::of_operand(const Node* member, int operand) const {
  std::vector<int> axes = operands_.at(member)[static_cast<std::size_t>(operand)];
  for (int& axis : axes) axis = find(axis);
  return axes;
}

std::vector<int> Axes::reduced(const Node* member) const {
  std::vector<int> axes = reduced_.at(member);
  for (int& axis : axes) axis = find(axis);
  return axes;
}

std::vector<int> Axes::parallel() const {
  std::vector<int> common;
  bool first = true;
  std::set<int> summed;
  for (const Node* member : members_) {
    const std::vector<int> axes = of_result(member);
    if (first) common = axes;
    std::erase_if(common, [&](int axis) {
      return axis == kUnit || std::find(axes.begin(), axes.end(), axis) == axes.end();
    });
    first = false;
    for (int axis : reduced(member)) summed.insert(axis);
  }
  std::erase_if(common, [&](int axis) { return summed.contains(axis); });
  return common;
}

std::int64_t Axes::volume(const std::vector<int>& dims) const {
  std::int64_t volume = 1;
  for (int dim : dims)
    if (dim != kUnit) volume *= extent(dim);
  return volume;
}

std::int64_t Axes::largest(const std::vector<int>& without) const {
  std::int64_t most = 1;
  for (const Node* member : members_) {
    std::vector<int> dims = of_result(member);
    const std::vector<int> summed = reduced(member);
    dims.insert(dims.end(), summed.begin(), summed.end());
    std::erase_if(dims, [&](int dim) {
      return std::find(without.begin(), without.end(), dim) != without.end();
    });
    most = std::max(most, volume(dims));
  }
  return most;
}

std::int64_t Axes::largest_volume() const { return largest({}); }
std::int64_t Axes::row_volume() const { return largest(parallel()); }

}  // namespace kiln
