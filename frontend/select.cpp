#include "frontend/select.h"

#include <algorithm>
#include <functional>

#include "frontend/checks.h"
#include "frontend/elementwise.h"
#include "frontend/shape.h"
#include "ir/build.h"
#include "ir/interpret.h"

namespace kiln {
namespace {

bool within(const Ints& inner, const Ints& outer, int except = -1) {
  if (inner.size() != outer.size()) return false;
  for (std::size_t i = 0; i < inner.size(); ++i)
    if (static_cast<int>(i) != except && inner[i] > outer[i]) return false;
  return true;
}

/// The corner of x with these extents.
Value corner(Value x, const Ints& dims, Where w) {
  return x.type().dims == dims ? x : build::slice(x, Ints(dims.size(), 0), dims, {}, w);
}

/// The part of x that indices along `axis` can reach.
Ints reached(const Tensor& x, int axis, const Ints& indices) {
  Ints dims = indices;
  dims[static_cast<std::size_t>(axis)] = x.shape()[static_cast<std::size_t>(axis)];
  return dims;
}

/// Checks what scatter and scatter_add share, then writes updates into the part of x that indices
/// reach.
Tensor scattered(std::string_view op, const Tensor& x, int axis, const Tensor& indices,
                 const Tensor& values, Where w,
                 const std::function<Value(Value, Value, const ScatterAttrs&)>& write) {
  const Ints dims = reached(x, axis, indices.shape());
  if (values.dtype() != x.dtype() || !within(indices.shape(), values.shape()) ||
      !within(dims, x.shape()))
    throw Error(w,
                fmt::format("{}: expected values of {}'s element type with at least the indices' "
                            "extents, and indices that fit into it except along axis {}, found "
                            "values {} and indices {}",
                            op, described(x), axis, described(values), described(indices)));
  const Value part = corner(x.value(), dims, w);
  const Value written = write(part, corner(values.value(), indices.shape(), w),
                              build::take_along_places(part.type(), indices.type(), axis));
  if (dims == x.shape()) return Tensor(written);
  const std::vector<Value> origin(dims.size(), x.value().graph().splat(Type{DType::i64, {}}, 0));
  return Tensor(build::dynamic_update_slice(x.value(), written, origin, w));
}

void check_index_vector(std::string_view op, const Tensor& indices, Where w) {
  if (used_integer(indices, op, w).type().rank() != 1)
    throw Error(w,
                fmt::format("{}: expected a vector of indices, found {}", op, described(indices)));
}

}  // namespace

Tensor where(const Tensor& condition, const Operand& yes, const Operand& no, Where w) {
  if (yes.is_number() && no.is_number())
    throw Error(w, "where: expected a tensor among the two choices, found only numbers");
  auto v = broadcast_together("where", {yes, no}, w);
  const auto dims = common_shape(used(condition, "where", w).type().dims, v[0].type().dims);
  if (condition.dtype() != DType::i1 || !dims)
    throw Error(w, fmt::format("where: expected an i1 condition that broadcasts with the choices, "
                               "found {} and {}",
                               described(condition), v[0].type().pretty()));
  return Tensor(build::select(stretched(condition.value(), *dims, w), stretched(v[0], *dims, w),
                              stretched(v[1], *dims, w), w));
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, const Operand& value, Where w) {
  used(x, "masked_fill", w);
  if (used(mask, "masked_fill", w).type().dtype != DType::i1 ||
      !common_shape(mask.shape(), x.shape()))
    throw Error(w, fmt::format("masked_fill: expected an i1 mask that broadcasts with {}, found {}",
                               described(x), described(mask)));
  return kiln::where(mask, value, x, w);
}

Tensor masked_select(const Tensor& x, const Tensor& mask, Where w) {
  used(x, "masked_select", w);
  const auto dims = common_shape(used(mask, "masked_select", w).type().dims, x.shape());
  if (mask.dtype() != DType::i1 || !dims)
    throw Error(w, fmt::format("masked_select: expected an i1 mask that broadcasts with {}, found "
                               "{}",
                               described(x), described(mask)));
  const std::vector<Value> wanted = {stretched(mask.value(), *dims, w)};
  for (const Node* node : topological(wanted))
    if (node->op() == Op::parameter)
      throw Error(w,
                  fmt::format("masked_select: expected a mask made of constants, as the result's "
                              "length depends on it; {} is computed from an argument",
                              described(mask)));
  const Array chosen = interpret(Region{{}, wanted}, {})[0];
  std::vector<std::int64_t> places;
  for (std::int64_t i = 0; i < chosen.count(); ++i)
    if (chosen.data<bool>()[static_cast<std::size_t>(i)]) places.push_back(i);
  const Array indices = Array::of<std::int64_t>({static_cast<std::int64_t>(places.size())},
                                                std::span<const std::int64_t>(places));
  const Value flat = build::reshape(stretched(x.value(), *dims, w), {element_count(*dims)}, w);
  return Tensor(build::take(flat, flat.graph().constant(indices), 0, w));
}

Tensor sequence_mask(const Tensor& lengths, std::int64_t longest, Where w) {
  used_integer(lengths, "sequence_mask", w);
  if (longest < 0)
    throw Error(w, fmt::format("sequence_mask: expected a longest length >= 0, found {}", longest));
  const Tensor wide = to(lengths, DType::i64, w);
  Ints dims = wide.shape();
  dims.push_back(longest);
  const Tensor place(build::iota(wide.value().graph(), Type{DType::i64, dims},
                                 static_cast<std::int64_t>(dims.size()) - 1, w));
  return lt(place, unsqueeze(wide, -1, w), w);
}

Tensor sequence_mask(const Tensor& x, const Tensor& lengths, double value, Where w) {
  used(x, "sequence_mask", w);
  used_integer(lengths, "sequence_mask", w);
  if (x.dim() < 2 || lengths.shape() != Ints{x.size(0)})
    throw Error(w, fmt::format("sequence_mask: expected x [n, longest, ...] and lengths [n], found "
                               "{} and {}",
                               described(x), described(lengths)));
  const Tensor valid = sequence_mask(lengths, x.size(1), w);
  Ints aligned = valid.shape();
  aligned.resize(x.shape().size(), 1);
  return kiln::where(reshape(valid, aligned, w), x, value, w);
}

Tensor index_select(const Tensor& x, int axis, const Tensor& indices, Where w) {
  check_index_vector("index_select", indices, w);
  return take(x, indices, axis, w);
}

Tensor take(const Tensor& x, const Tensor& indices, int axis, Where w) {
  const int along = checked_axis(x, axis, "take", w);
  used_integer(indices, "take", w);
  return Tensor(build::take(x.value(), indices.value(), along, w));
}

Tensor gather(const Tensor& x, int axis, const Tensor& indices, Where w) {
  const int along = checked_axis(x, axis, "gather", w);
  used_integer(indices, "gather", w);
  if (!within(indices.shape(), x.shape(), along))
    throw Error(w, fmt::format("gather: expected indices that fit into {} except along axis {}, "
                               "found {}",
                               described(x), axis, described(indices)));
  const Value part = corner(x.value(), reached(x, along, indices.shape()), w);
  return Tensor(build::take_along(part, indices.value(), along, w));
}

Tensor take_along_dim(const Tensor& x, const Tensor& indices, int axis, Where w) {
  const int along = checked_axis(x, axis, "take_along_dim", w);
  used_integer(indices, "take_along_dim", w);
  const auto at = static_cast<std::size_t>(along);
  std::optional<Ints> dims;
  if (indices.dim() == x.dim())
    dims = common_shape(with_extents(x.shape(), {along}, 1),
                        with_extents(indices.shape(), {along}, 1));
  if (!dims)
    throw Error(w, fmt::format("take_along_dim: expected indices that broadcast with {} except "
                               "along axis {}, found {}",
                               described(x), axis, described(indices)));
  Ints from = *dims, of = *dims;
  from[at] = x.shape()[at];
  of[at] = indices.shape()[at];
  return Tensor(build::take_along(stretched(x.value(), from, w), stretched(indices.value(), of, w),
                                  along, w));
}

Tensor scatter(const Tensor& x, int axis, const Tensor& indices, const Operand& values, Where w) {
  const int along = checked_axis(x, axis, "scatter", w);
  used_integer(indices, "scatter", w);
  const Tensor updates =
      values.is_number()
          ? Tensor(x.value().graph().splat(Type{x.dtype(), indices.shape()}, values.number(), w))
          : Tensor(used(values.tensor(), "scatter", w));
  return scattered("scatter", x, along, indices, updates, w,
                   [&](Value into, Value written, const ScatterAttrs& attrs) {
                     return build::scatter_replace(into, indices.value(), written, attrs, w);
                   });
}

Tensor scatter_add(const Tensor& x, int axis, const Tensor& indices, const Tensor& values,
                   Where w) {
  const int along = checked_axis(x, axis, "scatter_add", w);
  used_integer(indices, "scatter_add", w);
  used(values, "scatter_add", w);
  return scattered("scatter_add", x, along, indices, values, w,
                   [&](Value into, Value written, const ScatterAttrs& attrs) {
                     return build::scatter(into, indices.value(), written, attrs, Op::add, w);
                   });
}

Tensor index_add(const Tensor& x, int axis, const Tensor& indices, const Tensor& values,
                 double alpha, Where w) {
  const int along = checked_axis(x, axis, "index_add", w);
  check_index_vector("index_add", indices, w);
  Ints dims = x.shape();
  dims[static_cast<std::size_t>(along)] = indices.shape()[0];
  if (used(values, "index_add", w).type() != Type{x.dtype(), dims})
    throw Error(w, fmt::format("index_add: expected values {} for {} and indices {}, found {}",
                               Type{x.dtype(), dims}.pretty(), described(x), described(indices),
                               described(values)));
  const Tensor scaled = alpha == 1 ? values : mul(values, alpha, w);
  return Tensor(build::scatter(x.value(), indices.value(), scaled.value(),
                               build::take_places(x.type(), indices.type(), along), Op::add, w));
}

}  // namespace kiln
