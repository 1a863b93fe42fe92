// Order along an axis: sorting, what is largest and where, running totals. NaN counts as the
// largest.
#pragma once

#include "frontend/tensor.h"

namespace kiln {

/// Elements, and the places (i64) along the axis where they were.
struct Ordered {
  Tensor values;
  Tensor indices;
};

/// Equal elements keep their order.
Ordered sort(const Tensor& x, int axis = -1, bool descending = false,
             Where where = Where::current());
Tensor argsort(const Tensor& x, int axis = -1, bool descending = false,
               Where where = Where::current());
/// The k largest (or smallest), in order; of equal ones those that come first.
Ordered topk(const Tensor& x, std::int64_t k, int axis = -1, bool largest = true,
             Where where = Where::current());

/// Place of the first maximum (minimum) along an axis, i64; a NaN counts as it.
Tensor argmax(const Tensor& x, int axis, bool keepdim = false, Where where = Where::current());
Tensor argmin(const Tensor& x, int axis, bool keepdim = false, Where where = Where::current());
/// The same in the flattened tensor.
Tensor argmax(const Tensor& x, Where where = Where::current());
Tensor argmin(const Tensor& x, Where where = Where::current());
/// The maximum (minimum) along an axis and its place. Where several are equal the gradient goes to
/// the first; amax shares it.
Ordered max(const Tensor& x, int axis, bool keepdim = false, Where where = Where::current());
Ordered min(const Tensor& x, int axis, bool keepdim = false, Where where = Where::current());

/// The sum (product) of the elements up to each one along an axis. Of booleans in i64. Sums are
/// taken in blocks, so rounding errors stay small.
Tensor cumsum(const Tensor& x, int axis, Where where = Where::current());
Tensor cumprod(const Tensor& x, int axis, Where where = Where::current());

}  // namespace kiln
