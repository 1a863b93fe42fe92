#include "frontend/tensor.h"

#include "frontend/checks.h"
#include "frontend/creation.h"
#include "frontend/elementwise.h"
#include "frontend/reduction.h"
#include "frontend/select.h"
#include "frontend/shape.h"
#include "ir/build.h"

namespace kiln {

std::int64_t Tensor::size(int axis, Where where) const {
  return shape()[static_cast<std::size_t>(checked_axis(*this, axis, "size", where))];
}

Tensor stop_gradient(const Tensor& x, Where w) {
  Graph& graph = used(x, "stop_gradient", w).graph();
  const Value inside = graph.parameter(0, x.type());
  return Tensor(Value{graph.make(Op::composite, {x.value()}, CallAttrs{"kiln.stop_gradient", ""},
                                 std::nullopt, {Region{{x.type()}, {inside}}}, w),
                      0});
}

Tensor cross_entropy(const Tensor& logits, const Tensor& target, Where w) {
  for (const Tensor* tensor : {&logits, &target}) used(*tensor, "cross_entropy", w);
  const bool indices = is_integer(target.dtype());
  const bool fits =
      logits.dim() == 2 && (indices ? target.dim() == 1 && target.size(0) == logits.size(0)
                                    : target.type() == logits.type());
  if (!fits)
    throw Error(w, fmt::format("cross_entropy: expected logits [N, C] with integer classes [N] or "
                               "probabilities [N, C], found {} and {}",
                               described(logits.value()), described(target.value())));
  // log Σ exp(x - m) - (x - m)[target]: a class that is not the target adds exactly nothing, be its
  // logit -inf, and no gradient but that of the logarithm.
  const Tensor shifted = sub(logits, stop_gradient(amax(logits, {1}, true, w), w), w);
  const Tensor log_sum = log(sum(exp(shifted, w), {1}, false, w), w);
  if (!indices)
    return mean(
        neg(sum(mul(target, sub(shifted, unsqueeze(log_sum, 1, w), w), w), {1}, false, w), w), {},
        false, w);
  const Tensor hit = one_hot(target, logits.size(1), DType::i1, w);
  return mean(sub(log_sum, sum(kiln::where(hit, shifted, 0.0, w), {1}, false, w), w), {}, false, w);
}

Tensor mse_loss(const Tensor& prediction, const Tensor& target, Where w) {
  for (const Tensor* tensor : {&prediction, &target}) used(*tensor, "mse_loss", w);
  if (prediction.type() != target.type() || !is_float(target.dtype()))
    throw Error(w, fmt::format("mse_loss: expected floats of equal shapes, found {} and {}",
                               described(prediction.value()), described(target.value())));
  return mean(square(sub(prediction, target, w), w), {}, false, w);
}

}  // namespace kiln
