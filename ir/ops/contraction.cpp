// dot_general and reduce: the ops that combine elements along axes.
#include <algorithm>
#include <array>

#include "ir/build.h"
#include "ir/interpret.h"
#include "ir/op.h"
#include "ir/ops/reduce_gradient.h"
#include "ir/reference.h"

namespace kiln {
namespace {

using namespace build;
using reference::for_each_point;
using reference::multiply_add;
using Cotangents = std::span<const Value>;
using Gradients = std::vector<Value>;

bool contains(const Ints& axes, std::int64_t axis) {
  return std::find(axes.begin(), axes.end(), axis) != axes.end();
}

/// The axes of one operand that are neither batch nor contracted, in order.
Ints free_axes(int rank, const Ints& batch, const Ints& contracting) {
  Ints axes;
  for (std::int64_t axis = 0; axis < rank; ++axis)
    if (!contains(batch, axis) && !contains(contracting, axis)) axes.push_back(axis);
  return axes;
}

std::int64_t extent(const Type& type, std::int64_t axis) {
  return type.dims[static_cast<std::size_t>(axis)];
}

bool valid_axes(const Ints& batch, const Ints& contracting, int rank) {
  Ints all = batch;
  all.insert(all.end(), contracting.begin(), contracting.end());
  std::sort(all.begin(), all.end());
  return std::adjacent_find(all.begin(), all.end()) == all.end() &&
         (all.empty() || (all.front() >= 0 && all.back() < rank));
}

std::vector<Type> infer_dot(const InferContext& context) {
  const Type &a = context.type(0), &b = context.type(1);
  const auto& attrs = context.get<DotAttrs>();
  if (a.dtype != b.dtype) shape_error("operands of one element type");
  if (attrs.lhs_batch.size() != attrs.rhs_batch.size() ||
      attrs.lhs_contracting.size() != attrs.rhs_contracting.size() ||
      !valid_axes(attrs.lhs_batch, attrs.lhs_contracting, a.rank()) ||
      !valid_axes(attrs.rhs_batch, attrs.rhs_contracting, b.rank()))
    shape_error("batch and contracting axes that exist, pair up and do not repeat");
  Type result{a.dtype, {}};
  for (std::size_t i = 0; i < attrs.lhs_batch.size(); ++i) {
    if (extent(a, attrs.lhs_batch[i]) != extent(b, attrs.rhs_batch[i]))
      shape_error(fmt::format("equal extents on batch axes {} and {}", attrs.lhs_batch[i],
                              attrs.rhs_batch[i]));
    result.dims.push_back(extent(a, attrs.lhs_batch[i]));
  }
  for (std::size_t i = 0; i < attrs.lhs_contracting.size(); ++i)
    if (extent(a, attrs.lhs_contracting[i]) != extent(b, attrs.rhs_contracting[i]))
      shape_error(fmt::format("equal extents on contracted axes {} and {}",
                              attrs.lhs_contracting[i], attrs.rhs_contracting[i]));
  for (std::int64_t axis : free_axes(a.rank(), attrs.lhs_batch, attrs.lhs_contracting))
    result.dims.push_back(extent(a, axis));
  for (std::int64_t axis : free_axes(b.rank(), attrs.rhs_batch, attrs.rhs_contracting))
    result.dims.push_back(extent(b, axis));
  element_count(result.dims);
  return {result};
}

/// The cotangent of one operand: the result's cotangent contracted with the other operand over the
/// other's free axes, its axes then put back in the operand's order.
Value dot_cotangent(Value ct, Value operand, Value other, const Ints& batch,
                    const Ints& contracting, const Ints& other_batch, const Ints& other_contracting,
                    bool operand_is_lhs) {
  const Ints mine = free_axes(operand.type().rank(), batch, contracting);
  const Ints others = free_axes(other.type().rank(), other_batch, other_contracting);
  const auto batches = static_cast<std::int64_t>(batch.size());
  // ct's axes: batch, lhs free, rhs free.
  const std::int64_t others_begin =
      operand_is_lhs ? batches + static_cast<std::int64_t>(mine.size()) : batches;
  DotAttrs attrs;
  for (std::int64_t i = 0; i < batches; ++i) attrs.lhs_batch.push_back(i);
  attrs.rhs_batch = other_batch;
  for (std::size_t i = 0; i < others.size(); ++i) {
    attrs.lhs_contracting.push_back(others_begin + static_cast<std::int64_t>(i));
    attrs.rhs_contracting.push_back(others[i]);
  }
  const Value product = dot_general(ct, other, attrs);
  // product's axes: batch, my free axes, then the contracted ones in the *other's* axis order.
  Ints sorted = other_contracting;
  std::sort(sorted.begin(), sorted.end());
  Ints from = batch;
  from.insert(from.end(), mine.begin(), mine.end());
  for (std::int64_t axis : sorted) {
    const auto pair = std::find(other_contracting.begin(), other_contracting.end(), axis);
    from.push_back(contracting[static_cast<std::size_t>(pair - other_contracting.begin())]);
  }
  Ints permutation(from.size());
  for (std::size_t i = 0; i < from.size(); ++i)
    permutation[static_cast<std::size_t>(from[i])] = static_cast<std::int64_t>(i);
  return std::is_sorted(permutation.begin(), permutation.end()) ? product
                                                                : transpose(product, permutation);
}

Gradients gradient_dot(const Node& node, Cotangents ct) {
  const auto& a = node.attrs<DotAttrs>();
  const Value lhs = node.operand(0), rhs = node.operand(1);
  return {dot_cotangent(ct[0], lhs, rhs, a.lhs_batch, a.lhs_contracting, a.rhs_batch,
                        a.rhs_contracting, true),
          dot_cotangent(ct[0], rhs, lhs, a.rhs_batch, a.rhs_contracting, a.lhs_batch,
                        a.lhs_contracting, false)};
}

std::vector<Array> reference_dot(const Node& node, std::span<const Array> operands) {
  const auto& attrs = node.attrs<DotAttrs>();
  const Array &a = operands[0], &b = operands[1];
  const Ints a_strides = row_major_strides(a.dims()), b_strides = row_major_strides(b.dims());
  const Ints a_free = free_axes(a.type().rank(), attrs.lhs_batch, attrs.lhs_contracting);
  const Ints b_free = free_axes(b.type().rank(), attrs.rhs_batch, attrs.rhs_contracting);
  Ints contracted;
  for (std::int64_t axis : attrs.lhs_contracting) contracted.push_back(extent(a.type(), axis));

  Array result(node.type());
  visit_dtype(result.dtype(), [&]<class T>(T) {
    const auto x = a.data<T>(), y = b.data<T>();
    const auto out = result.data<T>();
    std::size_t next = 0;
    for_each_point(node.type().dims, [&](const Ints& at) {
      std::int64_t a_at = 0, b_at = 0;
      std::size_t axis = 0;
      const auto step = [&](std::int64_t& offset, const Ints& strides, std::int64_t operand_axis,
                            std::size_t result_axis) {
        offset += strides[static_cast<std::size_t>(operand_axis)] * at[result_axis];
      };
      for (std::size_t i = 0; i < attrs.lhs_batch.size(); ++i, ++axis) {
        step(a_at, a_strides, attrs.lhs_batch[i], axis);
        step(b_at, b_strides, attrs.rhs_batch[i], axis);
      }
      for (std::int64_t free : a_free) step(a_at, a_strides, free, axis++);
      for (std::int64_t free : b_free) step(b_at, b_strides, free, axis++);
      T sum{};
      for_each_point(contracted, [&](const Ints& k) {
        std::int64_t x_at = a_at, y_at = b_at;
        for (std::size_t i = 0; i < k.size(); ++i) {
          x_at += a_strides[static_cast<std::size_t>(attrs.lhs_contracting[i])] * k[i];
          y_at += b_strides[static_cast<std::size_t>(attrs.rhs_contracting[i])] * k[i];
        }
        sum = multiply_add<T>(x[static_cast<std::size_t>(x_at)], y[static_cast<std::size_t>(y_at)],
                              sum);
      });
      out[next++] = sum;
    });
  });
  return {result};
}

std::vector<Type> infer_reduce(const InferContext& context) {
  // Operands: n inputs, then n initial values.
  const std::size_t inputs = context.operands.size() / 2;
  if (inputs == 0 || context.operands.size() % 2 != 0)
    shape_error("as many initial values as inputs, at least one");
  const Ints& axes = context.get<DimsAttrs>().dims;
  if (!valid_axes({}, axes, context.type(0).rank()))
    shape_error(fmt::format("axes of {} that do not repeat, not [{}]", context.type(0).pretty(),
                            join(axes, ", ")));
  internal_check(context.regions.size() == 1, "a reduce has one region");
  const Region& region = context.regions[0];
  std::vector<Type> results;
  for (std::size_t i = 0; i < inputs; ++i) {
    const Type& input = context.type(static_cast<int>(i));
    const Type& initial = context.type(static_cast<int>(inputs + i));
    if (input.dims != context.type(0).dims) shape_error("inputs of one shape");
    if (initial != Type{input.dtype, {}})
      shape_error(fmt::format("initial value {} for input {}", Type{input.dtype, {}}.pretty(),
                              input.pretty()));
    Type result{input.dtype, {}};
    for (std::int64_t axis : free_axes(input.rank(), {}, axes))
      result.dims.push_back(extent(input, axis));
    results.push_back(result);
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

std::vector<Array> reference_reduce(const Node& node, std::span<const Array> operands) {
  const std::size_t inputs = operands.size() / 2;
  const Type& type = operands[0].type();
  Ints reduced = node.attrs<DimsAttrs>().dims;
  std::sort(reduced.begin(), reduced.end());
  const Ints kept = free_axes(type.rank(), {}, reduced), strides = row_major_strides(type.dims);
  /// The places of the points of some axes, in order.
  const auto places = [&](const Ints& axes) {
    Ints dims, steps, result;
    for (std::int64_t axis : axes) {
      dims.push_back(extent(type, axis));
      steps.push_back(strides[static_cast<std::size_t>(axis)]);
    }
    for_each_point(dims,
                   [&](const Ints& at) { result.push_back(reference::offset_of(at, steps)); });
    return result;
  };
  const Ints results = places(kept);
  // All results take their next element together, so each sees its own in index order.
  const Ints dims = {static_cast<std::int64_t>(results.size())};
  std::vector<Array> arguments;  // running values, then elements
  for (const Array& operand : operands) arguments.emplace_back(Type{operand.dtype(), dims});
  for (std::size_t i = 0; i < inputs; ++i)
    for (std::int64_t r = 0; r < dims[0]; ++r)
      reference::copy_element(operands[inputs + i], 0, arguments[i], r);
  RegionMap combine(node.regions()[0], dims);
  for (const std::int64_t step : places(reduced)) {
    for (std::size_t i = 0; i < inputs; ++i) {
      Array& elements = arguments[inputs + i] = Array(Type{operands[i].dtype(), dims});
      for (std::size_t r = 0; r < results.size(); ++r)
        reference::copy_element(operands[i], results[r] + step, elements,
                                static_cast<std::int64_t>(r));
    }
    const std::vector<Array> combined = combine(arguments);
    std::copy(combined.begin(), combined.end(), arguments.begin());
  }
  std::vector<Array> reshaped;
  for (std::size_t i = 0; i < inputs; ++i)
    reshaped.push_back(arguments[i].reshaped(node.type(static_cast<int>(i)).dims));
  return reshaped;
}

constexpr std::array kRows = {
    OpDef{.op = Op::dot_general,
          .name = "dot_general",
          .arity = 2,
          .traits = {.contraction = true},
          .infer = infer_dot,
          .gradient = gradient_dot,
          .reference = reference_dot,
          .lowering = not_pointwise},
    OpDef{.op = Op::reduce,
          .name = "reduce",
          .arity = kVariadic,
          .traits = {.reduction = true},
          .infer = infer_reduce,
          .gradient = gradient_reduce,
          .reference = reference_reduce,
          .lowering = not_pointwise},
};
static_assert(complete(kRows, Op::dot_general, Op::reduce));

}  // namespace

std::span<const OpDef> contraction_rows() { return kRows; }

}  // namespace kiln
