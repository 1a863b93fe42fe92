#include "frontend/elementwise.h"

#include <cmath>

#include "frontend/checks.h"
#include "frontend/select.h"
#include "ir/build.h"
#include "ir/op.h"

namespace kiln {
namespace {

Tensor elementwise(Op op, const Operand& a, const Operand& b, Where w) {
  const auto v = broadcast_together(definition(op).name, {a, b}, w);
  return Tensor(build::binary(op, v[0], v[1], w));
}

Tensor elementwise(Op op, const Tensor& x, Where w) {
  return Tensor(build::unary(op, used(x, definition(op).name, w), w));
}

Tensor comparison(Direction direction, const Operand& a, const Operand& b, Where w) {
  const auto v = broadcast_together("compare", {a, b}, w);
  return Tensor(build::compare(v[0], v[1], direction, w));
}

/// A rounding: nothing to do for integers.
Tensor rounding(Op op, const Tensor& x, Where w) {
  return is_integer(used(x, definition(op).name, w).type().dtype) ? x : elementwise(op, x, w);
}

/// Whether a number is not 0.
Tensor truth(const Tensor& x, std::string_view op, Where w) {
  return is_bool(used(x, op, w).type().dtype) ? x : ne(x, 0.0, w);
}

Tensor logical(Op op, std::string_view name, const Tensor& a, const Tensor& b, Where w) {
  return elementwise(op, truth(a, name, w), truth(b, name, w), w);
}

/// Where rounding a quotient towards zero rounded it up: the rest has the other sign.
Tensor rounded_up(const Tensor& rest, const Tensor& divisor, Where w) {
  return logical_and(ne(rest, 0.0, w), ne(lt(rest, 0.0, w), lt(divisor, 0.0, w), w), w);
}

/// A logarithm to another base, in f64: log2(8) is 3.
Tensor log_to_base(double base, std::string_view name, const Tensor& x, Where w) {
  const DType dtype = used_float(x, name, w).type().dtype;
  return to(div(log(to(x, DType::f64, w), w), std::log(base), w), dtype, w);
}

/// √(1 - x²), without cancellation near ±1.
Tensor other_leg(const Tensor& x, Where w) {
  return sqrt(mul(sub(1.0, x, w), add(1.0, x, w), w), w);
}

}  // namespace

Tensor add(const Operand& a, const Operand& b, Where w) { return elementwise(Op::add, a, b, w); }
Tensor sub(const Operand& a, const Operand& b, Where w) {
  return elementwise(Op::subtract, a, b, w);
}
Tensor mul(const Operand& a, const Operand& b, Where w) {
  return elementwise(Op::multiply, a, b, w);
}
Tensor div(const Operand& a, const Operand& b, Where w) {
  for (const Operand* operand : {&a, &b})
    if (!operand->is_number() && !is_float(used(operand->tensor(), "div", w).type().dtype))
      throw Error(w, fmt::format("div: true division needs float operands, found {}; convert them "
                                 "with to(x, DType::f32)",
                                 described(operand->tensor())));
  return elementwise(Op::divide, a, b, w);
}
Tensor floor_divide(const Operand& a, const Operand& b, Where w) {
  for (const Operand* operand : {&a, &b})
    if (!operand->is_number() &&
        !is_integer(used(operand->tensor(), "floor_divide", w).type().dtype))
      throw Error(w, fmt::format("floor_divide: expected integers, found {}; of floats, take "
                                 "floor(a / b)",
                                 described(operand->tensor())));
  const auto v = broadcast_together("floor_divide", {a, b}, w);
  const Tensor quotient(build::binary(Op::divide, v[0], v[1], w));
  if (is_unsigned(quotient.dtype())) return quotient;
  const Tensor up = rounded_up(fmod(a, b, w), Tensor(v[1]), w);
  return sub(quotient, to(up, quotient.dtype(), w), w);
}
Tensor fmod(const Operand& a, const Operand& b, Where w) {
  return elementwise(Op::remainder, a, b, w);
}
Tensor remainder(const Operand& a, const Operand& b, Where w) {
  const auto v = broadcast_together("remainder", {a, b}, w);
  const Tensor rest(build::binary(Op::remainder, v[0], v[1], w)), divisor(v[1]);
  if (is_unsigned(rest.dtype())) return rest;
  return kiln::where(rounded_up(rest, divisor, w), add(rest, divisor, w), rest, w);
}
Tensor pow(const Operand& a, const Operand& b, Where w) { return elementwise(Op::power, a, b, w); }
Tensor maximum(const Operand& a, const Operand& b, Where w) {
  return elementwise(Op::maximum, a, b, w);
}
Tensor minimum(const Operand& a, const Operand& b, Where w) {
  return elementwise(Op::minimum, a, b, w);
}
Tensor clamp_min(const Tensor& x, const Operand& low, Where w) {
  return kiln::where(lt(x, low, w), low, x, w);
}
Tensor clamp_max(const Tensor& x, const Operand& high, Where w) {
  return kiln::where(gt(x, high, w), high, x, w);
}
Tensor clamp(const Tensor& x, const Operand& low, const Operand& high, Where w) {
  return clamp_max(clamp_min(x, low, w), high, w);
}
Tensor neg(const Tensor& x, Where w) { return elementwise(Op::negate, x, w); }
Tensor abs(const Tensor& x, Where w) { return elementwise(Op::abs, x, w); }
Tensor sign(const Tensor& x, Where w) { return elementwise(Op::sign, x, w); }
Tensor square(const Tensor& x, Where w) { return mul(x, x, w); }
Tensor reciprocal(const Tensor& x, Where w) { return div(1.0, x, w); }

Tensor floor(const Tensor& x, Where w) { return rounding(Op::floor, x, w); }
Tensor ceil(const Tensor& x, Where w) { return rounding(Op::ceil, x, w); }
Tensor round(const Tensor& x, Where w) { return rounding(Op::round_nearest_even, x, w); }
Tensor trunc(const Tensor& x, Where w) {
  if (is_integer(used(x, "trunc", w).type().dtype)) return x;
  return kiln::where(lt(x, 0.0, w), ceil(x, w), floor(x, w), w);
}
Tensor frac(const Tensor& x, Where w) { return sub(x, trunc(x, w), w); }

Tensor eq(const Operand& a, const Operand& b, Where w) {
  return comparison(Direction::EQ, a, b, w);
}
Tensor ne(const Operand& a, const Operand& b, Where w) {
  return comparison(Direction::NE, a, b, w);
}
Tensor lt(const Operand& a, const Operand& b, Where w) {
  return comparison(Direction::LT, a, b, w);
}
Tensor le(const Operand& a, const Operand& b, Where w) {
  return comparison(Direction::LE, a, b, w);
}
Tensor gt(const Operand& a, const Operand& b, Where w) {
  return comparison(Direction::GT, a, b, w);
}
Tensor ge(const Operand& a, const Operand& b, Where w) {
  return comparison(Direction::GE, a, b, w);
}
Tensor isnan(const Tensor& x, Where w) { return ne(x, x, w); }
Tensor isfinite(const Tensor& x, Where w) {
  return is_float(used(x, "isfinite", w).type().dtype) ? elementwise(Op::is_finite, x, w)
                                                       : eq(x, x, w);
}
Tensor isinf(const Tensor& x, Where w) {
  // Neither finite nor NaN.
  return logical_and(logical_not(isfinite(x, w), w), eq(x, x, w), w);
}

Tensor logical_and(const Tensor& a, const Tensor& b, Where w) {
  return logical(Op::and_, "logical_and", a, b, w);
}
Tensor logical_or(const Tensor& a, const Tensor& b, Where w) {
  return logical(Op::or_, "logical_or", a, b, w);
}
Tensor logical_xor(const Tensor& a, const Tensor& b, Where w) {
  return logical(Op::xor_, "logical_xor", a, b, w);
}
Tensor logical_not(const Tensor& x, Where w) {
  return elementwise(Op::not_, truth(x, "logical_not", w), w);
}
Tensor bitwise_and(const Operand& a, const Operand& b, Where w) {
  return elementwise(Op::and_, a, b, w);
}
Tensor bitwise_or(const Operand& a, const Operand& b, Where w) {
  return elementwise(Op::or_, a, b, w);
}
Tensor bitwise_xor(const Operand& a, const Operand& b, Where w) {
  return elementwise(Op::xor_, a, b, w);
}
Tensor bitwise_not(const Tensor& x, Where w) { return elementwise(Op::not_, x, w); }
Tensor bitwise_left_shift(const Operand& a, const Operand& b, Where w) {
  return elementwise(Op::shift_left, a, b, w);
}
Tensor bitwise_right_shift(const Operand& a, const Operand& b, Where w) {
  const auto v = broadcast_together("bitwise_right_shift", {a, b}, w);
  return Tensor(build::binary(
      is_unsigned(v[0].type().dtype) ? Op::shift_right_logical : Op::shift_right_arithmetic, v[0],
      v[1], w));
}

Tensor exp(const Tensor& x, Where w) { return elementwise(Op::exponential, x, w); }
Tensor exp2(const Tensor& x, Where w) { return pow(2.0, x, w); }
Tensor expm1(const Tensor& x, Where w) { return elementwise(Op::exponential_minus_one, x, w); }
Tensor log(const Tensor& x, Where w) { return elementwise(Op::log, x, w); }
Tensor log1p(const Tensor& x, Where w) { return elementwise(Op::log_plus_one, x, w); }
Tensor log2(const Tensor& x, Where w) { return log_to_base(2, "log2", x, w); }
Tensor log10(const Tensor& x, Where w) { return log_to_base(10, "log10", x, w); }
Tensor sqrt(const Tensor& x, Where w) { return elementwise(Op::sqrt, x, w); }
Tensor rsqrt(const Tensor& x, Where w) { return elementwise(Op::rsqrt, x, w); }
Tensor cbrt(const Tensor& x, Where w) { return elementwise(Op::cbrt, x, w); }

Tensor sin(const Tensor& x, Where w) { return elementwise(Op::sine, x, w); }
Tensor cos(const Tensor& x, Where w) { return elementwise(Op::cosine, x, w); }
Tensor tan(const Tensor& x, Where w) { return elementwise(Op::tan, x, w); }
Tensor atan2(const Operand& y, const Operand& x, Where w) {
  return elementwise(Op::atan2, y, x, w);
}
Tensor atan(const Tensor& x, Where w) { return atan2(x, 1.0, w); }
Tensor asin(const Tensor& x, Where w) { return atan2(x, other_leg(x, w), w); }
Tensor acos(const Tensor& x, Where w) { return atan2(other_leg(x, w), x, w); }
Tensor sinh(const Tensor& x, Where w) {
  return mul(sub(expm1(x, w), expm1(neg(x, w), w), w), 0.5, w);
}
Tensor cosh(const Tensor& x, Where w) { return mul(add(exp(x, w), exp(neg(x, w), w), w), 0.5, w); }

Tensor erf(const Tensor& x, Where w) { return elementwise(Op::erf, x, w); }
Tensor erfc(const Tensor& x, Where w) { return elementwise(Op::erfc, x, w); }
Tensor erfinv(const Tensor& x, Where w) { return elementwise(Op::erf_inv, x, w); }
Tensor lgamma(const Tensor& x, Where w) { return elementwise(Op::lgamma, x, w); }
Tensor digamma(const Tensor& x, Where w) { return elementwise(Op::digamma, x, w); }

Tensor to(const Tensor& x, DType dtype, Where w) {
  const Value value = used(x, "to", w);
  return dtype == x.dtype() ? x : Tensor(build::convert(value, dtype, w));
}

Tensor operator+(const At& a, const At& b) { return add(a, b, a.where); }
Tensor operator-(const At& a, const At& b) { return sub(a, b, a.where); }
Tensor operator*(const At& a, const At& b) { return mul(a, b, a.where); }
Tensor operator/(const At& a, const At& b) { return div(a, b, a.where); }
Tensor operator-(const At& a) { return neg(a.tensor(), a.where); }
Tensor operator<(const At& a, const At& b) { return lt(a, b, a.where); }
Tensor operator<=(const At& a, const At& b) { return le(a, b, a.where); }
Tensor operator>(const At& a, const At& b) { return gt(a, b, a.where); }
Tensor operator>=(const At& a, const At& b) { return ge(a, b, a.where); }

}  // namespace kiln
