#include "frontend/gradient_function.h"

#include "passes/autodiff.h"

namespace kiln {
namespace {

/// Calls replaced by what they call: the kernels of a program that was dumped once fused.
std::vector<Value> without_calls(std::span<const Value> results) {
  return rebuild(results, [](const Node* node, const std::vector<Value>& operands) {
    return node->op() == Op::call ? inline_region(node->regions()[0], operands)
                                  : remake(node, operands);
  });
}

/// The arguments to differentiate by, checked.
std::vector<Value> chosen(const Function& function, std::span<const int> wrt) {
  const auto count = static_cast<int>(function.arguments.size());
  std::vector<Value> values;
  for (int i = 0; wrt.empty() && i < count; ++i)
    if (const Value argument = function.argument(i); is_float(argument.type().dtype))
      values.push_back(argument);
  for (const int i : wrt) {
    if (i < 0 || i >= count)
      throw Error(
          fmt::format("gradient of @{}: expected the number of one of its {} arguments, "
                      "found {}",
                      function.name, count, i));
    values.push_back(function.argument(i));
    if (!is_float(values.back().type().dtype))
      throw Error(fmt::format("gradient of @{}: expected argument {} to be of float type, found {}",
                              function.name, i, values.back().type().str()));
  }
  if (values.empty())
    throw Error(fmt::format("gradient of @{}: expected an argument of float type, found none",
                            function.name));
  return values;
}

}  // namespace

Function gradient_function(const Function& function, std::span<const int> wrt) {
  Function gradient = function;
  for (Argument& argument : gradient.arguments) argument.alias = -1;
  gradient.results = without_calls(function.results);
  const std::vector<Value> by = chosen(function, wrt);
  std::vector<Value> outputs, cotangents;
  for (const Value result : gradient.results) {
    const Type& type = result.type();
    if (!is_float(type.dtype)) continue;
    outputs.push_back(result);
    if (type.dims.empty()) {
      cotangents.push_back(gradient.graph->splat(type, 1));
      continue;
    }
    gradient.arguments.push_back({type, ""});
    cotangents.push_back(gradient.argument(static_cast<int>(gradient.arguments.size()) - 1));
  }
  if (outputs.empty())
    throw Error(
        fmt::format("gradient of @{}: expected a result of float type, found none", function.name));
  for (const Value value : gradients(outputs, cotangents, by)) gradient.results.push_back(value);
  return gradient;
}

}  // namespace kiln
