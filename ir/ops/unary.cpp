// Element-wise ops of one operand. Derivatives at kinks follow PyTorch: abs has 0 at 0.
#include <array>
#include <numbers>

#include "ir/build.h"
#include "ir/math.h"
#include "ir/op.h"
#include "ir/reference.h"

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
std::vector<Type> infer_is_finite(const InferContext& context) {
  return {Type{DType::i1, infer_float(context)[0].dims}};
}
std::vector<Type> infer_convert(const InferContext& context) {
  internal_check(context.result.has_value(), "convert is made with its result type");
  return {Type{context.result->dtype, context.type(0).dims}};
}

/// ct · f where f is the derivative as a graph of the node's operand x and result y.
template <auto F>
Gradients chain(const Node& node, Cotangents ct) {
  return {multiply(ct[0], F(node.operand(0), Value{&node, 0}))};
}

Gradients gradient_convert(const Node& node, Cotangents ct) {
  const DType from = node.operand(0).type().dtype;
  if (!is_float(from) || !is_float(node.type().dtype)) return {Value{}};
  return {convert(ct[0], from)};
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
          .scalar = opcode<loop::Opcode::abs>},
    OpDef{.op = Op::ceil,
          .name = "ceil",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_float,
          .gradient = zero_gradient,
          .reference = reference::float_unary<[](auto x) { return std::ceil(x); }>,
          .scalar = opcode<loop::Opcode::ceil>},
    OpDef{.op = Op::convert,
          .name = "convert",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_convert,
          .gradient = gradient_convert,
          .reference = reference_convert,
          .scalar = scalar_convert},
    OpDef{.op = Op::cosine,
          .name = "cosine",
          .arity = 1,
          .traits = kCostly,
          .infer = infer_float,
          .gradient = chain<[](Value x, Value) { return negate(unary(Op::sine, x)); }>,
          .reference = reference::float_unary<[](auto x) { return std::cos(x); }>,
          .scalar = function<[](Val x) { return math::cos(x); }>},
    OpDef{.op = Op::erf,
          .name = "erf",
          .arity = 1,
          .traits = kCostly,
          .infer = infer_float,
          .gradient = chain<[](Value x, Value) {
            return multiply(like(x, 2 * std::numbers::inv_sqrtpi),
                            unary(Op::exponential, negate(multiply(x, x))));
          }>,
          .reference = reference::float_unary<[](auto x) { return std::erf(x); }>,
          .scalar = function<[](Val x) { return math::erf(x); }>},
    OpDef{.op = Op::exponential,
          .name = "exponential",
          .arity = 1,
          .traits = kCostly,
          .infer = infer_float,
          .gradient = chain<[](Value, Value y) { return y; }>,
          .reference = reference::float_unary<[](auto x) { return std::exp(x); }>,
          .scalar = function<[](Val x) { return math::exp(x); }>},
    OpDef{.op = Op::exponential_minus_one,
          .name = "exponential_minus_one",
          .arity = 1,
          .traits = kCostly,
          .infer = infer_float,
          .gradient = chain<[](Value, Value y) { return add(y, like(y, 1)); }>,
          .reference = reference::float_unary<[](auto x) { return std::expm1(x); }>,
          .scalar = function<[](Val x) { return math::expm1(x); }>},
    OpDef{.op = Op::floor,
          .name = "floor",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_float,
          .gradient = zero_gradient,
          .reference = reference::float_unary<[](auto x) { return std::floor(x); }>,
          .scalar = opcode<loop::Opcode::floor>},
    OpDef{
        .op = Op::is_finite,
        .name = "is_finite",
        .arity = 1,
        .traits = kCheap,
        .infer = infer_is_finite,
        .gradient = zero_gradient,
        .reference = reference::unary<[](auto x) { return std::isfinite(static_cast<double>(x)); }>,
        .scalar = scalar_is_finite},
    OpDef{.op = Op::log,
          .name = "log",
          .arity = 1,
          .traits = kCostly,
          .infer = infer_float,
          .gradient = chain<[](Value x, Value) { return divide(like(x, 1), x); }>,
          .reference = reference::float_unary<[](auto x) { return std::log(x); }>,
          .scalar = function<[](Val x) { return math::log(x); }>},
    OpDef{.op = Op::log_plus_one,
          .name = "log_plus_one",
          .arity = 1,
          .traits = kCostly,
          .infer = infer_float,
          .gradient = chain<[](Value x, Value) { return divide(like(x, 1), add(x, like(x, 1))); }>,
          .reference = reference::float_unary<[](auto x) { return std::log1p(x); }>,
          .scalar = function<[](Val x) { return math::log1p(x); }>},
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
          .scalar = function<[](Val x) { return math::logistic(x); }>},
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
          .scalar = scalar_negate},
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
          .scalar = scalar_not},
    OpDef{.op = Op::round_nearest_even,
          .name = "round_nearest_even",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_float,
          .gradient = zero_gradient,
          .reference = reference::float_unary<[](auto x) { return std::nearbyint(x); }>,
          .scalar = opcode<loop::Opcode::round_even>},
    OpDef{.op = Op::rsqrt,
          .name = "rsqrt",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_float,
          .gradient = chain<[](Value x, Value y) { return multiply(like(y, -0.5), divide(y, x)); }>,
          .reference = reference::float_unary<[](auto x) { return 1 / std::sqrt(x); }>,
          .scalar = function<[](Val x) { return x.like(1) / x.op(loop::Opcode::sqrt); }>},
    OpDef{.op = Op::sign,
          .name = "sign",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_signed_or_float,
          .gradient = zero_gradient,
          .reference = reference::unary<[](auto x) { return sign_element(x); }>,
          .scalar = scalar_sign},
    OpDef{.op = Op::sine,
          .name = "sine",
          .arity = 1,
          .traits = kCostly,
          .infer = infer_float,
          .gradient = chain<[](Value x, Value) { return unary(Op::cosine, x); }>,
          .reference = reference::float_unary<[](auto x) { return std::sin(x); }>,
          .scalar = function<[](Val x) { return math::sin(x); }>},
    OpDef{.op = Op::sqrt,
          .name = "sqrt",
          .arity = 1,
          .traits = kCheap,
          .infer = infer_float,
          .gradient = chain<[](Value, Value y) { return divide(like(y, 0.5), y); }>,
          .reference = reference::float_unary<[](auto x) { return std::sqrt(x); }>,
          .scalar = opcode<loop::Opcode::sqrt>},
    OpDef{.op = Op::tanh,
          .name = "tanh",
          .arity = 1,
          .traits = kCostly,
          .infer = infer_float,
          .gradient = chain<[](Value, Value y) { return subtract(like(y, 1), multiply(y, y)); }>,
          .reference = reference::float_unary<[](auto x) { return std::tanh(x); }>,
          .scalar = function<[](Val x) { return math::tanh(x); }>},
};
static_assert(complete(kRows, Op::abs, Op::tanh));

}  // namespace

std::span<const OpDef> unary_rows() { return kRows; }

}  // namespace kiln
