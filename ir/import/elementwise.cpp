// Element-wise ops that state attributes or a type, take operands of several shapes, or are written
// with others. (What stands in the op table as it stands in the text needs no row.)
#include <algorithm>
#include <cstring>
#include <numeric>

#include "ir/build.h"
#include "ir/import/context.h"
#include "ir/import/expression.h"

namespace kiln::importing {

using namespace build;

DType integer_as_wide(DType dtype, bool is_signed) {
  switch (size_of(dtype)) {
    case 1:
      return is_signed ? DType::i8 : DType::ui8;
    case 2:
      return is_signed ? DType::i16 : DType::ui16;
    case 4:
      return is_signed ? DType::i32 : DType::ui32;
    default:
      return is_signed ? DType::i64 : DType::ui64;
  }
}

Value bitcast(Value x, DType dtype) {
  return {x.graph().make(Op::bitcast_convert, {x}, {}, Type{dtype, x.type().dims}), 0};
}

Value bits_like(Value x, std::uint64_t bits) {
  Array value(Type{x.type().dtype, {}});
  std::memcpy(value.bytes().data(), &bits, value.bytes().size());
  return {x.graph().make(Op::constant, {}, ConstantAttrs{value}, x.type()), 0};
}

namespace {

/// Of negative floats the larger magnitude comes first: their bits are the order's, but for the
/// sign turned round. Twice is once.
Value flipped(Value bits) {
  const std::uint64_t magnitude = ~std::uint64_t{0} >> (65 - 8 * size_of(bits.type().dtype));
  return select(compare(bits, like(bits, 0), Direction::LT),
                binary(Op::xor_, bits, bits_like(bits, magnitude)), bits);
}

}  // namespace

Value total_order_key(Value x) {
  return is_float(x.type().dtype) ? flipped(bitcast(x, integer_as_wide(x.type().dtype, true))) : x;
}

Value from_total_order(Value order, DType dtype) { return bitcast(flipped(order), dtype); }

Value broadcast_scalar(Value x, const Type& to) {
  return x.type().dims == to.dims ? x : broadcast(x, to.dims, {});
}

namespace {

using Values = std::vector<Value>;

Values import_clamp(const Context& context) {
  const Type& type = context.type(1);
  Values bounds;
  for (int i : {0, 2}) {
    if (context.type(i).rank() != 0 || context.type(i).dtype != type.dtype)
      context.expect_type(i, type);
    bounds.push_back(broadcast_scalar(context.operand(i), type));
  }
  const Value raised = context.make(Op::maximum, {context.operand(1), bounds[0]});
  return {context.make(Op::minimum, {raised, bounds[1]})};
}

Values import_select(const Context& context) {
  Value condition = context.operand(0);
  if (condition.type() == Type{DType::i1, {}})
    condition = broadcast_scalar(condition, context.type(1));
  return {context.make(Op::select, {condition, context.operand(1), context.operand(2)})};
}

Direction direction_named(const Context& context) {
  const std::string word = context.word("comparison_direction");
  for (const Direction direction :
       {Direction::EQ, Direction::NE, Direction::GE, Direction::GT, Direction::LE, Direction::LT})
    if (word == name_of(direction)) return direction;
  context.fail("EQ, NE, GE, GT, LE or LT as comparison_direction", word);
}

/// Of two operands, in StableHLO's or CHLO's attributes.
Value compared(const Context& context, Value a, Value b) {
  const DType dtype = a.type().dtype;
  const std::string fits = is_float(dtype) ? "FLOAT" : is_signed(dtype) ? "SIGNED" : "UNSIGNED";
  const std::string type = context.word("compare_type", fits);
  const bool total = type == "TOTALORDER" && is_float(dtype);
  if (type != fits && !total && type != "NOTYPE")
    context.fail(fmt::format("compare_type {} for {}", fits, a.type().str()), type);
  const Direction direction = direction_named(context);
  if (total && a.type() == b.type()) {
    a = total_order_key(a);
    b = total_order_key(b);
  }
  return context.make(Op::compare, {a, b}, CompareAttrs{direction});
}

Values import_compare(const Context& context) {
  return {compared(context, context.operand(0), context.operand(1))};
}

Values import_convert(const Context& context) {
  return {context.make(Op::convert, {context.operand(0)}, {}, context.stated())};
}

int bits_of(DType dtype) { return is_bool(dtype) ? 1 : 8 * size_of(dtype); }

/// Between widths an axis of parts goes or comes at the end, the lowest bits first. (A boolean is
/// one bit.)
Values import_bitcast_convert(const Context& context) {
  const Value x = context.operand(0);
  const Type &from = x.type(), to = context.stated();
  const int from_bits = bits_of(from.dtype), to_bits = bits_of(to.dtype);
  if (from_bits == to_bits) return {context.make(Op::bitcast_convert, {x}, {}, to)};
  const bool splits = from_bits > to_bits;
  const int part = std::min(from_bits, to_bits), parts = std::max(from_bits, to_bits) / part;
  const DType whole = integer_as_wide(splits ? from.dtype : to.dtype, false);
  const auto unsigned_of = [](DType dtype) {
    return is_bool(dtype) ? dtype : integer_as_wide(dtype, false);
  };
  const Value bits = bitcast(x, unsigned_of(from.dtype));
  if (splits) {
    Ints dims = from.dims, axes(dims.size());
    dims.push_back(parts);
    std::iota(axes.begin(), axes.end(), 0);
    const Expr all = broadcast(bits, dims, axes);
    const Expr number = iota(context.graph(), Type{whole, dims}, from.rank());
    const Expr shifted = apply(Op::shift_right_logical, all, number * part);
    const Expr last = shifted & Expr(bits_like(shifted, ~std::uint64_t{0} >> (64 - part)));
    return {context.make(Op::bitcast_convert, {convert(last, unsigned_of(to.dtype))}, {},
                         Type{to.dtype, dims})};
  }
  if (from.rank() == 0 || from.dims.back() != parts)
    context.fail(
        fmt::format("an operand whose last axis has {} parts of one {}", parts, name_of(to.dtype)),
        from.str());
  const Expr wide = convert(bits, whole);
  const Expr number = iota(context.graph(), wide.value().type(), from.rank() - 1);
  const Value shifted = apply(Op::shift_left, wide, number * part);
  const Value joined = reduce(shifted, Op::or_, {from.rank() - 1});
  return {context.make(Op::bitcast_convert, {joined}, {}, Type{to.dtype, joined.type().dims})};
}

/// Rounded to a float format of fewer bits. What is too large becomes infinite, what is too small
/// to be normal 0; a NaN stays one if the format has one.
Values import_reduce_precision(const Context& context) {
  context.expect_float(0);
  const Expr x = context.operand(0);
  const bool single = x.dtype() == DType::f32;
  const int mantissa = single ? 23 : 52, exponent = single ? 8 : 11;
  const std::int64_t exponent_bits = context.integer("exponent_bits");
  const std::int64_t mantissa_bits = context.integer("mantissa_bits");
  if (exponent_bits < 1 || mantissa_bits < 0)
    context.fail("at least 1 exponent bit and 0 mantissa bits",
                 fmt::format("e{}m{}", exponent_bits, mantissa_bits));
  const Expr before = bitcast(x, integer_as_wide(x.dtype(), false));
  const auto literal = [&](std::uint64_t bits) { return Expr(bits_like(before, bits)); };
  Expr bits = before;
  if (mantissa_bits < mantissa) {
    // To nearest, ties to even: the last bit that stays decides a tie.
    const int dropped = mantissa - static_cast<int>(mantissa_bits);
    const std::uint64_t unit = std::uint64_t{1} << dropped;
    const Expr last = (bits >> dropped) & literal(1);
    bits = (bits + last + literal(unit / 2 - 1)) & literal(~(unit - 1));
  }
  const std::uint64_t infinity = ((std::uint64_t{1} << exponent) - 1) << mantissa;
  const Expr sign = before & literal(std::uint64_t{1} << (mantissa + exponent));
  if (exponent_bits < exponent) {
    const std::uint64_t bias = (std::uint64_t{1} << (exponent - 1)) - 1;
    const std::uint64_t reduced_bias = (std::uint64_t{1} << (exponent_bits - 1)) - 1;
    const Expr place = bits & literal(infinity);
    const Expr too_large = place > literal((bias + reduced_bias) << mantissa);
    const Expr too_small = place <= literal((bias - reduced_bias) << mantissa);
    bits = where(too_small, sign, where(too_large, sign | literal(infinity), bits));
  }
  const Expr nan = mantissa_bits > 0 ? x : Expr(bitcast(sign | literal(infinity), x.dtype()));
  return {where(x == x, bitcast(bits, x.dtype()), nan)};
}

Values import_itself(const Context& context) {
  context.expect_float(0);
  return {context.operand(0)};
}
Values import_imag(const Context& context) {
  context.expect_float(0);
  return {like(context.operand(0), 0)};
}

constexpr Row kRows[] = {
    {"stablehlo.clamp", 3, 0, import_clamp},
    {"stablehlo.select", 3, 0, import_select},
    {"stablehlo.compare", 2, 0, import_compare},
    {"stablehlo.convert", 1, 0, import_convert},
    {"stablehlo.bitcast_convert", 1, 0, import_bitcast_convert},
    {"stablehlo.reduce_precision", 1, 0, import_reduce_precision},
    {"stablehlo.real", 1, 0, import_itself},
    {"stablehlo.imag", 1, 0, import_imag},
    {"chlo.conj", 1, 0, import_itself},
};

}  // namespace

std::span<const Row> elementwise_imports() { return kRows; }

}  // namespace kiln::importing
