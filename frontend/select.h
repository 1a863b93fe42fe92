// Choosing elements: by a condition, by indices, by a mask; and putting them back. Indices are
// integers; where PyTorch would fail on one that is out of range, reading clamps it to the axis and
// writing drops it.
#pragma once

#include "frontend/tensor.h"

namespace kiln {

/// condition ? yes : no, all broadcast together; the side not taken gets gradient 0.
Tensor where(const Tensor& condition, const Operand& yes, const Operand& no,
             Where where = Where::current());
/// `value` where the mask (i1, broadcast with x) is true, else x.
Tensor masked_fill(const Tensor& x, const Tensor& mask, const Operand& value,
                   Where where = Where::current());
/// The elements of x (broadcast with the mask) where the mask is true, as a vector. Its length must
/// be known while tracing: the mask may depend on constants only.
Tensor masked_select(const Tensor& x, const Tensor& mask, Where where = Where::current());
/// lengths [...] → i1 [..., longest]: whether the place is before the length.
Tensor sequence_mask(const Tensor& lengths, std::int64_t longest, Where where = Where::current());
/// x [n, longest, …] with `value` at the places from lengths [n] on.
Tensor sequence_mask(const Tensor& x, const Tensor& lengths, double value = 0,
                     Where where = Where::current());

/// The slices of x that `indices`, a vector, names along an axis.
Tensor index_select(const Tensor& x, int axis, const Tensor& indices,
                    Where where = Where::current());
/// x with the axis replaced by those of the indices, of any rank: rows of a table by their numbers.
Tensor take(const Tensor& x, const Tensor& indices, int axis = 0, Where where = Where::current());
/// result[.., i, ..] = x[.., indices[.., i, ..], ..]: indices have x's rank and, except along the
/// axis, no larger extents.
Tensor gather(const Tensor& x, int axis, const Tensor& indices, Where where = Where::current());
/// The same where x and indices broadcast with each other except along the axis.
Tensor take_along_dim(const Tensor& x, const Tensor& indices, int axis,
                      Where where = Where::current());

/// x with values written to the places that gather reads: `values` has indices' rank and at least
/// its extents, or is a number. Of several at one place the last one stays.
Tensor scatter(const Tensor& x, int axis, const Tensor& indices, const Operand& values,
               Where where = Where::current());
/// The same, added; several at one place add up.
Tensor scatter_add(const Tensor& x, int axis, const Tensor& indices, const Tensor& values,
                   Where where = Where::current());
/// x with alpha times slice i of `values` added to the slice indices[i] along an axis.
Tensor index_add(const Tensor& x, int axis, const Tensor& indices, const Tensor& values,
                 double alpha = 1, Where where = Where::current());

}  // namespace kiln
