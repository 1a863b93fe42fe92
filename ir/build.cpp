#include "ir/build.h"

#include <algorithm>

#include "ir/op.h"

namespace kiln::build {
namespace {

Ints filled(int rank, std::int64_t value) { return Ints(static_cast<std::size_t>(rank), value); }

/// begin, begin + 1, …, end - 1 without `except`.
Ints axes_between(std::int64_t begin, std::int64_t end, std::int64_t except = -1) {
  Ints axes;
  for (std::int64_t axis = begin; axis < end; ++axis)
    if (axis != except) axes.push_back(axis);
  return axes;
}

GatherAttrs take_attrs(const Type& x, const Type& indices, std::int64_t axis) {
  const std::int64_t extra = indices.rank() - 1;  // axes more than x has
  GatherAttrs attrs;
  attrs.offset_dims = axes_between(0, axis);
  for (std::int64_t after = axis + 1; after < x.rank(); ++after)
    attrs.offset_dims.push_back(after + extra);
  attrs.collapsed_slice_dims = {axis};
  attrs.start_index_map = {axis};
  attrs.index_vector_dim = indices.rank();
  attrs.slice_sizes = x.dims;
  std::int64_t& taken = attrs.slice_sizes[static_cast<std::size_t>(axis)];
  taken = std::min<std::int64_t>(taken, 1);
  return attrs;
}

GatherAttrs take_along_attrs(const Type& x, const Type& indices, std::int64_t axis) {
  GatherAttrs attrs;
  attrs.collapsed_slice_dims = {axis};
  attrs.operand_batching_dims = axes_between(0, x.rank(), axis);
  attrs.start_indices_batching_dims = attrs.operand_batching_dims;
  attrs.start_index_map = {axis};
  attrs.index_vector_dim = indices.rank();
  for (std::int64_t extent : x.dims) attrs.slice_sizes.push_back(std::min<std::int64_t>(extent, 1));
  return attrs;
}

ScatterAttrs places_of(GatherAttrs attrs) {
  return {.update_window_dims = std::move(attrs.offset_dims),
          .inserted_window_dims = std::move(attrs.collapsed_slice_dims),
          .input_batching_dims = std::move(attrs.operand_batching_dims),
          .scatter_indices_batching_dims = std::move(attrs.start_indices_batching_dims),
          .scatter_dims_to_operand_dims = std::move(attrs.start_index_map),
          .index_vector_dim = attrs.index_vector_dim};
}

std::vector<Value> results_of(const Node* node) {
  std::vector<Value> results;
  for (std::size_t i = 0; i < node->types().size(); ++i)
    results.push_back({node, static_cast<int>(i)});
  return results;
}

void check_axis(std::string_view what, const Type& type, std::int64_t axis, const Location& where) {
  if (axis < 0 || axis >= type.rank())
    throw Error(where,
                fmt::format("{}: expected an axis of {}, found {}", what, type.pretty(), axis));
}

}  // namespace

Value slice(Value x, Ints start, Ints limit, Ints strides, const Location& where) {
  if (strides.empty()) strides = filled(x.type().rank(), 1);
  return {x.graph().make(Op::slice, {x},
                         SliceAttrs{std::move(start), std::move(limit), std::move(strides)},
                         std::nullopt, {}, where),
          0};
}

Value slice_axis(Value x, std::int64_t axis, std::int64_t start, std::int64_t limit,
                 std::int64_t stride, const Location& where) {
  check_axis("slice", x.type(), axis, where);
  const auto at = static_cast<std::size_t>(axis);
  Ints starts = filled(x.type().rank(), 0), limits = x.type().dims,
       strides = filled(x.type().rank(), 1);
  starts[at] = start;
  limits[at] = limit;
  strides[at] = stride;
  return slice(x, starts, limits, strides, where);
}

Value pad(Value x, Value value, Ints low, Ints high, Ints interior, const Location& where) {
  if (interior.empty()) interior = filled(x.type().rank(), 0);
  return {x.graph().make(Op::pad, {x, value},
                         PadAttrs{std::move(low), std::move(high), std::move(interior)},
                         std::nullopt, {}, where),
          0};
}

Value pad_zero(Value x, Ints low, Ints high, Ints interior, const Location& where) {
  return pad(x, x.graph().splat(Type{x.type().dtype, {}}, 0), std::move(low), std::move(high),
             std::move(interior), where);
}

Value concatenate(std::vector<Value> values, std::int64_t dim, const Location& where) {
  if (values.empty()) throw Error(where, "concatenate: expected at least one tensor, found none");
  if (values.size() == 1) return values[0];
  Graph& graph = values[0].graph();
  return {graph.make(Op::concatenate, std::move(values), AxisAttrs{dim}, std::nullopt, {}, where),
          0};
}

Value reverse(Value x, Ints axes, const Location& where) {
  return {x.graph().make(Op::reverse, {x}, DimsAttrs{std::move(axes)}, std::nullopt, {}, where), 0};
}

Value dynamic_slice(Value x, std::span<const Value> starts, Ints sizes, const Location& where) {
  std::vector<Value> operands = {x};
  operands.insert(operands.end(), starts.begin(), starts.end());
  return {x.graph().make(Op::dynamic_slice, std::move(operands), DimsAttrs{std::move(sizes)},
                         std::nullopt, {}, where),
          0};
}

Value dynamic_update_slice(Value x, Value update, std::span<const Value> starts,
                           const Location& where) {
  std::vector<Value> operands = {x, update};
  operands.insert(operands.end(), starts.begin(), starts.end());
  return {
      x.graph().make(Op::dynamic_update_slice, std::move(operands), {}, std::nullopt, {}, where),
      0};
}

Value gather(Value x, Value indices, GatherAttrs attrs, const Location& where) {
  return {x.graph().make(Op::gather, {x, indices}, std::move(attrs), std::nullopt, {}, where), 0};
}

std::vector<Value> scatter(std::vector<Value> inputs, Value indices,
                           const std::vector<Value>& updates, ScatterAttrs attrs, Region combiner,
                           const Location& where) {
  std::vector<Value> operands = std::move(inputs);
  operands.push_back(indices);
  operands.insert(operands.end(), updates.begin(), updates.end());
  return results_of(indices.graph().make(Op::scatter, std::move(operands), std::move(attrs),
                                         std::nullopt, {std::move(combiner)}, where));
}

Value scatter(Value x, Value indices, Value updates, ScatterAttrs attrs, Op combiner,
              const Location& where) {
  return scatter({x}, indices, {updates}, std::move(attrs),
                 combiner_region(x.graph(), combiner, x.type().dtype), where)[0];
}

Value scatter_replace(Value x, Value indices, Value updates, ScatterAttrs attrs,
                      const Location& where) {
  const Type scalar{x.type().dtype, {}};
  return scatter({x}, indices, {updates}, std::move(attrs),
                 Region{{scalar, scalar}, {x.graph().parameter(1, scalar)}}, where)[0];
}

Value take(Value x, Value indices, std::int64_t axis, const Location& where) {
  check_axis("take", x.type(), axis, where);
  return gather(x, indices, take_attrs(x.type(), indices.type(), axis), where);
}

ScatterAttrs take_places(const Type& x, const Type& indices, std::int64_t axis) {
  check_axis("take", x, axis, {});
  return places_of(take_attrs(x, indices, axis));
}

Value take_along(Value x, Value indices, std::int64_t axis, const Location& where) {
  check_axis("take_along", x.type(), axis, where);
  return gather(x, indices, take_along_attrs(x.type(), indices.type(), axis), where);
}

ScatterAttrs take_along_places(const Type& x, const Type& indices, std::int64_t axis) {
  check_axis("take_along", x, axis, {});
  return places_of(take_along_attrs(x, indices, axis));
}

std::vector<Value> sort(std::vector<Value> values, std::int64_t dim, Region comparator,
                        const Location& where) {
  if (values.empty()) throw Error(where, "sort: expected at least one tensor, found none");
  Graph& graph = values[0].graph();
  return results_of(graph.make(Op::sort, std::move(values), SortAttrs{dim, true}, std::nullopt,
                               {std::move(comparator)}, where));
}

std::vector<Value> sort(std::vector<Value> values, std::int64_t dim, bool descending,
                        const Location& where) {
  if (values.empty()) throw Error(where, "sort: expected at least one tensor, found none");
  std::vector<DType> dtypes;
  for (Value value : values) dtypes.push_back(value.type().dtype);
  Region comparator = order_region(values[0].graph(), dtypes, descending);
  return sort(std::move(values), dim, std::move(comparator), where);
}

Region order_region(Graph& graph, const std::vector<DType>& dtypes, bool descending) {
  Region region;
  for (DType dtype : dtypes)
    for (int side = 0; side < 2; ++side) region.parameters.push_back(Type{dtype, {}});
  Value a = graph.parameter(0, region.parameters[0]), b = graph.parameter(1, region.parameters[0]);
  if (descending) std::swap(a, b);
  Value before = compare(a, b, Direction::LT);
  if (is_float(dtypes[0])) {
    // A number comes before NaN; NaN comes before nothing.
    const Value number = compare(a, a, Direction::EQ), nan = compare(b, b, Direction::NE);
    before = binary(Op::or_, before, binary(Op::and_, number, nan));
  }
  region.results = {before};
  return region;
}

std::pair<Value, Value> sort_with_permutation(Value x, std::int64_t dim, bool descending,
                                              const Location& where) {
  check_axis("sort", x.type(), dim, where);
  const Value places = iota(x.graph(), Type{DType::i64, x.type().dims}, dim);
  const std::vector<Value> sorted = sort({x, places}, dim, descending, where);
  return {sorted[0], sorted[1]};
}

}  // namespace kiln::build
