#include "passes/lower.h"

#include <algorithm>
#include <map>

#include "ir/op.h"
#include "passes/axes.h"

namespace kiln {
namespace {

using space::Expr;

class Lowering {
 public:
  explicit Lowering(const Node& call) : region_(call.regions()[0]) {
    kernel_.name = call.attrs<CallAttrs>().name;
    kernel_.kind = call.attrs<CallAttrs>().kind;
  }

  space::Kernel run() {
    for (const Type& type : region_.parameters)
      kernel_.buffers.push_back({type.dtype, type.count(), false});
    for (Value result : region_.results)
      kernel_.buffers.push_back({result.type().dtype, result.type().count(), true});

    for (const Node* node : topological(region_.results))
      if (is_member(node)) internal_check(axes_.add(node), "a fused kernel's axes unify");
    axes_.share_reads();
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
    space::collapse(kernel_);
    return std::move(kernel_);
  }

 private:
  bool is_member(const Node* node) const {
    if (!traits(*node).leaf && !traits(*node).view) return true;
    return std::any_of(region_.results.begin(), region_.results.end(),
                       [&](Value v) { return v.node == node; });
  }

  /// Dimensions in the order of the results' axes, then of the members' operands: memory order, so
  /// that neighbours can be collapsed.
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
    for (const Node* member : axes_.members())
      for (std::size_t i = 0; i < member->operands().size(); ++i)
        enter(axes_.of_operand(member, static_cast<int>(i)));
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
      const int axis = axes[static_cast<std::size_t>(node.attrs<IotaAttrs>().dim)];
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
    space::Reduction reduction;
    for (int axis : axes_.reduced(&node)) reduction.over.push_back(dim_.at(axis));
    reduction.kept = dims_of(axes_.of_result(&node));
    reduction.dtype = node.type().dtype;
    const int operands = static_cast<int>(node.operands().size());
    const int inputs = t.contraction ? operands : operands / 2;
    for (int i = 0; i < operands; ++i) {
      const int operand = lower_operand(node, i);
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

space::Kernel lower(const Node& call) { return Lowering(call).run(); }

}  // namespace kiln
