// Combining elements along axes: all of them where none is named; with keepdim they stay with
// extent 1.
#pragma once

#include "frontend/tensor.h"

namespace kiln {

/// The sum of booleans is their count, in i64.
Tensor sum(const Tensor& x, const Ints& axes = {}, bool keepdim = false,
           Where where = Where::current());
/// Of floats; NaN for no elements.
Tensor mean(const Tensor& x, const Ints& axes = {}, bool keepdim = false,
            Where where = Where::current());
/// The product of booleans is i64, too.
Tensor prod(const Tensor& x, const Ints& axes = {}, bool keepdim = false,
            Where where = Where::current());
/// NaN wins; tied maxima share the gradient equally.
Tensor amax(const Tensor& x, const Ints& axes = {}, bool keepdim = false,
            Where where = Where::current());
Tensor amin(const Tensor& x, const Ints& axes = {}, bool keepdim = false,
            Where where = Where::current());
/// Whether any (all) elements are not 0, i1.
Tensor any(const Tensor& x, const Ints& axes = {}, bool keepdim = false,
           Where where = Where::current());
Tensor all(const Tensor& x, const Ints& axes = {}, bool keepdim = false,
           Where where = Where::current());
/// How many elements are not 0, i64.
Tensor count_nonzero(const Tensor& x, const Ints& axes = {}, Where where = Where::current());

/// The mean squared distance from the mean, with divisor n - correction: 1 is unbiased, 0 that of
/// the population itself. Infinite or NaN where the divisor is 0 or less, as in PyTorch.
Tensor var(const Tensor& x, const Ints& axes = {}, bool keepdim = false, double correction = 1,
           Where where = Where::current());
/// √var; torch.std, whose name C++ has taken.
Tensor stddev(const Tensor& x, const Ints& axes = {}, bool keepdim = false, double correction = 1,
              Where where = Where::current());
/// (Σ |x|^p)^(1/p); p may be infinite (the largest |x|), -infinite or 0 (how many are not 0). The
/// gradient at 0 is 0.
Tensor norm(const Tensor& x, double p = 2, const Ints& axes = {}, bool keepdim = false,
            Where where = Where::current());
/// log Σ eˣ, without overflow.
Tensor logsumexp(const Tensor& x, const Ints& axes = {}, bool keepdim = false,
                 Where where = Where::current());

/// eˣ / Σ eˣ along an axis; NaN where all of it is -inf.
Tensor softmax(const Tensor& x, int axis, Where where = Where::current());
Tensor log_softmax(const Tensor& x, int axis, Where where = Where::current());
/// Softmax of scores [.., n] along the last axis, of the first valid_lens of each row: valid_lens
/// has integers for the leading axes of the scores, [B] or [B, Q] for [B, Q, n]; an empty tensor is
/// no mask. What is masked is -1e6 before the softmax: a row of which nothing is valid is uniform.
Tensor masked_softmax(const Tensor& scores, const Tensor& valid_lens = {},
                      Where where = Where::current());

}  // namespace kiln
