// Products that sum along axes.
#pragma once

#include "frontend/tensor.h"

namespace kiln {

/// torch.matmul: vectors, matrices, and batches of them whose leading axes broadcast.
Tensor matmul(const Tensor& a, const Tensor& b, Where where = Where::current());
/// x · weightᵀ + bias: x [..., in], weight [out, in], bias [out] or none.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              Where where = Where::current());

}  // namespace kiln
