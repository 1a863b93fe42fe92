#include "ir/placement.h"

#include <algorithm>

#include "ir/build.h"
#include "ir/op.h"
#include "ir/reference.h"

namespace kiln {
namespace {

bool contains(const Ints& axes, std::int64_t axis) {
  return std::find(axes.begin(), axes.end(), axis) != axes.end();
}

Ints joined(Ints a, const Ints& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// Axes of a tensor of this rank that do not repeat.
bool distinct_axes(Ints axes, std::int64_t rank) {
  std::sort(axes.begin(), axes.end());
  return std::adjacent_find(axes.begin(), axes.end()) == axes.end() &&
         (axes.empty() || (axes.front() >= 0 && axes.back() < rank));
}

void require_axes(std::string_view name, const Ints& axes, std::int64_t rank, bool sorted) {
  if (distinct_axes(axes, rank) && (!sorted || std::is_sorted(axes.begin(), axes.end()))) return;
  shape_error(fmt::format("{} that are{} axes of a tensor of rank {} and do not repeat, not [{}]",
                          name, sorted ? " ascending" : "", rank, join(axes, ", ")));
}

}  // namespace

Placement Placement::of_gather(const GatherAttrs& attrs, const Type& operand, const Type& indices) {
  return {attrs, operand, indices,
          Names{"offset_dims", "collapsed_slice_dims", "operand_batching_dims",
                "start_indices_batching_dims", "start_index_map"}};
}

Placement Placement::of_scatter(const ScatterAttrs& attrs, const Type& operand, const Type& indices,
                                const Type& updates) {
  constexpr Names kNames{"update_window_dims", "inserted_window_dims", "input_batching_dims",
                         "scatter_indices_batching_dims", "scatter_dims_to_operand_dims"};
  GatherAttrs gather{.offset_dims = attrs.update_window_dims,
                     .collapsed_slice_dims = attrs.inserted_window_dims,
                     .operand_batching_dims = attrs.input_batching_dims,
                     .start_indices_batching_dims = attrs.scatter_indices_batching_dims,
                     .start_index_map = attrs.scatter_dims_to_operand_dims,
                     .index_vector_dim = attrs.index_vector_dim,
                     .slice_sizes = {},
                     .indices_are_sorted = attrs.indices_are_sorted};
  // The slices' extents are those of the updates.
  require_axes(kNames.window, gather.offset_dims, updates.rank(), true);
  std::size_t next = 0;
  for (std::int64_t axis = 0; axis < operand.rank(); ++axis) {
    const bool dropped =
        contains(gather.collapsed_slice_dims, axis) || contains(gather.operand_batching_dims, axis);
    if (dropped)
      gather.slice_sizes.push_back(
          std::min<std::int64_t>(1, operand.dims[static_cast<std::size_t>(axis)]));
    else if (next < gather.offset_dims.size())
      gather.slice_sizes.push_back(
          updates.dims[static_cast<std::size_t>(gather.offset_dims[next++])]);
  }
  Placement placement{std::move(gather), operand, indices, kNames};
  if (placement.dims() != updates.dims)
    shape_error(
        fmt::format("updates of [{}]: the indices' axes without index_vector_dim {} and "
                    "the slices' axes",
                    join(placement.dims(), ", "), attrs.index_vector_dim));
  return placement;
}

Placement::Placement(const Node& node)
    : Placement([&] {
        if (node.op() == Op::gather)
          return of_gather(node.attrs<GatherAttrs>(), node.operand(0).type(),
                           node.operand(1).type());
        const auto inputs = static_cast<int>(node.operands().size() / 2);
        return of_scatter(node.attrs<ScatterAttrs>(), node.operand(0).type(),
                          node.operand(inputs).type(), node.operand(inputs + 1).type());
      }()) {}

Placement::Placement(GatherAttrs attrs, const Type& operand, const Type& indices,
                     const Names& names)
    : attrs_(std::move(attrs)), operand_(operand), indices_(indices) {
  const GatherAttrs& a = attrs_;
  if (!is_integer(indices.dtype)) shape_error("indices of an integer type");
  // Of the indices.
  const std::int64_t vector = a.index_vector_dim;
  if (vector < 0 || vector > indices.rank())
    shape_error(fmt::format("an index_vector_dim between 0 and the indices' rank {}, not {}",
                            indices.rank(), vector));
  Ints batch = indices.dims;
  std::int64_t components = 1;
  if (vector < indices.rank()) {
    components = batch[static_cast<std::size_t>(vector)];
    batch.erase(batch.begin() + vector);
  }
  if (this->components() != components)
    shape_error(fmt::format("{} of {} axes, as many as a start index has numbers, not [{}]",
                            names.map, components, join(a.start_index_map, ", ")));
  require_axes(names.indices_batching, a.start_indices_batching_dims, indices.rank(), false);
  if (contains(a.start_indices_batching_dims, vector))
    shape_error(fmt::format("{} without index_vector_dim {}", names.indices_batching, vector));
  // Of the operand.
  require_axes(names.dropped, a.collapsed_slice_dims, operand.rank(), true);
  require_axes(names.batching, a.operand_batching_dims, operand.rank(), true);
  require_axes(fmt::format("{} and {}", names.dropped, names.batching),
               joined(a.collapsed_slice_dims, a.operand_batching_dims), operand.rank(), false);
  require_axes(fmt::format("{} and {}", names.map, names.batching),
               joined(a.start_index_map, a.operand_batching_dims), operand.rank(), false);
  const std::size_t named =
      a.offset_dims.size() + a.collapsed_slice_dims.size() + a.operand_batching_dims.size();
  if (named != operand.dims.size())
    shape_error(fmt::format("{}, {} and {} to name as many axes as the operand has ({}), not {}",
                            names.window, names.dropped, names.batching, operand.rank(), named));
  bool pairs = a.operand_batching_dims.size() == a.start_indices_batching_dims.size();
  for (std::size_t i = 0; pairs && i < a.operand_batching_dims.size(); ++i)
    pairs = operand.dims[static_cast<std::size_t>(a.operand_batching_dims[i])] ==
            indices.dims[static_cast<std::size_t>(a.start_indices_batching_dims[i])];
  if (!pairs)
    shape_error(fmt::format("{} and {} that pair up axes of equal extents, not [{}] and [{}]",
                            names.batching, names.indices_batching,
                            join(a.operand_batching_dims, ", "),
                            join(a.start_indices_batching_dims, ", ")));
  // Of the slices.
  bool fits = a.slice_sizes.size() == operand.dims.size();
  for (std::size_t axis = 0; fits && axis < operand.dims.size(); ++axis) {
    const auto at = static_cast<std::int64_t>(axis);
    const bool dropped =
        contains(a.collapsed_slice_dims, at) || contains(a.operand_batching_dims, at);
    if (!dropped) window_axes_.push_back(at);
    fits = a.slice_sizes[axis] >= 0 && a.slice_sizes[axis] <= operand.dims[axis] &&
           (!dropped || a.slice_sizes[axis] <= 1);
  }
  if (!fits)
    shape_error(fmt::format("slices inside the operand, of at most 1 along {} and {}, not [{}]",
                            names.dropped, names.batching, join(a.slice_sizes, ", ")));
  const std::size_t rank = batch.size() + a.offset_dims.size();
  require_axes(names.window, a.offset_dims, static_cast<std::int64_t>(rank), true);
  std::size_t next_batch = 0, next_window = 0;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    if (contains(a.offset_dims, static_cast<std::int64_t>(axis))) {
      dims_.push_back(a.slice_sizes[static_cast<std::size_t>(window_axes_[next_window++])]);
    } else {
      batch_axes_.push_back(static_cast<std::int64_t>(axis));
      dims_.push_back(batch[next_batch++]);
    }
  }
  element_count(dims_);
}

ScatterAttrs Placement::scatter() const {
  return {.update_window_dims = attrs_.offset_dims,
          .inserted_window_dims = attrs_.collapsed_slice_dims,
          .input_batching_dims = attrs_.operand_batching_dims,
          .scatter_indices_batching_dims = attrs_.start_indices_batching_dims,
          .scatter_dims_to_operand_dims = attrs_.start_index_map,
          .index_vector_dim = attrs_.index_vector_dim,
          .indices_are_sorted = attrs_.indices_are_sorted};
}

/// A number for each component, as a tensor of the indices' shape.
Value Placement::per_component(Graph& graph, const Ints& numbers, DType dtype) const {
  const bool vector = attrs_.index_vector_dim < indices_.rank();
  const Array array =
      Array::of<std::int64_t>(vector ? Ints{components()} : Ints{}, std::span(numbers));
  return build::broadcast(graph.constant(array.converted(dtype)), indices_.dims,
                          vector ? Ints{attrs_.index_vector_dim} : Ints{});
}

Value Placement::clamped(Value indices, const Ints& lowest, const Ints& highest) const {
  Graph& graph = indices.graph();
  // What i64 cannot hold is past the end.
  if (indices.type().dtype == DType::ui64)
    indices = build::binary(Op::minimum, indices, per_component(graph, highest, DType::ui64));
  if (indices.type().dtype != DType::i64) indices = build::convert(indices, DType::i64);
  indices = build::binary(Op::maximum, indices, per_component(graph, lowest, DType::i64));
  return build::binary(Op::minimum, indices, per_component(graph, highest, DType::i64));
}

Value Placement::clamped(Value indices) const {
  Ints last;
  for (std::int64_t i = 0; i < components(); ++i) last.push_back(extent(i) - slice_extent(i));
  return clamped(indices, Ints(last.size(), 0), last);
}

std::vector<std::int64_t> Placement::targets(const Array& indices) const {
  const Ints strides = row_major_strides(operand_.dims),
             index_strides = row_major_strides(indices.dims());
  std::vector<std::int64_t> found;
  reference::for_each_point(dims_, [&](const Ints& point) {
    const auto at = [&](std::int64_t axis) { return point[static_cast<std::size_t>(axis)]; };
    const auto start = [&](std::int64_t component) {
      // Far outside is as good as just outside, and the sum cannot wrap.
      const Ints place = index_place(at, component);
      return std::clamp(reference::index_at(indices, reference::offset_of(place, index_strides)),
                        -slice_extent(component), extent(component));
    };
    const Ints place = operand_place(at, start, std::int64_t{0});
    bool inside = true;
    for (std::size_t axis = 0; axis < place.size(); ++axis)
      inside = inside && place[axis] >= 0 && place[axis] < operand_.dims[axis];
    found.push_back(inside ? reference::offset_of(place, strides) : -1);
  });
  return found;
}

Value Placement::read(Value from, Value indices) const {
  if (nothing()) return from.graph().splat(Type{from.type().dtype, dims_}, 0);
  // With a slice's extent of zeros around the tensor every slice lies inside, once those further
  // away are moved to the nearest place where they lie outside.
  Ints sizes, lowest, highest, around(operand_.dims.size(), 0);
  for (std::int64_t i = 0; i < components(); ++i) {
    sizes.push_back(slice_extent(i));
    lowest.push_back(-slice_extent(i));
    highest.push_back(extent(i));
    around[static_cast<std::size_t>(axis(i))] = slice_extent(i);
  }
  const Value moved = build::add(clamped(indices, lowest, highest),
                                 per_component(indices.graph(), sizes, DType::i64));
  return build::gather(build::pad_zero(from, around, around), moved, attrs_);
}

bool Placement::nothing() const {
  const auto empty = [&](std::int64_t axis) {
    return attrs_.slice_sizes[static_cast<std::size_t>(axis)] == 0;
  };
  return std::any_of(attrs_.collapsed_slice_dims.begin(), attrs_.collapsed_slice_dims.end(),
                     empty) ||
         std::any_of(attrs_.operand_batching_dims.begin(), attrs_.operand_batching_dims.end(),
                     empty);
}

}  // namespace kiln
