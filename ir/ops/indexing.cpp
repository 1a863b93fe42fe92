// Ops that read each result element from a computed place of an operand.
#include <algorithm>
#include <array>
#include <numeric>

#include "ir/build.h"
#include "ir/op.h"
#include "ir/placement.h"
#include "ir/reference.h"

namespace kiln {
namespace {

using namespace build;
using Cotangents = std::span<const Value>;
using Gradients = std::vector<Value>;

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

// ---- shape rules

/// No extent and no attribute is larger: sums of two of them never wrap.
constexpr std::int64_t kMost = std::int64_t{1} << 48;

bool distinct_axes(Ints axes, int rank) {
  std::sort(axes.begin(), axes.end());
  return std::adjacent_find(axes.begin(), axes.end()) == axes.end() &&
         (axes.empty() || (axes.front() >= 0 && axes.back() < rank));
}

std::vector<Type> infer_concatenate(const InferContext& context) {
  if (context.operands.empty()) shape_error("at least one operand");
  Type result = context.type(0);
  const std::int64_t dim = context.get<AxisAttrs>().dim;
  if (dim < 0 || dim >= result.rank())
    shape_error(fmt::format("an axis of {}, not {}", result.pretty(), dim));
  result.dims[index(dim)] = 0;
  for (Value operand : context.operands) {
    Type aligned = operand.type();
    if (aligned.rank() == result.rank()) {
      result.dims[index(dim)] += aligned.dims[index(dim)];
      aligned.dims[index(dim)] = result.dims[index(dim)];
    }
    if (aligned != result)
      shape_error(fmt::format("operands of one element type that differ in axis {} alone", dim));
    element_count(result.dims);
  }
  return {result};
}

/// The operands from `first` on are one start index of a scalar integer type for each axis.
void check_starts(const InferContext& context, int first) {
  const int rank = context.type(0).rank();
  const int starts = static_cast<int>(context.operands.size()) - first;
  bool fits = starts == rank;
  for (int i = first; fits && i < first + starts; ++i)
    fits = context.type(i) == context.type(first) && context.type(i).rank() == 0 &&
           is_integer(context.type(i).dtype);
  if (!fits)
    shape_error(fmt::format("{} start indices, scalars of one integer type, for {}", rank,
                            context.type(0).pretty()));
}

std::vector<Type> infer_dynamic_slice(const InferContext& context) {
  if (context.operands.empty()) shape_error("an operand and its start indices");
  check_starts(context, 1);
  const Type& from = context.type(0);
  const Ints& sizes = context.get<DimsAttrs>().dims;
  bool fits = sizes.size() == from.dims.size();
  for (std::size_t axis = 0; fits && axis < sizes.size(); ++axis)
    fits = sizes[axis] >= 0 && sizes[axis] <= from.dims[axis];
  if (!fits)
    shape_error(fmt::format("slice sizes inside {}, not [{}]", from.pretty(), join(sizes, ", ")));
  return {Type{from.dtype, sizes}};
}

std::vector<Type> infer_dynamic_update_slice(const InferContext& context) {
  if (context.operands.size() < 2) shape_error("an operand, an update and start indices");
  check_starts(context, 2);
  const Type &to = context.type(0), &update = context.type(1);
  bool fits = to.dtype == update.dtype && to.rank() == update.rank();
  for (std::size_t axis = 0; fits && axis < to.dims.size(); ++axis)
    fits = update.dims[axis] <= to.dims[axis];
  if (!fits) shape_error(fmt::format("an update that fits inside {}", to.pretty()));
  return {to};
}

std::vector<Type> infer_gather(const InferContext& context) {
  const Type &from = context.type(0), &indices = context.type(1);
  const Placement placement = Placement::of_gather(context.get<GatherAttrs>(), from, indices);
  return {Type{from.dtype, placement.dims()}};
}

std::vector<Type> infer_pad(const InferContext& context) {
  const Type& from = context.type(0);
  const auto& attrs = context.get<PadAttrs>();
  if (context.type(1) != Type{from.dtype, {}})
    shape_error(fmt::format("a padding value {}", Type{from.dtype, {}}.pretty()));
  const std::size_t rank = from.dims.size();
  if (attrs.low.size() != rank || attrs.high.size() != rank || attrs.interior.size() != rank)
    shape_error(fmt::format("low, high and interior padding of {} axes", rank));
  Type result{from.dtype, {}};
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const std::int64_t low = attrs.low[axis], high = attrs.high[axis],
                       interior = attrs.interior[axis];
    const std::int64_t gaps = std::max<std::int64_t>(from.dims[axis] - 1, 0);
    const bool bounded = -kMost <= low && low <= kMost && -kMost <= high && high <= kMost &&
                         interior >= 0 && interior <= kMost / std::max<std::int64_t>(gaps, 1);
    const std::int64_t extent = bounded ? from.dims[axis] + gaps * interior + low + high : -1;
    if (extent < 0)
      shape_error(
          fmt::format("padding that leaves axis {} an extent, not low {}, high {}, "
                      "interior {}",
                      axis, low, high, interior));
    result.dims.push_back(extent);
  }
  element_count(result.dims);
  return {result};
}

std::vector<Type> infer_reverse(const InferContext& context) {
  const Ints& axes = context.get<DimsAttrs>().dims;
  if (!distinct_axes(axes, context.type(0).rank()))
    shape_error(fmt::format("axes of {} that do not repeat, not [{}]", context.type(0).pretty(),
                            join(axes, ", ")));
  return {context.type(0)};
}

std::vector<Type> infer_slice(const InferContext& context) {
  const Type& from = context.type(0);
  const auto& attrs = context.get<SliceAttrs>();
  const std::size_t rank = from.dims.size();
  if (attrs.start.size() != rank || attrs.limit.size() != rank || attrs.strides.size() != rank)
    shape_error(fmt::format("start, limit and stride of {} axes", rank));
  Type result{from.dtype, {}};
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const std::int64_t start = attrs.start[axis], limit = attrs.limit[axis],
                       stride = attrs.strides[axis];
    if (start < 0 || start > limit || limit > from.dims[axis] || stride < 1)
      shape_error(
          fmt::format("0 <= start <= limit <= {} and a stride above 0 on axis {}, not "
                      "start {}, limit {}, stride {}",
                      from.dims[axis], axis, start, limit, stride));
    result.dims.push_back(start == limit ? 0 : (limit - start - 1) / stride + 1);
  }
  return {result};
}

// ---- gradients

/// Zeros of a type, and the scalar zero.
Value zeros(Graph& graph, Type type) { return graph.splat(std::move(type), 0); }

std::span<const Value> starts_of(const Node& node, std::size_t first) {
  return std::span(node.operands()).subspan(first);
}

/// A cotangent for each operand: the first ones, and none for start indices.
Gradients padded(const Node& node, Gradients gradients) {
  gradients.resize(node.operands().size());
  return gradients;
}

Gradients gradient_concatenate(const Node& node, Cotangents ct) {
  const std::int64_t dim = node.attrs<AxisAttrs>().dim;
  Gradients gradients;
  std::int64_t begin = 0;
  for (Value operand : node.operands()) {
    const std::int64_t end = begin + operand.type().dims[index(dim)];
    gradients.push_back(slice_axis(ct[0], dim, begin, end));
    begin = end;
  }
  return gradients;
}

Gradients gradient_dynamic_slice(const Node& node, Cotangents ct) {
  const Value nothing = zeros(node.graph(), node.operand(0).type());
  return padded(node, {dynamic_update_slice(nothing, ct[0], starts_of(node, 1))});
}

Gradients gradient_dynamic_update_slice(const Node& node, Cotangents ct) {
  const Type& update = node.operand(1).type();
  const auto starts = starts_of(node, 2);
  return padded(node, {dynamic_update_slice(ct[0], zeros(node.graph(), update), starts),
                       dynamic_slice(ct[0], starts, update.dims)});
}

Gradients gradient_gather(const Node& node, Cotangents ct) {
  // Each element of the result adds to the place it was read from. A scatter drops what a gather
  // clamps, so the indices are clamped first.
  const Placement placement(node);
  const Value nothing = zeros(node.graph(), node.operand(0).type());
  return {placement.nothing() ? nothing
                              : scatter(nothing, placement.clamped(node.operand(1)), ct[0],
                                        placement.scatter(), Op::add),
          Value{}};
}

Gradients gradient_pad(const Node& node, Cotangents ct) {
  const Type& from = node.operand(0).type();
  const auto& attrs = node.attrs<PadAttrs>();
  // Undone from the outside in: edges that were added go, those that were cut get no gradient.
  Ints low, high, start, limit, strides;
  for (std::size_t axis = 0; axis < from.dims.size(); ++axis) {
    const std::int64_t step = attrs.interior[axis] + 1;
    low.push_back(-attrs.low[axis]);
    high.push_back(-attrs.high[axis]);
    start.push_back(0);
    limit.push_back(from.dims[axis] == 0 ? 0 : (from.dims[axis] - 1) * step + 1);
    strides.push_back(step);
  }
  const Value of_operand = slice(pad_zero(ct[0], low, high), start, limit, strides);
  // The padding value counts wherever the operand does not. (The whole cotangent's sum less the
  // operand's share would lose digits.)
  Graph& graph = node.graph();
  const Value padding =
      pad(zeros(graph, Type{DType::i1, from.dims}), graph.splat(Type{DType::i1, {}}, 1), attrs.low,
          attrs.high, attrs.interior);
  Ints all(node.type().dims.size());
  std::iota(all.begin(), all.end(), 0);
  return {of_operand, reduce(select(padding, ct[0], like(ct[0], 0)), Op::add, all)};
}

Gradients gradient_reverse(const Node& node, Cotangents ct) {
  return {reverse(ct[0], node.attrs<DimsAttrs>().dims)};
}

Gradients gradient_slice(const Node& node, Cotangents ct) {
  const auto& attrs = node.attrs<SliceAttrs>();
  const Ints &from = node.operand(0).type().dims, &taken = node.type().dims;
  Ints high, interior;
  for (std::size_t axis = 0; axis < from.size(); ++axis) {
    const std::int64_t reach = taken[axis] == 0 ? 0 : (taken[axis] - 1) * attrs.strides[axis] + 1;
    high.push_back(from[axis] - attrs.start[axis] - reach);
    // Of one element or none there is nothing between, however large the stride was.
    interior.push_back(taken[axis] < 2 ? 0 : attrs.strides[axis] - 1);
  }
  return {pad_zero(ct[0], attrs.start, high, interior)};
}

// ---- the reference

using Arrays = std::span<const Array>;

/// Fills the result: `read(point, element)` copies what belongs at the point to result[element].
template <class F>
Array filled(const Type& type, F&& read) {
  Array result(type);
  std::int64_t element = 0;
  reference::for_each_point(type.dims, [&](const Ints& point) { read(result, point, element++); });
  return result;
}

/// The start indices as numbers, moved so that a slice of these extents lies inside.
Ints clamped_starts(Arrays starts, const Ints& dims, const Ints& sizes) {
  Ints clamped;
  for (std::size_t axis = 0; axis < dims.size(); ++axis)
    clamped.push_back(std::clamp<std::int64_t>(reference::index_at(starts[axis], 0), 0,
                                               dims[axis] - sizes[axis]));
  return clamped;
}

std::vector<Array> reference_concatenate(const Node& node, Arrays operands) {
  const std::size_t dim = index(node.attrs<AxisAttrs>().dim);
  Array result(node.type());
  const Ints strides = row_major_strides(node.type().dims);
  std::int64_t begin = 0;
  for (const Array& operand : operands) {
    std::int64_t element = 0;
    reference::for_each_point(operand.dims(), [&](const Ints& point) {
      reference::copy_element(operand, element++, result,
                              reference::offset_of(point, strides) + begin * strides[dim]);
    });
    begin += operand.dims()[dim];
  }
  return {result};
}

std::vector<Array> reference_dynamic_slice(const Node& node, Arrays operands) {
  const Ints strides = row_major_strides(operands[0].dims());
  const Ints starts = clamped_starts(operands.subspan(1), operands[0].dims(), node.type().dims);
  const std::int64_t begin = reference::offset_of(starts, strides);
  return {filled(node.type(), [&](Array& result, const Ints& point, std::int64_t element) {
    reference::copy_element(operands[0], begin + reference::offset_of(point, strides), result,
                            element);
  })};
}

std::vector<Array> reference_dynamic_update_slice(const Node& node, Arrays operands) {
  const Array& update = operands[1];
  const Ints strides = row_major_strides(node.type().dims);
  const Ints starts = clamped_starts(operands.subspan(2), node.type().dims, update.dims());
  const std::int64_t begin = reference::offset_of(starts, strides);
  Array result = operands[0].clone();
  std::int64_t element = 0;
  reference::for_each_point(update.dims(), [&](const Ints& point) {
    reference::copy_element(update, element++, result,
                            begin + reference::offset_of(point, strides));
  });
  return {result};
}

std::vector<Array> reference_gather(const Node& node, Arrays operands) {
  const Array &from = operands[0], &indices = operands[1];
  const Placement placement(node);
  if (placement.nothing()) return {Array(node.type())};
  const Ints strides = row_major_strides(from.dims()),
             index_strides = row_major_strides(indices.dims());
  return {filled(node.type(), [&](Array& result, const Ints& point, std::int64_t element) {
    const auto at = [&](std::int64_t axis) { return point[index(axis)]; };
    const auto start = [&](std::int64_t component) {
      const Ints place = placement.index_place(at, component);
      return std::clamp<std::int64_t>(
          reference::index_at(indices, reference::offset_of(place, index_strides)), 0,
          placement.extent(component) - placement.slice_extent(component));
    };
    const Ints place = placement.operand_place(at, start, std::int64_t{0});
    reference::copy_element(from, reference::offset_of(place, strides), result, element);
  })};
}

std::vector<Array> reference_pad(const Node& node, Arrays operands) {
  const auto& attrs = node.attrs<PadAttrs>();
  const Ints& dims = operands[0].dims();
  const Ints strides = row_major_strides(dims);
  return {filled(node.type(), [&](Array& result, const Ints& point, std::int64_t element) {
    std::int64_t place = 0;
    for (std::size_t axis = 0; axis < dims.size(); ++axis) {
      const std::int64_t step = attrs.interior[axis] + 1, spread = point[axis] - attrs.low[axis];
      if (spread < 0 || spread % step != 0 || spread / step >= dims[axis])
        return reference::copy_element(operands[1], 0, result, element);
      place += spread / step * strides[axis];
    }
    reference::copy_element(operands[0], place, result, element);
  })};
}

std::vector<Array> reference_reverse(const Node& node, Arrays operands) {
  const Ints& dims = node.type().dims;
  const Ints strides = row_major_strides(dims);
  return {filled(node.type(), [&](Array& result, Ints point, std::int64_t element) {
    for (std::int64_t axis : node.attrs<DimsAttrs>().dims)
      point[index(axis)] = dims[index(axis)] - 1 - point[index(axis)];
    reference::copy_element(operands[0], reference::offset_of(point, strides), result, element);
  })};
}

std::vector<Array> reference_slice(const Node& node, Arrays operands) {
  const auto& attrs = node.attrs<SliceAttrs>();
  const Ints strides = row_major_strides(operands[0].dims());
  return {filled(node.type(), [&](Array& result, Ints point, std::int64_t element) {
    for (std::size_t axis = 0; axis < point.size(); ++axis)
      point[axis] = attrs.start[axis] + point[axis] * attrs.strides[axis];
    reference::copy_element(operands[0], reference::offset_of(point, strides), result, element);
  })};
}

// ---- at a point

using loop::Index;
using loop::Val;

Index number(Point& point, std::int64_t value) {
  return {point.builder(), loop::Affine(value), 0, 1};
}

/// An i64 constant for comparisons with `v`.
Val number_like(Val v, std::int64_t value) { return v.like(static_cast<double>(value)); }

/// Whether the coordinate is in [begin, end); of a bound that needs no asking nothing is asked.
std::optional<Val> between(const Index& coordinate, std::optional<std::int64_t> begin,
                           std::optional<std::int64_t> end) {
  if (!begin && !end) return std::nullopt;
  const Val at = coordinate.value();
  std::optional<Val> inside;
  if (begin) inside = at >= number_like(at, *begin);
  if (end) inside = both(inside, at < number_like(at, *end));
  return inside;
}

Val choose(const std::optional<Val>& condition, Val yes, Val no) {
  return condition ? select(*condition, yes, no) : yes;
}

/// 0, where there is nothing to read.
Val nothing(const Node& node, Point& point) {
  return {point.builder(), point.builder().constant({node.type().dtype, 1}, 0)};
}

/// An index that data decide, of any integer type, moved into [0, last].
Index clamped(Val v, std::int64_t last) {
  // What i64 cannot hold is past the end.
  if (v.type().dtype == DType::ui64) v = v.op(loop::Opcode::min, number_like(v, last));
  v = v.convert(DType::i64);
  return Index(v.op(loop::Opcode::max, v.like(0)).op(loop::Opcode::min, number_like(v, last)));
}

Val point_concatenate(const Node& node, int, Point& point) {
  const int dim = static_cast<int>(node.attrs<AxisAttrs>().dim), rank = node.type().rank();
  const std::int64_t all = node.type().dims[index(dim)];
  // From the last operand to the first: each takes over before its end.
  std::vector<Index> place;
  for (int axis = 0; axis < rank; ++axis) place.push_back(point.at(axis));
  const Index at = place[index(dim)];
  std::optional<Val> result;
  std::int64_t end = all;
  for (int i = static_cast<int>(node.operands().size()); i-- > 0;) {
    const std::int64_t begin = end - node.operand(i).type().dims[index(dim)];
    if (begin == end) continue;
    const auto after = between(at, begin > 0 ? std::optional(begin) : std::nullopt, std::nullopt);
    const auto before = between(at, std::nullopt, end < all ? std::optional(end) : std::nullopt);
    place[index(dim)] = at + -begin;
    const Val element = point.read(i, place, both(after, before));
    result = result ? choose(before, element, *result) : element;
    end = begin;
  }
  return result ? *result : nothing(node, point);
}

/// Start index `axis` of those from operand `first` on; 0 where there is no choice.
Index start_at(Point& point, int first, int axis, std::int64_t last) {
  return last == 0 ? number(point, 0) : clamped(point.read(first + axis, {}), last);
}

Val point_dynamic_slice(const Node& node, int, Point& point) {
  const Ints &from = node.operand(0).type().dims, &sizes = node.type().dims;
  std::vector<Index> place;
  for (int axis = 0; axis < node.type().rank(); ++axis)
    place.push_back(start_at(point, 1, axis, from[index(axis)] - sizes[index(axis)]) +
                    point.at(axis));
  return point.read(0, place);
}

Val point_dynamic_update_slice(const Node& node, int, Point& point) {
  const Ints &to = node.type().dims, &sizes = node.operand(1).type().dims;
  std::vector<Index> place, update;
  for (int axis = 0; axis < node.type().rank(); ++axis) place.push_back(point.at(axis));
  if (node.operand(1).type().count() == 0) return point.read(0, place);
  std::optional<Val> inside;
  for (int axis = 0; axis < node.type().rank(); ++axis) {
    const std::int64_t size = sizes[index(axis)], last = to[index(axis)] - size;
    update.push_back(place[index(axis)] + start_at(point, 2, axis, last) * -1);
    if (last > 0) inside = both(inside, between(update.back(), 0, size));
  }
  const Val written = point.read(1, update, inside);
  return inside ? choose(inside, written, point.read(0, place)) : written;
}

Val point_gather(const Node& node, int, Point& point) {
  const Placement placement(node);
  if (placement.nothing()) return nothing(node, point);
  const auto at = [&](std::int64_t axis) { return point.at(static_cast<int>(axis)); };
  const auto start = [&](std::int64_t component) {
    const std::int64_t last = placement.extent(component) - placement.slice_extent(component);
    if (last == 0) return number(point, 0);
    return clamped(point.read(1, placement.index_place(at, number(point, component))), last);
  };
  return point.read(0, placement.operand_place(at, start, number(point, 0)));
}

Val point_pad(const Node& node, int, Point& point) {
  const auto& attrs = node.attrs<PadAttrs>();
  const Type& from = node.operand(0).type();
  const Val padding = point.read(1, {});
  if (from.count() == 0) return padding;
  std::vector<Index> place;
  std::optional<Val> inside;
  for (int axis = 0; axis < from.rank(); ++axis) {
    const std::int64_t low = attrs.low[index(axis)], step = attrs.interior[index(axis)] + 1;
    Index at = point.at(axis) + -low;
    if (step > 1) {
      // Divided towards zero: what lies before the first element is 0 at most, or leaves a rest.
      const Val spread = at.value(), divisor = number_like(spread, step);
      inside = both(inside, spread.op(loop::Opcode::rem, divisor) == spread.like(0));
      at = Index(spread / divisor);
    }
    const bool before = low > 0, after = attrs.high[index(axis)] > 0;
    inside = both(inside, between(at, before ? std::optional<std::int64_t>(0) : std::nullopt,
                                  after ? std::optional(from.dims[index(axis)]) : std::nullopt));
    place.push_back(at);
  }
  return choose(inside, point.read(0, place, inside), padding);
}

Val point_reverse(const Node& node, int, Point& point) {
  std::vector<Index> place;
  for (int axis = 0; axis < node.type().rank(); ++axis) place.push_back(point.at(axis));
  for (std::int64_t axis : node.attrs<DimsAttrs>().dims)
    place[index(axis)] = place[index(axis)] * -1 + (node.type().dims[index(axis)] - 1);
  return point.read(0, place);
}

Val point_slice(const Node& node, int, Point& point) {
  const auto& attrs = node.attrs<SliceAttrs>();
  std::vector<Index> place;
  for (int axis = 0; axis < node.type().rank(); ++axis)
    place.push_back(point.at(axis) * attrs.strides[index(axis)] + attrs.start[index(axis)]);
  return point.read(0, place);
}

constexpr std::array kRows = {
    OpDef{.op = Op::concatenate,
          .name = "concatenate",
          .arity = kVariadic,
          .traits = {.indexed = true},
          .infer = infer_concatenate,
          .gradient = gradient_concatenate,
          .reference = reference_concatenate,
          .lowering = point_concatenate},
    OpDef{.op = Op::dynamic_slice,
          .name = "dynamic_slice",
          .arity = kVariadic,
          .traits = {.indexed = true},
          .infer = infer_dynamic_slice,
          .gradient = gradient_dynamic_slice,
          .reference = reference_dynamic_slice,
          .lowering = point_dynamic_slice},
    OpDef{.op = Op::dynamic_update_slice,
          .name = "dynamic_update_slice",
          .arity = kVariadic,
          .traits = {.indexed = true, .updates = true},
          .infer = infer_dynamic_update_slice,
          .gradient = gradient_dynamic_update_slice,
          .reference = reference_dynamic_update_slice,
          .lowering = point_dynamic_update_slice},
    OpDef{.op = Op::gather,
          .name = "gather",
          .arity = 2,
          .traits = {.indexed = true},
          .infer = infer_gather,
          .gradient = gradient_gather,
          .reference = reference_gather,
          .lowering = point_gather},
    OpDef{.op = Op::pad,
          .name = "pad",
          .arity = 2,
          .traits = {.indexed = true},
          .infer = infer_pad,
          .gradient = gradient_pad,
          .reference = reference_pad,
          .lowering = point_pad},
    OpDef{.op = Op::reverse,
          .name = "reverse",
          .arity = 1,
          .traits = {.indexed = true},
          .infer = infer_reverse,
          .gradient = gradient_reverse,
          .reference = reference_reverse,
          .lowering = point_reverse},
    OpDef{.op = Op::slice,
          .name = "slice",
          .arity = 1,
          .traits = {.indexed = true},
          .infer = infer_slice,
          .gradient = gradient_slice,
          .reference = reference_slice,
          .lowering = point_slice},
};
static_assert(complete(kRows, Op::concatenate, Op::slice));

}  // namespace

std::span<const OpDef> indexing_rows() { return kRows; }

}  // namespace kiln
