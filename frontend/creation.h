// Tensors from nothing: constants of the graph being traced.
#pragma once

#include "frontend/tensor.h"

namespace kiln {

Tensor full(Ints dims, double value, DType dtype = DType::f32, Where where = Where::current());
Tensor arange(std::int64_t n, DType dtype = DType::i64, Where where = Where::current());
Tensor constant(const Array& value, Where where = Where::current());
/// i64 classes → a last axis of `classes` zeros and ones of `dtype`.
Tensor one_hot(const Tensor& index, std::int64_t classes, DType dtype = DType::f32,
               Where where = Where::current());

}  // namespace kiln
