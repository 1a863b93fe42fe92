// Ops whose elements wait for each other: kernels of their own.
#include <algorithm>
#include <array>
#include <numeric>

#include "ir/build.h"
#include "ir/interpret.h"
#include "ir/op.h"
#include "ir/ops/combiner.h"
#include "ir/placement.h"
#include "ir/reference.h"

namespace kiln {
namespace {

using namespace build;
using Cotangents = std::span<const Value>;
using Gradients = std::vector<Value>;

// ---- shape rules

std::vector<Type> infer_scatter(const InferContext& context) {
  // Operands: n inputs, the indices, n updates.
  const int inputs = static_cast<int>(context.operands.size() / 2);
  if (inputs == 0 || context.operands.size() % 2 == 0)
    shape_error("inputs, indices and as many updates as inputs");
  internal_check(context.regions.size() == 1, "a scatter has one region");
  const Region& region = context.regions[0];
  std::vector<Type> results, scalars;
  for (int i = 0; i < inputs; ++i) {
    const Type &input = context.type(i), &updates = context.type(inputs + 1 + i);
    if (input.dims != context.type(0).dims) shape_error("inputs of one shape");
    if (updates.dims != context.type(inputs + 1).dims) shape_error("updates of one shape");
    if (updates.dtype != input.dtype) shape_error("updates of their input's element type");
    results.push_back(input);
    scalars.push_back(Type{input.dtype, {}});
  }
  Placement::of_scatter(context.get<ScatterAttrs>(), context.type(0), context.type(inputs),
                        context.type(inputs + 1));
  std::vector<Type> parameters = scalars;
  parameters.insert(parameters.end(), scalars.begin(), scalars.end());
  bool fits = region.parameters == parameters && region.results.size() == scalars.size();
  for (std::size_t i = 0; fits && i < scalars.size(); ++i)
    fits = region.results[i].type() == scalars[i];
  if (!fits) shape_error("a region that combines two scalars of each input's type into one");
  return results;
}

std::vector<Type> infer_sort(const InferContext& context) {
  if (context.operands.empty()) shape_error("at least one operand");
  const std::int64_t dim = context.get<SortAttrs>().dim;
  if (dim < 0 || dim >= context.type(0).rank())
    shape_error(fmt::format("an axis of {}, not {}", context.type(0).pretty(), dim));
  internal_check(context.regions.size() == 1, "a sort has one region");
  const Region& region = context.regions[0];
  std::vector<Type> results, parameters;
  for (Value operand : context.operands) {
    if (operand.type().dims != context.type(0).dims) shape_error("operands of one shape");
    results.push_back(operand.type());
    for (int side = 0; side < 2; ++side) parameters.push_back(Type{operand.type().dtype, {}});
  }
  if (region.parameters != parameters || region.results.size() != 1 ||
      region.results[0].type() != Type{DType::i1, {}})
    shape_error("a comparator of two scalars of each operand's type that gives an i1");
  return results;
}

// ---- gradients

/// Of one input and its updates, whatever places repeat. add (and subtract): both have the
/// cotangent. Replacing: the input where nothing was written, the update where it was the last one.
/// maximum, minimum: all that equal the result share (PyTorch's scatter_reduce). multiply: only
/// where places are unique.
Gradients gradient_scatter_of(const Node& node, Value ct, std::size_t i, std::size_t n) {
  const auto combiner = combiner_of(node.regions()[0], i);
  const auto& attrs = node.attrs<ScatterAttrs>();
  const Value x = node.operands()[i], indices = node.operands()[n],
              updates = node.operands()[n + 1 + i], y{&node, static_cast<int>(i)};
  const Placement placement(node);
  const auto read = [&](Value from) { return placement.read(from, indices); };
  const Value nothing = like(updates, 0);
  if (combiner == Op::add) return {ct, read(ct)};
  if (combiner == Op::subtract) return {ct, negate(read(ct))};
  if (combiner == Op::parameter) {
    const Value kept = scatter_replace(ct, indices, nothing, attrs);
    if (attrs.unique_indices) return {kept, read(ct)};
    // Every update writes its number; those that find it again were the last ones.
    Graph& graph = node.graph();
    const Value numbers =
        reshape(iota(graph, Type{DType::i64, {updates.type().count()}}, 0), updates.type().dims);
    const Value written =
        scatter_replace(graph.splat(Type{DType::i64, x.type().dims}, -1), indices, numbers, attrs);
    return {kept, select(compare(read(written), numbers, Direction::EQ), read(ct), nothing)};
  }
  if (combiner == Op::maximum || combiner == Op::minimum) {
    const auto weight_of = [](Value element, Value extremum) {
      return select(compare(element, extremum, Direction::EQ), like(element, 1), like(element, 0));
    };
    const Value of_input = weight_of(x, y), of_updates = weight_of(updates, read(y));
    const Value share = divide(ct, scatter(of_input, indices, of_updates, attrs, Op::add));
    return {multiply(of_input, share), multiply(of_updates, read(share))};
  }
  if (combiner == Op::multiply && attrs.unique_indices)
    return {scatter(ct, indices, updates, attrs, Op::multiply), read(multiply(ct, x))};
  return not_differentiable(node, {});
}

Gradients gradient_scatter(const Node& node, Cotangents ct) {
  const std::size_t n = node.operands().size() / 2;
  Gradients gradients(node.operands().size());
  for (std::size_t i = 0; i < n; ++i) {
    if (!ct[i]) continue;
    const Gradients both = gradient_scatter_of(node, ct[i], i, n);
    gradients[i] = both[0];
    gradients[n + 1 + i] = both[1];
  }
  return gradients;
}

/// Where each element of the sorted slices was: a result of the sort itself if it sorts such
/// numbers along, else of one that does.
Value permutation_of(const Node& node) {
  const std::int64_t dim = node.attrs<SortAttrs>().dim;
  const Type places{DType::i64, node.type().dims};
  const Value unsorted = iota(node.graph(), places, dim);
  std::vector<Value> operands = node.operands();
  const auto found = std::find(operands.begin(), operands.end(), unsorted);
  if (found != operands.end()) return {&node, static_cast<int>(found - operands.begin())};
  operands.push_back(unsorted);
  Region comparator = node.regions()[0];
  for (int side = 0; side < 2; ++side) comparator.parameters.push_back(Type{DType::i64, {}});
  return sort(operands, dim, comparator).back();
}

Gradients gradient_sort(const Node& node, Cotangents ct) {
  const std::int64_t dim = node.attrs<SortAttrs>().dim;
  const Value permutation = permutation_of(node);
  ScatterAttrs back = take_along_places(node.type(), permutation.type(), dim);
  back.unique_indices = true;
  Gradients gradients;
  for (std::size_t i = 0; i < node.operands().size(); ++i)
    gradients.push_back(ct[i] ? scatter_replace(like(ct[i], 0), permutation, ct[i], back)
                              : Value{});
  return gradients;
}

// ---- the reference

using Arrays = std::span<const Array>;

/// Updates are applied in their row-major order; elements of a slice that lie outside are dropped.
std::vector<Array> reference_scatter(const Node& node, Arrays operands) {
  const std::size_t n = operands.size() / 2;
  std::vector<Array> results;
  for (const Array& input : operands.first(n)) results.push_back(input.clone());
  Interpreter combine(node.regions()[0]);
  std::int64_t update = -1;
  for (const std::int64_t target : Placement(node).targets(operands[n])) {
    ++update;
    if (target < 0) continue;
    std::vector<Array> arguments;
    for (const Array& result : results) arguments.push_back(reference::element(result, target));
    for (const Array& updates : operands.subspan(n + 1))
      arguments.push_back(reference::element(updates, update));
    const std::vector<Array> combined = combine(arguments);
    for (std::size_t i = 0; i < n; ++i) reference::copy_element(combined[i], 0, results[i], target);
  }
  return results;
}

/// Merges of neighbouring runs of 1, 2, 4, … elements, where an element of the right run goes first
/// only if the comparator says that it comes before the left one's: so a comparator that is no
/// order (NaN in a plain LT) has a defined result too, the same in every mode.
void merge_sort(std::vector<std::int64_t>& order, auto&& before) {
  const std::size_t count = order.size();
  std::vector<std::int64_t> merged(count);
  for (std::size_t width = 1; width < count; width *= 2) {
    for (std::size_t begin = 0; begin < count; begin += 2 * width) {
      const std::size_t middle = std::min(begin + width, count),
                        end = std::min(begin + 2 * width, count);
      std::size_t left = begin, right = middle;
      for (std::size_t next = begin; next < end; ++next) {
        const bool take_right =
            left == middle || (right < end && before(order[right], order[left]));
        merged[next] = order[take_right ? right++ : left++];
      }
    }
    order.swap(merged);
  }
}

std::vector<Array> reference_sort(const Node& node, Arrays operands) {
  const std::int64_t dim = node.attrs<SortAttrs>().dim;
  Ints lines = node.type().dims;
  const Ints strides = row_major_strides(lines);
  const std::int64_t count = std::exchange(lines[static_cast<std::size_t>(dim)], 1),
                     stride = strides[static_cast<std::size_t>(dim)];
  std::vector<Array> results;
  for (const Array& operand : operands) results.emplace_back(operand.type());
  Interpreter comparator(node.regions()[0]);
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::vector<Array> arguments(2 * operands.size());
  reference::for_each_point(lines, [&](const Ints& line) {
    const std::int64_t begin = reference::offset_of(line, strides);
    std::iota(order.begin(), order.end(), 0);
    merge_sort(order, [&](std::int64_t a, std::int64_t b) {
      for (std::size_t i = 0; i < operands.size(); ++i) {
        arguments[2 * i] = reference::element(operands[i], begin + a * stride);
        arguments[2 * i + 1] = reference::element(operands[i], begin + b * stride);
      }
      return comparator(arguments)[0].data<bool>()[0];
    });
    for (std::size_t i = 0; i < operands.size(); ++i)
      for (std::int64_t e = 0; e < count; ++e)
        reference::copy_element(operands[i], begin + order[static_cast<std::size_t>(e)] * stride,
                                results[i], begin + e * stride);
  });
  return results;
}

constexpr std::array kRows = {
    OpDef{.op = Op::scatter,
          .name = "scatter",
          .arity = kVariadic,
          .traits = {.sequential = true, .updates = true},
          .infer = infer_scatter,
          .gradient = gradient_scatter,
          .reference = reference_scatter,
          .lowering = not_pointwise},
    OpDef{.op = Op::sort,
          .name = "sort",
          .arity = kVariadic,
          .traits = {.sequential = true},
          .infer = infer_sort,
          .gradient = gradient_sort,
          .reference = reference_sort,
          .lowering = not_pointwise},
};
static_assert(complete(kRows, Op::scatter, Op::sort));

}  // namespace

std::span<const OpDef> sequential_rows() { return kRows; }

}  // namespace kiln
