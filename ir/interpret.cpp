#include "ir/interpret.h"

#include <unordered_map>

#include "ir/op.h"

namespace kiln {

std::vector<Array> interpret(const Region& region, std::span<const Array> arguments) {
  std::unordered_map<const Node*, std::vector<Array>> values;
  for (const Node* node : topological(region.results)) {
    if (node->op() == Op::parameter) {
      values[node] = {arguments[static_cast<std::size_t>(node->attrs<ParameterAttrs>().index)]};
      continue;
    }
    std::vector<Array> operands;
    for (Value operand : node->operands())
      operands.push_back(values.at(operand.node)[static_cast<std::size_t>(operand.index)]);
    values[node] = definition(node->op()).reference(*node, operands);
  }
  std::vector<Array> results;
  for (Value result : region.results)
    results.push_back(values.at(result.node)[static_cast<std::size_t>(result.index)]);
  return results;
}

std::vector<Array> interpret(const Function& function, std::span<const Array> arguments) {
  if (arguments.size() != function.arguments.size())
    throw Error(fmt::format("{} takes {} arguments, found {}", function.name,
                            function.arguments.size(), arguments.size()));
  Region region;
  region.results = function.results;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const Argument& argument = function.arguments[i];
    if (arguments[i].type() != argument.type)
      throw Error(fmt::format("{}: argument {} is {}, found {}", function.name, argument.name,
                              argument.type.pretty(), arguments[i].type().pretty()));
    region.parameters.push_back(argument.type);
  }
  return interpret(region, arguments);
}

}  // namespace kiln
