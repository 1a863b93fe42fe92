// Ops that move elements and compute nothing. Compiled, they are index expressions of their users.
#include <algorithm>
#include <array>

#include "ir/build.h"
#include "ir/op.h"

namespace kiln {
namespace {

using namespace build;
using Cotangents = std::span<const Value>;
using Gradients = std::vector<Value>;

bool distinct_axes(const Ints& axes, int rank) {
  std::vector<bool> seen(static_cast<std::size_t>(rank));
  for (std::int64_t axis : axes) {
    if (axis < 0 || axis >= rank || seen[static_cast<std::size_t>(axis)]) return false;
    seen[static_cast<std::size_t>(axis)] = true;
  }
  return true;
}

std::vector<Type> infer_broadcast(const InferContext& context) {
  const Type& from = context.type(0);
  const Ints& axes = context.get<DimsAttrs>().dims;
  const Type to{from.dtype, context.result->dims};
  element_count(to.dims);
  bool fits = static_cast<int>(axes.size()) == from.rank() && distinct_axes(axes, to.rank());
  for (std::size_t i = 0; fits && i < axes.size(); ++i)
    fits = from.dims[i] == 1 || from.dims[i] == to.dims[static_cast<std::size_t>(axes[i])];
  if (!fits)
    shape_error(fmt::format("an operand whose axes are 1 or those of {} at [{}]", to.pretty(),
                            join(axes, ", ")));
  return {to};
}

std::vector<Type> infer_reshape(const InferContext& context) {
  const Type to{context.type(0).dtype, context.result->dims};
  if (to.count() != context.type(0).count())
    shape_error(fmt::format("{} elements for {}", to.count(), to.pretty()));
  return {to};
}

std::vector<Type> infer_transpose(const InferContext& context) {
  const Type& from = context.type(0);
  const Ints& permutation = context.get<DimsAttrs>().dims;
  if (static_cast<int>(permutation.size()) != from.rank() ||
      !distinct_axes(permutation, from.rank()))
    shape_error(
        fmt::format("a permutation of {} axes, not [{}]", from.rank(), join(permutation, ", ")));
  Type to{from.dtype, {}};
  for (std::int64_t axis : permutation)
    to.dims.push_back(from.dims[static_cast<std::size_t>(axis)]);
  return {to};
}

Gradients gradient_broadcast(const Node& node, Cotangents ct) {
  // The sum over the axes that were added and those that were stretched from 1.
  const Type& from = node.operand(0).type();
  const Ints& axes = node.attrs<DimsAttrs>().dims;
  Ints summed, order;
  for (std::int64_t axis = 0; axis < node.type().rank(); ++axis) {
    const auto at = std::find(axes.begin(), axes.end(), axis);
    const auto from_axis = static_cast<std::size_t>(at - axes.begin());
    const bool kept = at != axes.end() &&
                      from.dims[from_axis] == node.type().dims[static_cast<std::size_t>(axis)];
    if (kept)
      order.push_back(static_cast<std::int64_t>(from_axis));
    else
      summed.push_back(axis);
  }
  Value sum = summed.empty() ? ct[0] : reduce(ct[0], Op::add, summed);
  if (!std::is_sorted(order.begin(), order.end())) {
    // The sum's axes stand in the result's order; bring them back into the operand's.
    Ints permutation(order.size());
    Ints sorted = order;
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t i = 0; i < sorted.size(); ++i)
      permutation[i] = std::find(order.begin(), order.end(), sorted[i]) - order.begin();
    sum = transpose(sum, permutation);
  }
  return {reshape(sum, from.dims)};
}

Gradients gradient_reshape(const Node& node, Cotangents ct) {
  return {reshape(ct[0], node.operand(0).type().dims)};
}

Gradients gradient_transpose(const Node& node, Cotangents ct) {
  const Ints& permutation = node.attrs<DimsAttrs>().dims;
  Ints inverse(permutation.size());
  for (std::size_t i = 0; i < permutation.size(); ++i)
    inverse[static_cast<std::size_t>(permutation[i])] = static_cast<std::int64_t>(i);
  return {transpose(ct[0], inverse)};
}

/// result[coordinates] = operand[source offset of those coordinates], given the operand's stride
/// along each result axis.
std::vector<Array> gather_strided(const Node& node, const Array& operand, const Ints& strides) {
  Array result(node.type());
  const Ints result_strides = row_major_strides(node.type().dims);
  visit_dtype(result.dtype(), [&]<class T>(T) {
    const auto from = operand.data<T>();
    const auto out = result.data<T>();
    for (std::size_t i = 0; i < out.size(); ++i) {
      std::int64_t offset = 0;
      for (std::size_t axis = 0; axis < strides.size(); ++axis)
        offset += static_cast<std::int64_t>(i) / result_strides[axis] % node.type().dims[axis] *
                  strides[axis];
      out[i] = from[static_cast<std::size_t>(offset)];
    }
  });
  return {result};
}

std::vector<Array> reference_broadcast(const Node& node, std::span<const Array> operands) {
  const Ints from = row_major_strides(operands[0].dims());
  const Ints& axes = node.attrs<DimsAttrs>().dims;
  Ints strides(node.type().dims.size(), 0);
  for (std::size_t i = 0; i < axes.size(); ++i)
    if (operands[0].dims()[i] != 1) strides[static_cast<std::size_t>(axes[i])] = from[i];
  return gather_strided(node, operands[0], strides);
}

std::vector<Array> reference_reshape(const Node& node, std::span<const Array> operands) {
  return {operands[0].reshaped(node.type().dims)};
}

std::vector<Array> reference_transpose(const Node& node, std::span<const Array> operands) {
  const Ints from = row_major_strides(operands[0].dims());
  Ints strides;
  for (std::int64_t axis : node.attrs<DimsAttrs>().dims)
    strides.push_back(from[static_cast<std::size_t>(axis)]);
  return gather_strided(node, operands[0], strides);
}

constexpr Traits kView{.view = true};

constexpr std::array kRows = {
    OpDef{.op = Op::broadcast_in_dim,
          .name = "broadcast_in_dim",
          .arity = 1,
          .traits = kView,
          .infer = infer_broadcast,
          .gradient = gradient_broadcast,
          .reference = reference_broadcast,
          .lowering = not_pointwise},
    OpDef{.op = Op::reshape,
          .name = "reshape",
          .arity = 1,
          .traits = kView,
          .infer = infer_reshape,
          .gradient = gradient_reshape,
          .reference = reference_reshape,
          .lowering = not_pointwise},
    OpDef{.op = Op::transpose,
          .name = "transpose",
          .arity = 1,
          .traits = kView,
          .infer = infer_transpose,
          .gradient = gradient_transpose,
          .reference = reference_transpose,
          .lowering = not_pointwise},
};
static_assert(complete(kRows, Op::broadcast_in_dim, Op::transpose));

}  // namespace

std::span<const OpDef> movement_rows() { return kRows; }

}  // namespace kiln
