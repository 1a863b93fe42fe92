// Leaves: values that need no operands.
#include <array>

#include "ir/op.h"

namespace kiln {
namespace {

std::vector<Type> requested(const InferContext& context) {
  internal_check(context.result.has_value(), "a leaf is made with its type");
  element_count(context.result->dims);
  return {*context.result};
}

std::vector<Type> infer_constant(const InferContext& context) {
  const Array& value = context.get<ConstantAttrs>().value;
  internal_check(context.result && context.result->dtype == value.dtype() &&
                     (value.count() == 1 || value.dims() == context.result->dims),
                 "a constant's data fit its type");
  return requested(context);
}

std::vector<Type> infer_iota(const InferContext& context) {
  const auto dim = context.get<AxisAttrs>().dim;
  if (dim < 0 || dim >= context.result->rank())
    shape_error(fmt::format("an axis of {}, not axis {}", context.result->pretty(), dim));
  if (is_bool(context.result->dtype)) shape_error("an integer or float type");
  return requested(context);
}

std::vector<Array> parameter_value(const Node&, std::span<const Array>) {
  throw InternalError("a parameter's value comes from its caller");
}

std::vector<Array> constant_value(const Node& node, std::span<const Array>) {
  const Array& value = node.attrs<ConstantAttrs>().value;
  if (value.count() == node.type().count()) return {value.reshaped(node.type().dims)};
  Array full(node.type());
  visit_dtype(value.dtype(), [&]<class T>(T) {
    for (T& element : full.data<T>()) element = value.data<T>()[0];
  });
  return {full};
}

std::vector<Array> iota_value(const Node& node, std::span<const Array>) {
  Array result(node.type());
  const Ints strides = row_major_strides(node.type().dims);
  const auto dim = static_cast<std::size_t>(node.attrs<AxisAttrs>().dim);
  visit_dtype(result.dtype(), [&]<class T>(T) {
    const auto out = result.data<T>();
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = static_cast<T>(static_cast<std::int64_t>(i) / strides[dim] % node.type().dims[dim]);
  });
  return {result};
}

constexpr Traits kLeaf{.leaf = true};

constexpr std::array kRows = {
    OpDef{.op = Op::parameter,
          .name = "parameter",
          .arity = 0,
          .traits = kLeaf,
          .infer = requested,
          .gradient = zero_gradient,
          .reference = parameter_value,
          .lowering = not_pointwise},
    OpDef{.op = Op::constant,
          .name = "constant",
          .arity = 0,
          .traits = kLeaf,
          .infer = infer_constant,
          .gradient = zero_gradient,
          .reference = constant_value,
          .lowering = not_pointwise},
    OpDef{.op = Op::iota,
          .name = "iota",
          .arity = 0,
          .traits = kLeaf,
          .infer = infer_iota,
          .gradient = zero_gradient,
          .reference = iota_value,
          .lowering = not_pointwise},
};
static_assert(complete(kRows, Op::parameter, Op::iota));

}  // namespace

std::span<const OpDef> leaf_rows() { return kRows; }

}  // namespace kiln
