// Functions of corresponding elements. Operands broadcast; at least one is a tensor, numbers become
// constants of its type. Element types do not promote: operands of two types are an error. Unless
// said otherwise a function takes floats and keeps the type.
#pragma once

#include "frontend/tensor.h"

namespace kiln {

// Arithmetic, of any numbers.
Tensor add(const Operand& a, const Operand& b, Where where = Where::current());
Tensor sub(const Operand& a, const Operand& b, Where where = Where::current());
Tensor mul(const Operand& a, const Operand& b, Where where = Where::current());
/// True division: integers are an error, as convert them first.
Tensor div(const Operand& a, const Operand& b, Where where = Where::current());
/// Integers: the quotient rounded down, as Python's //.
Tensor floor_divide(const Operand& a, const Operand& b, Where where = Where::current());
/// What is left of a division rounded towards zero: has the sign of a, as C's fmod.
Tensor fmod(const Operand& a, const Operand& b, Where where = Where::current());
/// What is left of a division rounded down: has the sign of b, as Python's %.
Tensor remainder(const Operand& a, const Operand& b, Where where = Where::current());
/// The gradient for a is 0 where b is 0; that for b is 0 where a is 0 and b >= 0.
Tensor pow(const Operand& a, const Operand& b, Where where = Where::current());
/// NaN if either is; at a tie each side gets half the gradient.
Tensor maximum(const Operand& a, const Operand& b, Where where = Where::current());
Tensor minimum(const Operand& a, const Operand& b, Where where = Where::current());
/// min(max(x, low), high): high where low > high, NaN stays NaN. The gradient flows where
/// low <= x <= high, bounds included, else to the bound.
Tensor clamp(const Tensor& x, const Operand& low, const Operand& high,
             Where where = Where::current());
Tensor clamp_min(const Tensor& x, const Operand& low, Where where = Where::current());
Tensor clamp_max(const Tensor& x, const Operand& high, Where where = Where::current());
Tensor neg(const Tensor& x, Where where = Where::current());
/// The derivative at 0 is 0.
Tensor abs(const Tensor& x, Where where = Where::current());
/// -1, 0 or 1; NaN of NaN.
Tensor sign(const Tensor& x, Where where = Where::current());
Tensor square(const Tensor& x, Where where = Where::current());
Tensor reciprocal(const Tensor& x, Where where = Where::current());

// Rounding; integers stay what they are.
Tensor floor(const Tensor& x, Where where = Where::current());
Tensor ceil(const Tensor& x, Where where = Where::current());
/// To the nearest; halves to the even neighbour.
Tensor round(const Tensor& x, Where where = Where::current());
/// Towards zero.
Tensor trunc(const Tensor& x, Where where = Where::current());
/// x - trunc(x).
Tensor frac(const Tensor& x, Where where = Where::current());

// Comparison, i1; IEEE's rules for NaN.
Tensor eq(const Operand& a, const Operand& b, Where where = Where::current());
Tensor ne(const Operand& a, const Operand& b, Where where = Where::current());
Tensor lt(const Operand& a, const Operand& b, Where where = Where::current());
Tensor le(const Operand& a, const Operand& b, Where where = Where::current());
Tensor gt(const Operand& a, const Operand& b, Where where = Where::current());
Tensor ge(const Operand& a, const Operand& b, Where where = Where::current());
// Of any element type; integers are finite numbers.
Tensor isnan(const Tensor& x, Where where = Where::current());
Tensor isinf(const Tensor& x, Where where = Where::current());
Tensor isfinite(const Tensor& x, Where where = Where::current());

// Logic, i1; a number is true where it is not 0 (NaN is).
Tensor logical_and(const Tensor& a, const Tensor& b, Where where = Where::current());
Tensor logical_or(const Tensor& a, const Tensor& b, Where where = Where::current());
Tensor logical_xor(const Tensor& a, const Tensor& b, Where where = Where::current());
Tensor logical_not(const Tensor& x, Where where = Where::current());

// Bits of integers and booleans.
Tensor bitwise_and(const Operand& a, const Operand& b, Where where = Where::current());
Tensor bitwise_or(const Operand& a, const Operand& b, Where where = Where::current());
Tensor bitwise_xor(const Operand& a, const Operand& b, Where where = Where::current());
Tensor bitwise_not(const Tensor& x, Where where = Where::current());
Tensor bitwise_left_shift(const Operand& a, const Operand& b, Where where = Where::current());
/// Signed integers keep their sign.
Tensor bitwise_right_shift(const Operand& a, const Operand& b, Where where = Where::current());

// Powers, exponentials and logarithms.
Tensor exp(const Tensor& x, Where where = Where::current());
Tensor exp2(const Tensor& x, Where where = Where::current());
Tensor expm1(const Tensor& x, Where where = Where::current());
Tensor log(const Tensor& x, Where where = Where::current());
Tensor log1p(const Tensor& x, Where where = Where::current());
Tensor log2(const Tensor& x, Where where = Where::current());
Tensor log10(const Tensor& x, Where where = Where::current());
Tensor sqrt(const Tensor& x, Where where = Where::current());
Tensor rsqrt(const Tensor& x, Where where = Where::current());
Tensor cbrt(const Tensor& x, Where where = Where::current());

// Trigonometry, in radians.
Tensor sin(const Tensor& x, Where where = Where::current());
Tensor cos(const Tensor& x, Where where = Where::current());
Tensor tan(const Tensor& x, Where where = Where::current());
Tensor asin(const Tensor& x, Where where = Where::current());
Tensor acos(const Tensor& x, Where where = Where::current());
Tensor atan(const Tensor& x, Where where = Where::current());
/// The angle of the point (x, y): y comes first.
Tensor atan2(const Operand& y, const Operand& x, Where where = Where::current());
/// Infinite where eˣ is, as is cosh.
Tensor sinh(const Tensor& x, Where where = Where::current());
Tensor cosh(const Tensor& x, Where where = Where::current());

// Special functions.
Tensor erf(const Tensor& x, Where where = Where::current());
Tensor erfc(const Tensor& x, Where where = Where::current());
Tensor erfinv(const Tensor& x, Where where = Where::current());
Tensor lgamma(const Tensor& x, Where where = Where::current());
Tensor digamma(const Tensor& x, Where where = Where::current());

/// Another element type; floats to integers truncate and saturate, NaN → 0.
Tensor to(const Tensor& x, DType dtype, Where where = Where::current());

}  // namespace kiln
