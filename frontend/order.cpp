#include "frontend/order.h"

#include "frontend/checks.h"
#include "frontend/elementwise.h"
#include "frontend/reduction.h"
#include "frontend/select.h"
#include "frontend/shape.h"
#include "ir/build.h"

namespace kiln {
namespace {

std::int64_t extent_of(const Tensor& x, int axis) {
  return x.shape()[static_cast<std::size_t>(axis)];
}

/// The smallest place among those that hold the extremum (or the NaNs, where there are any).
Tensor place_of_extremum(std::string_view op, bool largest, const Tensor& x, int axis, bool keepdim,
                         Where w) {
  const int at = checked_axis(x, axis, op, w);
  if (extent_of(x, at) == 0)
    throw Error(w, fmt::format("{}: axis {} of {} is empty", op, axis, described(x)));
  const Tensor numbers = is_bool(x.dtype()) ? to(x, DType::i32, w) : x;
  const Tensor top = largest ? amax(numbers, {at}, true, w) : amin(numbers, {at}, true, w);
  const Tensor holds = logical_or(eq(numbers, top, w), isnan(numbers, w), w);
  const Tensor place(build::iota(x.value().graph(), Type{DType::i64, x.shape()}, at, w));
  const auto beyond = static_cast<double>(extent_of(x, at));
  return amin(kiln::where(holds, place, beyond, w), {at}, keepdim, w);
}

Ordered extremum(std::string_view op, bool largest, const Tensor& x, int axis, bool keepdim,
                 Where w) {
  const int at = checked_axis(x, axis, op, w);
  const Tensor place = place_of_extremum(op, largest, x, at, true, w);
  const Tensor value = gather(x, at, place, w);
  if (keepdim) return {value, place};
  return {squeeze(value, at, w), squeeze(place, at, w)};
}

/// Each element combined with all before it along the last axis: within blocks by doubling steps,
/// then with the totals of the blocks before, found in the same way. Work is linear.
Value scanned(Value x, Op combiner, Where w) {
  constexpr std::int64_t kBlock = 16;
  Ints dims = x.type().dims;
  const std::int64_t extent = dims.back(), last = static_cast<std::int64_t>(dims.size()) - 1;
  const Value identity = build::identity(x.graph(), combiner, x.type().dtype);
  const auto padded = [&](Value v, std::int64_t low, std::int64_t high) {
    Ints before(v.type().dims.size(), 0), after = before;
    before.back() = low;
    after.back() = high;
    return build::pad(v, identity, before, after, {}, w);
  };
  if (extent <= kBlock) {
    for (std::int64_t shift = 1; shift < extent; shift *= 2)
      x = build::binary(combiner, padded(x, shift, -shift), x, w);
    return x;
  }
  const std::int64_t blocks = (extent + kBlock - 1) / kBlock;
  Ints blocked = dims, totals = dims;
  blocked.back() = totals.back() = blocks;
  blocked.push_back(kBlock);
  const Value inner =
      scanned(build::reshape(padded(x, 0, blocks * kBlock - extent), blocked, w), combiner, w);
  const Value total =
      build::reshape(build::slice_axis(inner, last + 1, kBlock - 1, kBlock, 1, w), totals, w);
  const Value before = padded(scanned(total, combiner, w), 1, -1);
  const Value all = build::binary(
      combiner, build::broadcast(before, blocked, iota_axes(0, static_cast<int>(last) + 1), w),
      inner, w);
  dims.back() = blocks * kBlock;
  return build::slice_axis(build::reshape(all, dims, w), last, 0, extent, 1, w);
}

Tensor running(std::string_view op, Op combiner, const Tensor& x, int axis, Where w) {
  const int at = checked_axis(x, axis, op, w);
  const Tensor numbers = is_bool(x.dtype()) ? to(x, DType::i64, w) : x;
  const Tensor moved = movedim(numbers, at, -1, w);
  return movedim(Tensor(scanned(moved.value(), combiner, w)), -1, at, w);
}

}  // namespace

Ordered sort(const Tensor& x, int axis, bool descending, Where w) {
  const int at = checked_axis(x, axis, "sort", w);
  const auto [values, places] = build::sort_with_permutation(x.value(), at, descending, w);
  return {Tensor(values), Tensor(places)};
}

Tensor argsort(const Tensor& x, int axis, bool descending, Where w) {
  return sort(x, axis, descending, w).indices;
}

Ordered topk(const Tensor& x, std::int64_t k, int axis, bool largest, Where w) {
  const int at = checked_axis(x, axis, "topk", w);
  if (k < 0 || k > extent_of(x, at))
    throw Error(w, fmt::format("topk: expected 0 to {} elements of axis {} of {}, found {}",
                               extent_of(x, at), axis, described(x), k));
  const Ordered all = sort(x, at, largest, w);
  return {narrow(all.values, at, 0, k, w), narrow(all.indices, at, 0, k, w)};
}

Tensor argmax(const Tensor& x, int axis, bool keepdim, Where w) {
  return place_of_extremum("argmax", true, x, axis, keepdim, w);
}
Tensor argmin(const Tensor& x, int axis, bool keepdim, Where w) {
  return place_of_extremum("argmin", false, x, axis, keepdim, w);
}
Tensor argmax(const Tensor& x, Where w) { return argmax(flatten(x, 0, -1, w), 0, false, w); }
Tensor argmin(const Tensor& x, Where w) { return argmin(flatten(x, 0, -1, w), 0, false, w); }
Ordered max(const Tensor& x, int axis, bool keepdim, Where w) {
  return extremum("max", true, x, axis, keepdim, w);
}
Ordered min(const Tensor& x, int axis, bool keepdim, Where w) {
  return extremum("min", false, x, axis, keepdim, w);
}

Tensor cumsum(const Tensor& x, int axis, Where w) { return running("cumsum", Op::add, x, axis, w); }
Tensor cumprod(const Tensor& x, int axis, Where w) {
  return running("cumprod", Op::multiply, x, axis, w);
}

}  // namespace kiln
