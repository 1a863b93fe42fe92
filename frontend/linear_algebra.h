// Products that sum along axes. Operands have one element type.
#pragma once

#include <string_view>
#include <vector>

#include "frontend/tensor.h"

namespace kiln {

/// torch.matmul: vectors, matrices, and batches of them whose leading axes broadcast.
Tensor matmul(const Tensor& a, const Tensor& b, Where where = Where::current());
/// [b, n, m] and [b, m, p] → [b, n, p].
Tensor bmm(const Tensor& a, const Tensor& b, Where where = Where::current());
/// Of two vectors of one length: a scalar.
Tensor dot(const Tensor& a, const Tensor& b, Where where = Where::current());
/// [n] and [m] → [n, m].
Tensor outer(const Tensor& a, const Tensor& b, Where where = Where::current());
/// Sums over the last `axes` axes of a with the first of b, in order; or over axes a_axes[i] of a
/// with b_axes[i] of b. The other axes of a come first.
Tensor tensordot(const Tensor& a, const Tensor& b, int axes = 2, Where where = Where::current());
Tensor tensordot(const Tensor& a, const Tensor& b, const Ints& a_axes, const Ints& b_axes,
                 Where where = Where::current());
/// Einstein's sum: einsum("bij,bjk->bik", {a, b}). A letter names an axis; letters that the result
/// lacks are summed; a letter twice in one operand takes the diagonal; "..." stands for any leading
/// axes, which broadcast; without "->" the result has the letters that occur once, in alphabetical
/// order. Operands are contracted from left to right.
Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands,
              Where where = Where::current());
/// x · weightᵀ + bias: x [..., in], weight [out, in], bias [out] or none.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              Where where = Where::current());
/// Euclidean distances of all pairs of rows: [..., n, d] and [..., m, d] → [..., n, m]. The
/// gradient at distance 0 is 0.
Tensor cdist(const Tensor& a, const Tensor& b, Where where = Where::current());

}  // namespace kiln
