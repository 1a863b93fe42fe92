// Element-wise ops of two and three operands.
//
// The undefined corners are defined, as XLA defines them: integer division by zero gives all ones
// (-1), its remainder the dividend; INT_MIN / -1 is INT_MIN, its remainder 0. A shift's amount is
// an unsigned number; past the width nothing is left but zeros, or the sign in an arithmetic shift.
// maximum and minimum propagate NaN. At a tie of maximum or minimum each side gets half the
// gradient (PyTorch).
#include <array>
#include <cmath>

#include "ir/build.h"
#include "ir/math.h"
#include "ir/op.h"
#include "ir/reference.h"

namespace kiln {
namespace {

using namespace build;
using loop::Opcode;
using loop::Val;
using Operands = std::span<const Val>;
using Cotangents = std::span<const Value>;
using Gradients = std::vector<Value>;

std::vector<Type> infer_same(const InferContext& context) {
  if (context.type(0) != context.type(1)) shape_error("operands of one type");
  return {context.type(0)};
}
std::vector<Type> infer_number(const InferContext& context) {
  if (is_bool(context.type(0).dtype)) shape_error("integer or float operands of one type");
  return infer_same(context);
}
std::vector<Type> infer_integer(const InferContext& context) {
  if (!is_integer(context.type(0).dtype)) shape_error("integer operands of one type");
  return infer_same(context);
}
std::vector<Type> infer_float(const InferContext& context) {
  if (!is_float(context.type(0).dtype)) shape_error("float operands of one type");
  return infer_same(context);
}
std::vector<Type> infer_logical(const InferContext& context) {
  if (is_float(context.type(0).dtype)) shape_error("boolean or integer operands of one type");
  return infer_same(context);
}
std::vector<Type> infer_compare(const InferContext& context) {
  return {Type{DType::i1, infer_same(context)[0].dims}};
}
std::vector<Type> infer_select(const InferContext& context) {
  const Type& yes = context.type(1);
  if (context.type(0) != Type{DType::i1, yes.dims} || context.type(2) != yes)
    shape_error("an i1 condition and two operands of one type, all of one shape");
  return {yes};
}

/// ct / b, by the reciprocal where one number divides many: a row's sum, a norm.
Value divided_by(Value ct, Value b) {
  if (b.node->op() != Op::broadcast_in_dim) return divide(ct, b);
  const Value one = b.node->operand(0);
  if (one.type().count() == b.type().count()) return divide(ct, b);
  return multiply(ct, remake(b.node, {divide(like(one, 1), one)})[0]);
}

Gradients gradient_extremum(const Node& node, Cotangents ct) {
  // 1 where this side alone is the result, 1/2 where both are.
  const Value a = node.operand(0), b = node.operand(1), y{&node, 0};
  const Value half = multiply(ct[0], like(ct[0], 0.5)), none = like(ct[0], 0);
  const Value tie = compare(a, b, Direction::EQ);
  const auto side = [&](Value x) {
    return select(tie, half, select(compare(x, y, Direction::EQ), ct[0], none));
  };
  return {side(a), side(b)};
}

Gradients gradient_power(const Node& node, Cotangents ct) {
  // d/da = b a^(b-1), 0 where b is 0; d/db = a^b log a, 0 where a is 0 and b >= 0 (PyTorch). What
  // would be 0 · inf there is kept out of the formulas, so that their derivatives are finite too.
  const Value a = node.operand(0), b = node.operand(1), y{&node, 0};
  const Value zero = like(a, 0), one = like(a, 1);
  const auto both = [](Value p, Value q) { return binary(Op::and_, p, q); };
  const double least = a.type().dtype == DType::f64 ? std::numeric_limits<double>::min()
                                                    : std::numeric_limits<float>::min();
  const Value invertible = compare(unary(Op::abs, a), like(a, least), Direction::GE);
  const Value level =
      both(compare(b, zero, Direction::EQ), unary(Op::not_, invertible));  // a^(-1) is not finite
  const Value lowered = subtract(select(level, one, b), one);
  const Value da = multiply(b, binary(Op::power, a, lowered));
  const Value flat = both(compare(a, zero, Direction::EQ), compare(b, zero, Direction::GE));
  const Value db = multiply(y, unary(Op::log, select(flat, one, a)));
  return {multiply(ct[0], da), multiply(ct[0], db)};
}

Gradients gradient_atan2(const Node& node, Cotangents ct) {
  // x / (x² + y²) and -y / (x² + y²), with nothing squared that could overflow or underflow: with
  // the ratio t of the smaller to the larger operand, 1 / (larger (1 + t²)) and t times that.
  const Value y = node.operand(0), x = node.operand(1);
  const Value steep = compare(unary(Op::abs, y), unary(Op::abs, x), Direction::GT);
  const Value larger = select(steep, y, x), smaller = select(steep, x, y);
  const Value t = divide(smaller, larger);
  const Value by_smaller = divide(ct[0], multiply(larger, add(like(x, 1), multiply(t, t))));
  const Value by_larger = multiply(by_smaller, t);
  return {select(steep, by_larger, by_smaller), negate(select(steep, by_smaller, by_larger))};
}

Gradients gradient_select(const Node& node, Cotangents ct) {
  const Value zero = like(ct[0], 0);
  return {Value{}, select(node.operand(0), ct[0], zero), select(node.operand(0), zero, ct[0])};
}

template <class T>
bool compare_elements(Direction direction, T a, T b) {
  switch (direction) {
    case Direction::EQ:
      return a == b;
    case Direction::NE:
      return a != b;
    case Direction::GE:
      return a >= b;
    case Direction::GT:
      return a > b;
    case Direction::LE:
      return a <= b;
    case Direction::LT:
      return a < b;
  }
  std::abort();
}

std::vector<Array> reference_compare(const Node& node, std::span<const Array> operands) {
  Array result(node.type());
  const Direction direction = node.attrs<CompareAttrs>().direction;
  visit_dtype(operands[0].dtype(), [&]<class T>(T) {
    const auto a = operands[0].data<T>(), b = operands[1].data<T>();
    const auto out = result.data<bool>();
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = compare_elements(direction, a[i], b[i]);
  });
  return {result};
}

std::vector<Array> reference_select(const Node& node, std::span<const Array> operands) {
  Array result(node.type());
  const auto condition = operands[0].data<bool>();
  visit_dtype(result.dtype(), [&]<class T>(T) {
    const auto yes = operands[1].data<T>(), no = operands[2].data<T>();
    const auto out = result.data<T>();
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = condition[i] ? yes[i] : no[i];
  });
  return {result};
}

template <class T>
T divide_elements(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a / b;
  else if constexpr (std::is_same_v<T, bool>)
    return a;
  else {
    if (b == 0) return static_cast<T>(-1);
    if (std::is_signed_v<T> && b == static_cast<T>(-1))
      return reference::wrapping<T>(0, a, std::minus<>{});
    return static_cast<T>(a / b);
  }
}

template <class T>
T remainder_elements(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return std::fmod(a, b);
  else if constexpr (std::is_same_v<T, bool>)
    return a;
  else {
    if (b == 0) return a;
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return 0;
    return static_cast<T>(a % b);
  }
}

template <class T>
T maximum_elements(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<T>::quiet_NaN();
    if (a == b) return std::signbit(a) ? b : a;
  }
  return a > b ? a : b;
}

template <class T>
T minimum_elements(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<T>::quiet_NaN();
    if (a == b) return std::signbit(a) ? a : b;
  }
  return a < b ? a : b;
}

template <class T>
T power_elements(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return std::pow(a, b);
  else if constexpr (std::is_same_v<T, bool>)
    return a;
  else {
    // a^b wrapping; a negative exponent gives the integer part of 1 / a^|b|.
    if (std::is_signed_v<T> && b < 0) {
      if (a == 1) return 1;
      if (a == static_cast<T>(-1)) return (b & 1) ? a : T(1);
      return a == 0 ? static_cast<T>(-1) : T(0);
    }
    T result = 1;
    for (auto n = static_cast<std::uint64_t>(b); n != 0; n >>= 1) {
      if (n & 1) result = reference::wrapping<T>(result, a, std::multiplies<>{});
      a = reference::wrapping<T>(a, a, std::multiplies<>{});
    }
    return result;
  }
}

template <class T>
constexpr unsigned kWidth = 8 * sizeof(T);

template <class T>
T shifted_left(T a, T amount) {
  const auto n = reference::bits(amount);
  return n < kWidth<T> ? static_cast<T>(static_cast<std::uint64_t>(a) << n) : T(0);
}
template <class T>
T shifted_right_logical(T a, T amount) {
  const auto n = reference::bits(amount);
  return n < kWidth<T> ? static_cast<T>(reference::bits(a) >> n) : T(0);
}
template <class T>
T shifted_right_arithmetic(T a, T amount) {
  const unsigned n = std::min<std::uint64_t>(reference::bits(amount), kWidth<T> - 1);
  return static_cast<T>(static_cast<std::make_signed_t<T>>(a) >> n);
}

template <Opcode kOpcode>
Val opcode(const Node&, Operands x) {
  return x[0].op(kOpcode, x[1]);
}

Val scalar_compare(const Node& node, Operands x) {
  constexpr Opcode kOpcodes[] = {Opcode::eq, Opcode::ne, Opcode::ge,
                                 Opcode::gt, Opcode::le, Opcode::lt};
  return x[0].op(kOpcodes[static_cast<std::size_t>(node.attrs<CompareAttrs>().direction)], x[1]);
}

/// An integer division with its corners taken out before (the divisor is replaced by 1) and put
/// back.
Val guarded_division(Operands x, bool quotient) {
  const Opcode opcode = quotient ? Opcode::div : Opcode::rem;
  const Val a = x[0], b = x[1];
  if (is_float(a.type().dtype)) return a.op(opcode, b);
  const Val zero = a.like(0), one = a.like(1);
  const Val by_zero = b == zero;
  const Val ones = zero.op(Opcode::bit_not);  // -1, or the largest unsigned number
  if (is_unsigned(a.type().dtype)) {
    const Val safe = a.op(opcode, select(by_zero, one, b));
    return select(by_zero, quotient ? ones : a, safe);
  }
  const Val by_minus_one = b == ones;
  const Val safe = a.op(opcode, select(by_zero | by_minus_one, one, b));
  return select(by_zero, quotient ? ones : a, select(by_minus_one, quotient ? -a : zero, safe));
}

/// The integer of this one's width, signed or unsigned.
DType integer_as_wide_as(DType dtype, bool sign) {
  if (is_signed(dtype) == sign) return dtype;
  constexpr int kApart = static_cast<int>(DType::ui8) - static_cast<int>(DType::i8);
  return static_cast<DType>(static_cast<int>(dtype) + (sign ? -kApart : kApart));
}
Val as(Val x, DType dtype) { return x.type().dtype == dtype ? x : x.bitcast(dtype); }

/// A shift with all amounts defined: loop IR's own take those below the width only.
template <Opcode kOpcode, bool kArithmetic>
Val shift(const Node&, Operands x) {
  const DType dtype = x[0].type().dtype;
  const Val amount = as(x[1], integer_as_wide_as(dtype, false));
  const Val most = amount.like(8 * size_of(dtype) - 1);
  const DType inside = integer_as_wide_as(dtype, kArithmetic);
  const Val within = amount.op(Opcode::min, most);
  const Val shifted = as(x[0], inside).op(kOpcode, as(within, inside));
  const Val result = as(shifted, dtype);
  return kArithmetic ? result : select(amount <= most, result, x[0].like(0));
}

/// Square and multiply over all bits of the exponent; for negative ones see power_elements.
Val integer_power(Val a, Val b) {
  const Val zero = a.like(0), one = a.like(1);
  Val result = one, square = a;
  const int bits = 8 * size_of(a.type().dtype);
  for (int bit = 0; bit < bits; ++bit) {
    const Val set = ((b >> b.like(bit)) & one) != zero;
    result = select(set, result * square, result);
    if (bit + 1 < bits) square = square * square;
  }
  if (is_unsigned(a.type().dtype)) return result;
  const Val ones = ~zero;
  const Val odd = (b & one) != zero;
  const Val inverse = select(
      a == one, one, select(a == ones, select(odd, ones, one), select(a == zero, ones, zero)));
  return select(b < zero, inverse, result);
}

Val scalar_power(const Node&, Operands x) {
  return is_float(x[0].type().dtype) ? math::pow(x[0], x[1]) : integer_power(x[0], x[1]);
}

Val scalar_select(const Node&, Operands x) { return select(x[0], x[1], x[2]); }

/// i1 arithmetic is that of one bit: add is or, multiply is and, maximum or, minimum and.
template <Opcode kOpcode, Opcode kBoolean>
Val opcode_or_bits(const Node&, Operands x) {
  return x[0].op(is_bool(x[0].type().dtype) ? kBoolean : kOpcode, x[1]);
}

constexpr Traits kCheap{.elementwise = true};
constexpr Traits kCommutative{.elementwise = true, .commutative = true};
constexpr Traits kCostly{.elementwise = true, .transcendental = true};

constexpr std::array kRows = {
    OpDef{.op = Op::add,
          .name = "add",
          .arity = 2,
          .traits = kCommutative,
          .infer = infer_same,
          .gradient = [](const Node&, Cotangents ct) { return Gradients{ct[0], ct[0]}; },
          .reference = reference::binary<[](auto a, auto b) {
            if constexpr (std::is_floating_point_v<decltype(a)>)
              return a + b;
            else if constexpr (std::is_same_v<decltype(a), bool>)
              return a || b;
            else
              return reference::wrapping<decltype(a)>(a, b, std::plus<>{});
          }>,
          .lowering = opcode_or_bits<Opcode::add, Opcode::bit_or>},
    OpDef{.op = Op::and_,
          .name = "and",
          .arity = 2,
          .traits = kCommutative,
          .infer = infer_logical,
          .gradient = zero_gradient,
          .reference = reference::binary<[](auto a, auto b) {
            if constexpr (std::is_integral_v<decltype(a)>)
              return static_cast<decltype(a)>(a & b);
            else
              return a;
          }>,
          .lowering = opcode<Opcode::bit_and>},
    OpDef{.op = Op::atan2,
          .name = "atan2",
          .arity = 2,
          .traits = kCostly,
          .infer = infer_float,
          .gradient = gradient_atan2,
          .reference = reference::float_binary<[](auto y, auto x) { return std::atan2(y, x); }>,
          .lowering = [](const Node&, Operands x) { return math::atan2(x[0], x[1]); }},
    OpDef{.op = Op::compare,
          .name = "compare",
          .arity = 2,
          .traits = kCheap,
          .infer = infer_compare,
          .gradient = zero_gradient,
          .reference = reference_compare,
          .lowering = scalar_compare},
    OpDef{.op = Op::divide,
          .name = "divide",
          .arity = 2,
          .traits = kCheap,
          .infer = infer_number,
          .gradient =
              [](const Node& node, Cotangents ct) {
                const Value da = divided_by(ct[0], node.operand(1));
                return Gradients{da, negate(multiply(da, Value{&node, 0}))};
              },
          .reference = reference::binary<[](auto a, auto b) { return divide_elements(a, b); }>,
          .lowering = [](const Node&, Operands x) { return guarded_division(x, true); }},
    OpDef{.op = Op::maximum,
          .name = "maximum",
          .arity = 2,
          .traits = kCommutative,
          .infer = infer_same,
          .gradient = gradient_extremum,
          .reference = reference::binary<[](auto a, auto b) { return maximum_elements(a, b); }>,
          .lowering = opcode_or_bits<Opcode::max, Opcode::bit_or>},
    OpDef{.op = Op::minimum,
          .name = "minimum",
          .arity = 2,
          .traits = kCommutative,
          .infer = infer_same,
          .gradient = gradient_extremum,
          .reference = reference::binary<[](auto a, auto b) { return minimum_elements(a, b); }>,
          .lowering = opcode_or_bits<Opcode::min, Opcode::bit_and>},
    OpDef{.op = Op::multiply,
          .name = "multiply",
          .arity = 2,
          .traits = kCommutative,
          .infer = infer_same,
          .gradient =
              [](const Node& node, Cotangents ct) {
                return Gradients{multiply(ct[0], node.operand(1)),
                                 multiply(ct[0], node.operand(0))};
              },
          .reference = reference::binary<[](auto a, auto b) {
            if constexpr (std::is_floating_point_v<decltype(a)>)
              return a * b;
            else if constexpr (std::is_same_v<decltype(a), bool>)
              return a && b;
            else
              return reference::wrapping<decltype(a)>(a, b, std::multiplies<>{});
          }>,
          .lowering = opcode_or_bits<Opcode::mul, Opcode::bit_and>},
    OpDef{.op = Op::or_,
          .name = "or",
          .arity = 2,
          .traits = kCommutative,
          .infer = infer_logical,
          .gradient = zero_gradient,
          .reference = reference::binary<[](auto a, auto b) {
            if constexpr (std::is_integral_v<decltype(a)>)
              return static_cast<decltype(a)>(a | b);
            else
              return a;
          }>,
          .lowering = opcode<Opcode::bit_or>},
    OpDef{.op = Op::power,
          .name = "power",
          .arity = 2,
          .traits = kCostly,
          .infer = infer_number,
          .gradient = gradient_power,
          .reference = reference::binary<[](auto a, auto b) {
            using T = decltype(a);
            return static_cast<T>(power_elements(reference::Wide<T>(a), reference::Wide<T>(b)));
          }>,
          .lowering = scalar_power},
    OpDef{.op = Op::remainder,
          .name = "remainder",
          .arity = 2,
          .traits = kCheap,
          .infer = infer_number,
          .gradient =
              [](const Node& node, Cotangents ct) {
                // a - n b with a whole n: slope 1 in a, -n in b. (a / b may round past n.)
                const Value a = node.operand(0), b = node.operand(1), y{&node, 0};
                const Value whole = unary(Op::round_nearest_even, divide(subtract(a, y), b));
                return Gradients{ct[0], negate(multiply(ct[0], whole))};
              },
          .reference = reference::binary<[](auto a, auto b) { return remainder_elements(a, b); }>,
          .lowering = [](const Node&, Operands x) { return guarded_division(x, false); }},
    OpDef{.op = Op::select,
          .name = "select",
          .arity = 3,
          .traits = kCheap,
          .infer = infer_select,
          .gradient = gradient_select,
          .reference = reference_select,
          .lowering = scalar_select},
    OpDef{.op = Op::shift_left,
          .name = "shift_left",
          .arity = 2,
          .traits = kCheap,
          .infer = infer_integer,
          .gradient = zero_gradient,
          .reference = reference::integer_binary<[](auto a, auto n) { return shifted_left(a, n); }>,
          .lowering = shift<Opcode::shl, false>},
    OpDef{.op = Op::shift_right_arithmetic,
          .name = "shift_right_arithmetic",
          .arity = 2,
          .traits = kCheap,
          .infer = infer_integer,
          .gradient = zero_gradient,
          .reference = reference::integer_binary<[](auto a, auto n) {
            return shifted_right_arithmetic(a, n);
          }>,
          .lowering = shift<Opcode::shr, true>},
    OpDef{.op = Op::shift_right_logical,
          .name = "shift_right_logical",
          .arity = 2,
          .traits = kCheap,
          .infer = infer_integer,
          .gradient = zero_gradient,
          .reference =
              reference::integer_binary<[](auto a, auto n) { return shifted_right_logical(a, n); }>,
          .lowering = shift<Opcode::shr, false>},
    OpDef{.op = Op::subtract,
          .name = "subtract",
          .arity = 2,
          .traits = kCheap,
          .infer = infer_number,
          .gradient = [](const Node&, Cotangents ct) { return Gradients{ct[0], negate(ct[0])}; },
          .reference = reference::binary<[](auto a, auto b) {
            if constexpr (std::is_floating_point_v<decltype(a)>)
              return a - b;
            else
              return reference::wrapping<decltype(a)>(a, b, std::minus<>{});
          }>,
          .lowering = opcode<Opcode::sub>},
    OpDef{.op = Op::xor_,
          .name = "xor",
          .arity = 2,
          .traits = kCommutative,
          .infer = infer_logical,
          .gradient = zero_gradient,
          .reference = reference::binary<[](auto a, auto b) {
            if constexpr (std::is_integral_v<decltype(a)>)
              return static_cast<decltype(a)>(a ^ b);
            else
              return a;
          }>,
          .lowering = opcode<Opcode::bit_xor>},
};
static_assert(complete(kRows, Op::add, Op::xor_));

}  // namespace

std::span<const OpDef> nary_rows() { return kRows; }

}  // namespace kiln
