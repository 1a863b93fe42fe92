// exp, log and what is made of them.
#include "ir/math.h"

#include "ir/math_parts.h"

namespace kiln::math {
namespace {

using loop::Val;

constexpr double kLog2E = 0x1.71547652b82fep+0;

/// What differs between f32 and f64. Polynomials begin with the lowest power.
struct ExpConstants {
  double round;  // adding it rounds to an integer
  double ln2_high, ln2_low;
  double low, high;               // beyond: exp is 0, infinite
  double minus_one_below;         // expm1 is -1
  std::span<const double> exp;    // e^r on |r| <= ln2 / 2
  std::span<const double> expm1;  // (e^r - 1 - r) / r²
};

// Relative errors 2^-28.3 and 2^-26.1; 2^-57.9 and 2^-61.6.
constexpr double kExp32[] = {
    1, 1, 0x1.fffffcp-2, 0x1.555492p-3, 0x1.5558aep-5, 0x1.123986p-7, 0x1.6a4f42p-10};
constexpr double kExpm1Tail32[] = {0x1.fffffep-2, 0x1.5554b2p-3, 0x1.55571cp-5, 0x1.122666p-7,
                                   0x1.6b6b62p-10};
constexpr double kExp64[] = {1,
                             1,
                             0x1.000000000000ap-1,
                             0x1.5555555555504p-3,
                             0x1.55555555506b6p-5,
                             0x1.11111111255c4p-7,
                             0x1.6c16c18479041p-10,
                             0x1.a01a01369e074p-13,
                             0x1.a0199957e48f7p-16,
                             0x1.71df0ae5950a6p-19,
                             0x1.28ae04cecf129p-22,
                             0x1.ada8195fe0dccp-26};
constexpr double kExpm1Tail64[] = {
    0x1.0000000000000p-1,  0x1.5555555555559p-3,  0x1.5555555555552p-5,  0x1.111111110f5e1p-7,
    0x1.6c16c16c17568p-10, 0x1.a01a01b050468p-13, 0x1.a01a01a43fa14p-16, 0x1.71ddf7153c73bp-19,
    0x1.27e4d98a099d1p-22, 0x1.af612a48735dfp-26, 0x1.1f80ff08baf8fp-29};

// exp(-104) and exp(-746) round to 0, exp(89) and exp(710) to infinity.
constexpr ExpConstants kSingle = {0x1.8p23, 0x1.62e430p-1, -0x1.05c610p-29, -104,
                                  89,       -20,           kExp32,          kExpm1Tail32};
constexpr ExpConstants kDouble = {
    0x1.8p52, 0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56, -746, 710, -40, kExp64, kExpm1Tail64};

const ExpConstants& constants_for(Val x) { return is_single(x) ? kSingle : kDouble; }

/// x = k ln2 + r with an integer k and |r| <= ln2 / 2. The first product is subtracted exactly.
struct Reduced {
  Val k, r;
};
Reduced reduce(Val x, const ExpConstants& c) {
  const Val k = fma(x, x.like(kLog2E), x.like(c.round)) - c.round;
  const Val r = fma(k, x.like(-c.ln2_high), x);
  return {k, fma(k, x.like(-c.ln2_low), r)};
}

/// exp without the clamps: for arguments known to be in range.
Val exp_in_range(Val x, const ExpConstants& c) {
  const auto [k, r] = reduce(x, c);
  return scale(horner(r, c.exp), k);
}

/// exp of what is not too large. Far below it is 0, chosen and not computed: a product that
/// underflows takes some processors a hundred cycles, and what is masked lies far below.
Val exp_not_large(Val x, const ExpConstants& c) {
  const Val far_below = x < x.like(c.low);
  const Val result = exp_in_range(select(far_below, x.like(0), x), c);
  return select(far_below, x.like(0), result);
}

/// e^x - 1 = value · 2^k, and 2^-k.
struct Expm1 {
  Val value, k, inverse_power;
};
Expm1 expm1_parts(Val x, const ExpConstants& c) {
  const auto [k, r] = reduce(x, c);
  const Val inverse_power = scale(x.like(1), -k);  // of a NaN anything
  // (1 - 2^-k) + r as a pair, so that where it cancels the tail makes up for the rounding.
  const Pair sum = fast_two_sum(x.like(1) - inverse_power, r);
  return {sum.high + fma(r * r, horner(r, c.expm1), sum.low), k, inverse_power};
}

/// a / b rounded once: dividing by b.high alone, whose rounding the remainder makes up for.
Val quotient(Val a, Pair b) {
  const Val inverse = a.like(1) / b.high;
  const Val first = a * inverse;
  const Val rest = fma(-first, b.low, fma(-first, b.high, a));
  return fma(rest, inverse, first);
}

/// log(1 + f) - f for f32, f in [√½ - 1, √2 - 1], where `more` is added to it: f² (f P(f) - ½).
Val log_tail_single(Val f, Val more) {
  // Relative to the logarithm 2^-30.3.
  static constexpr double kLog32[] = {0x1.555548p-2,  -0x1.000008p-2, 0x1.99a47ap-3,
                                      -0x1.555b90p-3, 0x1.233abap-3,  -0x1.fc3d10p-4,
                                      0x1.e6e02ap-4,  -0x1.dda318p-4, 0x1.13c354p-4};
  return fma(f * f, fma(f, horner(f, kLog32), f.like(-0.5)), more);
}

/// The same for f64: with s = f / (2 + f), log(1 + f) = f - (f²/2 - s (f²/2 + s² R(s²))).
Val log_tail_double(Val f, Val more) {
  const Val s = f / (f + 2.0);
  const Val z = s * s;
  const Val half_square = f * f * 0.5;
  return fma(s, fma(z, horner(z, kLogSeries), half_square), more) - half_square;
}

/// log of (1 + f) 2^exponent.
Val log_of(Val f, Val exponent, const ExpConstants& c) {
  const Val low = exponent * c.ln2_low;
  const Val tail = is_single(f) ? log_tail_single(f, low) : log_tail_double(f, low);
  return fma(exponent, f.like(c.ln2_high), f + tail);
}

/// What a logarithm is where its argument, zero at `zero`, is not positive and finite.
Val log_specials(Val argument, Val zero, Val result) {
  result = select(argument == zero, result.like(-kInfinity), result);
  result = select(argument < zero, result.like(kNan), result);
  return select(argument < argument.like(kInfinity), result, argument);
}

}  // namespace

Split split_exponent(Val x) {
  const bool single = is_single(x);
  const Val small = x < x.like(single ? 0x1p-126 : 0x1p-1022);
  const Val normal = select(small, x * (single ? 0x1p24 : 0x1p54), x);
  const Val shift = select(small, x.like(single ? -24 : -54), x.like(0));
  const DType integer = single ? DType::i32 : DType::i64;
  const Val bits = normal.bitcast(integer);
  // Subtracting √½ makes the exponent field change at √½ instead of at 1.
  const Val root = bits_like(x, integer, single ? 0x3f3504f3u : 0x3fe6a09e667f3bcdu);
  const Val width = bits_like(x, integer, single ? 23 : 52);
  const Val exponent = (bits - root) >> width;
  const Val fraction = (bits - (exponent << width)).bitcast(x.type().dtype);
  if (single) return {fraction, exponent.convert(DType::f32) + shift};
  // An integer below 2^51 as a double without the conversion that AVX2 lacks.
  const Val biased = exponent + bits_like(x, integer, 0x4338000000000000u);
  return {fraction, biased.bitcast(DType::f64) - 0x1.8p52 + shift};
}

Power exp_parts(Val high, Val low) {
  const auto [k, r] = reduce(high, kDouble);
  const Pair sum = fast_two_sum(r.like(1), r);
  const Val tail = fma(r * r, horner(r, kDouble.expm1), sum.low);
  return {fast_two_sum(sum.high, fma(low, sum.high + tail, tail)), k};
}

Val exp(Val x) {
  const ExpConstants& c = constants_for(x);
  const bool may_overflow = !x.builder().is_not_positive(x.reg());
  return exp_not_large(may_overflow ? at_most(x, c.high) : x, c);
}

Val expm1(Val x) {
  const ExpConstants& c = constants_for(x);
  const Expm1 e = expm1_parts(at_most(at_least(x, c.minus_one_below), c.high), c);
  const Val result = scale(e.value, e.k);
  // The sum above makes -0 a +0; otherwise the sign is there already.
  const Val sign = sign_bit(x);
  const Val value = (result.bitcast(sign.type().dtype) | sign).bitcast(x.type().dtype);
  return select(x != x, x, value);
}

Val log(Val x) {
  const auto [fraction, exponent] = split_exponent(x);
  return log_specials(x, x.like(0), log_of(fraction - 1.0, exponent, constants_for(x)));
}

Val log1p(Val x) {
  const bool single = is_single(x);
  // 1 + x = u + rest exactly (Knuth's sum: either may be the larger).
  const Val one = x.like(1);
  const Val u = one + x;
  const Val x_part = u - one;
  const Val rest = (one - (u - x_part)) + (x - x_part);
  const DType integer = single ? DType::i32 : DType::i64;
  const Val width = bits_like(x, integer, single ? 23 : 52);
  const Val root = bits_like(x, integer, single ? 0x3f3504f3u : 0x3fe6a09e667f3bcdu);
  const Val bits = u.bitcast(integer);
  const Val exponent = (bits - root) >> width;
  const Val fraction = (bits - (exponent << width)).bitcast(x.type().dtype);
  // 2^-exponent; 0 for the largest, where the rest no longer counts.
  const Val bias = bits_like(x, integer, single ? 127 : 1023);
  const Val biased = (bias - exponent).op(loop::Opcode::max, bits_like(x, integer, 0));
  const Val power = (biased << width).bitcast(x.type().dtype);
  const Val f = fma(rest, power, fraction - 1.0);
  const Val real_exponent =
      single
          ? exponent.convert(DType::f32)
          : (exponent + bits_like(x, integer, 0x4338000000000000u)).bitcast(DType::f64) - 0x1.8p52;
  const Val result = log_of(f, real_exponent, constants_for(x));
  return select(x == x.like(0), x, log_specials(x, x.like(-1), result));
}

Val logistic(Val x) {
  const ExpConstants& c = constants_for(x);
  // e <= 1 on both sides, so nothing overflows and small results keep their precision.
  const Val e = exp_not_large(-abs(x), c);
  return quotient(select(x < x.like(0), e, x.like(1)), fast_two_sum(x.like(1), e));
}

Val tanh(Val x) {
  const ExpConstants& c = constants_for(x);
  // With e^2x - 1 = value · 2^k: tanh = value / (value + 2 · 2^-k). Past the limit it rounds to 1.
  const Val twice = at_most(abs(x), is_single(x) ? 10 : 20) * 2.0;
  const Expm1 e = expm1_parts(twice, c);
  const Val size = quotient(e.value, fast_two_sum(e.inverse_power * 2.0, e.value));
  return select(x != x, x, with_sign_of(x, size));
}

Val erf(Val x) {
  const bool single = is_single(x);
  const ExpConstants& c = constants_for(x);
  // erf(x) / x - 1 over x² on [0, 1], relative error 2^-29.4; in f64 kErfSmall64.
  static constexpr double kSmall32[] = {0x1.06eba8p-3,  -0x1.81273ep-2, 0x1.ce2ce6p-4,
                                        -0x1.b7f71ap-6, 0x1.53f224p-8,  -0x1.a3515ep-11,
                                        0x1.4771fcp-14};
  // erfc(a) e^(a²), in f32 over a - 2 on [1, 4], in f64 over (a - 3) / (a + 3) on [1, 6]; relative
  // to erf 2^-28.6; 2^-61.3.
  static constexpr double kLarge32[] = {0x1.05866cp-2,  -0x1.b571a2p-4,  0x1.5670e0p-5,
                                        -0x1.fa00b8p-7, 0x1.66d3ecp-8,   -0x1.e7bb4ap-10,
                                        0x1.0712fcp-11, -0x1.a47834p-13, 0x1.c5deeep-14};
  static constexpr double kLarge64[] = {
      0x1.6e9827d229d2dp-3,   -0x1.4e102b9cf8e68p-2, 0x1.f6ff2040dc698p-3,  -0x1.336ffbf09647fp-3,
      0x1.258b13c2c13f9p-4,   -0x1.8fa5842f353e6p-6, 0x1.17c9e5b311d42p-8,  0x1.735d49d7640b4p-11,
      -0x1.37ed347978cd4p-11, 0x1.a609e5b1e9b3ep-15, 0x1.2ce40d1315d9ep-14, -0x1.aad2f2b2fee39p-18,
      -0x1.b7d9bab0a9192p-18};
  const Val square = x * x;
  const Val small =
      fma(x, horner(square, single ? std::span<const double>(kSmall32) : kErfSmall64), x);

  const Val a = at_most(at_least(abs(x), 1), single ? 4 : 6);  // beyond, 1 - erfc rounds to 1
  const Val scaled_erfc =
      single ? horner(a - 2.0, kLarge32) : horner((a - 3.0) / (a + 3.0), kLarge64);
  const Val gauss = exp_in_range(-(a * a), c);
  const Val large = with_sign_of(x, fma(-gauss, scaled_erfc, x.like(1)));
  return select(abs(x) < x.like(1), small, large);
}

Val rsqrt(Val x) { return x.like(1) / x.op(loop::Opcode::sqrt); }

}  // namespace kiln::math
