// The graph's ops as functions of values: what gradient rules, passes and the frontend write with.
// Operands have exactly the types StableHLO asks for; broadcasting is the frontend's.
#pragma once

#include <span>
#include <utility>
#include <vector>

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
  return {graph.make(Op::iota, {}, AxisAttrs{dim}, std::move(type), {}, where), 0};
}
inline Value dot_general(Value a, Value b, DotAttrs attrs, const Location& where = {}) {
  return {a.graph().make(Op::dot_general, {a, b}, std::move(attrs), std::nullopt, {}, where), 0};
}
inline Value convolution(Value lhs, Value rhs, ConvolutionAttrs attrs, const Location& where = {}) {
  return {lhs.graph().make(Op::convolution, {lhs, rhs}, std::move(attrs), std::nullopt, {}, where),
          0};
}

// ---- indexing

/// Elements start, start + stride, … below limit of each axis; `strides` empty: every one.
Value slice(Value x, Ints start, Ints limit, Ints strides = {}, const Location& where = {});
/// The elements [start, limit) along one axis.
Value slice_axis(Value x, std::int64_t axis, std::int64_t start, std::int64_t limit,
                 std::int64_t stride = 1, const Location& where = {});
/// `value`, a scalar, before, after and (`interior`, empty: nowhere) between the elements of each
/// axis; a negative low or high takes elements away.
Value pad(Value x, Value value, Ints low, Ints high, Ints interior = {},
          const Location& where = {});
/// The same with zeros.
Value pad_zero(Value x, Ints low, Ints high, Ints interior = {}, const Location& where = {});
/// The value itself where there is only one.
Value concatenate(std::vector<Value> values, std::int64_t dim, const Location& where = {});
Value reverse(Value x, Ints axes, const Location& where = {});
/// A slice of these extents from the place `starts` (integer scalars, one an axis), which is moved
/// so that the slice lies inside.
Value dynamic_slice(Value x, std::span<const Value> starts, Ints sizes, const Location& where = {});
/// x with `update` written over the place `starts`, moved likewise.
Value dynamic_update_slice(Value x, Value update, std::span<const Value> starts,
                           const Location& where = {});
/// Start indices are clamped so that each slice lies inside.
Value gather(Value x, Value indices, GatherAttrs attrs, const Location& where = {});
/// Updates outside are dropped; repeated ones are combined in the order of the updates.
std::vector<Value> scatter(std::vector<Value> inputs, Value indices,
                           const std::vector<Value>& updates, ScatterAttrs attrs, Region combiner,
                           const Location& where = {});
/// One input; updates are combined into it by a binary op.
Value scatter(Value x, Value indices, Value updates, ScatterAttrs attrs, Op combiner,
              const Location& where = {});
/// One input; updates replace what is there, the last one wins.
Value scatter_replace(Value x, Value indices, Value updates, ScatterAttrs attrs,
                      const Location& where = {});

/// x[…, indices, …]: the axis is replaced by the indices' axes. Indices are clamped.
Value take(Value x, Value indices, std::int64_t axis, const Location& where = {});
/// take's attributes as those of a scatter: what adds (or writes) updates, shaped like take's
/// result, to the places that take reads.
ScatterAttrs take_places(const Type& x, const Type& indices, std::int64_t axis);
/// result[…, i, …] = x[…, indices[…, i, …], …]: indices have x's extents except along the axis.
/// Clamped. (PyTorch's gather.)
Value take_along(Value x, Value indices, std::int64_t axis, const Location& where = {});
/// The scatter whose updates go to the places that take_along reads.
ScatterAttrs take_along_places(const Type& x, const Type& indices, std::int64_t axis);

/// Sorts slices along an axis together: whether a row of values comes before another is what the
/// comparator says of (a0, b0, a1, b1, …). Always stable.
std::vector<Value> sort(std::vector<Value> values, std::int64_t dim, Region comparator,
                        const Location& where = {});
/// Sorts by the first value's elements, NaN counting as the largest; the others follow.
std::vector<Value> sort(std::vector<Value> values, std::int64_t dim, bool descending = false,
                        const Location& where = {});
/// The comparator of that sort.
Region order_region(Graph& graph, const std::vector<DType>& dtypes, bool descending = false);
/// x sorted, and for each element the place (i64) where it was.
std::pair<Value, Value> sort_with_permutation(Value x, std::int64_t dim, bool descending = false,
                                              const Location& where = {});

// ---- reductions

/// The identity of add, multiply, maximum, minimum, and_, or_, xor_ over a dtype, as a scalar.
Value identity(Graph& graph, Op combiner, DType dtype);
/// Combines along the axes (which the result no longer has) with one of those ops.
Value reduce(Value x, Op combiner, Ints axes, const Location& where = {});

/// Combines the elements of each window with one of those ops, from its identity.
Value reduce_window(Value x, Op combiner, WindowAttrs attrs, const Location& where = {});

}  // namespace kiln::build
