// Element-wise ops of one operand. Derivatives at kinks follow PyTorch: abs has 0 at 0.
#include <algorithm>
#include <array>
#include <bit>
#include <numbers>

#include "ir/build.h"
#include "ir/math.h"
#include "ir/op.h"
#include "ir/reference.h"
#include "ir/reference_functions.h"

namespace kiln {
namespace {

using namespace build;
using loop::Val;
using Operands = std::span<const Val>;
using Cotangents = std::span<const Value>;
using Gradients = std::vector<Value>;

std::vector<Type> infer_float(const InferContext& context) {
  if (!is_float(context.type(0).dtype)) shape_error("a float operand");
  return {context.type(0)};
}
std::vector<Type> infer_signed_or_float(const InferContext& context) {
  if (!is_float(context.type(0).dtype) && !is_signed(context.type(0).dtype))
    shape_error("a signed integer or float operand");
  return {context.type(0)};
}
std::vector<Type> infer_number(const InferContext& context) {
  if (is_bool(context.type(0).dtype)) shape_error("an integer or float operand");
  return {context.type(0)};
}
std::vector<Type> infer_logical(const InferContext& context) {
  if (is_float(context.type(0).dtype)) shape_error("a boolean or integer operand");
  return {context.type(0)};
}
std::vector<Type> infer_integer(const InferContext& context) {
  if (!is_integer(context.type(0).dtype)) shape_error("an integer operand");
  return {context.type(0)};
}
std::vector<Type> infer_is_finite(const InferContext& context) {
  return {Type{DType::i1, infer_float(context)[0].dims}};
}
std::vector<Type> infer_convert(const InferContext& context) {
  internal_check(context.result.has_value(), "convert is made with its result type");
  return {Type{context.result->dtype, context.type(0).dims}};
}
std::vector<Type> infer_bitcast(const InferContext& context) {
  internal_check(context.result.has_value(), "bitcast_convert is made with its result type");
  // A boolean has one bit, though it is stored in a byte. Other widths would need another shape.
  const DType from = context.type(0).dtype, to = context.result->dtype;
  if (size_of(from) != size_of(to) || is_bool(from) != is_bool(to))
    shape_error(fmt::format("an operand as wide as {}", name_of(to)));
  return {Type{to, context.type(0).dims}};
}

/// ct · f where f is the derivative as a graph of the node's operand x and result y.
template <auto F>
Gradients chain(const Node& node, Cotangents ct) {
  return {multiply(ct[0], F(node.operand(0), Value{&node, 0}))};
}

/// The derivative of digamma: ψ'(x) = 1/x² + ψ'(x + 1) eight times, then the asymptotic series;
/// below ½ by reflection, (π / sin πx)² - ψ'(1 - x).
Value trigamma(Value x) {
  const auto square = [](Value v) { return multiply(v, v); };
  const Value one = like(x, 1);
  const Value left = compare(x, like(x, 0.5), Direction::LT);
  Value z = select(left, subtract(one, x), x);
  Value sum = like(x, 0);
  for (int i = 0; i < 8; ++i) {
    sum = add(sum, divide(one, square(z)));
    z = add(z, one);
  }
  // 1/z + 1/(2z²) + Σ B(2k) / z^(2k+1)
  const Value inverse = divide(one, z);
  Value tail = like(x, -3617.0 / 510);
  for (const double b : {7.0 / 6, -691.0 / 2730, 5.0 / 66, -1.0 / 30, 1.0 / 42, -1.0 / 30, 1.0 / 6})
    tail = add(multiply(tail, square(inverse)), like(x, b));
  tail = multiply(inverse, add(one, multiply(inverse, add(like(x, 0.5), multiply(inverse, tail)))));
  const Value right = add(sum, tail);
  // Multiplied by π only after the whole turns are off.
  const Value off = subtract(x, unary(Op::round_nearest_even, x));
  const Value pi = like(x, std::numbers::pi);
  const Value reflected = square(divide(pi, unary(Op::sine, multiply(pi, off))));
  return select(left, subtract(reflected, right), right);
}

Gradients gradient_convert(const Node& node, Cotangents ct) {
  const DType from = node.operand(0).type().dtype;
  if (!is_float(from) || !is_float(node.type().dtype)) return {Value{}};
  return {convert(ct[0], from)};
}

std::vector<Array> reference_bitcast(const Node& node, std::span<const Array> operands) {
  Array result(node.type());
  std::ranges::copy(operands[0].bytes(), result.bytes().begin());
  return {result};
}

std::vector<Array> reference_convert(const Node& node, std::span<const Array> operands) {
  return {operands[0].converted(node.type().dtype)};
}

template <class T>
T sign_element(T x) {
  if (x > T{}) return T(1);
  return x < T{} ? static_cast<T>(-1) : x;  // x itself where it is ±0 or NaN
}

/// An op that loop IR has as it stands.
template <loop::Opcode kOpcode>
Val opcode(const Node&, Operands x) {
  return x[0].op(kOpcode);
}
/// An op that ir/math.h writes out.
template <auto F>
Val function(const Node&, Operands x) {
  return F(x[0]);
}

Val scalar_negate(const Node&, Operands x) { return -x[0]; }
Val scalar_convert(const Node& node, Operands x) { return x[0].convert(node.type().dtype); }
Val scalar_bitcast(const Node& node, Operands x) {
  const DType to = node.type().dtype;
  return x[0].type().dtype == to ? x[0] : x[0].bitcast(to);
}
Val scalar_is_finite(const Node&, Operands x) {
  return x[0].op(loop::Opcode::abs) < x[0].like(std::numeric_limits<double>::infinity());
}
Val scalar_sign(const Node&, Operands x) {
  const Val zero = x[0].like(0);
  const Val sign = select(x[0] > zero, x[0].like(1), select(x[0] < zero, x[0].like(-1), x[0]));
  return sign;  // x itself where it is ±0 or NaN
}
Val scalar_not(const Node&, Operands x) { return ~x[0]; }

constexpr Traits kCheap{.elementwise = true};
constexpr Traits kCostly{.elementwise = true, .transcendental = true};
constexpr Traits kChlo{.elementwise = true, .transcendental = true, .chlo = true};

constexpr std::array kRows = {
    OpDef{.op = Op::abs,
          .name = "abs",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_signed_or_float,
          .gradient = chain<[](Value x, Value) { return unary(Op::sign, x); }>,
          .reference = reference::unary<[](auto x) {
            if constexpr (std::is_floating_point_v<decltype(x)>)
              return std::fabs(x);
            else if constexpr (std::is_signed_v<decltype(x)>)
              return x < 0 ? reference::wrapping<decltype(x)>(0, x, std::minus<>{}) : x;
            else
              return x;
          }>,
          .lowering = opcode<loop::Opcode::abs>},
    OpDef{.op = Op::bitcast_convert,
          .name = "bitcast_convert",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_bitcast,
          // Of the same dtype it is the identity; between others bits say nothing of a slope.
          .gradient = gradient_convert,
          .reference = reference_bitcast,
          .lowering = scalar_bitcast},
    OpDef{
        .op = Op::cbrt,
        .name = "cbrt",
        .arity = 1,
        .traits = kCostly,
        .infer = infer_float,
        .gradient = chain<[](Value, Value y) { return divide(like(y, 1.0 / 3), multiply(y, y)); }>,
        .reference = reference::float_unary<[](auto x) { return std::cbrt(x); }>,
        .lowering = function<[](Val x) { return math::cbrt(x); }>},
    OpDef{.op = Op::ceil,
          .name = "ceil",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_float,
          .gradient = zero_gradient,
          .reference = reference::float_unary<[](auto x) { return std::ceil(x); }>,
          .lowering = opcode<loop::Opcode::ceil>},
    OpDef{.op = Op::convert,
          .name = "convert",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_convert,
          .gradient = gradient_convert,
          .reference = reference_convert,
          .lowering = scalar_convert},
    OpDef{.op = Op::cosine,
          .name = "cosine",
          .arity = 1,
          .traits = kCostly,
          .infer = infer_float,
          .gradient = chain<[](Value x, Value) { return negate(unary(Op::sine, x)); }>,
          .reference = reference::float_unary<[](auto x) { return std::cos(x); }>,
          .lowering = function<[](Val x) { return math::cos(x); }>},
    OpDef{.op = Op::count_leading_zeros,
          .name = "count_leading_zeros",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_integer,
          .gradient = zero_gradient,
          .reference =
              reference::integer_unary<[](auto x) { return std::countl_zero(reference::bits(x)); }>,
          .lowering = opcode<loop::Opcode::clz>},
    OpDef{.op = Op::digamma,
          .name = "digamma",
          .arity = 1,
          .traits = kChlo,
          .infer = infer_float,
          .gradient = chain<[](Value x, Value) { return trigamma(x); }>,
          .reference = reference::float_unary<[](auto x) { return reference::digamma(x); }>,
          .lowering = function<[](Val x) { return math::digamma(x); }>},
    OpDef{.op = Op::erf,
          .name = "erf",
          .arity = 1,
          .traits = kChlo,
          .infer = infer_float,
          .gradient = chain<[](Value x, Value) {
            return multiply(like(x, 2 * std::numbers::inv_sqrtpi),
                            unary(Op::exponential, negate(multiply(x, x))));
          }>,
          .reference = reference::float_unary<[](auto x) { return std::erf(x); }>,
          .lowering = function<[](Val x) { return math::erf(x); }>},
    OpDef{.op = Op::erf_inv,
          .name = "erf_inv",
          .arity = 1,
          .traits = kChlo,
          .infer = infer_float,
          .gradient = chain<[](Value, Value y) {
            return multiply(like(y, 1 / (2 * std::numbers::inv_sqrtpi)),
                            unary(Op::exponential, multiply(y, y)));
          }>,
          .reference = reference::float_unary<[](auto x) { return reference::erf_inv(x); }>,
          .lowering = function<[](Val x) { return math::erf_inv(x); }>},
    OpDef{.op = Op::erfc,
          .name = "erfc",
          .arity = 1,
          .traits = kChlo,
          .infer = infer_float,
          .gradient = chain<[](Value x, Value) {
            return multiply(like(x, -2 * std::numbers::inv_sqrtpi),
                            unary(Op::exponential, negate(multiply(x, x))));
          }>,
          .reference = reference::float_unary<[](auto x) { return std::erfc(x); }>,
          .lowering = function<[](Val x) { return math::erfc(x); }>},
    OpDef{.op = Op::exponential,
          .name = "exponential",
          .arity = 1,
          .traits = kCostly,
          .infer = infer_float,
          .gradient = chain<[](Value, Value y) { return y; }>,
          .reference = reference::float_unary<[](auto x) { return std::exp(x); }>,
          .lowering = function<[](Val x) { return math::exp(x); }>},
    OpDef{.op = Op::exponential_minus_one,
          .name = "exponential_minus_one",
          .arity = 1,
          .traits = kCostly,
          .infer = infer_float,
          .gradient = chain<[](Value, Value y) { return add(y, like(y, 1)); }>,
          .reference = reference::float_unary<[](auto x) { return std::expm1(x); }>,
          .lowering = function<[](Val x) { return math::expm1(x); }>},
    OpDef{.op = Op::floor,
          .name = "floor",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_float,
          .gradient = zero_gradient,
          .reference = reference::float_unary<[](auto x) { return std::floor(x); }>,
          .lowering = opcode<loop::Opcode::floor>},
    OpDef{
        .op = Op::is_finite,
        .name = "is_finite",
        .arity = 1,
        .traits = kCheap,
        .infer = infer_is_finite,
        .gradient = zero_gradient,
        .reference = reference::unary<[](auto x) { return std::isfinite(static_cast<double>(x)); }>,
        .lowering = scalar_is_finite},
    OpDef{.op = Op::lgamma,
          .name = "lgamma",
          .arity = 1,
          .traits = kChlo,
          .infer = infer_float,
          .gradient = chain<[](Value x, Value) { return unary(Op::digamma, x); }>,
          .reference = reference::float_unary<[](auto x) { return reference::lgamma(x); }>,
          .lowering = function<[](Val x) { return math::lgamma(x); }>},
    OpDef{.op = Op::log,
          .name = "log",
          .arity = 1,
          .traits = kCostly,
          .infer = infer_float,
          .gradient = chain<[](Value x, Value) { return divide(like(x, 1), x); }>,
          .reference = reference::float_unary<[](auto x) { return std::log(x); }>,
          .lowering = function<[](Val x) { return math::log(x); }>},
    OpDef{.op = Op::log_plus_one,
          .name = "log_plus_one",
          .arity = 1,
          .traits = kCostly,
          .infer = infer_float,
          .gradient = chain<[](Value x, Value) { return divide(like(x, 1), add(x, like(x, 1))); }>,
          .reference = reference::float_unary<[](auto x) { return std::log1p(x); }>,
          .lowering = function<[](Val x) { return math::log1p(x); }>},
    OpDef{.op = Op::logistic,
          .name = "logistic",
          .arity = 1,
          .traits = kCostly,
          .infer = infer_float,
          .gradient = chain<[](Value, Value y) { return multiply(y, subtract(like(y, 1), y)); }>,
          .reference = reference::float_unary<[](auto x) {
            // exp(-x) overflows long before the result, e^x, underflows.
            return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
          }>,
          .lowering = function<[](Val x) { return math::logistic(x); }>},
    OpDef{.op = Op::negate,
          .name = "negate",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_number,
          .gradient = [](const Node&, Cotangents ct) { return Gradients{negate(ct[0])}; },
          .reference = reference::unary<[](auto x) {
            if constexpr (std::is_floating_point_v<decltype(x)>)
              return -x;
            else
              return reference::wrapping<decltype(x)>(0, x, std::minus<>{});
          }>,
          .lowering = scalar_negate},
    OpDef{.op = Op::not_,
          .name = "not",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_logical,
          .gradient = zero_gradient,
          .reference = reference::unary<[](auto x) {
            if constexpr (std::is_same_v<decltype(x), bool>)
              return !x;
            else if constexpr (std::is_integral_v<decltype(x)>)
              return static_cast<decltype(x)>(~x);
            else
              return x;
          }>,
          .lowering = scalar_not},
    OpDef{.op = Op::popcnt,
          .name = "popcnt",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_integer,
          .gradient = zero_gradient,
          .reference =
              reference::integer_unary<[](auto x) { return std::popcount(reference::bits(x)); }>,
          .lowering = opcode<loop::Opcode::popcnt>},
    OpDef{.op = Op::round_nearest_even,
          .name = "round_nearest_even",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_float,
          .gradient = zero_gradient,
          .reference = reference::float_unary<[](auto x) { return std::nearbyint(x); }>,
          .lowering = opcode<loop::Opcode::round_even>},
    OpDef{.op = Op::rsqrt,
          .name = "rsqrt",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_float,
          .gradient = chain<[](Value x, Value y) { return multiply(like(y, -0.5), divide(y, x)); }>,
          .reference = reference::float_unary<[](auto x) { return 1 / std::sqrt(x); }>,
          .lowering = function<[](Val x) { return x.like(1) / x.op(loop::Opcode::sqrt); }>},
    OpDef{.op = Op::sign,
          .name = "sign",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_signed_or_float,
          .gradient = zero_gradient,
          .reference = reference::unary<[](auto x) { return sign_element(x); }>,
          .lowering = scalar_sign},
    OpDef{.op = Op::sine,
          .name = "sine",
          .arity = 1,
          .traits = kCostly,
          .infer = infer_float,
          .gradient = chain<[](Value x, Value) { return unary(Op::cosine, x); }>,
          .reference = reference::float_unary<[](auto x) { return std::sin(x); }>,
          .lowering = function<[](Val x) { return math::sin(x); }>},
    OpDef{.op = Op::sqrt,
          .name = "sqrt",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_float,
          .gradient = chain<[](Value, Value y) { return divide(like(y, 0.5), y); }>,
          .reference = reference::float_unary<[](auto x) { return std::sqrt(x); }>,
          .lowering = opcode<loop::Opcode::sqrt>},
    OpDef{.op = Op::tan,
          .name = "tan",
          .arity = 1,
          .traits = kChlo,
          .infer = infer_float,
          .gradient = chain<[](Value, Value y) { return add(like(y, 1), multiply(y, y)); }>,
          .reference = reference::float_unary<[](auto x) { return std::tan(x); }>,
          .lowering = function<[](Val x) { return math::tan(x); }>},
    OpDef{.op = Op::tanh,
          .name = "tanh",
          .arity = 1,
          .traits = kCostly,
          .infer = infer_float,
          .gradient = chain<[](Value, Value y) { return subtract(like(y, 1), multiply(y, y)); }>,
          .reference = reference::float_unary<[](auto x) { return std::tanh(x); }>,
          .lowering = function<[](Val x) { return math::tanh(x); }>},
};
static_assert(complete(kRows, Op::abs, Op::tanh));

}  // namespace

std::span<const OpDef> unary_rows() { return kRows; }

}  // namespace kiln
