#include "passes/lower.h"

#include <algorithm>
#include <map>

#include "ir/contraction.h"
#include "ir/op.h"
#include "passes/axes.h"
#include "passes/evaluate.h"
#include "passes/sequential.h"

namespace kiln {
namespace {

using space::Expr;

class Lowerer {
 public:
  explicit Lowerer(const Node& call) : region_(call.regions()[0]) {
    kernel_.name = call.attrs<CallAttrs>().name;
    kernel_.kind = call.attrs<CallAttrs>().kind;
  }

  space::Kernel run() {
    for (const Type& type : region_.parameters)
      kernel_.buffers.push_back({type.dtype, type.count(), false});
    for (Value result : region_.results)
      kernel_.buffers.push_back({result.type().dtype, result.type().count(), true});

    for (const Node* node : topological(region_.results)) {
      if (traits(*node).sequential || (kernel_.kind == "update" && traits(*node).updates))
        return sequential(*node);
      if (is_member(node)) internal_check(axes_.add(node), "a fused kernel's axes unify");
    }
    if (kernel_.kind != "stream") axes_.share_reads();
    order_dims();
    for (const Node* member : axes_.members()) member_expr_[member] = lower_member(*member);
    for (std::size_t i = 0; i < region_.results.size(); ++i) {
      const Value result = region_.results[i];
      space::Store store;
      store.expr = member_expr_.at(result.node)[static_cast<std::size_t>(result.index)];
      store.access = access(static_cast<int>(region_.parameters.size() + i), result.type(),
                            axes_.of_result(result.node));
      store.dims = dims_of(axes_.of_result(result.node));
      store.level = kernel_.exprs[static_cast<std::size_t>(store.expr)].level;
      kernel_.stores.push_back(store);
    }
    if (kernel_.kind == "stream") widen_parallel();
    space::collapse(kernel_);
    return std::move(kernel_);
  }

 private:
  /// A mask need not have all dimensions that the points of a stream have.
  void widen_parallel() {
    space::DimSet common = ~space::DimSet{0};
    for (const space::Store& store : kernel_.stores) common &= store.dims;
    for (const space::Reduction& reduction : kernel_.reductions) common &= reduction.kept;
    for (std::size_t d = 0; d < kernel_.dims.size(); ++d)
      kernel_.dims[d].parallel = space::has(common, static_cast<int>(d));
  }

  bool is_member(const Node* node) const {
    if (!traits(*node).leaf && !traits(*node).view) return true;
    return std::any_of(region_.results.begin(), region_.results.end(),
                       [&](Value v) { return v.node == node; });
  }

  space::Kernel sequential(const Node& node) {
    kernel_.sequential = &node;
    kernel_.sources = sources(node);
    for (std::size_t i = 0; i < region_.results.size(); ++i)
      internal_check(region_.results[i] == Value{&node, static_cast<int>(i)},
                     "a sequential op is a kernel of its own, with all its results");
    for (const Type& type : scratch_types(node))
      kernel_.buffers.push_back({type.dtype, type.count(), true, true});
    return std::move(kernel_);
  }

  /// Dimensions in the order of the results' axes, then of the members' operands and windows:
  /// memory order, so that neighbours can be collapsed.
  void order_dims() {
    const auto enter = [&](const std::vector<int>& axes) {
      for (int axis : axes)
        if (axis != Axes::kUnit && !dim_.contains(axis)) {
          const int dim = static_cast<int>(dim_.size());
          dim_[axis] = dim;
          kernel_.dims.push_back({axes_.extent(axis), false});
        }
    };
    for (Value result : region_.results) enter(axes_.of_result(result.node));
    for (const Node* member : axes_.members()) {
      for (std::size_t i = 0; i < member->operands().size(); ++i)
        enter(axes_.of_operand(member, static_cast<int>(i)));
      enter(axes_.reduced(member));
    }
    internal_check(static_cast<int>(dim_.size()) <= space::kMaxDims, "at most 64 dimensions");
    for (int axis : axes_.parallel())
      kernel_.dims[static_cast<std::size_t>(dim_.at(axis))].parallel = true;
  }

  space::DimSet dims_of(const std::vector<int>& axes) const {
    space::DimSet set = 0;
    for (int axis : axes)
      if (axis != Axes::kUnit) set |= space::bit(dim_.at(axis));
    return set;
  }

  space::Access access(int buffer, const Type& type, const std::vector<int>& axes) const {
    space::Access access{buffer, 0, Ints(kernel_.dims.size(), 0)};
    const Ints strides = row_major_strides(type.dims);
    for (std::size_t i = 0; i < axes.size(); ++i)
      if (axes[i] != Axes::kUnit)
        access.strides[static_cast<std::size_t>(dim_.at(axes[i]))] += strides[i];
    return access;
  }

  int add(Expr expr) {
    kernel_.exprs.push_back(std::move(expr));
    return static_cast<int>(kernel_.exprs.size()) - 1;
  }

  /// The expression of a value whose axes are these dimensions.
  int lower_value(Value value, const std::vector<int>& axes) {
    const auto member = member_expr_.find(value.node);
    if (member != member_expr_.end()) return member->second[static_cast<std::size_t>(value.index)];
    int& slot = leaf_expr_.try_emplace({value.node, axes}, -1).first->second;
    if (slot != -1) return slot;
    const Node& node = *value.node;
    if (traits(node).view) {
      const int inner = lower_value(node.operand(0), through_view(node, axes));
      return leaf_expr_[{value.node, axes}] = inner;
    }
    Expr expr;
    expr.dtype = value.type().dtype;
    expr.node = &node;
    if (node.op() == Op::parameter) {
      expr.kind = Expr::Kind::load;
      expr.access =
          access(static_cast<int>(node.attrs<ParameterAttrs>().index), value.type(), axes);
      expr.dims = dims_of(axes);
    } else if (node.op() == Op::constant) {
      expr.kind = Expr::Kind::constant;
    } else {
      internal_check(node.op() == Op::iota, "a leaf is a parameter, a constant or an iota");
      const int axis = axes[static_cast<std::size_t>(node.attrs<AxisAttrs>().dim)];
      if (axis == Axes::kUnit) {  // along an axis of extent 1 it counts 0
        expr.kind = Expr::Kind::constant;
        expr.node = node.graph().splat(Type{expr.dtype, {}}, 0).node;
      } else {
        expr.kind = Expr::Kind::iota;
        expr.dim = dim_.at(axis);
        expr.dims = space::bit(expr.dim);
      }
    }
    return slot = add(std::move(expr));
  }

  /// Where a value's elements lie, whatever its axes are.
  space::Source source(Value value) const {
    // The number of the value's axis that each axis of what lies below its views is.
    std::vector<int> axes;
    for (std::int64_t extent : value.type().dims)
      axes.push_back(extent == 1 ? Axes::kUnit : static_cast<int>(axes.size()));
    space::Source source;
    source.dtype = value.type().dtype;
    source.strides.assign(axes.size(), 0);
    for (; traits(*value.node).view; value = value.node->operand(0))
      axes = through_view(*value.node, axes);
    const auto stride = [&](std::size_t axis, std::int64_t elements) {
      if (axes[axis] != Axes::kUnit)
        source.strides[static_cast<std::size_t>(axes[axis])] += elements;
    };
    const Node& node = *value.node;
    if (node.op() == Op::constant) {
      source.kind = space::Source::Kind::constant;
      source.node = &node;
    } else if (node.op() == Op::iota) {
      source.kind = space::Source::Kind::iota;
      stride(static_cast<std::size_t>(node.attrs<AxisAttrs>().dim), 1);
    } else {
      internal_check(node.op() == Op::parameter, "what is read at a computed place is in memory");
      source.buffer = static_cast<int>(node.attrs<ParameterAttrs>().index);
      const Ints strides = row_major_strides(value.type().dims);
      for (std::size_t i = 0; i < axes.size(); ++i) stride(i, strides[i]);
    }
    return source;
  }
  std::vector<space::Source> sources(const Node& node) const {
    std::vector<space::Source> all;
    for (Value operand : node.operands()) all.push_back(source(operand));
    return all;
  }

  /// What an indexed or window op reads at a point; of a window op, of its operand `input`.
  int lower_indexed(const Node& node, int input) {
    Expr expr;
    expr.kind = Expr::Kind::indexed;
    expr.dtype = traits(node).window ? node.operand(input).type().dtype : node.type().dtype;
    expr.node = &node;
    expr.input = input;
    std::vector<int> axes = axes_.of_result(&node);
    const std::vector<int> window = axes_.reduced(&node);
    axes.insert(axes.end(), window.begin(), window.end());
    for (int axis : axes) expr.axes.push_back(axis == Axes::kUnit ? -1 : dim_.at(axis));
    expr.dims = dims_of(axes);
    expr.sources = sources(node);
    return add(with_known_reads(kernel_, std::move(expr)));
  }

  int lower_operand(const Node& member, int operand) {
    return lower_value(member.operand(operand), axes_.of_operand(&member, operand));
  }

  std::vector<int> lower_member(const Node& node) {
    const Traits& t = traits(node);
    if (t.view) return {lower_operand(node, 0)};
    if (t.leaf) return {lower_value({&node, 0}, axes_.of_result(&node))};
    if (t.elementwise) {
      Expr expr;
      expr.kind = Expr::Kind::apply;
      expr.dtype = node.type().dtype;
      expr.node = &node;
      for (std::size_t i = 0; i < node.operands().size(); ++i) {
        const int operand = lower_operand(node, static_cast<int>(i));
        expr.operands.push_back(operand);
        expr.dims |= kernel_.exprs[static_cast<std::size_t>(operand)].dims;
        expr.level = std::max(expr.level, kernel_.exprs[static_cast<std::size_t>(operand)].level);
      }
      return {add(std::move(expr))};
    }
    if (t.indexed) return {lower_indexed(node, 0)};
    space::Reduction reduction;
    for (int axis : axes_.reduced(&node))
      if (axis != Axes::kUnit) reduction.over.push_back(dim_.at(axis));
    reduction.kept = dims_of(axes_.of_result(&node));
    reduction.dtype = node.type().dtype;
    reduction.rounds_products = t.contraction && rounds_products(node);
    const int operands = static_cast<int>(node.operands().size());
    const int inputs = t.contraction ? operands : operands / 2;
    for (int i = 0; i < operands; ++i) {
      const int operand = t.window && i < inputs ? lower_indexed(node, i) : lower_operand(node, i);
      (i < inputs ? reduction.inputs : reduction.initial).push_back(operand);
      reduction.level =
          std::max(reduction.level, kernel_.exprs[static_cast<std::size_t>(operand)].level);
    }
    if (t.reduction) reduction.region = &node.regions()[0];
    const int number = static_cast<int>(kernel_.reductions.size());
    std::vector<int> results;
    for (std::size_t i = 0; i < node.types().size(); ++i) {
      Expr expr;
      expr.kind = Expr::Kind::reduced;
      expr.dtype = node.type(static_cast<int>(i)).dtype;
      expr.dims = reduction.kept;
      expr.level = reduction.level + 1;
      expr.reduction = number;
      expr.result = static_cast<int>(i);
      results.push_back(add(std::move(expr)));
    }
    kernel_.reductions.push_back(std::move(reduction));
    return results;
  }

  const Region& region_;
  space::Kernel kernel_;
  Axes axes_;
  std::map<int, int> dim_;  // unified axis → dimension
  std::unordered_map<const Node*, std::vector<int>> member_expr_;
  std::map<std::pair<const Node*, std::vector<int>>, int> leaf_expr_;
};

}  // namespace

space::Kernel lower(const Node& call) { return Lowerer(call).run(); }

}  // namespace kiln
