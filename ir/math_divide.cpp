// Division by what stands still while much is divided by it: its reciprocal is computed once, and a
// quotient takes a product and four fused multiply-adds, a third of what dividing takes.
#include <algorithm>

#include "ir/math.h"
#include "ir/math_parts.h"

namespace kiln::math {
namespace {

using loop::Opcode;
using loop::Val;

// Within these bounds (2^±60, 2^±400) nothing below overflows or loses bits by underflowing.
double largest(Val x) { return is_single(x) ? 0x1p60 : 0x1p400; }
double smallest(Val x) { return is_single(x) ? 0x1p-60 : 0x1p-400; }

/// Whether any lane holds.
Val any(Val condition) {
  return condition.type().lanes == 1 ? condition : condition.op(Opcode::reduce_or);
}

/// Whether `a` has a lane that is neither ±0 nor within the bounds, judged by its bits without the
/// sign: those of 0 become the largest number.
Val any_beyond(Val a) {
  const bool single = is_single(a);
  const DType integer = single ? DType::ui32 : DType::ui64;
  const auto bits = [&](std::uint64_t value) { return bits_like(a, integer, value); };
  const Val twice = a.bitcast(integer) << bits(1);
  const auto power_of_two = [&](int exponent) {
    return single ? static_cast<std::uint64_t>(127 + exponent) << 24
                  : static_cast<std::uint64_t>(1023 + exponent) << 53;
  };
  const int most = single ? 60 : 400;
  return any(((twice - bits(1)) < bits(power_of_two(-most) - 1)) |
             (twice > bits(power_of_two(most))));
}

}  // namespace

Divisor divisor(Val b) {
  const auto outside = [&](double low) {
    return any(~((b >= b.like(low)) & (b <= b.like(largest(b)))));
  };
  return {b, b.like(1) / b, outside(smallest(b)), outside(0.5)};
}

Val divide(Val dividend, const Divisor& by, bool at_most_one) {
  // Markstein: with y the reciprocal rounded correctly and q less than a unit off the quotient,
  // q + (a - b q) y rounds as the quotient does. a·y may be one and a half off, so it takes two
  // such steps. The remainder is b q - a, so that a zero keeps its sign.
  const int lanes = std::max(dividend.type().lanes, by.value.type().lanes);
  const Val a = dividend.across(lanes);
  const Val b = by.value.across(lanes), y = by.reciprocal.across(lanes);
  const auto closer = [&](Val q) { return fma(-fma(b, q, -a), y, q); };
  const Val quotient = closer(closer(a * y));
  const Val plainly = at_most_one ? by.plain_below_one : by.plain | any_beyond(a);
  return {a.builder(), a.builder().when(plainly.reg(), {quotient.reg()},
                                        [&] { return std::vector{(a / b).reg()}; })[0]};
}

}  // namespace kiln::math
