// The same elements in another shape or order.
#pragma once

#include "frontend/tensor.h"

namespace kiln {

Tensor reshape(const Tensor& x, Ints dims, Where where = Where::current());  // one -1 is inferred
/// Merges axes from `first` on into one.
Tensor flatten(const Tensor& x, int first = 0, Where where = Where::current());
Tensor permute(const Tensor& x, Ints axes, Where where = Where::current());
/// Swaps two axes.
Tensor transpose(const Tensor& x, int a, int b, Where where = Where::current());
Tensor unsqueeze(const Tensor& x, int axis, Where where = Where::current());
Tensor squeeze(const Tensor& x, int axis, Where where = Where::current());
/// Stretches axes of extent 1 and adds axes at the left.
Tensor expand(const Tensor& x, Ints dims, Where where = Where::current());

}  // namespace kiln
