#include "frontend/activation.h"

#include <cmath>
#include <numbers>

#include "frontend/checks.h"
#include "frontend/elementwise.h"
#include "frontend/select.h"
#include "ir/build.h"

namespace kiln {

Tensor tanh(const Tensor& x, Where w) {
  return Tensor(build::unary(Op::tanh, used_float(x, "tanh", w), w));
}
Tensor sigmoid(const Tensor& x, Where w) {
  return Tensor(build::unary(Op::logistic, used_float(x, "sigmoid", w), w));
}
Tensor logsigmoid(const Tensor& x, Where w) {
  used_float(x, "logsigmoid", w);
  // At 0 minimum's slope is 1/2 and abs' is 0: together the right one.
  return sub(minimum(x, 0.0, w), log1p(exp(neg(abs(x, w), w), w), w), w);
}
Tensor relu(const Tensor& x, Where w) { return kiln::where(le(x, 0.0, w), 0.0, x, w); }
Tensor relu6(const Tensor& x, Where w) { return hardtanh(x, 0, 6, w); }
Tensor hardtanh(const Tensor& x, double low, double high, Where w) {
  used_float(x, "hardtanh", w);
  if (!(low <= high))
    throw Error(w, fmt::format("hardtanh: expected low <= high, found {} and {}", low, high));
  return kiln::where(ge(x, high, w), high, kiln::where(le(x, low, w), low, x, w), w);
}
Tensor leaky_relu(const Tensor& x, double slope, Where w) {
  used_float(x, "leaky_relu", w);
  return kiln::where(gt(x, 0.0, w), x, mul(x, slope, w), w);
}
Tensor elu(const Tensor& x, double alpha, Where w) {
  used_float(x, "elu", w);
  // The exponential sees no positive x: an overflow there would make the gradient NaN.
  const Tensor positive = gt(x, 0.0, w);
  const Tensor below = expm1(kiln::where(positive, 0.0, x, w), w);
  return kiln::where(positive, x, mul(below, alpha, w), w);
}
Tensor selu(const Tensor& x, Where w) {
  return mul(elu(x, 1.6732632423543772848170429916717, w), 1.0507009873554804934193349852946, w);
}
Tensor gelu(const Tensor& x, Gelu form, Where w) {
  used_float(x, "gelu", w);
  if (form == Gelu::exact)
    return mul(mul(x, 0.5, w), add(1.0, erf(mul(x, 1 / std::numbers::sqrt2, w), w), w), w);
  const Tensor cube = mul(mul(x, x, w), x, w);
  const Tensor inner = mul(add(x, mul(cube, 0.044715, w), w), std::sqrt(2 / std::numbers::pi), w);
  return mul(mul(x, 0.5, w), add(1.0, tanh(inner, w), w), w);
}
Tensor silu(const Tensor& x, Where w) { return mul(x, sigmoid(x, w), w); }
Tensor mish(const Tensor& x, Where w) { return mul(x, tanh(softplus(x, 1, 20, w), w), w); }
Tensor softplus(const Tensor& x, double beta, double threshold, Where w) {
  used_float(x, "softplus", w);
  const Tensor scaled = beta == 1 ? x : mul(x, beta, w);
  // As in elu: nothing overflows on the side that is not taken.
  const Tensor linear = gt(scaled, threshold, w);
  const Tensor curved = log1p(exp(kiln::where(linear, 0.0, scaled, w), w), w);
  return kiln::where(linear, x, beta == 1 ? curved : div(curved, beta, w), w);
}
Tensor softsign(const Tensor& x, Where w) { return div(x, add(1.0, abs(x, w), w), w); }
Tensor hardsigmoid(const Tensor& x, Where w) { return div(relu6(add(x, 3.0, w), w), 6.0, w); }
Tensor hardswish(const Tensor& x, Where w) { return mul(x, hardsigmoid(x, w), w); }

}  // namespace kiln
