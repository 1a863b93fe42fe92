// Pieces that the files ir/math*.cpp share.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "ir/loop.h"

namespace kiln::math {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

inline bool is_single(loop::Val x) {
  internal_check(is_float(x.type().dtype), "an elementary function takes f32 or f64");
  return x.type().dtype == DType::f32;
}

/// A constant of the lanes of `x` with these raw bits.
inline loop::Val bits_like(loop::Val x, DType dtype, std::uint64_t bits) {
  return {x.builder(), x.builder().constant_bits({dtype, x.type().lanes}, bits)};
}

inline loop::Val abs(loop::Val x) { return x.op(loop::Opcode::abs); }
inline loop::Val scale(loop::Val x, loop::Val exponent) {
  return x.op(loop::Opcode::scale, exponent);
}
/// Where x > limit (x < limit), limit. A NaN stays; one instruction on x86.
inline loop::Val at_most(loop::Val x, double limit) {
  return select(x > x.like(limit), x.like(limit), x);
}
inline loop::Val at_least(loop::Val x, double limit) {
  return select(x < x.like(limit), x.like(limit), x);
}

/// Σ coefficients[i] · x^i, by Horner's rule.
inline loop::Val horner(loop::Val x, std::span<const double> coefficients) {
  loop::Val sum = x.like(coefficients.back());
  for (std::size_t i = coefficients.size() - 1; i-- > 0;)
    sum = fma(sum, x, x.like(coefficients[i]));
  return sum;
}

/// The same where the first coefficient is not one double but two: coefficients[0] + low.
inline loop::Val horner(loop::Val x, std::span<const double> coefficients, double low) {
  return fma(horner(x, coefficients.subspan(1)), x, x.like(low)) + coefficients[0];
}

/// The sign bit of x, as an unsigned integer.
inline loop::Val sign_bit(loop::Val x) {
  const bool single = is_single(x);
  const DType integer = single ? DType::ui32 : DType::ui64;
  return x.bitcast(integer) &
         bits_like(x, integer, single ? std::uint64_t{1} << 31 : std::uint64_t{1} << 63);
}
/// `value`, which is not negative, with the sign of x.
inline loop::Val with_sign_of(loop::Val x, loop::Val value) {
  const loop::Val sign = sign_bit(x);
  return (value.bitcast(sign.type().dtype) | sign).bitcast(x.type().dtype);
}

/// An unevaluated sum: twice the precision.
struct Pair {
  loop::Val high, low;
};
/// a + b exactly, for |a| >= |b| or a = 0.
inline Pair fast_two_sum(loop::Val a, loop::Val b) {
  const loop::Val sum = a + b;
  return {sum, b - (sum - a)};
}
/// a · b exactly (but for underflow).
inline Pair two_product(loop::Val a, loop::Val b) {
  const loop::Val product = a * b;
  return {product, fma(a, b, -product)};
}
/// a · b to about twice the precision.
inline Pair operator*(Pair a, Pair b) {
  const Pair product = two_product(a.high, b.high);
  return {product.high, fma(a.high, b.low, fma(a.low, b.high, product.low))};
}

/// n / d, each a pair, rounded once or nearly so.
inline loop::Val quotient(Pair n, Pair d) {
  const loop::Val inverse = n.high.like(1) / d.high;
  const loop::Val first = n.high * inverse;
  const loop::Val rest = fma(-first, d.low, fma(-first, d.high, n.high)) + n.low;
  return fma(rest, inverse, first);
}

/// e^(high + low) = mantissa · 2^exponent in f64, |low| tiny and high within exp's range.
struct Power {
  Pair mantissa;
  loop::Val exponent;
};
Power exp_parts(loop::Val high, loop::Val low);

/// x = fraction · 2^exponent, fraction in [√½, √2); for x > 0, finite. Subnormals included.
struct Split {
  loop::Val fraction, exponent;  // both of x's type
};
Split split_exponent(loop::Val x);

/// Σ of log((1 + s) / (1 - s)) / s - 2 over s², for f64: relative to the logarithm 2^-59.5.
inline constexpr double kLogSeries[] = {
    0x1.5555555555592p-1, 0x1.999999997ff4fp-2, 0x1.24924941dd160p-2, 0x1.c71c52183734fp-3,
    0x1.74663c183269dp-3, 0x1.39a1fe4bffc41p-3, 0x1.2f02e61d2c74bp-3};

/// erf(x) / x - 1 over x² on [0, 1], relative error 2^-56.0.
inline constexpr double kErfSmall64[] = {
    0x1.06eba8214db68p-3,  -0x1.812746b03799dp-2,  0x1.ce2f21a03f88ep-4,  -0x1.b82ce311a7fabp-6,
    0x1.565bccee89d88p-8,  -0x1.c02daea60854ep-11, 0x1.f9a294a26d4adp-14, -0x1.f4c8078a78217p-17,
    0x1.b969850775a65p-20, -0x1.5b7f68cfe3b6cp-23, 0x1.d376c528a8889p-27, -0x1.a0e4b5fb6c5dap-31};

}  // namespace kiln::math
