// Bounds of what combines elements: contractions, reductions, windows, scatter, sort.
#include <algorithm>
#include <cmath>

#include "ir/build.h"
#include "passes/error_bound_parts.h"

namespace kiln::error_bound {
namespace {

/// The op with its inputs and initial values in f64 and this combiner: a reduce, a reduce_window or
/// a scatter as a way to gather what each result is made of.
Array combined(Wide& wide, const Node& node, Op combiner, std::span<const Array> operands) {
  std::vector<Type> types;
  for (const Array& operand : operands) types.push_back(operand.type());
  const Region region = combiner_region(wide.graph(), combiner, DType::f64);
  return Wide::run(wide.like(node, types, {region}), operands)[0];
}

Array filled(const Ints& dims, double value) { return Array::full(Type{DType::f64, dims}, value); }

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
  const Array terms = of(Op::add, filled(input.value.dims(), 1), filled(initial.value.dims(), 1));
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
    // What a part of the product loses where it underflows, the others may make this much larger;
    // and where they overflow by themselves, nothing is promised.
    const auto at_least_one = [](Array a) {
      for (double& x : a.data<double>()) x = std::max(x, 1.0);
      return a;
    };
    if (is_float(dtype)) {
      const Array others = of(combiner, at_least_one(grown(size, input.bound)),
                              at_least_one(grown(start, initial.bound)));
      for (std::size_t i = 0; i < bound.size(); ++i) {
        const double most_of_others = others.data<double>()[i];
        moved.data<double>()[i] += may_overflow(most_of_others, dtype)
                                       ? kInfinite
                                       : terms.data<double>()[i] * tiny(dtype) * most_of_others;
      }
    }
  }
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
  region_in_order(wide, node, operands, results);
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
  region_in_order(wide, node, operands, results);
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
