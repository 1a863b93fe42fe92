#include "frontend/reduction.h"

#include <algorithm>

#include "frontend/checks.h"
#include "frontend/elementwise.h"
#include "ir/build.h"

namespace kiln {
namespace {

Tensor reduction(Op combiner, std::string_view name, const Tensor& x, const Ints& axes,
                 bool keepdim, Where where) {
  const Ints reduced = reduced_axes(x, axes, name, where);
  if (reduced.empty()) return x;
  const Value result = build::reduce(x.value(), combiner, reduced, where);
  if (!keepdim) return Tensor(result);
  Ints dims = x.shape();
  for (std::int64_t axis : reduced) dims[static_cast<std::size_t>(axis)] = 1;
  return Tensor(build::reshape(result, dims, where));
}

}  // namespace

Tensor sum(const Tensor& x, const Ints& axes, bool keepdim, Where w) {
  if (is_bool(used(x, "sum", w).type().dtype))
    return sum(to(x, DType::i64, w), axes, keepdim, w);  // a count
  return reduction(Op::add, "sum", x, axes, keepdim, w);
}
Tensor mean(const Tensor& x, const Ints& axes, bool keepdim, Where w) {
  if (!is_float(used(x, "mean", w).type().dtype))
    throw Error(w, fmt::format("mean: expected a float tensor, found {}", described(x.value())));
  std::int64_t count = 1;
  for (std::int64_t axis : reduced_axes(x, axes, "mean", w))
    count *= x.shape()[static_cast<std::size_t>(axis)];
  return div(sum(x, axes, keepdim, w), static_cast<double>(count), w);
}
Tensor amax(const Tensor& x, const Ints& axes, bool keepdim, Where w) {
  return reduction(Op::maximum, "amax", x, axes, keepdim, w);
}
Tensor amin(const Tensor& x, const Ints& axes, bool keepdim, Where w) {
  return reduction(Op::minimum, "amin", x, axes, keepdim, w);
}

Tensor softmax(const Tensor& x, int axis, Where w) {
  const int at = checked_axis(x, axis, "softmax", w);
  // The shift cancels, so its gradient is exactly zero.
  const Tensor shift = stop_gradient(amax(x, {at}, true, w), w);
  const Tensor e = exp(sub(x, shift, w), w);
  return div(e, sum(e, {at}, true, w), w);
}

Tensor log_softmax(const Tensor& x, int axis, Where w) {
  const int at = checked_axis(x, axis, "log_softmax", w);
  const Tensor shifted = sub(x, stop_gradient(amax(x, {at}, true, w), w), w);
  return sub(shifted, log(sum(exp(shifted, w), {at}, true, w), w), w);
}

}  // namespace kiln
