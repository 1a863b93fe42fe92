#include "passes/widen.h"

#include <unordered_map>

#include "ir/build.h"
#include "ir/op.h"

namespace kiln {
namespace {

Type wide(Type type) {
  if (type.dtype == DType::f32) type.dtype = DType::f64;
  return type;
}

/// Makes nodes again in another graph. What becomes of a node does not depend on where it stands
/// (parameters are told apart by number and type), so regions share one memory with the function.
class Widening {
 public:
  explicit Widening(Graph& to) : to_(to) {}

  std::vector<Value> operator()(std::span<const Value> results) {
    for (const Node* node : topological(results))
      if (!done_.contains(node)) done_.emplace(node, again(*node));
    std::vector<Value> values;
    for (Value result : results) values.push_back(value(result));
    return values;
  }

 private:
  Value value(Value from) const {
    return done_.at(from.node)[static_cast<std::size_t>(from.index)];
  }

  std::vector<Value> again(const Node& node) {
    if (node.op() == Op::convert && wide(node.operand(0).type()) == wide(node.type()))
      return {value(node.operand(0))};
    if (node.op() == Op::bitcast_convert) {
      const DType from = node.operand(0).type().dtype;
      if (from == DType::f32 && node.type().dtype == DType::f32) return {value(node.operand(0))};
      if (from == DType::f32) refuse(node);
      if (node.type().dtype == DType::f32)
        return {build::convert(made(node, node.attrs(), node.type(), {})[0], DType::f64)};
    }
    std::vector<Region> regions;
    for (const Region& region : node.regions()) {
      Region& made = regions.emplace_back();
      for (const Type& type : region.parameters) made.parameters.push_back(wide(type));
      made.results = (*this)(region.results);
    }
    Attrs attrs = node.attrs();
    if (auto* constant = std::get_if<ConstantAttrs>(&attrs))
      constant->value = constant->value.converted(wide(constant->value.type()).dtype);
    return made(node, attrs, wide(node.type()), regions);
  }

  std::vector<Value> made(const Node& node, const Attrs& attrs, const Type& type,
                          const std::vector<Region>& regions) {
    std::vector<Value> operands;
    for (Value operand : node.operands()) operands.push_back(value(operand));
    const Node* made = to_.make(node.op(), operands, attrs, type, regions);
    for (const Location& where : node.graph().locations(&node))
      to_.make(node.op(), operands, attrs, type, regions, where);
    std::vector<Value> results;
    for (std::size_t i = 0; i < made->types().size(); ++i)
      results.push_back({made, static_cast<int>(i)});
    return results;
  }

  [[noreturn]] static void refuse(const Node& node) {
    const auto& places = node.graph().locations(&node);
    throw Error(places.empty() ? Location{} : places.front(),
                fmt::format("exact: {} of {} to {} has no meaning where f32 is computed as f64",
                            definition(node.op()).name, node.operand(0).type().pretty(),
                            node.type().pretty()));
  }

  Graph& to_;
  std::unordered_map<const Node*, std::vector<Value>> done_;
};

}  // namespace

Function widened(const Function& function) {
  Function result = function;
  result.graph = std::make_shared<Graph>();
  for (Argument& argument : result.arguments) argument.type = wide(argument.type);
  result.results = Widening(*result.graph)(function.results);
  return result;
}

}  // namespace kiln
