#include "ir/op.h"

#include <limits>

#include "ir/build.h"

namespace kiln {
namespace {

// What a shape rule throws; infer_types turns it into the message people read.
struct ShapeError {
  std::string expected;
};

}  // namespace

const OpDef& definition(Op op) {
  static const std::vector<OpDef> kTable = [] {
    std::vector<OpDef> table;
    for (auto rows :
         {leaf_rows(), unary_rows(), nary_rows(), movement_rows(), indexing_rows(),
          contraction_rows(), window_rows(), sequential_rows(), control_rows(), call_rows()})
      table.insert(table.end(), rows.begin(), rows.end());
    internal_check(static_cast<int>(table.size()) == kOpCount, "the op table is complete");
    return table;
  }();
  return kTable[static_cast<std::size_t>(op)];
}

void shape_error(const std::string& expected) { throw ShapeError{expected}; }

std::vector<Type> infer_types(const OpDef& def, const InferContext& context) {
  std::string expected;
  if (def.arity != kVariadic && def.arity != static_cast<int>(context.operands.size())) {
    expected = fmt::format("{} operands", def.arity);
  } else {
    try {
      return def.infer(context);
    } catch (const ShapeError& error) {
      expected = error.expected;
    } catch (const Error& error) {  // an impossible shape
      throw Error(context.where, fmt::format("{}: {}", def.name, error.what()));
    }
  }
  std::string found;
  for (Value operand : context.operands) {
    const auto& places = context.graph.locations(operand.node);
    found += fmt::format("{}{}{}", found.empty() ? "" : " and ", operand.type().pretty(),
                         places.empty() ? "" : " (from " + places.front().str() + ")");
  }
  throw Error(context.where, fmt::format("{}: expected {}, found {}", def.name, expected,
                                         found.empty() ? "none" : found));
}

std::vector<Value> not_differentiable(const Node& node, std::span<const Value>) {
  const auto& places = node.graph().locations(&node);
  throw Error(places.empty() ? Location{} : places.front(),
              fmt::format("{} is not differentiable; wrap its operand in stop_gradient if no "
                          "gradient is meant to flow there",
                          definition(node.op()).name));
}

std::vector<Value> zero_gradient(const Node& node, std::span<const Value>) {
  return std::vector<Value>(node.operands().size());
}

std::vector<Value> differentiated_by_pass(const Node& node, std::span<const Value>) {
  throw InternalError(fmt::format("passes/autodiff differentiates {}", definition(node.op()).name));
}

loop::Val not_pointwise(const Node& node, std::span<const loop::Val>) {
  internal_check(false, fmt::format("{} has no scalar form", definition(node.op()).name));
  std::abort();
}

std::optional<Op> simple_combiner(const Region& region) {
  if (region.results.size() != 1 || region.parameters.size() != 2) return std::nullopt;
  const Node* node = region.results[0].node;
  if (!traits(*node).elementwise || node->operands().size() != 2) return std::nullopt;
  const auto is_parameter = [](Value v, std::int64_t index) {
    return v.node->op() == Op::parameter && v.node->attrs<ParameterAttrs>().index == index;
  };
  const bool forward = is_parameter(node->operand(0), 0) && is_parameter(node->operand(1), 1);
  const bool swapped = is_parameter(node->operand(0), 1) && is_parameter(node->operand(1), 0);
  if (forward || (swapped && traits(*node).commutative)) return node->op();
  return std::nullopt;
}

Region combiner_region(Graph& graph, Op op, DType dtype) {
  const Type scalar{dtype, {}};
  const Value result = build::binary(op, graph.parameter(0, scalar), graph.parameter(1, scalar));
  return {{scalar, scalar}, {result}};
}

namespace build {

Value identity(Graph& graph, Op combiner, DType dtype) {
  const Type scalar{dtype, {}};
  Array value(scalar);
  const auto fill = [&](auto pick) {
    visit_dtype(dtype, [&]<class T>(T) { value.data<T>()[0] = pick(T{}); });
  };
  using std::numeric_limits;
  switch (combiner) {
    case Op::multiply:
      fill([]<class T>(T) { return T(1); });
      break;
    case Op::maximum:
      fill([]<class T>(T) {
        return numeric_limits<T>::has_infinity ? T(-numeric_limits<T>::infinity())
                                               : numeric_limits<T>::lowest();
      });
      break;
    case Op::minimum:
      fill([]<class T>(T) {
        return numeric_limits<T>::has_infinity ? numeric_limits<T>::infinity()
                                               : numeric_limits<T>::max();
      });
      break;
    case Op::and_:
      fill([]<class T>(T) {
        if constexpr (std::is_floating_point_v<T>)
          return T(0);
        else if constexpr (std::is_same_v<T, bool>)
          return true;
        else
          return static_cast<T>(~T(0));
      });
      break;
    default:
      internal_check(combiner == Op::add || combiner == Op::or_ || combiner == Op::xor_,
                     "the combiner has a known identity");
  }
  return graph.constant(value);
}

Value reduce(Value x, Op combiner, Ints axes, const Location& where) {
  Graph& graph = x.graph();
  const DType dtype = x.type().dtype;
  return {graph.make(Op::reduce, {x, identity(graph, combiner, dtype)}, DimsAttrs{std::move(axes)},
                     std::nullopt, {combiner_region(graph, combiner, dtype)}, where),
          0};
}

Value reduce_window(Value x, Op combiner, WindowAttrs attrs, const Location& where) {
  Graph& graph = x.graph();
  const DType dtype = x.type().dtype;
  return {graph.make(Op::reduce_window, {x, identity(graph, combiner, dtype)}, std::move(attrs),
                     std::nullopt, {combiner_region(graph, combiner, dtype)}, where),
          0};
}

}  // namespace build
}  // namespace kiln
