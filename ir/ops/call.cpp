// Calls of closed regions. `call` is a fused kernel, made by passes/fuse after all gradients are
// taken. `composite` carries what autodiff must know (custom derivatives, "kiln.stop_gradient") and
// is inlined before fusion.
#include <array>

#include "ir/interpret.h"
#include "ir/op.h"

namespace kiln {
namespace {

std::vector<Type> called_types(const InferContext& context) {
  const Region& region = context.regions[0];
  bool fits = region.parameters.size() == context.operands.size();
  for (std::size_t i = 0; fits && i < region.parameters.size(); ++i)
    fits = region.parameters[i] == context.type(static_cast<int>(i));
  if (!fits) shape_error("operands of the types the called region takes");
  std::vector<Type> types;
  for (Value result : region.results) types.push_back(result.type());
  return types;
}

std::vector<Type> infer_call(const InferContext& context) {
  internal_check(context.regions.size() == 1, "a call has one region");
  return called_types(context);
}

/// A second region is the derivative: the operands, then a cotangent of each result, to a cotangent
/// of each float operand.
std::vector<Type> infer_composite(const InferContext& context) {
  internal_check(context.regions.size() == 1 || context.regions.size() == 2,
                 "a composite has its decomposition and maybe a derivative");
  std::vector<Type> types = called_types(context);
  if (context.regions.size() == 1) return types;
  const Region& derivative = context.regions[1];
  std::vector<Type> parameters, floats, results;
  for (Value operand : context.operands) {
    parameters.push_back(operand.type());
    if (is_float(operand.type().dtype)) floats.push_back(operand.type());
  }
  parameters.insert(parameters.end(), types.begin(), types.end());
  for (Value result : derivative.results) results.push_back(result.type());
  if (derivative.parameters != parameters || results != floats)
    shape_error(
        "a derivative that takes the operands and a cotangent of each result and gives one of each "
        "float operand");
  return types;
}

std::vector<Array> reference_call(const Node& node, std::span<const Array> operands) {
  return interpret(node.regions()[0], operands);
}

constexpr std::array kRows = {
    OpDef{.op = Op::call,
          .name = "call",
          .arity = kVariadic,
          .traits = {.calls = true},
          .infer = infer_call,
          .gradient = not_differentiable,
          .reference = reference_call,
          .lowering = not_pointwise},
    OpDef{.op = Op::composite,
          .name = "composite",
          .arity = kVariadic,
          .traits = {.calls = true},
          .infer = infer_composite,
          .gradient = differentiated_by_pass,
          .reference = reference_call,
          .lowering = not_pointwise},
};
static_assert(complete(kRows, Op::call, Op::composite));

}  // namespace

std::span<const OpDef> call_rows() { return kRows; }

}  // namespace kiln
