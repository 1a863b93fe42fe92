#include "passes/simplify.h"

#include <algorithm>
#include <map>

#include "ir/build.h"
#include "ir/op.h"
#include "passes/axes.h"
#include "passes/carried.h"
#include "passes/regions.h"

namespace kiln {
namespace {

using build::like;
using build::unary;

// ---- element-wise rules, as data

struct RuleText {
  std::string_view name;
  bool floats, integers, booleans;
  // The pattern and what replaces it, over wildcards x, y, z of one dtype.
  std::pair<Value, Value> (*make)(Value x, Value y, Value z);
};

constexpr RuleText kRules[] = {
    {"multiply_one", true, true, false,
     [](Value x, Value, Value) { return std::pair(build::multiply(x, like(x, 1)), x); }},
    {"divide_one", true, true, false,
     [](Value x, Value, Value) { return std::pair(build::divide(x, like(x, 1)), x); }},
    {"subtract_zero", true, true, false,
     [](Value x, Value, Value) { return std::pair(build::subtract(x, like(x, 0)), x); }},
    {"add_zero", false, true, false,  // in floats -0 + 0 is +0
     [](Value x, Value, Value) { return std::pair(build::add(x, like(x, 0)), x); }},
    {"multiply_minus_one", true, true, false,
     [](Value x, Value, Value) {
       // An unsigned -1 is the largest number, which negates as well.
       return std::pair(build::multiply(x, build::negate(like(x, 1))), build::negate(x));
     }},
    {"negate_negate", true, true, false,
     [](Value x, Value, Value) { return std::pair(build::negate(build::negate(x)), x); }},
    {"add_negate", true, true, false,
     [](Value x, Value y, Value) {
       return std::pair(build::add(x, build::negate(y)), build::subtract(x, y));
     }},
    {"subtract_negate", true, true, false,
     [](Value x, Value y, Value) {
       return std::pair(build::subtract(x, build::negate(y)), build::add(x, y));
     }},
    {"negate_times_negate", true, true, false,
     [](Value x, Value y, Value) {
       return std::pair(build::multiply(build::negate(x), build::negate(y)), build::multiply(x, y));
     }},
    {"divide_by_half", true, false, false,  // a power of two divides exactly
     [](Value x, Value, Value) {
       return std::pair(build::divide(x, like(x, 0.5)), build::multiply(x, like(x, 2)));
     }},
    {"divide_by_two", true, false, false,
     [](Value x, Value, Value) {
       return std::pair(build::divide(x, like(x, 2)), build::multiply(x, like(x, 0.5)));
     }},
    {"maximum_itself", true, true, true,
     [](Value x, Value, Value) { return std::pair(build::binary(Op::maximum, x, x), x); }},
    {"minimum_itself", true, true, true,
     [](Value x, Value, Value) { return std::pair(build::binary(Op::minimum, x, x), x); }},
    {"and_itself", false, true, true,
     [](Value x, Value, Value) { return std::pair(build::binary(Op::and_, x, x), x); }},
    {"or_itself", false, true, true,
     [](Value x, Value, Value) { return std::pair(build::binary(Op::or_, x, x), x); }},
    {"not_not", false, true, true,
     [](Value x, Value, Value) { return std::pair(unary(Op::not_, unary(Op::not_, x)), x); }},
    {"power_one", true, false, false,
     [](Value x, Value, Value) { return std::pair(build::binary(Op::power, x, like(x, 1)), x); }},
    {"power_two", true, false, false,
     [](Value x, Value, Value) {
       return std::pair(build::binary(Op::power, x, like(x, 2)), build::multiply(x, x));
     }},
};

/// The rules over all dtypes they hold for, in a graph of their own that lives as long as we do.
struct RuleBook {
  Graph graph;
  std::vector<ElementwiseRule> rules;
  std::map<std::pair<Op, DType>, std::vector<const ElementwiseRule*>> by_root;

  RuleBook() {
    for (int i = 0; i < kDTypeCount; ++i) {
      const auto dtype = static_cast<DType>(i);
      const auto wildcard = [&](int n) { return graph.parameter(n, Type{dtype, {}}); };
      for (const RuleText& rule : kRules) {
        if (!(is_float(dtype) ? rule.floats : is_bool(dtype) ? rule.booleans : rule.integers))
          continue;
        const auto [pattern, replacement] = rule.make(wildcard(0), wildcard(1), wildcard(2));
        rules.push_back({rule.name, dtype, fold_constants(pattern), replacement});
      }
      if (is_bool(dtype)) continue;
    }
    for (const ElementwiseRule& rule : rules)
      by_root[{rule.pattern.node->op(), rule.dtype}].push_back(&rule);
  }

  /// negate(1) in a pattern stands for the constant -1.
  Value fold_constants(Value pattern) {
    return rebuild(std::vector{pattern}, [&](const Node* node, const std::vector<Value>& operands) {
      const bool constant =
          !operands.empty() && std::all_of(operands.begin(), operands.end(),
                                           [](Value v) { return v.node->op() == Op::constant; });
      if (!constant) return remake(node, operands);
      std::vector<Array> values;
      for (Value v : operands) values.push_back(v.node->attrs<ConstantAttrs>().value);
      return std::vector{graph.constant(definition(node->op()).reference(*node, values)[0])};
    })[0];
  }
};

const RuleBook& rule_book() {
  static const RuleBook book;
  return book;
}

bool match(Value pattern, Value value, std::vector<Value>& wildcards) {
  const Node& p = *pattern.node;
  if (p.op() == Op::parameter) {
    const auto index = static_cast<std::size_t>(p.attrs<ParameterAttrs>().index);
    wildcards.resize(std::max(wildcards.size(), index + 1));
    if (wildcards[index]) return wildcards[index] == value;
    if (value.type().dtype != pattern.type().dtype) return false;
    wildcards[index] = value;
    return true;
  }
  const Node& v = *value.node;
  if (p.op() != v.op() || p.operands().size() != v.operands().size() ||
      value.type().dtype != pattern.type().dtype)
    return false;
  if (p.op() == Op::constant)
    return v.attrs<ConstantAttrs>().value.same_bits(p.attrs<ConstantAttrs>().value);
  for (int i = 0; i < static_cast<int>(p.operands().size()); ++i)
    if (!match(p.operand(i), v.operand(i), wildcards)) return false;
  return true;
}

/// The pattern's node with its operands swapped, for commutative roots.
bool match_root(const ElementwiseRule& rule, Value value, std::vector<Value>& wildcards) {
  if (match(rule.pattern, value, wildcards)) return true;
  const Node &p = *rule.pattern.node, &v = *value.node;
  if (!traits(v).commutative || p.operands().size() != 2) return false;
  wildcards.clear();
  return match(p.operand(0), v.operand(1), wildcards) &&
         match(p.operand(1), v.operand(0), wildcards);
}

Value instantiate(Value replacement, const std::vector<Value>& wildcards, const Type& type) {
  Graph& graph = wildcards[0].graph();
  const auto build = [&](auto& self, Value value) -> Value {
    const Node& node = *value.node;
    if (node.op() == Op::parameter)
      return wildcards[static_cast<std::size_t>(node.attrs<ParameterAttrs>().index)];
    if (node.op() == Op::constant) return {graph.make(Op::constant, {}, node.attrs(), type), 0};
    std::vector<Value> operands;
    for (Value operand : node.operands()) operands.push_back(self(self, operand));
    return {graph.make(node.op(), operands, node.attrs(), Type{node.type().dtype, type.dims}), 0};
  };
  return build(build, replacement);
}

// ---- rules about shapes: each gives the better value, or nothing

using ShapeRule = Value(const Node& node);

bool is_identity(const Ints& axes) {
  for (std::size_t i = 0; i < axes.size(); ++i)
    if (axes[i] != static_cast<std::int64_t>(i)) return false;
  return true;
}

bool is_splat(Value value) {
  return value.node->op() == Op::constant && value.node->attrs<ConstantAttrs>().value.count() == 1;
}

/// A view of a splat is a splat.
Value view_of_splat(const Node& node) {
  if (!traits(node).view || !is_splat(node.operand(0))) return {};
  return {node.graph().make(Op::constant, {}, node.operand(0).node->attrs(), node.type()), 0};
}

Value trivial_view(const Node& node) {
  if (!traits(node).view || node.type() != node.operand(0).type()) return {};
  if (node.op() == Op::reshape || is_identity(node.attrs<DimsAttrs>().dims)) return node.operand(0);
  return {};
}

Value trivial_convert(const Node& node) {
  return node.op() == Op::convert && node.type() == node.operand(0).type() ? node.operand(0)
                                                                           : Value{};
}

Value select_between_equals(const Node& node) {
  return node.op() == Op::select && node.operand(1) == node.operand(2) ? node.operand(1) : Value{};
}

Value reshape_of_reshape(const Node& node) {
  if (node.op() != Op::reshape || node.operand(0).node->op() != Op::reshape) return {};
  return build::reshape(node.operand(0).node->operand(0), node.type().dims);
}

Value transpose_of_transpose(const Node& node) {
  if (node.op() != Op::transpose || node.operand(0).node->op() != Op::transpose) return {};
  const Ints& outer = node.attrs<DimsAttrs>().dims;
  const Ints& inner = node.operand(0).node->attrs<DimsAttrs>().dims;
  Ints both;
  for (std::int64_t axis : outer) both.push_back(inner[static_cast<std::size_t>(axis)]);
  return build::transpose(node.operand(0).node->operand(0), both);
}

Value broadcast_of_broadcast(const Node& node) {
  if (node.op() != Op::broadcast_in_dim || node.operand(0).node->op() != Op::broadcast_in_dim)
    return {};
  const Ints& outer = node.attrs<DimsAttrs>().dims;
  Ints both;
  for (std::int64_t axis : node.operand(0).node->attrs<DimsAttrs>().dims)
    both.push_back(outer[static_cast<std::size_t>(axis)]);
  return build::broadcast(node.operand(0).node->operand(0), node.type().dims, both);
}

/// broadcast(reshape [N] → [N, 1]) is a broadcast of [N].
Value broadcast_of_unit_reshape(const Node& node) {
  if (node.op() != Op::broadcast_in_dim || !is_unit_reshape(*node.operand(0).node)) return {};
  const Node& reshape = *node.operand(0).node;
  const Ints &from = reshape.operand(0).type().dims, &to = reshape.type().dims;
  const Ints& outer = node.attrs<DimsAttrs>().dims;
  // Every axis of `from` needs a result axis in ascending order of the reshape; unit axes that the
  // reshape drops have none, so leave those cases alone.
  Ints axes;
  std::size_t next = 0;
  for (std::int64_t extent : from) {
    while (next < to.size() && to[next] == 1 && extent != 1) ++next;
    if (next == to.size() || to[next] != extent) return {};
    axes.push_back(outer[next++]);
  }
  return build::broadcast(reshape.operand(0), node.type().dims, axes);
}

/// A transposed operand is another choice of axes, where the free axes keep their order.
Value dot_of_transpose(const Node& node) {
  if (node.op() != Op::dot_general) return {};
  DotAttrs attrs = node.attrs<DotAttrs>();
  Value operands[] = {node.operand(0), node.operand(1)};
  bool changed = false;
  const auto absorb = [&](Value& operand, Ints& batch, Ints& contracting) {
    if (operand.node->op() != Op::transpose) return;
    const Ints& permutation = operand.node->attrs<DimsAttrs>().dims;
    Ints free;
    for (std::int64_t axis = 0; axis < operand.type().rank(); ++axis)
      if (std::find(batch.begin(), batch.end(), axis) == batch.end() &&
          std::find(contracting.begin(), contracting.end(), axis) == contracting.end())
        free.push_back(permutation[static_cast<std::size_t>(axis)]);
    if (!std::is_sorted(free.begin(), free.end())) return;
    for (Ints* axes : {&batch, &contracting})
      for (std::int64_t& axis : *axes) axis = permutation[static_cast<std::size_t>(axis)];
    operand = operand.node->operand(0);
    changed = true;
  };
  absorb(operands[0], attrs.lhs_batch, attrs.lhs_contracting);
  absorb(operands[1], attrs.rhs_batch, attrs.rhs_contracting);
  return changed ? build::dot_general(operands[0], operands[1], attrs) : Value{};
}

/// (A · B)ᵀ is B · A with its free axes in the other order.
Value transpose_of_dot(const Node& node) {
  if (node.op() != Op::transpose || node.operand(0).node->op() != Op::dot_general) return {};
  const Node& dot = *node.operand(0).node;
  const DotAttrs& a = dot.attrs<DotAttrs>();
  const auto batches = static_cast<std::int64_t>(a.lhs_batch.size());
  const std::int64_t lhs_free =
      dot.operand(0).type().rank() - batches - static_cast<std::int64_t>(a.lhs_contracting.size());
  const std::int64_t rank = dot.type().rank();
  Ints swapped;
  for (std::int64_t i = 0; i < batches; ++i) swapped.push_back(i);
  for (std::int64_t i = batches + lhs_free; i < rank; ++i) swapped.push_back(i);
  for (std::int64_t i = batches; i < batches + lhs_free; ++i) swapped.push_back(i);
  if (node.attrs<DimsAttrs>().dims != swapped) return {};
  return build::dot_general(
      dot.operand(1), dot.operand(0),
      DotAttrs{a.rhs_batch, a.lhs_batch, a.rhs_contracting, a.lhs_contracting});
}

/// A reduce over no axes, of one input, is its input combined with the initial value: left as it is
/// unless the initial value is an identity, when it is the input.
Value reduce_over_nothing(const Node& node) {
  if (node.op() != Op::reduce || !node.attrs<DimsAttrs>().dims.empty() ||
      node.operands().size() != 2)
    return {};
  const auto combiner = simple_combiner(node.regions()[0]);
  // add's identity is left out: 0 + -0 is +0.
  if (combiner != Op::maximum && combiner != Op::minimum) return {};
  const Value identity = build::identity(node.graph(), *combiner, node.type().dtype);
  return node.operand(1) == identity ? node.operand(0) : Value{};
}

constexpr ShapeRule* kShapeRules[] = {
    view_of_splat,      trivial_view,           trivial_convert,        select_between_equals,
    reshape_of_reshape, transpose_of_transpose, broadcast_of_broadcast, broadcast_of_unit_reshape,
    dot_of_transpose,   transpose_of_dot,       reduce_over_nothing,
};

Value improved(Value value) {
  const Node& node = *value.node;
  if (traits(node).elementwise) {
    const auto rules = rule_book().by_root.find({node.op(), node.type().dtype});
    if (rules != rule_book().by_root.end())
      for (const ElementwiseRule* rule : rules->second) {
        std::vector<Value> wildcards;
        if (match_root(*rule, value, wildcards))
          return instantiate(rule->replacement, wildcards, value.type());
      }
  }
  for (ShapeRule* rule : kShapeRules)
    if (const Value better = rule(node)) return better;
  return {};
}

std::vector<Value> simplified(std::span<const Value> results);

/// Constants go into regions first, so that rules see them there; what the rules find out about
/// carried values comes out again.
std::vector<Value> simplified_control(const Node& node) {
  LessCarried outer = with_less_carried(node);
  if (outer.node == nullptr) return outer.results;
  const std::vector<Value> inside = remake_inside(outer.node, outer.node->operands(), simplified);
  const LessCarried inner = with_less_carried(*inside[0].node);
  for (Value& result : outer.results)
    if (result.node == outer.node) result = inner.results[static_cast<std::size_t>(result.index)];
  return outer.results;
}

std::vector<Value> simplified(std::span<const Value> results) {
  // A replacement may enable a rule on itself or, once its users are rebuilt, on them.
  return rebuild(results, [](const Node* node, const std::vector<Value>& operands) {
    std::vector<Value> made = remake(node, operands);
    if (traits(*node).control) return simplified_control(*made[0].node);
    if (made.size() != 1) return made;
    while (const Value better = improved(made[0])) made[0] = better;
    return made;
  });
}

}  // namespace

const std::vector<ElementwiseRule>& elementwise_rules() { return rule_book().rules; }

void simplify(Function& function) { function.results = simplified(function.results); }

}  // namespace kiln
