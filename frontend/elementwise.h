// Functions of corresponding elements. Operands broadcast; at least one is a tensor, numbers become
// constants of its type.
#pragma once

#include "frontend/tensor.h"

namespace kiln {

Tensor add(const Operand& a, const Operand& b, Where where = Where::current());
Tensor sub(const Operand& a, const Operand& b, Where where = Where::current());
Tensor mul(const Operand& a, const Operand& b, Where where = Where::current());
/// True division: integers are an error, as convert them first.
Tensor div(const Operand& a, const Operand& b, Where where = Where::current());
Tensor pow(const Operand& a, const Operand& b, Where where = Where::current());
/// NaN if either is; at a tie each side gets half the gradient.
Tensor maximum(const Operand& a, const Operand& b, Where where = Where::current());
Tensor minimum(const Operand& a, const Operand& b, Where where = Where::current());
Tensor eq(const Operand& a, const Operand& b, Where where = Where::current());
Tensor ne(const Operand& a, const Operand& b, Where where = Where::current());
Tensor lt(const Operand& a, const Operand& b, Where where = Where::current());
Tensor le(const Operand& a, const Operand& b, Where where = Where::current());
Tensor gt(const Operand& a, const Operand& b, Where where = Where::current());
Tensor ge(const Operand& a, const Operand& b, Where where = Where::current());
Tensor neg(const Tensor& x, Where where = Where::current());
Tensor abs(const Tensor& x, Where where = Where::current());
Tensor exp(const Tensor& x, Where where = Where::current());
Tensor expm1(const Tensor& x, Where where = Where::current());
Tensor log(const Tensor& x, Where where = Where::current());
Tensor log1p(const Tensor& x, Where where = Where::current());
Tensor sqrt(const Tensor& x, Where where = Where::current());
Tensor rsqrt(const Tensor& x, Where where = Where::current());
Tensor sin(const Tensor& x, Where where = Where::current());
Tensor cos(const Tensor& x, Where where = Where::current());
Tensor erf(const Tensor& x, Where where = Where::current());
Tensor tanh(const Tensor& x, Where where = Where::current());
Tensor sigmoid(const Tensor& x, Where where = Where::current());
Tensor floor(const Tensor& x, Where where = Where::current());
Tensor square(const Tensor& x, Where where = Where::current());
/// select(x <= 0, 0, x): gradient 0 at the kink, NaN stays NaN.
Tensor relu(const Tensor& x, Where where = Where::current());
/// Another element type; floats to integers truncate and saturate, NaN → 0.
Tensor to(const Tensor& x, DType dtype, Where where = Where::current());

}  // namespace kiln
