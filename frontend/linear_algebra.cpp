#include "frontend/linear_algebra.h"

#include "frontend/checks.h"
#include "frontend/elementwise.h"
#include "frontend/reduction.h"
#include "frontend/shape.h"
#include "ir/build.h"

namespace kiln {
Tensor matmul(const Tensor& a, const Tensor& b, Where w) {
  const auto fail = [&](std::string_view expected) -> Error {
    return {w, fmt::format("matmul: expected {}, found {} and {}", expected, described(a.value()),
                           described(b.value()))};
  };
  for (const Tensor* operand : {&a, &b})
    if (used(*operand, "matmul", w).type().rank() == 0) throw fail("operands of rank 1 or more");
  if (a.dtype() != b.dtype()) throw fail("operands of one element type");
  // A vector is a matrix of one row (left) or one column (right), which the result then loses.
  const Tensor lhs = a.dim() == 1 ? unsqueeze(a, 0, w) : a;
  const Tensor rhs = b.dim() == 1 ? unsqueeze(b, 1, w) : b;
  if (lhs.size(-1) != rhs.size(-2))
    throw fail(fmt::format("the last axis of the first ({}) to equal the {} of the second ({})",
                           lhs.size(-1), b.dim() == 1 ? "length" : "second-last axis",
                           rhs.size(-2)));
  const Ints lhs_lead(lhs.shape().begin(), lhs.shape().end() - 2);
  const Ints rhs_lead(rhs.shape().begin(), rhs.shape().end() - 2);
  Tensor product;
  if (rhs_lead.empty()) {
    // One matrix for all batches: the batch axes are rows.
    product = Tensor(
        build::dot_general(lhs.value(), rhs.value(), DotAttrs{{}, {}, {lhs.dim() - 1}, {0}}, w));
  } else {
    const auto lead = common_shape(lhs_lead, rhs_lead);
    if (!lead) throw fail("batch axes that broadcast together");
    const auto batched = [&](const Tensor& x) {
      Ints dims = *lead;
      dims.insert(dims.end(), x.shape().end() - 2, x.shape().end());
      return stretched(x.value(), dims, w);
    };
    const int batches = static_cast<int>(lead->size());
    const Ints batch = iota_axes(0, batches);
    product = Tensor(build::dot_general(batched(lhs), batched(rhs),
                                        DotAttrs{batch, batch, {batches + 1}, {batches}}, w));
  }
  if (b.dim() == 1) product = squeeze(product, -1, w);
  if (a.dim() == 1) product = squeeze(product, b.dim() == 1 ? -1 : -2, w);
  return product;
}

Tensor bmm(const Tensor& a, const Tensor& b, Where w) {
  for (const Tensor* operand : {&a, &b}) used(*operand, "bmm", w);
  if (a.dim() != 3 || b.dim() != 3 || a.size(0) != b.size(0) || a.size(2) != b.size(1) ||
      a.dtype() != b.dtype())
    throw Error(w, fmt::format("bmm: expected [b, n, m] and [b, m, p], found {} and {}",
                               described(a), described(b)));
  return matmul(a, b, w);
}

Tensor dot(const Tensor& a, const Tensor& b, Where w) {
  for (const Tensor* operand : {&a, &b}) used(*operand, "dot", w);
  if (a.dim() != 1 || a.type() != b.type())
    throw Error(w, fmt::format("dot: expected two vectors of one length and element type, found {} "
                               "and {}",
                               described(a), described(b)));
  return tensordot(a, b, 1, w);
}

Tensor outer(const Tensor& a, const Tensor& b, Where w) {
  for (const Tensor* operand : {&a, &b}) used(*operand, "outer", w);
  if (a.dim() != 1 || b.dim() != 1)
    throw Error(
        w, fmt::format("outer: expected two vectors, found {} and {}", described(a), described(b)));
  return mul(unsqueeze(a, 1, w), b, w);
}

Tensor tensordot(const Tensor& a, const Tensor& b, int axes, Where w) {
  for (const Tensor* operand : {&a, &b}) used(*operand, "tensordot", w);
  if (axes < 0 || axes > a.dim() || axes > b.dim())
    throw Error(w, fmt::format("tensordot: expected a number of axes that both have, found {} for "
                               "{} and {}",
                               axes, described(a), described(b)));
  return tensordot(a, b, iota_axes(a.dim() - axes, axes), iota_axes(0, axes), w);
}

Tensor tensordot(const Tensor& a, const Tensor& b, const Ints& a_axes, const Ints& b_axes,
                 Where w) {
  for (const Tensor* operand : {&a, &b}) used(*operand, "tensordot", w);
  const Ints left = checked_axes(a, a_axes, "tensordot", w),
             right = checked_axes(b, b_axes, "tensordot", w);
  bool fits = a.dtype() == b.dtype() && left.size() == right.size();
  for (std::size_t i = 0; fits && i < left.size(); ++i)
    fits = a.shape()[static_cast<std::size_t>(left[i])] ==
           b.shape()[static_cast<std::size_t>(right[i])];
  if (!fits)
    throw Error(w,
                fmt::format("tensordot: expected one element type and equal extents of axes [{}] "
                            "and [{}], found {} and {}",
                            join(a_axes, ", "), join(b_axes, ", "), described(a), described(b)));
  return Tensor(build::dot_general(a.value(), b.value(), DotAttrs{{}, {}, left, right}, w));
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Where w) {
  for (const Tensor* tensor : {&x, &weight}) used(*tensor, "linear", w);
  if (weight.dim() != 2)
    throw Error(
        w, fmt::format("linear: expected a weight [out, in], found {}", described(weight.value())));
  if (x.dim() < 1 || x.size(-1) != weight.size(1) || x.dtype() != weight.dtype())
    throw Error(w, fmt::format("linear: expected an input [..., {}] for weight {}, found {}",
                               weight.size(1), described(weight.value()), described(x.value())));
  if (bias.value() && bias.type() != Type{weight.dtype(), {weight.size(0)}})
    throw Error(w, fmt::format("linear: expected a bias of {} for weight {}, found {}",
                               weight.size(0), described(weight.value()), described(bias.value())));
  const Tensor product(
      build::dot_general(x.value(), weight.value(), DotAttrs{{}, {}, {x.dim() - 1}, {1}}, w));
  return bias.value() ? add(product, bias, w) : product;
}

Tensor cdist(const Tensor& a, const Tensor& b, Where w) {
  for (const Tensor* operand : {&a, &b}) used_float(*operand, "cdist", w);
  if (a.dim() < 2 || b.dim() < 2 || a.size(-1) != b.size(-1))
    throw Error(w, fmt::format("cdist: expected rows of one length, [..., n, d] and [..., m, d], "
                               "found {} and {}",
                               described(a), described(b)));
  return norm(sub(unsqueeze(a, -2, w), unsqueeze(b, -3, w), w), 2, {-1}, false, w);
}

}  // namespace kiln
