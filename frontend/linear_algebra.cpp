#include "frontend/linear_algebra.h"

#include "frontend/checks.h"
#include "frontend/elementwise.h"
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

}  // namespace kiln
