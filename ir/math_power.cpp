// pow and cbrt. f32 is computed in f64.
#include "ir/math.h"
#include "ir/math_parts.h"

namespace kiln::math {
namespace {

using loop::Opcode;
using loop::Val;

constexpr double kLog2E[] = {0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56};

/// log2(x) for finite x > 0 in f64, to about 2^-50.
Val log2_short(Val x) {
  const auto [fraction, exponent] = split_exponent(x);
  const Val f = fraction - 1.0;
  const Val s = f / (f + 2.0);
  const Val z = s * s;
  // Relative error 2^-44.9.
  static constexpr double kSeries[] = {0x1.555555561d9b5p-1, 0x1.999996aafd2c3p-2,
                                       0x1.2494113fe9643p-2, 0x1.c62b4baaffd7dp-3,
                                       0x1.9112905fbea15p-3};
  const Val log = s * fma(z, horner(z, kSeries), x.like(2));
  return fma(log, x.like(kLog2E[0]), exponent);
}

/// log2(x) for finite x > 0 in f64, to about 2^-64.
Pair log2_long(Val x) {
  const auto [fraction, exponent] = split_exponent(x);
  // s = (m - 1) / (m + 1) as a pair.
  const Val f = fraction - 1.0;
  const Pair sum = fast_two_sum(x.like(1), fraction);
  const Val s_high = f / sum.high;
  const Val rest = fma(-s_high, sum.low, fma(-s_high, sum.high, f));
  const Pair s = {s_high, rest / sum.high};
  const Pair z = s * s;
  // log(m) = s (2 + z (2/3 + z (…))): the first two terms as pairs, for what follows is below
  // 2^-11.
  static constexpr double kSeries[] = {
      0x1.9999999999b2fp-2, 0x1.2492492457f32p-2, 0x1.c71c722d3f4a6p-3, 0x1.745ce9f016fb6p-3,
      0x1.3b1ee9dc929d2p-3, 0x1.0f8019f46b474p-3, 0x1.0e410110f6697p-3};
  Pair inner = fast_two_sum(x.like(0x1.5555555555555p-1), z.high * horner(z.high, kSeries));
  inner.low = inner.low + 0x1.5555555555555p-55;
  const Pair term = z * inner;
  Pair series = fast_two_sum(x.like(2), term.high);
  series.low = series.low + term.low;
  const Pair log = s * series;
  const Pair log2 = log * Pair{x.like(kLog2E[0]), x.like(kLog2E[1])};
  const Pair total = fast_two_sum(exponent, log2.high);
  return {total.high, total.low + log2.low};
}

/// 2^(high + low), 0 and infinity beyond f64's range.
Val exp2_of(Val high, Val low) {
  const Val k = (high + 0x1.8p52) - 0x1.8p52;
  const Val r = ((high - k) + low) * 0x1.62e42fefa39efp-1;
  // e^r, relative error 2^-57.9, as in math.cpp.
  static constexpr double kExp[] = {1,
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
  return scale(horner(r, kExp), k);
}

/// The same for f32's range, in f64.
Val exp2_short(Val x) {
  const Val k = (x + 0x1.8p52) - 0x1.8p52;
  // 2^r, relative error 2^-34.3.
  static constexpr double kExp2[] = {1,
                                     0x1.62e42ff0e2469p-1,
                                     0x1.ebfbe077c7523p-3,
                                     0x1.c6b08abf99286p-5,
                                     0x1.3b29f35e4493ap-7,
                                     0x1.5d8a864503cf7p-10,
                                     0x1.445cb969102c0p-13,
                                     0x1.fde654562effcp-17};
  return scale(horner(x - k, kExp2), k);
}

}  // namespace

Val pow(Val given_x, Val given_y) {
  const bool single = is_single(given_x);
  const Val x = given_x.convert(DType::f64);
  const Val y = given_y.convert(DType::f64);
  const Val zero = x.like(0), one = x.like(1), infinity = x.like(kInfinity);
  const Val size = abs(x);

  // |x|^y for finite |x| > 0. Past the limit the result is 0 or infinite, whatever the low part.
  Val result = x;
  if (single) {
    result = exp2_short(at_most(at_least(y * log2_short(size), -300), 300));
  } else {
    const Pair log2 = log2_long(size);
    const Val high = y * log2.high;
    const Val low = fma(y, log2.high, -high) + y * log2.low;
    const Val in_range = abs(high) < x.like(1100);
    result = exp2_of(at_most(at_least(high, -1100), 1100), select(in_range, low, zero));
  }
  // 0 and infinity to a power: 0 or infinity by the sign of y.
  const Val is_zero = size == zero;
  const Val extreme = is_zero | (size == infinity);
  result = select(extreme, select(is_zero == (y > zero), zero, infinity), result);

  // A negative base asks whether y is an odd integer, or one at all.
  const Val half = y * 0.5;
  const Val integer = y.op(Opcode::trunc) == y;
  const Val odd = integer & (half.op(Opcode::trunc) != half);
  const Val negative = x.bitcast(DType::i64) < bits_like(x, DType::i64, 0);
  result = select(negative & odd, -result, result);
  // (extreme: also -infinity and -0 to a fraction are not NaN.)
  const Val imaginary = (x < zero) & ~integer & ~extreme;
  result = select(imaginary, x.like(kNan), result);

  // (Which of two NaNs x + y would give is up to the order of an addition's operands.)
  const Val unordered = (x != x) | (y != y);
  result = select(unordered, select(x != x, x, y), result);
  // 1 to anything and anything to 0 is 1, and so is -1 to an infinity.
  const Val unit = (x == one) | (y == zero) | ((size == one) & (abs(y) == infinity));
  return select(unit, one, result).convert(given_x.type().dtype);
}

Val cbrt(Val given) {
  const bool single = is_single(given);
  const Val wide = given.convert(DType::f64);
  Val x = abs(wide);
  Val unscale = x;
  if (!single) {  // away from both ends of the range, by a cube
    const Val small = x<x.like(0x1p-900), large = x> x.like(0x1p900);
    unscale = select(small, x.like(0x1p-60), select(large, x.like(0x1p60), x.like(1)));
    x = x * select(small, x.like(0x1p180), select(large, x.like(0x1p-180), x.like(1)));
  }
  // A third of the exponent and mantissa's bits: within 3.2 %.
  const auto number = [&](std::uint64_t bits) { return bits_like(x, DType::ui64, bits); };
  const Val high = (x.bitcast(DType::ui64) >> number(32)).convert(DType::i32).convert(DType::f64);
  const Val third = fma(high, x.like(1.0 / 3), x.like(715094000 + 0x1p52));
  Val root = ((third.bitcast(DType::ui64) & number(0x7fffffff)) << number(32)).bitcast(DType::f64);
  // Halley's iteration triples the number of good digits: 2e-5, 6e-15, then all.
  for (int i = 0; i < 2; ++i) {
    const Val cube = root * root * root;
    root = root * ((cube + x * 2.0) / (cube * 2.0 + x));
  }
  if (!single) {
    // One step of Newton's with the residual in twice the precision.
    const Pair square = two_product(root, root);
    const Pair cube = square * Pair{root, x.like(0)};
    const Val residual = (x - cube.high) - cube.low;
    root = (root + residual / (square.high * 3.0)) * unscale;
  }
  // Zeros, infinities and NaN are their own cube roots.
  const Val own = ~(abs(wide) < wide.like(kInfinity)) | (wide == wide.like(0));
  return select(own, wide, with_sign_of(wide, abs(root))).convert(given.type().dtype);
}

}  // namespace kiln::math
