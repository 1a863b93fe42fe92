// Calls of closed regions. `call` is a fused kernel, made by passes/fuse after all gradients are
// taken. `composite` carries what autodiff must know (custom derivatives, "kiln.stop_gradient") and
// is inlined before fusion.
#include <array>

#include "ir/interpret.h"
#include "ir/op.h"

namespace kiln {
namespace {

std::vector<Type> infer_call(const InferContext& context) {
  internal_check(context.regions.size() == 1, "a call has one region");
  const Region& region = context.regions[0];
  bool fits = region.parameters.size() == context.operands.size();
  for (std::size_t i = 0; fits && i < region.parameters.size(); ++i)
    fits = region.parameters[i] == context.type(static_cast<int>(i));
  if (!fits) shape_error("operands of the types the called region takes");
  std::vector<Type> types;
  for (Value result : region.results) types.push_back(result.type());
  return types;
}

std::vector<Value> gradient_composite(const Node& node, std::span<const Value> cotangents) {
  if (node.attrs<CallAttrs>().name == "kiln.stop_gradient") return zero_gradient(node, cotangents);
  return not_differentiable(node, cotangents);
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
          .infer = infer_call,
          .gradient = gradient_composite,
          .reference = reference_call,
          .lowering = not_pointwise},
};
static_assert(complete(kRows, Op::call, Op::composite));

}  // namespace

std::span<const OpDef> call_rows() { return kRows; }

}  // namespace kiln
