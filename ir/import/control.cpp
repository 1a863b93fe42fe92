// Control flow, and ops that are transparent: what stands behind them is taken as it is.
#include <unordered_map>

#include "ir/build.h"
#include "ir/import/context.h"

namespace kiln::importing {

using Values = std::vector<Value>;

std::vector<Value> map_region(const Context& context, const Region& region,
                              std::span<const Value> arguments, const Ints& dims) {
  std::unordered_map<const Node*, Value> done;
  for (const Node* node : topological(region.results)) {
    Value& value = done[node];
    if (node->op() == Op::parameter) {
      value = arguments[static_cast<std::size_t>(node->attrs<ParameterAttrs>().index)];
      continue;
    }
    if ((node->op() != Op::constant && !traits(*node).elementwise) || node->type().rank() != 0)
      context.unsupported(
          fmt::format("of a region with {} {}", definition(node->op()).name, node->type().str()));
    std::vector<Value> operands;
    for (Value operand : node->operands()) operands.push_back(done.at(operand.node));
    value = context.make(node->op(), std::move(operands), node->attrs(),
                         Type{node->type().dtype, dims});
  }
  std::vector<Value> results;
  for (Value result : region.results) results.push_back(done.at(result.node));
  return results;
}

namespace {

using namespace build;

/// Of tensors of one shape: the region, on all elements at once.
Values import_map(const Context& context) {
  const Ints dims = context.operands().empty() ? context.stated().dims : context.type(0).dims;
  std::vector<Type> parameters;
  for (std::size_t i = 0; i < context.operands().size(); ++i) {
    context.expect_type(static_cast<int>(i), Type{context.type(static_cast<int>(i)).dtype, dims});
    parameters.push_back(Type{context.type(static_cast<int>(i)).dtype, {}});
  }
  if (context.region().parameters != parameters)
    context.fail("a region of one scalar for each operand", "another");
  return map_region(context, context.region(), context.operands(), dims);
}

Values import_while(const Context& context) {
  return context.make_all(Op::while_, context.operands(), {}, context.op().regions);
}

Values import_case(const Context& context) {
  return context.make_all(Op::case_, context.operands(), {}, context.op().regions);
}

/// A case whose first branch is what the condition 0 runs.
Values import_if(const Context& context) {
  if (context.operands().empty()) context.fail("a condition", "no operand");
  context.expect_type(0, Type{DType::i1, {}});
  Values operands = context.operands();
  operands[0] = convert(operands[0], DType::i32, context.where());
  return context.make_all(Op::case_, operands, {}, {context.region(1), context.region(0)});
}

Values import_operands(const Context& context) { return context.operands(); }

/// What kiln's own composites mean to autodiff is kept; any other is what it is decomposed into.
Values import_composite(const Context& context) {
  const std::string name = context.word("name");
  const Region& region = context.region();
  std::vector<Type> types;
  for (Value operand : context.operands()) types.push_back(operand.type());
  if (region.parameters != types)
    context.fail("operands of the types its decomposition takes", "others");
  if (name.starts_with("kiln."))
    return context.make_all(Op::composite, context.operands(), CallAttrs{name, ""}, {region});
  return inline_region(region, context.operands());
}

constexpr Row kRows[] = {
    {"stablehlo.map", kAny, 1, import_map},
    {"stablehlo.while", kAny, 2, import_while},
    {"stablehlo.case", kAny, kAny, import_case},
    {"stablehlo.if", kAny, 2, import_if},
    {"stablehlo.optimization_barrier", kAny, 0, import_operands},
    {"stablehlo.composite", kAny, 1, import_composite},
};

}  // namespace

std::span<const Row> control_imports() { return kRows; }

}  // namespace kiln::importing
