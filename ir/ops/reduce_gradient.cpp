#include "ir/ops/reduce_gradient.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "ir/build.h"
#include "ir/ops/combiner.h"

namespace kiln {
namespace {

using namespace build;

/// One of a reduce's values: an input x, its initial value, the result y and its cotangent.
struct Reduced {
  const Node& node;
  std::size_t i;
  Value x, initial, y, ct;
  Ints axes, kept;  // of x

  Reduced(const Node& reduce, std::size_t value, Value cotangent)
      : node(reduce),
        i(value),
        x(reduce.operands()[value]),
        initial(reduce.operands()[reduce.types().size() + value]),
        y{&reduce, static_cast<int>(value)},
        ct(cotangent),
        axes(reduce.attrs<DimsAttrs>().dims) {
    for (std::int64_t axis = 0; axis < x.type().rank(); ++axis)
      if (std::find(axes.begin(), axes.end(), axis) == axes.end()) kept.push_back(axis);
  }

  /// A value of y's shape, for each element of x.
  Value widen(Value v) const { return broadcast(v, x.type().dims, kept); }
  /// An initial value that is no mere identity is one more element of each result.
  bool initial_counts(Op combiner) const {
    return initial != identity(node.graph(), combiner, x.type().dtype);
  }
};

/// The cotangents of the input and of the initial value.
struct Both {
  Value of_x, of_initial;
};

Value sum_of_all(Value x) {
  Ints all(x.type().dims.size());
  std::iota(all.begin(), all.end(), 0);
  return reduce(x, Op::add, all);
}

Both gradient_of_sum(const Reduced& r) {
  return {r.widen(r.ct), r.initial_counts(Op::add) ? sum_of_all(r.ct) : Value{}};
}

Both gradient_of_extremum(const Reduced& r, Op combiner) {
  const auto weight_of = [](Value element, Value extremum) {
    return select(compare(element, extremum, Direction::EQ), like(element, 1), like(element, 0));
  };
  const Value weight = weight_of(r.x, r.widen(r.y));
  const Value tied = reduce(weight, Op::add, r.axes);
  if (!r.initial_counts(combiner)) return {multiply(weight, r.widen(divide(r.ct, tied))), Value{}};
  const Value initial_weight = weight_of(broadcast(r.initial, r.y.type().dims, {}), r.y);
  const Value share = divide(r.ct, add(tied, initial_weight));
  return {multiply(weight, r.widen(share)), sum_of_all(multiply(initial_weight, share))};
}

/// Without division, so that zeros are numbers like any other: the product is taken by halves, and
/// the cotangent goes back down, times the other half's product each time.
Both gradient_of_product(const Reduced& r) {
  // The reduced axes become one, the last.
  Ints order = r.kept;
  order.insert(order.end(), r.axes.begin(), r.axes.end());
  Ints inverse(order.size());
  for (std::size_t axis = 0; axis < order.size(); ++axis)
    inverse[static_cast<std::size_t>(order[axis])] = static_cast<std::int64_t>(axis);
  const Value turned = transpose(r.x, order);
  const auto last = static_cast<std::int64_t>(r.kept.size());
  const Ints dims = r.y.type().dims;
  Ints lined = dims;
  lined.push_back(1);
  for (std::int64_t axis : r.axes) lined.back() *= r.x.type().dims[static_cast<std::size_t>(axis)];
  if (lined.back() == 0)
    return {like(r.x, 0), r.initial_counts(Op::multiply) ? sum_of_all(r.ct) : Value{}};

  struct Halves {
    Value front, back;
    std::int64_t count;
  };
  std::vector<Halves> levels;
  Value product = reshape(turned, lined);
  const Value one = r.node.graph().splat(r.initial.type(), 1);
  for (std::int64_t count = lined.back(); count > 1;) {
    const std::int64_t half = (count + 1) / 2;
    Ints low(lined.size(), 0), high = low;
    high.back() = 2 * half - count;
    const Value front = slice_axis(product, last, 0, half),
                back = pad(slice_axis(product, last, half, count), one, low, high);
    levels.push_back({front, back, count});
    product = multiply(front, back);
    count = half;
  }
  Ints single = dims;
  single.push_back(1);
  Value ct = reshape(r.ct, single);
  Value of_initial;
  if (r.initial_counts(Op::multiply)) {
    of_initial = sum_of_all(multiply(ct, product));
    ct = multiply(ct, broadcast(r.initial, single, {}));
  }
  for (auto level = levels.rbegin(); level != levels.rend(); ++level) {
    const std::int64_t half = level->front.type().dims.back();
    ct = concatenate({multiply(ct, level->back),
                      slice_axis(multiply(ct, level->front), last, 0, level->count - half)},
                     last);
  }
  return {transpose(reshape(ct, turned.type().dims), inverse), of_initial};
}

/// The same reduce again, with the place of what it chooses (-1: the initial value).
std::optional<Both> gradient_of_choice(const Reduced& r) {
  Graph& graph = r.node.graph();
  const bool small = r.x.type().count() <= std::numeric_limits<std::int32_t>::max();
  const Type place{small ? DType::i32 : DType::i64, {}};
  const auto region = with_place_of(r.node.regions()[0], r.i, place);
  if (!region) return std::nullopt;
  const std::size_t n = r.node.types().size();
  const Value numbers =
      reshape(iota(graph, {place.dtype, {r.x.type().count()}}, 0), r.x.type().dims);
  std::vector<Value> operands = r.node.operands();
  operands.insert(operands.begin() + static_cast<std::ptrdiff_t>(n), numbers);
  operands.push_back(graph.splat(place, -1));
  const Node* again =
      graph.make(Op::reduce, operands, r.node.attrs<DimsAttrs>(), std::nullopt, {*region});
  const Value chosen{again, static_cast<int>(n)};
  const Value of_x =
      select(compare(numbers, r.widen(chosen), Direction::EQ), r.widen(r.ct), like(r.x, 0));
  const Value none = compare(chosen, like(chosen, 0), Direction::LT);
  return Both{of_x, sum_of_all(select(none, r.ct, like(r.ct, 0)))};
}

Both gradient_of(const Reduced& r) {
  const auto combiner = combiner_of(r.node.regions()[0], r.i);
  if (combiner == Op::add) return gradient_of_sum(r);
  if (combiner == Op::multiply) return gradient_of_product(r);
  if (combiner == Op::maximum || combiner == Op::minimum) return gradient_of_extremum(r, *combiner);
  if (const auto both = gradient_of_choice(r)) return *both;
  not_differentiable(r.node, {});
  return {};
}

}  // namespace

std::vector<Value> gradient_reduce(const Node& node, std::span<const Value> cotangents) {
  const std::size_t inputs = node.types().size();
  std::vector<Value> gradients(2 * inputs);
  for (std::size_t i = 0; i < inputs; ++i) {
    if (!cotangents[i]) continue;
    const Both both = gradient_of(Reduced(node, i, cotangents[i]));
    gradients[i] = both.of_x;
    gradients[inputs + i] = both.of_initial;
  }
  return gradients;
}

}  // namespace kiln
