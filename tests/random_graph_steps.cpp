// The steps of a random graph that read and write at computed places: indexing, windows, gather and
// scatter, sort; loops and branches; attention as its users write it.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ir/build.h"
#include "ir/build_control.h"
#include "ir/op.h"
#include "tests/graph_generator.h"
#include "tests/random_array.h"

namespace kiln {

using namespace build;

void GraphGenerator::special_function() {
  const Value x = real();
  if (!x) return;
  // Of ]-1, 1[, and a positive one.
  const Value inside = multiply(unary(Op::tanh, x), like(x, 0.875));
  switch (below(4)) {
    case 0:
      return keep(unary(pick({Op::cbrt, Op::erfc, Op::erf}), x));
    case 1:
      return keep(unary(pick({Op::erf_inv, Op::tan, Op::log_plus_one}), inside));
    case 2:
      return keep(unary(pick({Op::lgamma, Op::digamma}), above(x, 0.5)));
    default:
      return keep(binary(Op::atan2, x, above(partner(x), 0.25)));
  }
}

void GraphGenerator::bits() {
  const auto bitcast = [&](Value x, DType dtype) -> Value {
    return {graph().make(Op::bitcast_convert, {x}, {}, Type{dtype, x.type().dims}), 0};
  };
  if (chance(0.3)) {
    const Value x = real();
    if (!x) return;
    const bool narrow = real_ == DType::f32;
    if (chance(0.5)) return keep(unary(Op::is_finite, x));
    if (chance(0.5)) {  // of numbers: the sign of a NaN is the processor's
      const Value number = select(compare(x, x, Direction::EQ), x, like(x, 0));
      return keep(bitcast(number, narrow ? DType::ui32 : DType::i64));
    }
    const DType whole = narrow ? DType::i32 : DType::ui64;
    const Value bits = find([&](Value v) { return v.type().dtype == whole; });
    if (bits) keep(bitcast(bits, real_));
    return;
  }
  const Value x =
      find([](Value v) { return !is_float(v.type().dtype) && !is_bool(v.type().dtype); });
  if (!x) return;
  switch (below(4)) {
    case 0:
      return keep(unary(pick({Op::popcnt, Op::count_leading_zeros}), x));
    case 1: {  // to the integer type of the other sign
      const std::int64_t size = size_of(x.type().dtype);
      const DType other = size == 4   ? pick({DType::ui32, DType::i32})
                          : size == 8 ? pick({DType::ui64, DType::i64})
                          : size == 2 ? pick({DType::ui16, DType::i16})
                                      : pick({DType::ui8, DType::i8});
      return keep(bitcast(x, other));
    }
    default:
      return keep(
          binary(pick({Op::shift_left, Op::shift_right_arithmetic, Op::shift_right_logical}), x,
                 partner(x)));
  }
}

void GraphGenerator::cut() {
  const Value x = find([](Value v) { return v.type().rank() > 0; });
  if (!x) return;
  if (chance(0.25)) return keep(reverse(x, some_axes(x.type())));
  Ints start, limit, strides;
  for (std::int64_t extent : x.type().dims) {
    const bool whole = chance(0.4);
    start.push_back(whole ? 0 : between(0, extent));
    limit.push_back(whole ? extent : between(start.back(), extent));
    strides.push_back(chance(0.6) ? 1 : between(1, 4));
  }
  keep(slice(x, start, limit, strides));
}

void GraphGenerator::border() {
  const Value x = find([](Value v) { return v.type().rank() > 0; });
  if (!x) return;
  Ints low, high, interior;
  for (std::int64_t extent : x.type().dims) {
    const bool plain = chance(0.4);
    low.push_back(plain ? 0 : between(-2, 3));
    high.push_back(plain ? 0 : between(-2, 3));
    interior.push_back(plain || chance(0.7) ? 0 : between(1, 2));
    const std::int64_t spread =
        extent + std::max<std::int64_t>(extent - 1, 0) * interior.back() + low.back();
    if (spread + high.back() < 0) high.back() = std::max<std::int64_t>(0, -spread);
    if (low.back() < 0 && spread < 0) low.back() = 0;
  }
  const Value edge = chance(0.6) ? graph().splat({x.type().dtype, {}}, 0)
                                 : partner(graph().splat({x.type().dtype, {}}, 1));
  keep(pad(x, edge, low, high, interior));
}

void GraphGenerator::join() {
  const Value x = find([](Value v) { return v.type().rank() > 0; });
  if (!x) return;
  const std::int64_t axis = axis_of(x);
  std::vector<Value> parts{x};
  const auto fits = [&](Value v) {
    if (v.type().dtype != x.type().dtype || v.type().rank() != x.type().rank()) return false;
    for (std::int64_t i = 0; i < x.type().rank(); ++i)
      if (i != axis &&
          v.type().dims[static_cast<std::size_t>(i)] != x.type().dims[static_cast<std::size_t>(i)])
        return false;
    return true;
  };
  for (std::uint64_t i = 1 + below(2); i > 0; --i) parts.push_back(find(fits));
  if (chance(0.5)) std::swap(parts.front(), parts.back());
  keep(concatenate(parts, axis));
}

Value GraphGenerator::index_scalar(std::int64_t extent) {
  const Type scalar{DType::i32, {}};
  const Value there = find([&](Value v) { return v.type() == scalar; });
  if (there && chance(0.5)) return there;
  if (const Value list = find([](Value v) { return v.type().dtype == DType::i32; });
      list && chance(0.5)) {
    Ints all(list.type().dims.size());
    std::iota(all.begin(), all.end(), 0);
    return reduce(list, pick({Op::maximum, Op::minimum, Op::add}), all);
  }
  return graph().splat(scalar, static_cast<double>(between(-1, extent + 1)));
}

DType GraphGenerator::index_type() { return chance(0.8) ? DType::i32 : pick(kWholes); }

void GraphGenerator::dynamic() {
  const Value x = find([](Value v) { return v.type().rank() > 0; });
  if (!x) return;
  std::vector<Value> starts;
  Ints sizes;
  const DType type = index_type();
  for (std::int64_t extent : x.type().dims) {
    const Value start = index_scalar(extent);
    starts.push_back(type == DType::i32 ? start : convert(start, type));
    sizes.push_back(chance(0.4) ? extent : between(0, extent));
  }
  const Value part = dynamic_slice(x, starts, sizes);
  keep(part);
  if (chance(0.3)) return;
  Value update = partner(part);
  if (chance(0.3) && is_float(x.type().dtype)) update = multiply(part, like(part, 0.5));
  keep(dynamic_update_slice(x, update, starts));
}

Value GraphGenerator::indices(const Ints& dims, std::int64_t extent) {
  const auto n = static_cast<double>(std::max<std::int64_t>(extent, 1));
  const Type type{index_type(), dims};
  const Value there = find([&](Value v) { return v.type() == type; });
  if (there && chance(0.4)) {
    // Into the range, mostly: |i| mod n.
    if (chance(0.3)) return there;
    const Value positive = is_unsigned(type.dtype) ? there : unary(Op::abs, there);
    return binary(Op::remainder, positive, like(there, n));
  }
  const double least = is_unsigned(type.dtype) ? 0 : -1.2,
               most = size_of(type.dtype) == 1 ? 100 : n;
  return graph().constant(random_array(type, random_.bits64(), least, std::min(n, most) + 0.2));
}

void GraphGenerator::lookup() {
  const Value x = find([](Value v) { return v.type().rank() > 0 && v.type().rank() < 5; });
  if (!x) return;
  const std::int64_t axis = axis_of(x);
  const std::int64_t extent = x.type().dims[static_cast<std::size_t>(axis)];
  if (chance(0.5)) {
    Ints dims = x.type().dims;
    dims[static_cast<std::size_t>(axis)] = pick(palette_);
    if (fits(dims)) keep(take_along(x, indices(dims, extent), axis));
    return;
  }
  Ints dims;
  for (std::uint64_t i = below(3); i > 0; --i) dims.push_back(pick(palette_));
  const std::int64_t rest = extent == 0 ? 0 : x.type().count() / extent;
  if (fits(dims, 1, rest) && x.type().rank() + 1 <= 5) keep(take(x, indices(dims, extent), axis));
}

void GraphGenerator::scattering() {
  const Value x = real_of_rank(1, 4);
  if (!x) return;
  const std::int64_t axis = axis_of(x);
  const std::int64_t extent = x.type().dims[static_cast<std::size_t>(axis)];
  const bool along = chance(0.4);
  Ints dims = along ? x.type().dims : Ints{};
  if (along)
    dims[static_cast<std::size_t>(axis)] = pick(palette_);
  else
    for (std::uint64_t i = below(2); i > 0; --i) dims.push_back(pick(palette_));
  const std::int64_t rest = along || extent == 0 ? 1 : x.type().count() / extent;
  if (!fits(dims, 1, rest)) return;
  const Value at = indices(dims, extent);
  const Type places =
      (along ? take_along(x, at, axis) : take(x, at, axis)).type();  // shaped like what is read
  const ScatterAttrs attrs =
      along ? take_along_places(x.type(), at.type(), axis) : take_places(x.type(), at.type(), axis);
  const Value updates = partner(graph().splat(places, 0.5));
  switch (below(4)) {
    case 0:
      return keep(scatter_replace(x, at, updates, attrs));
    case 1:
      return keep(scatter(x, at, updates, attrs, pick({Op::maximum, Op::minimum, Op::multiply})));
    case 2:
      return keep(scatter({x}, at, {updates}, attrs, mixing_region())[0]);
    default:
      return keep(scatter(x, at, updates, attrs, Op::add));
  }
}

/// Slices of random extents from random places, some axes collapsed; and the scatter to them.
void GraphGenerator::general_gather() {
  const Value x = find([](Value v) { return v.type().rank() > 0 && v.type().count() > 0; });
  if (!x) return;
  GatherAttrs attrs;
  Ints window, places_dims;
  for (std::int64_t axis = 0; axis < x.type().rank(); ++axis) {
    const std::int64_t extent = x.type().dims[static_cast<std::size_t>(axis)];
    const bool mapped = chance(0.6);
    if (mapped) attrs.start_index_map.push_back(axis);
    if (mapped && chance(0.5)) {
      attrs.slice_sizes.push_back(1);
      attrs.collapsed_slice_dims.push_back(axis);
    } else {
      attrs.slice_sizes.push_back(mapped ? between(1, extent) : extent);
      window.push_back(axis);
    }
  }
  if (chance(0.3)) random_.shuffle(attrs.start_index_map);
  for (std::uint64_t i = below(3); i > 0; --i) places_dims.push_back(pick(palette_));
  const std::size_t rank = places_dims.size() + window.size();
  if (rank > 5) return;
  // Which axes of the result are the slice's.
  Ints axes(rank);
  std::iota(axes.begin(), axes.end(), 0);
  random_.shuffle(axes);
  axes.resize(window.size());
  std::sort(axes.begin(), axes.end());
  attrs.offset_dims = axes;
  if (!fits(places_dims, 1, element_count(attrs.slice_sizes))) return;
  const auto at = static_cast<std::ptrdiff_t>(below(places_dims.size() + 1));
  const auto components = static_cast<std::int64_t>(attrs.start_index_map.size());
  if (components == 1 && chance(0.5)) {
    attrs.index_vector_dim = static_cast<std::int64_t>(places_dims.size());
  } else {
    attrs.index_vector_dim = at;
    places_dims.insert(places_dims.begin() + at, components);
  }
  const Value places = indices(places_dims, 1 + x.type().dims[0]);
  const Value read = gather(x, places, attrs);
  keep(read);
  if (x.type().dtype != real_ || chance(0.5)) return;
  const ScatterAttrs back{.update_window_dims = attrs.offset_dims,
                          .inserted_window_dims = attrs.collapsed_slice_dims,
                          .input_batching_dims = {},
                          .scatter_indices_batching_dims = {},
                          .scatter_dims_to_operand_dims = attrs.start_index_map,
                          .index_vector_dim = attrs.index_vector_dim};
  keep(scatter(x, places, partner(read), back, Op::add));
}

void GraphGenerator::sorting() {
  const Value x = find([](Value v) { return v.type().rank() > 0 && v.type().count() > 0; });
  if (!x) return;
  const std::int64_t axis = axis_of(x);
  const bool descending = chance(0.4);
  if (chance(0.4)) return keep(sort({x}, axis, descending)[0]);
  if (chance(0.5)) {
    const auto [sorted, places] = sort_with_permutation(x, axis, descending);
    keep(sorted);
    return keep(places);
  }
  const Value other = find([&](Value v) { return v.type().dims == x.type().dims; });
  if (chance(0.4)) {  // by x, then by the other
    const Type first{x.type().dtype, {}}, second{other.type().dtype, {}};
    const Value a = graph().parameter(0, first), b = graph().parameter(1, first);
    const Value c = graph().parameter(2, second), d = graph().parameter(3, second);
    const Value tied = binary(Op::and_, compare(a, b, Direction::EQ), compare(c, d, Direction::LT));
    const Region region{{first, first, second, second},
                        {binary(Op::or_, compare(a, b, Direction::LT), tied)}};
    for (Value sorted : sort({x, other}, axis, region)) keep(sorted);
    return;
  }
  for (Value sorted : sort({x, other}, axis, descending)) keep(sorted);
}

Region GraphGenerator::mixing_region() {
  const Type scalar{real_, {}};
  const Value acc = graph().parameter(0, scalar), e = graph().parameter(1, scalar);
  return {{scalar, scalar},
          {add(multiply(acc, like(acc, 0.5)), binary(Op::maximum, e, like(e, 0.25)))}};
}

WindowAttrs GraphGenerator::window(Value x) {
  WindowAttrs attrs;
  for (std::int64_t extent : x.type().dims) {
    const bool plain = chance(0.4);
    attrs.extents.push_back(plain ? 1 : between(1, 4));
    attrs.strides.push_back(plain || chance(0.5) ? 1 : between(1, 3));
    attrs.base_dilations.push_back(plain || chance(0.8) ? 1 : between(2, 3));
    attrs.window_dilations.push_back(plain || chance(0.8) ? 1 : between(2, 3));
    attrs.low.push_back(plain ? 0 : between(-1, 2));
    attrs.high.push_back(plain ? 0 : between(-1, 2));
    const std::int64_t spread = extent == 0 ? 0 : (extent - 1) * attrs.base_dilations.back() + 1;
    if (spread + attrs.low.back() + attrs.high.back() < 0) attrs.low.back() = attrs.high.back() = 0;
  }
  return attrs;
}

void GraphGenerator::pooling() {
  const Value x = chance(0.8) ? real_of_rank(1) : find([](Value v) { return v.type().rank() > 0; });
  if (!x) return;
  const WindowAttrs attrs = window(x);
  if (x.type().dtype == real_ && chance(0.2)) {
    const Value start = graph().splat({real_, {}}, 0.5);
    return keep(
        {graph().make(Op::reduce_window, {x, start}, attrs, std::nullopt, {mixing_region()}), 0});
  }
  if (chance(0.15)) {
    const Op op = pick({Op::add, Op::maximum, Op::minimum, Op::multiply});
    const DType dtype = x.type().dtype;
    const Value start = graph().splat({dtype, {}}, 2);
    return keep({graph().make(Op::reduce_window, {x, start}, attrs, std::nullopt,
                              {combiner_region(graph(), op, dtype)}),
                 0});
  }
  keep(reduce_window(x,
                     is_float(x.type().dtype)
                         ? pick({Op::add, Op::add, Op::maximum, Op::minimum, Op::multiply})
                         : pick({Op::add, Op::maximum, Op::minimum, Op::or_, Op::and_, Op::xor_}),
                     attrs));
}

/// The greatest of each window, and where it was.
void GraphGenerator::pooling_pairs() {
  const Value x = real_of_rank(1, 4);
  if (!x) return;
  const Type scalar{real_, {}}, number{DType::i32, {}};
  const Value best = graph().parameter(0, scalar), at = graph().parameter(1, number);
  const Value e = graph().parameter(2, scalar), here = graph().parameter(3, number);
  const Value better = compare(e, best, Direction::GT);
  const Region region{{scalar, number, scalar, number},
                      {select(better, e, best), select(better, here, at)}};
  const Node* both =
      graph().make(Op::reduce_window,
                   {x, iota(graph(), {DType::i32, x.type().dims}, axis_of(x)),
                    identity(graph(), Op::maximum, real_), graph().splat(number, -1)},
                   window(x), std::nullopt, {region});
  keep({both, 0});
  keep({both, 1});
}

/// A cumulative sum (or maximum), as a window over all that came before.
void GraphGenerator::running_sum() {
  const Value x = real_of_rank(1);
  if (!x || x.type().count() == 0) return;
  const auto rank = x.type().dims.size();
  const auto axis = static_cast<std::size_t>(axis_of(x));
  const std::int64_t extent = x.type().dims[axis];
  if (x.type().count() * extent > 40 * options_.elements) return;
  WindowAttrs attrs{Ints(rank, 1), Ints(rank, 1), Ints(rank, 1),
                    Ints(rank, 1), Ints(rank, 0), Ints(rank, 0)};
  attrs.extents[axis] = extent;
  (chance(0.8) ? attrs.low : attrs.high)[axis] = extent - 1;
  keep(reduce_window(x, pick({Op::add, Op::add, Op::maximum}), attrs));
}

void GraphGenerator::convolve() {
  // Extents first: an input and a kernel of these are made from what there is.
  const int spatial = static_cast<int>(pick({1, 1, 2, 2, 3}));
  const std::int64_t groups = chance(0.7) ? 1 : between(2, 3);
  const bool of_batch = groups > 1 && chance(0.3);
  const std::int64_t batch = between(1, 3) * (of_batch ? groups : 1);
  const std::int64_t features = between(1, 5);  // of a group
  const std::int64_t outputs = between(1, 6) * groups;
  ConvolutionAttrs attrs;
  Ints input{batch, of_batch ? features : features * groups}, kernel{features, outputs};
  attrs.feature_group_count = of_batch ? 1 : groups;
  attrs.batch_group_count = of_batch ? groups : 1;
  for (int i = 0; i < spatial; ++i) {
    input.push_back(between(1, spatial == 1 ? 20 : 9));
    kernel.push_back(between(1, 4));
    attrs.strides.push_back(chance(0.6) ? 1 : between(2, 3));
    attrs.lhs_dilation.push_back(chance(0.8) ? 1 : 2);
    attrs.rhs_dilation.push_back(chance(0.8) ? 1 : 2);
    attrs.low.push_back(chance(0.5) ? 0 : between(-1, 3));
    attrs.high.push_back(chance(0.5) ? 0 : between(-1, 3));
    attrs.reversed.push_back(chance(0.8) ? 0 : 1);
    if ((input.back() - 1) * attrs.lhs_dilation.back() + 1 + attrs.low.back() + attrs.high.back() <
        0)
      attrs.low.back() = attrs.high.back() = 0;
  }
  // Which axis is what, in a random order.
  const auto order = [&](std::int64_t& first, std::int64_t& second, Ints& rest) {
    Ints places(static_cast<std::size_t>(spatial) + 2);
    std::iota(places.begin(), places.end(), 0);
    if (chance(0.7)) random_.shuffle(places);
    first = places[0], second = places[1];
    rest.assign(places.begin() + 2, places.end());
  };
  order(attrs.input_batch, attrs.input_feature, attrs.input_spatial);
  order(attrs.kernel_input_feature, attrs.kernel_output_feature, attrs.kernel_spatial);
  order(attrs.output_batch, attrs.output_feature, attrs.output_spatial);
  const DType dtype = chance(0.9) ? real_ : pick({DType::i32, DType::i8, DType::ui8, DType::i64});
  const auto placed = [&](const Ints& extents, std::int64_t first, std::int64_t second,
                          const Ints& rest) {
    Ints dims(extents.size());
    dims[static_cast<std::size_t>(first)] = extents[0];
    dims[static_cast<std::size_t>(second)] = extents[1];
    for (std::size_t i = 0; i < rest.size(); ++i)
      dims[static_cast<std::size_t>(rest[i])] = extents[i + 2];
    return Type{dtype, dims};
  };
  const Type lhs = placed(input, attrs.input_batch, attrs.input_feature, attrs.input_spatial);
  const Type rhs =
      placed(kernel, attrs.kernel_input_feature, attrs.kernel_output_feature, attrs.kernel_spatial);
  const double least = is_unsigned(dtype) ? 0 : -2;
  const Value a = chance(0.5) ? argument(lhs, least, 3) : partner(graph().splat(lhs, 1));
  const Value b = argument(rhs, least / 2, 2);
  keep(convolution(a, b, attrs));
}

/// Softmax of masked, scaled products, times values: as its users write it.
void GraphGenerator::attention() {
  const Value q = real_of_rank(2, 3);
  if (!q || q.type().count() == 0) return;
  const bool batched = q.type().rank() == 3;
  const Ints& dims = q.type().dims;
  const std::int64_t queries = dims[dims.size() - 2], width = dims.back();
  const std::int64_t keys = std::max<std::int64_t>(1, pick(palette_)), values = pick(palette_);
  const auto typed = [&](Ints last) {
    if (batched) last.insert(last.begin(), dims[0]);
    return Type{real_, last};
  };
  if (typed({queries, keys}).count() > options_.elements * 2 ||
      typed({keys, width}).count() > options_.elements ||
      typed({keys, values}).count() > options_.elements)
    return;
  const auto given = [&](const Type& type) {
    const Value there = find([&](Value v) { return v.type() == type; });
    return there && chance(0.6) ? there : argument(type, -1, 1);
  };
  const Value k = given(typed({keys, width})), v = given(typed({keys, values}));
  const Ints batch = batched ? Ints{0} : Ints{};
  const std::int64_t last = batched ? 2 : 1;
  Value scores = dot_general(q, k, {batch, batch, {last}, {last}});
  scores = multiply(scores, like(scores, 1 / std::sqrt(static_cast<double>(width))));
  const Type grid{DType::i32, scores.type().dims};
  if (chance(0.7)) {  // causal, or by length; -1e6 or -inf where it hides
    const Value column = iota(graph(), grid, last);
    const Value limit = chance(0.5) ? iota(graph(), grid, last - 1)
                                    : graph().splat(grid, static_cast<double>(between(0, keys)));
    const Value shown = compare(column, limit, chance(0.5) ? Direction::LE : Direction::LT);
    scores = select(shown, scores, like(scores, -1e6));
  }
  Ints kept(static_cast<std::size_t>(last));
  std::iota(kept.begin(), kept.end(), 0);
  const auto widen = [&](Value x) { return broadcast(x, scores.type().dims, kept); };
  const Value e =
      unary(Op::exponential, subtract(scores, widen(reduce(scores, Op::maximum, {last}))));
  const bool late = chance(0.5);  // the division before or after the product
  const Value sum = reduce(e, Op::add, {last});
  const Value weights = late ? e : divide(e, widen(sum));
  Value out = dot_general(weights, v, {batch, batch, {last}, {last - 1}});
  if (late) out = divide(out, broadcast(sum, out.type().dims, kept));
  keep(out);
  if (chance(0.2)) keep(weights);
}

/// One step of a recurrence over a value: of its own size, with what it captures; now and then
/// itself a loop or a branch.
Value GraphGenerator::recurrence(Value state, Value other, int depth) {
  if (depth < 2 && chance(0.15)) {
    if (chance(0.5))
      return counted(graph(), between(0, 3), {state}, [&](Value, std::span<const Value> v) {
        return std::vector{recurrence(v[0], other, depth + 1)};
      })[0];
    Ints all(state.type().dims.size());
    std::iota(all.begin(), all.end(), 0);
    const Value sum = reduce(state, Op::add, all);
    return if_(
        compare(sum, like(sum, 0.125), Direction::GT),
        [&] { return std::vector{recurrence(state, other, depth + 1)}; },
        [&] { return std::vector{recurrence(other, state, depth + 1)}; })[0];
  }
  switch (below(4)) {
    case 0:
      return unary(Op::tanh, add(state, multiply(other, like(other, 0.25))));
    case 1:
      return add(multiply(state, like(state, 0.5)), binary(Op::maximum, other, like(other, 0.25)));
    case 2:
      return subtract(other, multiply(state, like(state, 0.75)));
    default: {  // mixes elements
      if (state.type().rank() == 0) return multiply(state, like(state, 0.5));
      Ints all(state.type().dims.size());
      std::iota(all.begin(), all.end(), 0);
      const Value mean =
          multiply(reduce(state, Op::add, all),
                   graph().splat({real_, {}}, 1.0 / static_cast<double>(std::max<std::int64_t>(
                                                        1, state.type().count()))));
      return add(reverse(multiply(state, like(state, 0.5)), {axis_of(state)}),
                 broadcast(mean, state.type().dims, {}));
    }
  }
}

/// A counted loop; a scan that reads rows and writes rows; a loop that data end.
void GraphGenerator::loop() {
  if (!options_.control) return;
  const Value x = real_of_rank(0, 3);
  if (!x || x.type().count() > options_.elements / 2) return;
  const Value other = partner(x);
  const std::int64_t trips = between(0, 6);
  switch (below(4)) {
    case 0: {  // two values that change places
      const auto last = counted(graph(), trips, {x, other}, [&](Value, std::span<const Value> v) {
        return std::vector{v[1], recurrence(v[0], v[1])};
      });
      keep(last[0]);
      return keep(last[1]);
    }
    case 1: {  // a scan
      if (x.type().rank() == 0) return;
      const std::int64_t rows = x.type().dims[0];
      Ints row(x.type().dims.begin() + 1, x.type().dims.end()), one = x.type().dims;
      one[0] = 1;
      if (rows == 0 || rows > 64) return;
      const Value start = graph().splat({real_, row}, 0.5);
      const auto last =
          counted(graph(), rows, {start, like(x, 0)}, [&](Value i, std::span<const Value> v) {
            std::vector<Value> at(one.size(), graph().splat(i.type(), 0));
            at[0] = i;
            const Value here = reshape(dynamic_slice(x, at, one), row);
            const Value next = recurrence(v[0], here);
            return std::vector{next, dynamic_update_slice(v[1], reshape(next, one), at)};
          });
      keep(last[0]);
      return keep(last[1]);
    }
    case 2: {  // as long as an integer of the data says
      const Value count = index_scalar(4);
      const Value few = binary(Op::minimum, count, like(count, 5));
      const auto last = while_(
          {like(count, 0), x},
          [&](std::span<const Value> v) { return compare(v[0], few, Direction::LT); },
          [&](std::span<const Value> v) {
            return std::vector{add(v[0], like(v[0], 1)), recurrence(v[1], other)};
          });
      keep(last[0]);
      return keep(last[1]);
    }
    default: {
      const auto last = counted(graph(), trips, {x}, [&](Value, std::span<const Value> v) {
        return std::vector{recurrence(v[0], other)};
      });
      keep(last[0]);
    }
  }
}

void GraphGenerator::branches() {
  if (!options_.control) return;
  const Value x = real_of_rank(0, 4);
  if (!x) return;
  const Value other = partner(x);
  const auto yes = [&] { return std::vector{recurrence(x, other), x}; };
  const auto no = [&] {
    return std::vector{multiply(other, like(other, 2)), recurrence(other, x)};
  };
  const auto some = [&] { return std::vector{x, other}; };
  std::vector<Value> results;
  if (chance(0.4)) {
    const Value flag = find([](Value v) { return v.type() == Type{DType::i1, {}}; });
    results = if_(flag ? flag : graph().splat({DType::i1, {}}, below(2)), yes, no);
  } else {
    const std::vector<BranchFn> all{yes, no, some};
    results = case_(index_scalar(3), all);
  }
  for (Value result : results) keep(result);
}

}  // namespace kiln
