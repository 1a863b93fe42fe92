// What a reduce_window is.
//
// Each result element starts from the initial values and takes in the elements of its window in
// row-major order. Gaps (padding, and what lies between dilated elements) hold the initial values
// and are taken in like any other element.
#include <limits>
#include <numeric>

#include "ir/build.h"
#include "ir/interpret.h"
#include "ir/ops/combiner.h"
#include "ir/ops/window.h"
#include "ir/reference.h"

namespace kiln::window {
namespace {

using namespace build;

Axis axis_of(const WindowAttrs& a, const Type& operand, std::size_t axis) {
  return {.operand = operand.dims[axis],
          .extent = a.extents[axis],
          .stride = a.strides[axis],
          .base_dilation = a.base_dilations[axis],
          .dilation = a.window_dilations[axis],
          .low = a.low[axis],
          .high = a.high[axis]};
}

}  // namespace

std::vector<Axis> reduce_window_axes(const Node& node) {
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < node.attrs<WindowAttrs>().extents.size(); ++i)
    axes.push_back(axis_of(node.attrs<WindowAttrs>(), node.operand(0).type(), i));
  return axes;
}

namespace {

/// Whether input i's initial value is only where the combiner starts: then no cotangent need reach
/// it.
bool starts_from_identity(const Node& node, std::size_t i, Op combiner) {
  const Value initial = node.operands()[node.operands().size() / 2 + i];
  return initial == identity(node.graph(), combiner, initial.type().dtype);
}

/// The cotangents of an input and of its initial value.
struct Both {
  Value of_x, of_initial;
};

Value sum_of_all(Value x) {
  Ints all(x.type().dims.size());
  std::iota(all.begin(), all.end(), 0);
  return reduce(x, Op::add, all);
}

/// Each element of the operand gets the cotangents of the windows that see it: the cotangent,
/// spread out by the strides, seen through the same window from the other end.
Both gradient_of_sum(const Node& node, std::size_t i, Value ct) {
  const auto& a = node.attrs<WindowAttrs>();
  const Value x = node.operands()[i];
  Value of_x = like(x, 0);
  if (x.type().count() > 0 && ct.type().count() > 0) {
    WindowAttrs back;
    back.extents = a.extents;
    back.strides = a.base_dilations;
    back.base_dilations = a.strides;
    back.window_dilations = a.window_dilations;
    for (const Axis& axis : reduce_window_axes(node)) {
      back.low.push_back(axis.spread_window() - 1 - axis.low);
      back.high.push_back(axis.spread_operand() + axis.low -
                          Axis::spread(axis.windows(), axis.stride));
    }
    of_x = reduce_window(ct, Op::add, back);
  }
  if (starts_from_identity(node, i, Op::add)) return {of_x, Value{}};
  // The initial value counts once, and once for each gap that a window sees.
  const Value seen = reduce_window(like(x, 1), Op::add, a);
  const Value times = subtract(like(seen, 1 + static_cast<double>(element_count(a.extents))), seen);
  return {of_x, sum_of_all(multiply(ct, times))};
}

/// The number of each element of x in row-major order.
Value numbers_of(Value x) {
  const bool small = x.type().count() <= std::numeric_limits<std::int32_t>::max();
  const Type flat{small ? DType::i32 : DType::i64, {x.type().count()}};
  return reshape(iota(x.graph(), flat, 0), x.type().dims);
}

/// Each window has one element that its result i is; `places` are those elements' numbers, -1 where
/// it is the initial value instead.
Both gradient_of_chosen(Value x, Value places, Value ct) {
  const Value found = compare(places, like(places, 0), Direction::GE);
  Value of_x = like(x, 0);
  if (x.type().count() > 0 && ct.type().count() > 0) {
    // What found no place adds nothing, to the first element.
    const Value updates = select(found, ct, like(ct, 0));
    const Value targets = binary(Op::maximum, places, like(places, 0));
    const Value all = reshape(of_x, {x.type().count()});
    const Value at = reshape(targets, {ct.type().count()});
    const Value scattered = scatter(all, at, reshape(updates, {ct.type().count()}),
                                    take_places(all.type(), at.type(), 0), Op::add);
    of_x = reshape(scattered, x.type().dims);
  }
  return {of_x, sum_of_all(select(found, like(ct, 0), ct))};
}

/// Of a window's elements, the first (in row-major order) that is the extremum gets the whole
/// cotangent, as in PyTorch's pooling; the initial value only where no element is.
Both gradient_of_extremum(const Node& node, std::size_t i, Op combiner, Value ct) {
  Graph& graph = node.graph();
  const Value x = node.operands()[i], initial = node.operands()[node.operands().size() / 2 + i];
  const Value numbers = numbers_of(x);
  const Type value{x.type().dtype, {}}, place{numbers.type().dtype, {}};

  // The same windows again, each value together with its place in the flat operand (-1: none).
  const Value best = graph.parameter(0, value), best_place = graph.parameter(1, place);
  const Value next = graph.parameter(2, value), next_place = graph.parameter(3, place);
  const auto either = [](Value p, Value q) { return binary(Op::or_, p, q); };
  const auto and_also = [](Value p, Value q) { return binary(Op::and_, p, q); };
  const Value beats = compare(next, best, combiner == Op::maximum ? Direction::GT : Direction::LT);
  const Value first = and_also(compare(next, best, Direction::EQ),
                               compare(best_place, like(best_place, 0), Direction::LT));
  const Value first_nan =
      and_also(compare(next, next, Direction::NE), compare(best, best, Direction::EQ));
  const Value taken = either(beats, either(first, first_nan));
  const Region region{{value, place, value, place},
                      {select(taken, next, best), select(taken, next_place, best_place)}};
  const Node* windows = graph.make(Op::reduce_window, {x, numbers, initial, graph.splat(place, -1)},
                                   node.attrs<WindowAttrs>(), std::nullopt, {region});
  const Both both = gradient_of_chosen(x, Value{windows, 1}, ct);
  return {both.of_x, starts_from_identity(node, i, combiner) ? Value{} : both.of_initial};
}

Both gradient_of(const Node& node, std::size_t i, Value ct) {
  const Region& region = node.regions()[0];
  const auto combiner = combiner_of(region, i);
  if (combiner == Op::add) return gradient_of_sum(node, i, ct);
  if (combiner == Op::maximum || combiner == Op::minimum)
    return gradient_of_extremum(node, i, *combiner, ct);
  // A choice of the region's own: the same windows, with the places of what is chosen.
  const Value numbers = numbers_of(node.operands()[i]);
  const Type place{numbers.type().dtype, {}};
  const auto wide = with_place_of(region, i, place);
  if (!wide) not_differentiable(node, {});
  std::vector<Value> operands = node.operands();
  operands.insert(operands.begin() + static_cast<std::ptrdiff_t>(operands.size() / 2), numbers);
  operands.push_back(node.graph().splat(place, -1));
  const Node* windows = node.graph().make(Op::reduce_window, operands, node.attrs<WindowAttrs>(),
                                          std::nullopt, {*wide});
  const Value places{windows, static_cast<int>(node.types().size())};
  return gradient_of_chosen(node.operands()[i], places, ct);
}

}  // namespace

std::vector<Type> infer_reduce_window(const InferContext& context) {
  const std::size_t inputs = context.operands.size() / 2;
  if (inputs == 0 || context.operands.size() % 2 != 0)
    shape_error("as many initial values as inputs, at least one");
  const auto& a = context.get<WindowAttrs>();
  const Type& first = context.type(0);
  const std::size_t rank = first.dims.size();
  constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::min();
  check_list("window dimensions", a.extents, rank, 1);
  check_list("window strides", a.strides, rank, 1);
  check_list("base dilations", a.base_dilations, rank, 1);
  check_list("window dilations", a.window_dilations, rank, 1);
  check_list("low padding", a.low, rank, kAny);
  check_list("high padding", a.high, rank, kAny);

  Ints dims;
  for (std::size_t i = 0; i < rank; ++i) {
    const Axis axis = axis_of(a, first, i);
    check_places(axis);
    dims.push_back(axis.windows());
  }
  element_count(dims);

  internal_check(context.regions.size() == 1, "a reduce_window has one region");
  const Region& region = context.regions[0];
  std::vector<Type> results;
  for (std::size_t i = 0; i < inputs; ++i) {
    const Type& input = context.type(static_cast<int>(i));
    const Type& initial = context.type(static_cast<int>(inputs + i));
    if (input.dims != first.dims) shape_error("inputs of one shape");
    if (initial != Type{input.dtype, {}})
      shape_error(fmt::format("initial value {} for input {}", Type{input.dtype, {}}.pretty(),
                              input.pretty()));
    results.push_back({input.dtype, dims});
  }
  bool fits = region.parameters.size() == 2 * inputs && region.results.size() == inputs;
  for (std::size_t i = 0; fits && i < inputs; ++i) {
    const Type scalar{results[i].dtype, {}};
    fits = region.parameters[i] == scalar && region.parameters[inputs + i] == scalar &&
           region.results[i].type() == scalar;
  }
  if (!fits) shape_error("a region that combines two scalars of each input's type into one");
  return results;
}

std::vector<Value> gradient_reduce_window(const Node& node, std::span<const Value> cotangents) {
  const std::size_t inputs = node.types().size();
  std::vector<Value> gradients(2 * inputs);
  for (std::size_t i = 0; i < inputs; ++i) {
    if (!cotangents[i]) continue;
    const Both both = gradient_of(node, i, cotangents[i]);
    gradients[i] = both.of_x;
    gradients[inputs + i] = both.of_initial;
  }
  return gradients;
}

std::vector<Array> reference_reduce_window(const Node& node, std::span<const Array> operands) {
  const auto inputs = static_cast<std::ptrdiff_t>(operands.size()) / 2;
  const std::vector<Array> initial(operands.begin() + inputs, operands.end());
  const std::vector<Axis> axes = reduce_window_axes(node);
  const Ints strides = row_major_strides(operands[0].dims());
  // All windows take their next element together.
  std::vector<Array> running;
  for (const Array& value : initial) {
    Array& all = running.emplace_back(Type{value.dtype(), node.type().dims});
    for (std::int64_t i = 0; i < all.count(); ++i) reference::copy_element(value, 0, all, i);
  }
  const std::vector<Array> gaps = running;
  RegionMap combine(node.regions()[0], node.type().dims);
  reference::for_each_point(node.attrs<WindowAttrs>().extents, [&](const Ints& k) {
    std::vector<Array> arguments = running;
    for (const Array& gap : gaps) arguments.push_back(gap.clone());
    std::int64_t next = 0;
    reference::for_each_point(node.type().dims, [&](const Ints& at) {
      std::int64_t place = 0;
      bool gap = false;
      for (std::size_t i = 0; i < axes.size(); ++i) {
        const auto element = axes[i].element(at[i], k[i]);
        gap = gap || !element;
        place += strides[i] * element.value_or(0);
      }
      for (std::size_t i = 0; i < initial.size() && !gap; ++i)
        reference::copy_element(operands[i], place, arguments[initial.size() + i], next);
      ++next;
    });
    running = combine(arguments);
  });
  return running;
}

// The point's axes: the result's, then the window's, one an axis of the operand.
loop::Val reduce_window_at(const Node& node, int input, Point& point) {
  const std::vector<Axis> axes = reduce_window_axes(node);
  const int rank = node.type().rank();
  std::vector<loop::Index> coordinates;
  std::optional<loop::Val> inside;
  for (int i = 0; i < rank; ++i) {
    const Element seen =
        element(axes[static_cast<std::size_t>(i)], point.at(i), point.at(rank + i));
    coordinates.push_back(seen.coordinate);
    inside = both(inside, seen.inside);
  }
  const loop::Val value = point.read(input, coordinates, inside);
  if (!inside) return value;
  const auto inputs = static_cast<int>(node.types().size());
  return select(*inside, value, point.read(inputs + input, {}));
}

}  // namespace kiln::window
