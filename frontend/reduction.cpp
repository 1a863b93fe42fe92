#include "frontend/reduction.h"

#include <algorithm>
#include <cmath>

#include "frontend/checks.h"
#include "frontend/elementwise.h"
#include "frontend/select.h"
#include "frontend/shape.h"
#include "ir/build.h"

namespace kiln {
namespace {

Tensor reduction(Op combiner, std::string_view name, const Tensor& x, const Ints& axes,
                 bool keepdim, Where w) {
  const Ints reduced = reduced_axes(x, axes, name, w);
  if (reduced.empty()) return x;
  const Value result = build::reduce(x.value(), combiner, reduced, w);
  return Tensor(keepdim ? build::reshape(result, with_extents(x.shape(), reduced, 1), w) : result);
}

/// Numbers of booleans are counted in i64.
Tensor counted(const Tensor& x, std::string_view op, Where w) {
  return is_bool(used(x, op, w).type().dtype) ? to(x, DType::i64, w) : x;
}

Tensor truth(const Tensor& x, std::string_view op, Where w) {
  return is_bool(used(x, op, w).type().dtype) ? x : ne(x, 0.0, w);
}

/// How many elements are combined into one.
double reduced_count(const Tensor& x, const Ints& axes, std::string_view op, Where w) {
  double count = 1;
  for (std::int64_t axis : reduced_axes(x, axes, op, w))
    count *= static_cast<double>(x.shape()[static_cast<std::size_t>(axis)]);
  return count;
}

/// The maximum as a constant to subtract: it cancels, so no gradient flows through it. 0 where it
/// is infinite and would leave NaN.
Tensor shift_of(const Tensor& x, const Ints& axes, Where w) {
  const Tensor top = stop_gradient(amax(x, axes, true, w), w);
  return kiln::where(isfinite(top, w), top, 0.0, w);
}

}  // namespace

Tensor sum(const Tensor& x, const Ints& axes, bool keepdim, Where w) {
  return reduction(Op::add, "sum", counted(x, "sum", w), axes, keepdim, w);
}
Tensor mean(const Tensor& x, const Ints& axes, bool keepdim, Where w) {
  used_float(x, "mean", w);
  return div(sum(x, axes, keepdim, w), reduced_count(x, axes, "mean", w), w);
}
Tensor prod(const Tensor& x, const Ints& axes, bool keepdim, Where w) {
  return reduction(Op::multiply, "prod", counted(x, "prod", w), axes, keepdim, w);
}
Tensor amax(const Tensor& x, const Ints& axes, bool keepdim, Where w) {
  return reduction(Op::maximum, "amax", x, axes, keepdim, w);
}
Tensor amin(const Tensor& x, const Ints& axes, bool keepdim, Where w) {
  return reduction(Op::minimum, "amin", x, axes, keepdim, w);
}
Tensor any(const Tensor& x, const Ints& axes, bool keepdim, Where w) {
  return reduction(Op::or_, "any", truth(x, "any", w), axes, keepdim, w);
}
Tensor all(const Tensor& x, const Ints& axes, bool keepdim, Where w) {
  return reduction(Op::and_, "all", truth(x, "all", w), axes, keepdim, w);
}
Tensor count_nonzero(const Tensor& x, const Ints& axes, Where w) {
  return sum(truth(x, "count_nonzero", w), axes, false, w);
}

Tensor var(const Tensor& x, const Ints& axes, bool keepdim, double correction, Where w) {
  used_float(x, "var", w);
  const double divisor = std::max(0.0, reduced_count(x, axes, "var", w) - correction);
  const Tensor squares = square(sub(x, mean(x, axes, true, w), w), w);
  return div(sum(squares, axes, keepdim, w), divisor, w);
}
Tensor stddev(const Tensor& x, const Ints& axes, bool keepdim, double correction, Where w) {
  return sqrt(var(x, axes, keepdim, correction, w), w);
}
Tensor norm(const Tensor& x, double p, const Ints& axes, bool keepdim, Where w) {
  used_float(x, "norm", w);
  if (std::isnan(p)) throw Error(w, "norm: expected a number p, found NaN");
  if (p == 0) return sum(to(ne(x, 0.0, w), x.dtype(), w), axes, keepdim, w);
  const Tensor size = abs(x, w);
  if (std::isinf(p)) return p > 0 ? amax(size, axes, keepdim, w) : amin(size, axes, keepdim, w);
  if (p == 1) return sum(size, axes, keepdim, w);
  const Tensor total = sum(p == 2 ? square(x, w) : pow(size, p, w), axes, keepdim, w);
  // A root's slope at 0 is infinite: there 1 is rooted instead, and no gradient comes back.
  const Tensor nothing = eq(total, 0.0, w), safe = kiln::where(nothing, 1.0, total, w);
  const Tensor root = p == 2 ? sqrt(safe, w) : pow(safe, 1 / p, w);
  return kiln::where(nothing, p > 0 ? 0.0 : INFINITY, root, w);
}
Tensor logsumexp(const Tensor& x, const Ints& axes, bool keepdim, Where w) {
  used_float(x, "logsumexp", w);
  const Tensor shift = shift_of(x, axes, w);
  const Tensor total = log(sum(exp(sub(x, shift, w), w), axes, keepdim, w), w);
  return add(total, reshape(shift, total.shape(), w), w);
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

Tensor masked_softmax(const Tensor& scores, const Tensor& valid_lens, Where w) {
  used_float(scores, "masked_softmax", w);
  if (!valid_lens.value()) return softmax(scores, -1, w);
  used_integer(valid_lens, "masked_softmax", w);
  const Ints &dims = scores.shape(), &lens = valid_lens.shape();
  if (lens.size() >= dims.size() || !std::equal(lens.begin(), lens.end(), dims.begin()))
    throw Error(w,
                fmt::format("masked_softmax: expected lengths for the leading axes of the scores, "
                            "found {} for {}",
                            described(valid_lens), described(scores)));
  // [B] or [B, Q] beside [B, Q, n]: what is missing before the last axis is 1.
  Ints aligned = lens;
  aligned.resize(dims.size() - 1, 1);
  const Tensor valid = sequence_mask(reshape(valid_lens, aligned, w), dims.back(), w);
  return softmax(kiln::where(valid, scores, -1e6, w), -1, w);
}

}  // namespace kiln
