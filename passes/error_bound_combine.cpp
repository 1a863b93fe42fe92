// Bounds of what combines elements: contractions, reductions, windows, scatter, sort.
#include <algorithm>
#include <cmath>

#include "ir/build.h"
#include "passes/error_bound_parts.h"

namespace kiln::error_bound {
namespace {

/// How far the running values of a region of several ops may drift per step, in units of the last
/// place of the largest number it has met.
constexpr double kRegionUlps = 8;

/// The op with its inputs and initial values in f64 and this combiner: a reduce, a reduce_window or
/// a scatter as a way to gather what each result is made of.
Array combined(Wide& wide, const Node& node, Op combiner, std::span<const Array> operands) {
  std::vector<Type> types;
  for (const Array& operand : operands) types.push_back(operand.type());
  const Region region = combiner_region(wide.graph(), combiner, DType::f64);
  return Wide::run(wide.like(node, types, {region}), operands)[0];
}

Array filled(const Ints& dims, double value) { return Array::full(Type{DType::f64, dims}, value); }

/// |x|, 0 where that is infinite or NaN: a result that is finite all the same has not taken it in.
Array finite_magnitude(const Array& array) {
  Array result = magnitude(array);
  for (double& x : result.data<double>())
    if (!std::isfinite(x)) x = 0;
  return result;
}

/// What running error analysis says of sums, products and extrema. Each is made of elements; `of`
/// combines an array like the inputs', started from one like the initial values, over them.
template <class Of>
void simple(Op combiner, DType dtype, const Bounded& input, const Bounded& initial, Of&& of,
            Bounded& result) {
  const Array size = magnitude(input.value), start = magnitude(initial.value);
  const auto bound = result.bound.data<double>();
  const Array most = of(Op::maximum, input.bound, initial.bound);
  if (combiner == Op::maximum || combiner == Op::minimum || is_bool(dtype)) {
    for (std::size_t i = 0; i < bound.size(); ++i) {
      const double reached = most.data<double>()[i];
      bound[i] = is_bool(dtype) ? (reached > 0 ? 1 : 0) : reached;
    }
    return;
  }
  Array scale = of(combiner, size, start), moved = of(Op::add, input.bound, initial.bound);
  if (combiner == Op::multiply) {
    const auto grown = [](const Array& a, const Array& b) {
      Array sum = a.clone();
      for (std::size_t i = 0; i < sum.data<double>().size(); ++i)
        sum.data<double>()[i] += b.data<double>()[i];
      return sum;
    };
    const Array outer = of(combiner, grown(size, input.bound), grown(start, initial.bound));
    for (std::size_t i = 0; i < bound.size(); ++i)
      moved.data<double>()[i] = outer.data<double>()[i] - scale.data<double>()[i];
    scale = outer;
  }
  const Array terms = of(Op::add, filled(input.value.dims(), 1), filled(initial.value.dims(), 1));
  for (std::size_t i = 0; i < bound.size(); ++i) {
    const double sum = scale.data<double>()[i], off = moved.data<double>()[i];
    if (!is_float(dtype))
      bound[i] = off == 0 ? 0 : kInfinite;
    else if (std::isfinite(sum))
      bound[i] =
          rounded(sum, off + terms.data<double>()[i] * (unit(dtype) * sum + tiny(dtype)), dtype, 1);
    else  // infinities and NaN come out in any order, if they went in exactly
      bound[i] = most.data<double>()[i] == 0 && combiner == Op::add ? 0 : kInfinite;
  }
}

/// Another region: run in index order in every mode, so what counts is how its inputs may move. Its
/// floats are taken to be monotone in them (a maximum, a sum of parts); of integers made of floats
/// (the place of a maximum) nothing is known.
template <class Of>
void general(const Node& node, const Node& wide, std::span<const Bounded> operands, std::size_t n,
             std::size_t initial, std::size_t first, Of&& of, std::vector<Bounded>& results) {
  bool all_exact = true;
  std::vector<std::vector<Array>> ends;
  for (const Bounded& operand : operands) {
    all_exact = all_exact && exact(operand);
    ends.push_back(corners(operand));
  }
  for (std::size_t which = 0; which < 4; ++which) {
    std::vector<Array> moved;
    for (const auto& end : ends) moved.push_back(end[std::min(which, end.size() - 1)]);
    const std::vector<Array> other = Wide::run(wide, moved);
    for (std::size_t i = 0; i < n; ++i) reach(results[i], other[i]);
  }
  for (std::size_t i = 0; i < n; ++i) {
    const DType dtype = node.type(static_cast<int>(i)).dtype;
    if (!is_float(dtype)) {
      if (!all_exact) give_up(results[i]);
      continue;
    }
    const Bounded &input = operands[first + i], &start = operands[initial + i];
    const Array met = of(Op::maximum, finite_magnitude(input.value), finite_magnitude(start.value));
    const Array terms = of(Op::add, filled(input.value.dims(), 1), filled(start.value.dims(), 1));
    const auto bound = results[i].bound.template data<double>();
    for (std::size_t r = 0; r < bound.size(); ++r) {
      const double own = std::fabs(results[i].value.as_double(static_cast<std::int64_t>(r)));
      const double scale = std::max(own, met.data<double>()[r]);
      if (std::isfinite(own))
        bound[r] = rounded(scale, bound[r], dtype, kRegionUlps * terms.data<double>()[r]);
    }
  }
}

bool is_arithmetic(std::optional<Op> combiner) {
  return combiner == Op::add || combiner == Op::multiply || combiner == Op::maximum ||
         combiner == Op::minimum;
}

}  // namespace

/// Σ |a| |b|, with errors: |a| eb + ea |b| + ea eb, and k roundings of the sum.
void contraction(Wide& wide, const Node& node, std::span<const Bounded> operands, Bounded& result) {
  const auto product = [&](const Array& a, const Array& b) {
    return Wide::run(wide.like(node, std::vector{a.type(), b.type()}, {}), std::vector{a, b})[0];
  };
  const Bounded &a = operands[0], &b = operands[1];
  const Array size_a = magnitude(a.value), size_b = magnitude(b.value);
  const Array sum = product(size_a, size_b), left = product(a.bound, size_b),
              right = product(size_a, b.bound), both = product(a.bound, b.bound);
  const Array terms = product(filled(a.value.dims(), 1), filled(b.value.dims(), 1));
  const DType dtype = node.type().dtype;
  const auto bound = result.bound.data<double>();
  for (std::size_t i = 0; i < bound.size(); ++i) {
    const double size = sum.data<double>()[i];
    const double moved = left.data<double>()[i] + right.data<double>()[i] + both.data<double>()[i];
    if (is_bool(dtype))
      bound[i] = moved > 0 ? 1 : 0;
    else if (!is_float(dtype))
      bound[i] = moved > 0 ? kInfinite : 0;
    else if (!std::isfinite(size))  // comes out in any order, if it went in exactly
      bound[i] = moved == 0 ? 0 : kInfinite;
    else
      bound[i] = rounded(size, moved + terms.data<double>()[i] * (unit(dtype) * size + tiny(dtype)),
                         dtype, 1);
  }
}

void reduction(Wide& wide, const Node& node, std::span<const Bounded> operands,
               std::vector<Bounded>& results) {
  const std::size_t n = operands.size() / 2;
  const auto of = [&](Op combiner, const Array& input, const Array& initial) {
    return combined(wide, node, combiner, std::vector{input, initial});
  };
  const auto combiner = simple_combiner(node.regions()[0]);
  if (n == 1 && is_arithmetic(combiner))
    return simple(*combiner, node.type().dtype, operands[0], operands[1], of, results[0]);
  general(node, wide.node(node), operands, n, n, 0, of, results);
}

void scatter(Wide& wide, const Node& node, std::span<const Bounded> operands,
             std::vector<Bounded>& results) {
  const std::size_t n = (operands.size() - 1) / 2;
  const Bounded& indices = operands[n];
  if (!exact(indices)) {
    for (Bounded& result : results) give_up(result);
    return;
  }
  const auto of = [&](Op combiner, const Array& updates, const Array& input) {
    return combined(wide, node, combiner, std::vector{input, indices.value, updates});
  };
  const Region& region = node.regions()[0];
  const auto combiner = simple_combiner(region);
  if (n == 1 && is_arithmetic(combiner))
    return simple(*combiner, node.type().dtype, operands[2], operands[0], of, results[0]);
  // An update that replaces what was there brings its own bound.
  const Value last = region.results[0];
  if (n == 1 && last.node->op() == Op::parameter) {
    const std::vector<Array> bounds{operands[0].bound, indices.value, operands[2].bound};
    const Type scalar{DType::f64, {}};
    const Value which = wide.graph().parameter(last.node->attrs<ParameterAttrs>().index, scalar);
    std::vector<Type> types;
    for (const Array& bound : bounds) types.push_back(bound.type());
    results[0].bound =
        Wide::run(wide.like(node, types, {Region{{scalar, scalar}, {which}}}), bounds)[0];
    return;
  }
  general(node, wide.node(node), operands, n, 0, n + 1, of, results);
}

/// Bounds are sorted along with the values. The order is certain where its keys are exact, or lie
/// further apart than they may be off. Elsewhere the keys themselves are still within the largest
/// of their row's bounds, if the order is that of numbers; of what follows them nothing is known.
void sort(Wide& wide, const Node& node, std::span<const Bounded> operands,
          std::vector<Bounded>& results) {
  const Node& plain = wide.node(node);
  Region comparator = plain.regions()[0];
  std::vector<Array> all;
  std::vector<Type> types;
  bool keys_exact = true, first_alone = true;
  for (const Node* inside : topological(comparator.results))
    if (inside->op() == Op::parameter) {
      const auto key = static_cast<std::size_t>(inside->attrs<ParameterAttrs>().index / 2);
      keys_exact = keys_exact && exact(operands[key]);
      first_alone = first_alone && key == 0;
    }
  for (const Bounded& operand : operands) all.push_back(operand.value);
  for (const Bounded& operand : operands) all.push_back(operand.bound);
  for (const Array& array : all) types.push_back(array.type());
  for (std::size_t i = 0; i < 2 * operands.size(); ++i)
    comparator.parameters.push_back(Type{DType::f64, {}});
  const std::vector<Array> sorted = Wide::run(wide.like(node, types, {comparator}), all);
  for (std::size_t i = 0; i < results.size(); ++i) results[i].bound = sorted[results.size() + i];
  if (keys_exact) return;

  std::vector<DType> dtypes;
  for (const Bounded& operand : operands) dtypes.push_back(operand.value.dtype());
  const auto is_order = [&](bool descending) {
    return comparator.results == build::order_region(wide.graph(), dtypes, descending).results;
  };
  const bool numbers = first_alone && (is_order(false) || is_order(true));
  // Row by row along the sorted axis.
  const Ints& dims = results[0].value.dims();
  const auto axis = static_cast<std::size_t>(node.attrs<SortAttrs>().dim);
  const std::int64_t extent = dims[axis], stride = row_major_strides(dims)[axis];
  const Array& keys = results[0].value;
  const Array off = results[0].bound.clone();
  for (std::int64_t start = 0; start < keys.count(); ++start) {
    if (start / stride % extent != 0) continue;
    double most = 0;
    bool certain = first_alone;
    for (std::int64_t i = 0; i < extent; ++i) {
      const std::int64_t at = start + i * stride;
      most = std::max(most, off.as_double(at));
      if (i > 0 && apart(keys.as_double(at), keys.as_double(at - stride)) <=
                       off.as_double(at) + off.as_double(at - stride))
        certain = certain && off.as_double(at) + off.as_double(at - stride) == 0;
    }
    if (certain) continue;
    for (std::size_t r = 0; r < results.size(); ++r)
      for (std::int64_t i = 0; i < extent; ++i)
        results[r].bound.data<double>()[static_cast<std::size_t>(start + i * stride)] =
            r == 0 && numbers ? most : kInfinite;
  }
}

}  // namespace kiln::error_bound
