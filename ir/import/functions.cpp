// Elementary functions that are no primitives: those of CHLO, and StableHLO's rounding.
//
// Of an f32 the function is taken in f64 and rounded once (sinh and cosh apart). In f64 each
// formula keeps within 3 ulp: none subtracts what is nearly equal, and special values (signed
// zeros, infinities, NaN) come out as C has them. At 0 the odd functions are written without |x|,
// whose derivative there is 0.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "ir/import/context.h"
#include "ir/import/expression.h"

namespace kiln::importing {
namespace {

using Values = std::vector<Value>;

Expr abs(Expr x) { return apply(Op::abs, x); }
Expr atan2(Expr y, Expr x) { return apply(Op::atan2, y, x); }
Expr exp(Expr x) { return apply(Op::exponential, x); }
Expr expm1(Expr x) { return apply(Op::exponential_minus_one, x); }
Expr log(Expr x) { return apply(Op::log, x); }
Expr log1p(Expr x) { return apply(Op::log_plus_one, x); }
Expr sqrt(Expr x) { return apply(Op::sqrt, x); }

constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// From here on e^x may be infinite, but half of it need not be.
constexpr double kNearlyInfinite = 709;
/// From here on 1 is nothing to x².
constexpr double kLarge = 1e9;

Expr acos(Expr x) { return 2 * atan2(sqrt(1 - x), sqrt(1 + x)); }

Expr asin(Expr x) { return atan2(x, sqrt((1 - x) * (1 + x))); }

Expr atan(Expr x) { return atan2(x, x.like(1)); }

Expr acosh(Expr x) {
  const Expr above = x - 1;
  const Expr near = log1p(above + sqrt(above * (above + 2)));
  const Expr far = log(x) + std::numbers::ln2;
  const Expr none = x.like(std::numeric_limits<double>::quiet_NaN());
  return where(x > kLarge, far, where(x < 1, none, near));
}

Expr asinh(Expr x) {
  const Expr negative = x < 0;
  const Expr a = where(negative, -x, x);  // -0 stays itself
  const Expr near = log1p(a * (1 + a / (1 + sqrt(1 + a * a))));
  const Expr result = where(a > kLarge, log(a) + std::numbers::ln2, near);
  return where(negative, -result, result);
}

Expr atanh(Expr x) { return 0.5 * (log1p(x) - log1p(-x)); }

Expr cosh(Expr x) {
  const Expr root = exp(0.5 * abs(x));
  return where(abs(x) > kNearlyInfinite, 0.5 * root * root, 0.5 * (exp(x) + exp(-x)));
}

Expr sinh(Expr x) {
  const Expr root = exp(0.5 * abs(x)), large = 0.5 * root * root;
  const Expr near = 0.5 * (expm1(x) - expm1(-x));
  return where(abs(x) > kNearlyInfinite, where(x < 0, -large, large), near);
}

/// e^-|x| times the modified Bessel function of order 1: near 0 its power series, all of whose
/// terms have one sign; further out Chebyshev's series of √|x| times it, in 16/|x| - 1.
Expr bessel_i1e(Expr x) {
  constexpr double kFar = 8;
  constexpr int kTerms = 28;
  const Expr far = abs(x) > kFar;

  const Expr inner = where(far, x.like(0), x), quarter = 0.25 * inner * inner;
  Expr sum = x.like(1);
  for (int k = kTerms; k > 0; --k) sum = 1 + quarter * (1.0 / (k * (k + 1))) * sum;
  const Expr near_value = 0.5 * inner * sum * exp(-abs(inner));

  // Fitted with mpmath in 40 digits: its error is below 2^-57.
  constexpr double kSeries[] = {
      0x1.8ea18b55b1514p-2,   -0x1.3fda053fcdb4cp-7,  -0x1.cfd7f804aa9a6p-14,
      -0x1.048df49ca0373p-18, -0x1.0dbfd2e9e5443p-22, -0x1.c415394bb46c1p-26,
      -0x1.0790b9ad53528p-28, -0x1.334ca5423dd80p-31, -0x1.4dcf9d4504c0cp-36,
      0x1.1e1a1f1587865p-35,  0x1.f101f653c457bp-37,  0x1.1e7d3f6439fa3p-39,
      -0x1.953e1076ab493p-41, -0x1.cbc458e73e255p-42, -0x1.7a9482e6d22a0p-46,
      0x1.80d3c26b3281ep-45,  0x1.776e1762d31e8p-47,  -0x1.12db5138afbc7p-48,
      -0x1.0efcd8bc4d22ap-49, 0x1.7d68e5f04a2d1p-52,  0x1.55915fceb588ap-52,
      -0x1.2806c9c773320p-55, -0x1.acea3b2532277p-55, 0x1.45b8aea87b950p-58,
      0x1.1556db352e8e6p-57,  -0x1.12e7f21d2c006p-60};
  const Expr outer = where(far, abs(x), x.like(kFar)), t = 16 / outer - 1, twice = 2 * t;
  Expr next = x.like(0), current = next;
  for (std::size_t i = std::size(kSeries) - 1; i > 0; --i) {
    const Expr before = twice * current - next + kSeries[i];
    next = current;
    current = before;
  }
  const Expr far_value = (t * current - next + kSeries[0]) / sqrt(outer);
  return where(far, where(x < 0, -far_value, far_value), near_value);
}

template <Expr (*kFunction)(Expr)>
Expr in_f64(Expr x) {
  const Value result = kFunction(build::convert(x, DType::f64));
  return build::convert(result, x.dtype());
}

/// e^x / 2 as CHLO defines it: e^(x + log ½), the sum rounded.
Expr half_exp(Expr x) { return in_f64<exp>(x + std::log(0.5)); }

/// Of an f32 StableHLO's tests hold an implementation to the rounding of CHLO's own formula, which
/// for large |x| is further from the truth than 3 ulp.
Expr cosh_f32(Expr x) { return half_exp(x) + half_exp(-x); }
Expr sinh_f32(Expr x) { return where(abs(x) < 1, in_f64<sinh>(x), half_exp(x) - half_exp(-x)); }

template <Expr (*kFunction)(Expr), Expr (*kOfF32)(Expr) = in_f64<kFunction>>
Values import_function(const Context& context) {
  context.expect_float(0);
  const Expr x = context.operand(0);
  return {x.dtype() == DType::f32 ? kOfF32(x) : kFunction(x)};
}

// ---- exact ones

Expr is_inf(Expr x) { return abs(x) == kInfinity; }
Expr is_pos_inf(Expr x) { return x == kInfinity; }
Expr is_neg_inf(Expr x) { return x == -kInfinity; }

/// To the nearest integer, halves away from zero.
Expr round_nearest_afz(Expr x) {
  const Expr whole = apply(Op::floor, abs(x));
  const Expr up = abs(x) - whole >= 0.5;  // exact; false of infinity
  return apply(Op::sign, x) * where(up, whole + 1, whole);
}

template <Expr (*kFunction)(Expr)>
Values import_exact(const Context& context) {
  context.expect_float(0);
  return {kFunction(context.operand(0))};
}

Values import_square(const Context& context) {
  return {context.make(Op::multiply, {context.operand(0), context.operand(0)})};
}

/// The number next to x towards y: in the total order, one more or one less.
Values import_next_after(const Context& context) {
  context.expect_float(0);
  context.expect_type(1, context.type(0));
  const Expr x = context.operand(0), y = context.operand(1);
  const Expr up = y > x, order = total_order_key(x);
  const Expr one = order.like(1), minus_one = order.like(-1);
  // Either zero is next to both smallest numbers.
  const Expr from = where(x == 0, where(up, order.like(0), minus_one), order);
  const Expr next = from_total_order(from + where(up, one, minus_one), x.dtype());
  const Expr is_number = (x == x) & (y == y);
  return {where(is_number, where(x == y, y, next), x + y)};
}

/// A constant of the operand's type.
Values import_constant_like(const Context& context) {
  return {build::like(context.operand(0), context.number("value"))};
}

/// The binary op after "broadcast_", of operands that are stretched to one shape: where ranks
/// differ, `broadcast_dimensions` says which axes the smaller operand has (missing: the last ones),
/// and axes of extent 1 are repeated.
Values import_broadcasting(const Context& context) {
  constexpr std::string_view kPrefix = "chlo.broadcast_";
  ImportOp op = context.op();
  const std::string name = op.name.substr(kPrefix.size());
  op.name = (name == "next_after" ? "chlo." : "stablehlo.") + name;
  std::size_t rank = 0;
  for (Value operand : op.operands) rank = std::max(rank, operand.type().dims.size());

  std::vector<Ints> axes;
  Ints dims(rank, 1);
  for (Value operand : op.operands) {
    const Ints& from = operand.type().dims;
    Ints& to = axes.emplace_back(from.size());
    std::iota(to.begin(), to.end(), static_cast<std::int64_t>(rank - from.size()));
    if (from.size() < rank && context.has("broadcast_dimensions"))
      to = context.ints_per_axis("broadcast_dimensions", operand.type().rank());
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (to[i] < 0 || to[i] >= static_cast<std::int64_t>(rank))
        context.fail(fmt::format("broadcast_dimensions below {}", rank), join(to, ", "));
      std::int64_t& extent = dims[static_cast<std::size_t>(to[i])];
      if (extent == 1) extent = from[i];
    }
  }
  for (std::size_t i = 0; i < axes.size(); ++i)
    op.operands[i] = context.make(Op::broadcast_in_dim, {op.operands[i]}, DimsAttrs{axes[i]},
                                  Type{op.operands[i].type().dtype, dims});
  return import_op(context.graph(), op);
}

constexpr Row kRows[] = {
    {"stablehlo.round_nearest_afz", 1, 0, import_exact<round_nearest_afz>},
    {"chlo.acos", 1, 0, import_function<acos>},
    {"chlo.acosh", 1, 0, import_function<acosh>},
    {"chlo.asin", 1, 0, import_function<asin>},
    {"chlo.asinh", 1, 0, import_function<asinh>},
    {"chlo.atan", 1, 0, import_function<atan>},
    {"chlo.atanh", 1, 0, import_function<atanh>},
    {"chlo.bessel_i1e", 1, 0, import_function<bessel_i1e>},
    {"chlo.cosh", 1, 0, import_function<cosh, cosh_f32>},
    {"chlo.sinh", 1, 0, import_function<sinh, sinh_f32>},
    {"chlo.is_inf", 1, 0, import_exact<is_inf>},
    {"chlo.is_neg_inf", 1, 0, import_exact<is_neg_inf>},
    {"chlo.is_pos_inf", 1, 0, import_exact<is_pos_inf>},
    {"chlo.square", 1, 0, import_square},
    {"chlo.next_after", 2, 0, import_next_after},
    {"chlo.constant_like", 1, 0, import_constant_like},
    {"chlo.broadcast_add", 2, 0, import_broadcasting},
    {"chlo.broadcast_and", 2, 0, import_broadcasting},
    {"chlo.broadcast_atan2", 2, 0, import_broadcasting},
    {"chlo.broadcast_compare", 2, 0, import_broadcasting},
    {"chlo.broadcast_divide", 2, 0, import_broadcasting},
    {"chlo.broadcast_maximum", 2, 0, import_broadcasting},
    {"chlo.broadcast_minimum", 2, 0, import_broadcasting},
    {"chlo.broadcast_multiply", 2, 0, import_broadcasting},
    {"chlo.broadcast_next_after", 2, 0, import_broadcasting},
    {"chlo.broadcast_or", 2, 0, import_broadcasting},
    {"chlo.broadcast_power", 2, 0, import_broadcasting},
    {"chlo.broadcast_remainder", 2, 0, import_broadcasting},
    {"chlo.broadcast_select", 3, 0, import_broadcasting},
    {"chlo.broadcast_shift_left", 2, 0, import_broadcasting},
    {"chlo.broadcast_shift_right_arithmetic", 2, 0, import_broadcasting},
    {"chlo.broadcast_shift_right_logical", 2, 0, import_broadcasting},
    {"chlo.broadcast_subtract", 2, 0, import_broadcasting},
    {"chlo.broadcast_xor", 2, 0, import_broadcasting},
};

}  // namespace

std::span<const Row> function_imports() { return kRows; }

}  // namespace kiln::importing
