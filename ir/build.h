// The graph's ops as functions of values: what gradient rules, passes and the frontend write with.
// Operands have exactly the types StableHLO asks for; broadcasting is the frontend's.
#pragma once

#include <utility>

#include "ir/graph.h"

namespace kiln::build {

inline Value unary(Op op, Value x, const Location& where = {}) {
  return {x.graph().make(op, {x}, {}, std::nullopt, {}, where), 0};
}
inline Value binary(Op op, Value a, Value b, const Location& where = {}) {
  return {a.graph().make(op, {a, b}, {}, std::nullopt, {}, where), 0};
}
inline Value add(Value a, Value b) { return binary(Op::add, a, b); }
inline Value subtract(Value a, Value b) { return binary(Op::subtract, a, b); }
inline Value multiply(Value a, Value b) { return binary(Op::multiply, a, b); }
inline Value divide(Value a, Value b) { return binary(Op::divide, a, b); }
inline Value negate(Value x) { return unary(Op::negate, x); }

/// A constant of x's type.
inline Value like(Value x, double value) { return x.graph().splat(x.type(), value); }

inline Value compare(Value a, Value b, Direction direction, const Location& where = {}) {
  return {a.graph().make(Op::compare, {a, b}, CompareAttrs{direction}, std::nullopt, {}, where), 0};
}
inline Value select(Value condition, Value yes, Value no, const Location& where = {}) {
  return {yes.graph().make(Op::select, {condition, yes, no}, {}, std::nullopt, {}, where), 0};
}
inline Value convert(Value x, DType dtype, const Location& where = {}) {
  return {x.graph().make(Op::convert, {x}, {}, Type{dtype, x.type().dims}, {}, where), 0};
}
/// The value itself where it has that shape already.
inline Value reshape(Value x, Ints dims, const Location& where = {}) {
  if (x.type().dims == dims) return x;
  return {x.graph().make(Op::reshape, {x}, {}, Type{x.type().dtype, std::move(dims)}, {}, where),
          0};
}
inline Value transpose(Value x, Ints permutation, const Location& where = {}) {
  return {x.graph().make(Op::transpose, {x}, DimsAttrs{std::move(permutation)}, std::nullopt, {},
                         where),
          0};
}
/// Operand axis i becomes axis `axes[i]` of a result with these extents.
inline Value broadcast(Value x, Ints dims, Ints axes, const Location& where = {}) {
  return {x.graph().make(Op::broadcast_in_dim, {x}, DimsAttrs{std::move(axes)},
                         Type{x.type().dtype, std::move(dims)}, {}, where),
          0};
}
inline Value iota(Graph& graph, Type type, std::int64_t dim, const Location& where = {}) {
  return {graph.make(Op::iota, {}, IotaAttrs{dim}, std::move(type), {}, where), 0};
}
inline Value dot_general(Value a, Value b, DotAttrs attrs, const Location& where = {}) {
  return {a.graph().make(Op::dot_general, {a, b}, std::move(attrs), std::nullopt, {}, where), 0};
}

/// The identity of add, multiply, maximum, minimum, and_, or_, xor_ over a dtype, as a scalar.
Value identity(Graph& graph, Op combiner, DType dtype);
/// Combines along the axes (which the result no longer has) with one of those ops.
Value reduce(Value x, Op combiner, Ints axes, const Location& where = {});

}  // namespace kiln::build
