// Order: what is largest and where, sorting.
#pragma once

#include "frontend/tensor.h"

namespace kiln {

/// Index of the first maximum along an axis, i64; NaN counts as largest.
Tensor argmax(const Tensor& x, int axis, Where where = Where::current());

}  // namespace kiln
