// Leaves, movement and indexing: constants, shapes, slices, gather, scatter, sort.
#include <algorithm>
#include <limits>

#include "ir/build.h"
#include "ir/import/context.h"

namespace kiln::importing {
namespace {

using Values = std::vector<Value>;

// ---- leaves

Values import_constant(const Context& context) {
  const Array& value = context.array("value");
  const Type& type = context.stated();
  if (value.dtype() != type.dtype || (!value.dims().empty() && value.dims() != type.dims))
    context.fail(fmt::format("a value of type {}", type.str()), value.type().str());
  if (value.dims() == type.dims) return {context.graph().constant(value, context.where())};
  return {context.make(Op::constant, {}, ConstantAttrs{value}, type)};
}

Values import_iota(const Context& context) {
  return {
      context.make(Op::iota, {}, AxisAttrs{context.integer("iota_dimension")}, context.stated())};
}

/// The extent of an axis, known as all extents are.
Values import_get_dimension_size(const Context& context) {
  const std::int64_t axis = context.integer("dimension");
  const Type& type = context.type(0);
  if (axis < 0 || axis >= type.rank())
    context.fail(fmt::format("an axis of {}", type.str()), fmt::format("{}", axis));
  const std::int64_t extent = type.dims[static_cast<std::size_t>(axis)];
  if (extent > std::numeric_limits<std::int32_t>::max())
    context.fail("an extent that 32 bits hold", type.str());
  return {
      context.graph().constant(Array::scalar(static_cast<std::int32_t>(extent)), context.where())};
}

// ---- movement

Value broadcast_to(const Context& context, const Type& result, Ints axes) {
  return context.make(Op::broadcast_in_dim, {context.operand(0)}, DimsAttrs{std::move(axes)},
                      Type{context.type(0).dtype, result.dims});
}

Values import_broadcast_in_dim(const Context& context) {
  return {broadcast_to(context, context.stated(), context.ints("broadcast_dimensions"))};
}

/// New axes in front.
Values import_broadcast(const Context& context) {
  const Type& from = context.type(0);
  Ints dims = context.ints("broadcast_sizes"), axes;
  for (int axis = 0; axis < from.rank(); ++axis)
    axes.push_back(static_cast<std::int64_t>(dims.size()) + axis);
  dims.insert(dims.end(), from.dims.begin(), from.dims.end());
  return {broadcast_to(context, Type{from.dtype, dims}, axes)};
}

Values import_reshape(const Context& context) {
  return {context.make(Op::reshape, {context.operand(0)}, {},
                       Type{context.type(0).dtype, context.stated().dims})};
}

Values import_transpose(const Context& context) {
  return {context.make(Op::transpose, context.operands(), DimsAttrs{context.ints("permutation")})};
}

// ---- shapes as operands: what they say must be what the static result type says

/// Complains unless the operand is a list of this many integers.
void expect_shape_operand(const Context& context, int i, int rank) {
  const Type& type = context.type(i);
  if (!is_integer(type.dtype) || type.dims != Ints{rank})
    context.fail(fmt::format("a list of {} integers as operand {}", rank, i), type.str());
}

Values import_dynamic_broadcast_in_dim(const Context& context) {
  expect_shape_operand(context, 1, context.stated().rank());
  return {broadcast_to(context, context.stated(), context.ints("broadcast_dimensions"))};
}

Values import_dynamic_iota(const Context& context) {
  expect_shape_operand(context, 0, context.stated().rank());
  return import_iota(context);
}

Values import_dynamic_reshape(const Context& context) {
  expect_shape_operand(context, 1, context.stated().rank());
  return import_reshape(context);
}

Values import_dynamic_pad(const Context& context) {
  return {context.make(
      Op::pad, {context.operand(0), context.operand(1)},
      PadAttrs{context.constant_ints(2), context.constant_ints(3), context.constant_ints(4)})};
}

Values import_real_dynamic_slice(const Context& context) {
  return {context.make(
      Op::slice, {context.operand(0)},
      SliceAttrs{context.constant_ints(1), context.constant_ints(2), context.constant_ints(3)})};
}

// ---- indexing

Values import_slice(const Context& context) {
  const int rank = context.type(0).rank();
  return {context.make(Op::slice, context.operands(),
                       SliceAttrs{context.ints_per_axis("start_indices", rank),
                                  context.ints_per_axis("limit_indices", rank),
                                  context.ints_per_axis("strides", rank, 1)})};
}

Values import_pad(const Context& context) {
  const int rank = context.type(0).rank();
  return {context.make(Op::pad, context.operands(),
                       PadAttrs{context.ints_per_axis("edge_padding_low", rank),
                                context.ints_per_axis("edge_padding_high", rank),
                                context.ints_per_axis("interior_padding", rank, 0)})};
}

Values import_concatenate(const Context& context) {
  return {
      context.make(Op::concatenate, context.operands(), AxisAttrs{context.integer("dimension")})};
}

Values import_reverse(const Context& context) {
  return {context.make(Op::reverse, context.operands(), DimsAttrs{context.ints("dimensions")})};
}

Values import_dynamic_slice(const Context& context) {
  const int rank = context.operands().empty() ? 0 : context.type(0).rank();
  return {context.make(Op::dynamic_slice, context.operands(),
                       DimsAttrs{context.ints_per_axis("slice_sizes", rank)})};
}

Values import_dynamic_update_slice(const Context& context) {
  return {context.make(Op::dynamic_update_slice, context.operands())};
}

Value gather(const Context& context, Ints slice_sizes) {
  const auto numbers = context.fields("dimension_numbers");
  return context.make(
      Op::gather, {context.operand(0), context.operand(1)},
      GatherAttrs{.offset_dims = numbers.ints("offset_dims"),
                  .collapsed_slice_dims = numbers.ints("collapsed_slice_dims"),
                  .operand_batching_dims = numbers.ints("operand_batching_dims"),
                  .start_indices_batching_dims = numbers.ints("start_indices_batching_dims"),
                  .start_index_map = numbers.ints("start_index_map"),
                  .index_vector_dim = numbers.integer("index_vector_dim"),
                  .slice_sizes = std::move(slice_sizes),
                  .indices_are_sorted = context.flag("indices_are_sorted")});
}

Values import_gather(const Context& context) {
  return {gather(context, context.ints_per_axis("slice_sizes", context.type(0).rank()))};
}

Values import_dynamic_gather(const Context& context) {
  return {gather(context, context.constant_ints(2))};
}

/// Rows of the operand, chosen by index; the first `batch_dims` axes of both go together.
Values import_torch_index_select(const Context& context) {
  const Type &from = context.type(0), &indices = context.type(1);
  const std::int64_t dim = context.integer("dim"), batches = context.integer("batch_dims", 0);
  if (batches < 0 || dim < batches || dim >= from.rank() || batches > indices.rank())
    context.fail(fmt::format("0 <= batch_dims <= dim < {}", from.rank()),
                 fmt::format("batch_dims {}, dim {}", batches, dim));
  GatherAttrs attrs;
  attrs.index_vector_dim = indices.rank();
  attrs.start_index_map = attrs.collapsed_slice_dims = {dim};
  const std::int64_t shift = indices.rank() - batches - 1;  // of the axes after dim
  for (std::int64_t axis = 0; axis < from.rank(); ++axis) {
    if (axis < batches) {
      attrs.operand_batching_dims.push_back(axis);
      attrs.start_indices_batching_dims.push_back(axis);
    } else if (axis != dim) {
      attrs.offset_dims.push_back(axis < dim ? axis : axis + shift);
    }
    const std::int64_t extent = from.dims[static_cast<std::size_t>(axis)];
    attrs.slice_sizes.push_back(axis < batches || axis == dim ? std::min<std::int64_t>(extent, 1)
                                                              : extent);
  }
  return {context.make(Op::gather, context.operands(), attrs)};
}

// ---- element after element

Values import_scatter(const Context& context) {
  const auto numbers = context.fields("scatter_dimension_numbers");
  return context.make_all(
      Op::scatter, context.operands(),
      ScatterAttrs{.update_window_dims = numbers.ints("update_window_dims"),
                   .inserted_window_dims = numbers.ints("inserted_window_dims"),
                   .input_batching_dims = numbers.ints("input_batching_dims"),
                   .scatter_indices_batching_dims = numbers.ints("scatter_indices_batching_dims"),
                   .scatter_dims_to_operand_dims = numbers.ints("scatter_dims_to_operand_dims"),
                   .index_vector_dim = numbers.integer("index_vector_dim"),
                   .indices_are_sorted = context.flag("indices_are_sorted"),
                   .unique_indices = context.flag("unique_indices")},
      context.op().regions);
}

Values import_sort(const Context& context) {
  if (context.operands().empty()) context.fail("at least one operand", "none");
  const int rank = context.type(0).rank();
  std::int64_t dim = context.integer("dimension", -1);
  if (dim < -rank || dim >= rank)
    context.fail(fmt::format("an axis of {}", context.type(0).str()), fmt::format("{}", dim));
  if (dim < 0) dim += rank;
  return context.make_all(Op::sort, context.operands(), SortAttrs{dim, context.flag("is_stable")},
                          context.op().regions);
}

/// The k largest of each row, largest first, and where they were. The order is total, as XLA's:
/// NaN before infinity, 0 before -0.
Values import_top_k(const Context& context) {
  const Type& type = context.type(0);
  const std::int64_t k = context.integer("k");
  if (type.rank() == 0 || k < 0 || k > type.dims.back())
    context.fail("a tensor whose last axis has k elements",
                 fmt::format("{} and k = {}", type.str(), k));
  const Value places =
      build::iota(context.graph(), Type{DType::i32, type.dims}, type.rank() - 1, context.where());
  const Type scalar{type.dtype, {}}, place{DType::i32, {}};
  const Value after = context.graph().parameter(1, scalar),
              before = context.graph().parameter(0, scalar);
  const Region comparator{
      {scalar, scalar, place, place},
      {build::compare(total_order_key(before), total_order_key(after), Direction::GT)}};
  Values results =
      build::sort({context.operand(0), places}, type.rank() - 1, comparator, context.where());
  for (Value& result : results)
    result = build::slice_axis(result, type.rank() - 1, 0, k, 1, context.where());
  return results;
}

constexpr Row kRows[] = {
    {"stablehlo.constant", 0, 0, import_constant},
    {"chlo.constant", 0, 0, import_constant},
    {"stablehlo.iota", 0, 0, import_iota},
    {"stablehlo.get_dimension_size", 1, 0, import_get_dimension_size},
    {"stablehlo.broadcast_in_dim", 1, 0, import_broadcast_in_dim},
    {"stablehlo.broadcast", 1, 0, import_broadcast},
    {"stablehlo.reshape", 1, 0, import_reshape},
    {"stablehlo.transpose", 1, 0, import_transpose},
    {"stablehlo.dynamic_broadcast_in_dim", 2, 0, import_dynamic_broadcast_in_dim},
    {"stablehlo.dynamic_iota", 1, 0, import_dynamic_iota},
    {"stablehlo.dynamic_reshape", 2, 0, import_dynamic_reshape},
    {"stablehlo.dynamic_pad", 5, 0, import_dynamic_pad},
    {"stablehlo.real_dynamic_slice", 4, 0, import_real_dynamic_slice},
    {"stablehlo.slice", 1, 0, import_slice},
    {"stablehlo.pad", 2, 0, import_pad},
    {"stablehlo.concatenate", kAny, 0, import_concatenate},
    {"stablehlo.reverse", 1, 0, import_reverse},
    {"stablehlo.dynamic_slice", kAny, 0, import_dynamic_slice},
    {"stablehlo.dynamic_update_slice", kAny, 0, import_dynamic_update_slice},
    {"stablehlo.gather", 2, 0, import_gather},
    {"stablehlo.dynamic_gather", 3, 0, import_dynamic_gather},
    {"stablehlo.torch_index_select", 2, 0, import_torch_index_select},
    {"stablehlo.scatter", kAny, 1, import_scatter},
    {"stablehlo.sort", kAny, 1, import_sort},
    {"chlo.top_k", 1, 0, import_top_k},
};

}  // namespace

std::span<const Row> structure_imports() { return kRows; }

}  // namespace kiln::importing
