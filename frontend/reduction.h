// Combining elements along axes.
#pragma once

#include "frontend/tensor.h"

namespace kiln {

// Over `axes` (all where empty). The sum of booleans is their count, in i64.
Tensor sum(const Tensor& x, const Ints& axes = {}, bool keepdim = false,
           Where where = Where::current());
Tensor mean(const Tensor& x, const Ints& axes = {}, bool keepdim = false,
            Where where = Where::current());
/// NaN wins; tied maxima share the gradient equally.
Tensor amax(const Tensor& x, const Ints& axes = {}, bool keepdim = false,
            Where where = Where::current());
Tensor amin(const Tensor& x, const Ints& axes = {}, bool keepdim = false,
            Where where = Where::current());
Tensor softmax(const Tensor& x, int axis, Where where = Where::current());
Tensor log_softmax(const Tensor& x, int axis, Where where = Where::current());

}  // namespace kiln
