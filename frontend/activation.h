// Activation functions of floats, as torch.nn.functional names them.
#pragma once

#include "frontend/tensor.h"

namespace kiln {

Tensor tanh(const Tensor& x, Where where = Where::current());
Tensor sigmoid(const Tensor& x, Where where = Where::current());
/// log(sigmoid(x)), without overflow.
Tensor logsigmoid(const Tensor& x, Where where = Where::current());
/// select(x <= 0, 0, x): gradient 0 at the kink, NaN stays NaN.
Tensor relu(const Tensor& x, Where where = Where::current());
/// min(max(x, 0), 6); gradient 0 at both kinks.
Tensor relu6(const Tensor& x, Where where = Where::current());
/// min(max(x, low), high); gradient 0 at both kinks.
Tensor hardtanh(const Tensor& x, double low = -1, double high = 1, Where where = Where::current());
/// x where x > 0, else slope x.
Tensor leaky_relu(const Tensor& x, double slope = 0.01, Where where = Where::current());
/// x where x > 0, else alpha (eˣ - 1).
Tensor elu(const Tensor& x, double alpha = 1, Where where = Where::current());
/// elu with the alpha and the scale that keep mean 0 and variance 1.
Tensor selu(const Tensor& x, Where where = Where::current());
/// x Φ(x), Φ the normal distribution; or its approximation by tanh.
enum class Gelu : std::uint8_t { exact, tanh };
Tensor gelu(const Tensor& x, Gelu form = Gelu::exact, Where where = Where::current());
/// x sigmoid(x).
Tensor silu(const Tensor& x, Where where = Where::current());
/// x tanh(softplus(x)).
Tensor mish(const Tensor& x, Where where = Where::current());
/// log(1 + e^(beta x)) / beta; x itself where beta x > threshold.
Tensor softplus(const Tensor& x, double beta = 1, double threshold = 20,
                Where where = Where::current());
/// x / (1 + |x|).
Tensor softsign(const Tensor& x, Where where = Where::current());
/// relu6(x + 3) / 6.
Tensor hardsigmoid(const Tensor& x, Where where = Where::current());
/// x hardsigmoid(x).
Tensor hardswish(const Tensor& x, Where where = Where::current());

}  // namespace kiln
