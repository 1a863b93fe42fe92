// sin, cos, tan and atan2. f32 is computed in f64: its results are correctly rounded but for a few
// in a thousand.
#include <array>

#include "ir/math.h"
#include "ir/math_parts.h"

namespace kiln::math {
namespace {

using loop::Reg;
using loop::Val;

// π/2 in three parts.
constexpr double kHalfPi[] = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54, -0x1.f1976b7ed8fbcp-110};
constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;
// From here on n · π/2 in three parts is not exact enough.
constexpr double kHuge = 0x1p40;

/// |x| = n π/2 + high + low, |high| <= π/4 and a little; n (ui64) counts modulo 4.
struct Quadrant {
  Val n, high, low;
};

/// High 64 bits of a product, a < 2^53.
Val multiply_high(Val a, Val b) {
  const Val half = bits_like(a, DType::ui64, 32);
  const Val mask = bits_like(a, DType::ui64, 0xffffffffu);
  const Val a0 = a & mask, a1 = a >> half, b0 = b & mask, b1 = b >> half;
  const Val cross = a0 * b1;
  const Val middle = a1 * b0 + (cross & mask) + ((a0 * b0) >> half);
  return a1 * b1 + (cross >> half) + (middle >> half);
}

/// An integer below 2^32 as f64.
Val small_to_double(Val integer) {
  return (integer | bits_like(integer, DType::ui64, 0x4330000000000000u)).bitcast(DType::f64) -
         0x1p52;
}

/// Payne and Hanek's reduction: of 2/π only the 192 bits that matter at x's exponent are
/// multiplied; higher ones give multiples of 4. For finite x >= kHuge. Arguments that came from f32
/// are closer to the beginning of 2/π and stay away from multiples of π/2 by 2^-31 or more: 128
/// bits do.
Quadrant reduce_huge(Val x, bool single) {
  // A word of zeros, then 2/π.
  static constexpr std::array<std::uint64_t, 20> kBits = {0,
                                                          0xa2f9836e4e441529,
                                                          0xfc2757d1f534ddc0,
                                                          0xdb6295993c439041,
                                                          0xfe5163abdebbc561,
                                                          0xb7246e3a424dd2e0,
                                                          0x06492eea09d1921c,
                                                          0xfe1deb1cb129a73e,
                                                          0xe88235f52ebb4484,
                                                          0xe99c7026b45f7e41,
                                                          0x3991d639835339f4,
                                                          0x9c845f8bbdf9283b,
                                                          0x1ff897ffde05980f,
                                                          0xef2f118b5a0a6d1f,
                                                          0x6d367ecf27cb09b7,
                                                          0x4f463f669e5fea2d,
                                                          0x7527bac7ebe5f17b,
                                                          0x3d0739f78a5292ea,
                                                          0x6bfb5fb11f8d5d08,
                                                          0x56033046fc7b6bab};
  const auto number = [&](std::uint64_t bits) { return bits_like(x, DType::ui64, bits); };
  const Val bits = x.bitcast(DType::ui64);
  const Val exponent = bits >> number(52);
  const Val mantissa = (bits & number(0xfffffffffffffu)) | number(std::uint64_t{1} << 52);

  // The window begins at bit exponent - 1013: first the words, by halving the choice, then the
  // bits.
  const Val start = exponent - number(1013);
  const Val word = start >> number(6);
  std::vector<Val> words;
  for (std::uint64_t bits_of_two_over_pi : kBits) words.push_back(number(bits_of_two_over_pi));
  const std::size_t length = single ? 2 : 3;
  const std::size_t last = single ? 2 : 16;  // the last word anyone starts at
  for (std::size_t step = last; step >= 1; step /= 2) {
    const Val chosen = (word & number(step)) != number(0);
    const std::size_t wanted = (step == last ? 1 : step) + length;
    for (std::size_t i = 0; i < wanted; ++i) words[i] = select(chosen, words[i + step], words[i]);
  }
  const Val shift = start & number(63);
  const Val back = shift ^ number(63);
  std::vector<Val> window;
  for (std::size_t i = 0; i < length; ++i)
    window.push_back((words[i] << shift) | ((words[i + 1] >> number(1)) >> back));

  // mantissa · window modulo 2^192 (2^128), without the lowest 64 bits: two bits of quadrant, then
  // the fraction, which is taken as signed.
  Val high = mantissa * window[0] + multiply_high(mantissa, window[1]);
  Val middle = number(0);
  if (!single) {
    const Val low = mantissa * window[1];
    middle = low + multiply_high(mantissa, window[2]);
    high = high + select(middle < low, number(1), number(0));
  }
  const Val n = (high + number(std::uint64_t{1} << 61)) >> number(62);
  const Val top = ((high << number(2)) | (middle >> number(62))).bitcast(DType::i64);
  const Val bottom = middle << number(2);

  // Exactly into f64, in pieces of 32 bits.
  const Val top_high =
      (top >> bits_like(x, DType::i64, 32)) + bits_like(x, DType::i64, 0x4338000000000000u);
  const Val mask = number(0xffffffffu);
  const Pair leading = fast_two_sum((top_high.bitcast(DType::f64) - 0x1.8p52) * 0x1p-32,
                                    small_to_double(top.bitcast(DType::ui64) & mask) * 0x1p-64);
  if (single) return {n, leading.high * kHalfPi[0], x.like(0)};
  const Val trailing = fma(small_to_double(bottom & mask), x.like(0x1p-128),
                           small_to_double(bottom >> number(32)) * 0x1p-96);
  const Pair fraction = fast_two_sum(leading.high, leading.low + trailing);
  const Pair angle = fraction * Pair{x.like(kHalfPi[0]), x.like(kHalfPi[1])};
  return {n, angle.high, angle.low};
}

/// For any finite x >= 0 in f64; infinities and NaN give NaN. Without the low part for f32.
Quadrant reduce(Val x, bool single) {
  const Val rounded = fma(x, x.like(kTwoOverPi), x.like(0x1.8p52));
  const Val n = rounded - 0x1.8p52;
  // The first difference is exact; the second leaves a remainder, which the third goes into.
  const Val first = fma(n, x.like(-kHalfPi[0]), x);
  const Val high = fma(n, x.like(-kHalfPi[1]), first);
  std::vector<Val> fast = {rounded.bitcast(DType::ui64), high};
  if (!single)
    fast.push_back(fma(n, x.like(-kHalfPi[2]), fma(n, x.like(-kHalfPi[1]), first - high)));

  loop::Builder& builder = x.builder();
  const Val huge = (x >= x.like(kHuge)) & (x < x.like(kInfinity));
  std::vector<Reg> otherwise;
  for (Val part : fast) otherwise.push_back(part.reg());
  const std::vector<Reg> merged =
      builder.when(huge.op(loop::Opcode::reduce_or).reg(), otherwise, [&] {
        const Quadrant slow = reduce_huge(x, single);
        std::vector<Reg> parts = {select(huge, slow.n, fast[0]).reg(),
                                  select(huge, slow.high, fast[1]).reg()};
        if (!single) parts.push_back(select(huge, slow.low, fast[2]).reg());
        return parts;
      });
  return {Val(builder, merged[0]), Val(builder, merged[1]),
          single ? x.like(0) : Val(builder, merged.back())};
}

// sin(r) = r + r³ S(r²), cos(r) = 1 - r²/2 + r⁴ C(r²) on |r| <= π/4. Relative errors 2^-37.5,
// 2^-42.9; 2^-57.9, 2^-63.9.
constexpr double kSin32[] = {-0x1.5555554c5f69ep-3, 0x1.1111085cf8982p-7, -0x1.a00f7454b9421p-13,
                             0x1.6ccf5b9f292edp-19};
constexpr double kCos32[] = {0x1.5555554ecbee9p-5, -0x1.6c16b81b93056p-10, 0x1.a010d54d7bb93p-16,
                             -0x1.241ca75c7c20bp-22};
constexpr double kSin64[] = {-0x1.5555555555548p-3, 0x1.111111110f731p-7,   -0x1.a01a019be95b6p-13,
                             0x1.71de355573e7ap-19, -0x1.ae5e4bcff908cp-26, 0x1.5d8b7204b36abp-33};
constexpr double kCos64[] = {0x1.555555555554bp-5,  -0x1.6c16c16c15005p-10,
                             0x1.a01a019c8c7d5p-16, -0x1.27e4f7ef0d390p-22,
                             0x1.1ee9d9c65f75ap-29, -0x1.8fa5536992640p-37};

/// sin and cos of an angle of at most π/4. For f32 the low parts are not there.
struct Waves {
  Pair sine, cosine;
};
Waves waves_of(Val r, Val low, bool single) {
  const Val z = r * r, one = r.like(1), zero = r.like(0);
  const Val sine_series = horner(z, single ? std::span<const double>(kSin32) : kSin64);
  const Val cosine_series = horner(z, single ? std::span<const double>(kCos32) : kCos64);
  if (single)
    return {{fma(r * z, sine_series, r), zero},
            {fma(z * z, cosine_series, fma(z, r.like(-0.5), one)), zero}};
  const Val half = z * 0.5;
  const Pair one_minus = fast_two_sum(one, -half);
  return {{r, fma(r * z, sine_series, fma(-low, half, low))},
          {one_minus.high, fma(z * z, cosine_series, fma(-r, low, one_minus.low))}};
}

/// sin of |x| + ahead · π/2, as f64; `x` is f64.
Val circular(Val x, std::uint64_t ahead, bool single) {
  const auto [quadrant, r, low] = reduce(abs(x), single);
  const auto number = [&](std::uint64_t bits) { return bits_like(x, DType::ui64, bits); };
  const Val n = ahead == 0 ? quadrant : quadrant + number(ahead);
  const Waves waves = waves_of(r, low, single);
  const auto sum = [&](const Pair& pair) { return single ? pair.high : pair.high + pair.low; };
  const Val odd = (n & number(1)) != number(0);
  const Val negative = (n & number(2)) << number(62);
  return (select(odd, sum(waves.cosine), sum(waves.sine)).bitcast(DType::ui64) ^ negative)
      .bitcast(DType::f64);
}

Val circular_of(Val x, std::uint64_t ahead) {
  const bool single = is_single(x);
  const Val wide = x.convert(DType::f64);
  Val result = circular(wide, ahead, single);
  if (ahead == 0) {  // sin(-x) = -sin(x)
    const Val sign = sign_bit(wide);
    result = (result.bitcast(DType::ui64) ^ sign).bitcast(DType::f64);
  }
  return result.convert(x.type().dtype);
}

}  // namespace

Val sin(Val x) { return circular_of(x, 0); }
Val cos(Val x) { return circular_of(x, 1); }

Val tan(Val given) {
  const bool single = is_single(given);
  const Val x = given.convert(DType::f64);
  const auto [n, r, low] = reduce(abs(x), single);
  const auto [sine, cosine] = waves_of(r, low, single);
  // An odd number of quadrants turns sin / cos into -cos / sin.
  const Val one = bits_like(x, DType::ui64, 1);
  const Val odd = (n & one) != (one ^ one);
  const auto pick = [&](const Pair& even, const Pair& other) -> Pair {
    if (single) return {select(odd, other.high, even.high), even.low};
    return fast_two_sum(select(odd, other.high, even.high), select(odd, other.low, even.low));
  };
  const Pair above = pick(sine, cosine), below = pick(cosine, sine);
  const Val size = single ? above.high / below.high : quotient(above, below);
  const Val flips = ((n & one) << bits_like(x, DType::ui64, 63)) ^ sign_bit(x);
  return (size.bitcast(DType::ui64) ^ flips).bitcast(DType::f64).convert(given.type().dtype);
}

Val atan2(Val given_y, Val given_x) {
  // atan(q) = q + q³ A(q²) on |q| <= tan(π/8); relative errors 2^-35.3; 2^-59.4.
  static constexpr double kAtan32[] = {-0x1.555554c53e466p-2, 0x1.9999180cf1f62p-3,
                                       -0x1.247ec8d0510b1p-3, 0x1.c46233570820ep-4,
                                       -0x1.5b25ac5a456cdp-4, 0x1.8474c9940bfe4p-5};
  static constexpr double kAtan64[] = {
      -0x1.555555555553cp-2, 0x1.9999999995650p-3, -0x1.24924922a0800p-3, 0x1.c71c70e113d0bp-4,
      -0x1.745cf84d3888dp-4, 0x1.3b110f200c689p-4, -0x1.10eb461f98506p-4, 0x1.df08c27ee9346p-5,
      -0x1.9cb512b1688a9p-5, 0x1.3789ac81f3a04p-5, -0x1.24c29ca4c6f15p-6};
  constexpr double kTanEighth = 0x1.a827999fcef32p-2;  // tan(π/8)
  constexpr double kQuarterLow = 0x1.1a62633145c07p-55;

  const bool single = is_single(given_y);
  const Val y = given_y.convert(DType::f64);
  const Val x = given_x.convert(DType::f64);
  const Val zero = x.like(0), one = x.like(1), infinity = x.like(kInfinity);
  // Two infinities lie at 45°; two zeros on the axis of x.
  const Val both_infinite = (abs(x) == infinity) & (abs(y) == infinity);
  const Val abs_x = select(both_infinite, one, abs(x));
  const Val abs_y = select(both_infinite, one, abs(y));
  const Val steep = abs_y > abs_x;
  Val larger = select(steep, abs_y, abs_x);
  Val smaller = select(steep, abs_x, abs_y);
  if (!single) {  // room for the remainder of the division
    const Val factor = select(larger < x.like(0x1p-900), x.like(0x1p200),
                              select(larger > x.like(0x1p900), x.like(0x1p-200), one));
    const Val infinite = larger == infinity;
    larger = select(infinite, one, larger * factor);
    smaller = select(infinite, zero, smaller * factor);
  }
  // The angle's distance from the nearer axis, from 45° where that is closer.
  const Val diagonal = smaller > larger * kTanEighth;
  const Pair difference = fast_two_sum(-larger, smaller);
  const Pair sum = fast_two_sum(larger, smaller);
  const Val numerator = select(diagonal, difference.high, smaller);
  Val denominator = select(diagonal, sum.high, larger);
  denominator = select(denominator == zero, one, denominator);
  const Val q = numerator / denominator;
  const Val z = q * q;
  Val tail = q * z * horner(z, single ? std::span<const double>(kAtan32) : kAtan64);
  if (!single) {  // what the quotient and its operands were rounded by
    const Val rest =
        fma(-q, denominator, numerator) + select(diagonal, fma(-q, sum.low, difference.low), zero);
    tail = tail + rest / denominator;
  }
  Val angle = q + tail;

  // quarters · π/4 + sign · angle.
  const Val behind = x.bitcast(DType::i64) < bits_like(x, DType::i64, 0);  // -0 too
  Val quarters = select(diagonal, one, zero);
  quarters = select(steep, x.like(2) - quarters, quarters);
  quarters = select(behind, x.like(4) - quarters, quarters);
  const Val flip = (select(steep, one, zero) != select(behind, one, zero));
  angle = select(flip, -angle, angle);
  Val result = fma(quarters, x.like(kHalfPi[0] / 2), fma(quarters, x.like(kQuarterLow), angle));
  result = select(quarters == zero, angle, result);
  result = with_sign_of(y, abs(result));
  // Not x + y: which of two NaNs an addition gives is up to the order of its operands.
  const Val unordered = (x != x) | (y != y);
  return select(unordered, select(x != x, x, y), result).convert(given_y.type().dtype);
}

}  // namespace kiln::math
