#include "frontend/shape.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "frontend/checks.h"
#include "ir/build.h"

namespace kiln {
namespace {

std::size_t at(std::int64_t axis) { return static_cast<std::size_t>(axis); }

/// The extents, of which one may be -1, for `count` elements; nothing where they do not fit.
std::optional<Ints> fitting(std::int64_t count, Ints dims) {
  std::int64_t* unknown = nullptr;
  std::int64_t known = 1;
  for (std::int64_t& extent : dims) {
    if (extent == -1 && unknown == nullptr)
      unknown = &extent;
    else if (extent < 0 || (extent > 0 && known > (std::int64_t{1} << 48) / extent))
      return std::nullopt;
    else
      known *= extent;
  }
  if (unknown == nullptr) return known == count ? std::optional(dims) : std::nullopt;
  if (known == 0 || count % known != 0) return std::nullopt;
  *unknown = count / known;
  return dims;
}

}  // namespace

Tensor reshape(const Tensor& x, Ints dims, Where w) {
  const auto fitted = fitting(used(x, "reshape", w).type().count(), dims);
  if (!fitted)
    throw Error(w, fmt::format("reshape: {} has {} elements, which do not fit [{}]", described(x),
                               x.type().count(), join(dims, ", ")));
  return Tensor(build::reshape(x.value(), *fitted, w));
}

Tensor flatten(const Tensor& x, int first, int last, Where w) {
  if (used(x, "flatten", w).type().rank() == 0 && (first == 0 || first == -1) &&
      (last == 0 || last == -1))
    return reshape(x, {1}, w);
  const int begin = checked_axis(x, first, "flatten", w), end = checked_axis(x, last, "flatten", w);
  if (begin > end)
    throw Error(w, fmt::format("flatten: expected a first axis before the last, found {} and {} "
                               "for {}",
                               first, last, described(x)));
  const Ints& dims = x.shape();
  Ints merged(dims.begin(), dims.begin() + begin);
  merged.push_back(element_count(std::span(dims).subspan(at(begin), at(end - begin + 1))));
  merged.insert(merged.end(), dims.begin() + end + 1, dims.end());
  return reshape(x, merged, w);
}

Tensor unflatten(const Tensor& x, int axis, const Ints& dims, Where w) {
  const int split = checked_axis(x, axis, "unflatten", w);
  const std::int64_t extent = x.shape()[at(split)];
  const auto parts = fitting(extent, dims);
  if (!parts)
    throw Error(w, fmt::format("unflatten: axis {} of {} has extent {}, which does not fit [{}]",
                               axis, described(x), extent, join(dims, ", ")));
  Ints all = x.shape();
  all.erase(all.begin() + split);
  all.insert(all.begin() + split, parts->begin(), parts->end());
  return reshape(x, all, w);
}

Tensor permute(const Tensor& x, const Ints& axes, Where w) {
  used(x, "permute", w);
  Ints order = checked_axes(x, axes, "permute", w);
  if (static_cast<int>(order.size()) != x.dim())
    throw Error(w, fmt::format("permute: expected each axis of {} once, found [{}]", described(x),
                               join(axes, ", ")));
  if (std::is_sorted(order.begin(), order.end())) return x;
  return Tensor(build::transpose(x.value(), order, w));
}

Tensor transpose(const Tensor& x, int a, int b, Where w) {
  Ints axes = iota_axes(0, used(x, "transpose", w).type().rank());
  std::swap(axes[at(checked_axis(x, a, "transpose", w))],
            axes[at(checked_axis(x, b, "transpose", w))]);
  return permute(x, axes, w);
}

Tensor movedim(const Tensor& x, const Ints& source, const Ints& destination, Where w) {
  used(x, "movedim", w);
  const Ints from = checked_axes(x, source, "movedim", w),
             to = checked_axes(x, destination, "movedim", w);
  if (from.size() != to.size())
    throw Error(w, fmt::format("movedim: expected as many destinations as sources, found [{}] and "
                               "[{}] for {}",
                               join(source, ", "), join(destination, ", "), described(x)));
  Ints order(at(x.dim()), -1);
  for (std::size_t i = 0; i < from.size(); ++i) order[at(to[i])] = from[i];
  std::int64_t next = 0;
  for (std::int64_t& axis : order) {
    if (axis >= 0) continue;
    while (std::find(from.begin(), from.end(), next) != from.end()) ++next;
    axis = next++;
  }
  return permute(x, order, w);
}

Tensor movedim(const Tensor& x, int source, int destination, Where w) {
  return movedim(x, Ints{source}, Ints{destination}, w);
}

Tensor unsqueeze(const Tensor& x, int axis, Where w) {
  const int rank = used(x, "unsqueeze", w).type().rank() + 1;
  if (axis < -rank || axis >= rank)
    throw Error(w, fmt::format("unsqueeze: axis {} does not fit {}", axis, described(x)));
  Ints dims = x.shape();
  dims.insert(dims.begin() + (axis < 0 ? axis + rank : axis), 1);
  return reshape(x, dims, w);
}

Tensor squeeze(const Tensor& x, int axis, Where w) {
  const int dropped = checked_axis(x, axis, "squeeze", w);
  Ints dims = x.shape();
  if (dims[at(dropped)] == 1) dims.erase(dims.begin() + dropped);
  return reshape(x, dims, w);
}

Tensor squeeze(const Tensor& x, Where w) {
  Ints dims = used(x, "squeeze", w).type().dims;
  std::erase(dims, 1);
  return reshape(x, dims, w);
}

Tensor expand(const Tensor& x, Ints dims, Where w) {
  const Ints asked = dims, &own = used(x, "expand", w).type().dims;
  for (std::size_t i = 0; i < own.size() && i < dims.size(); ++i)
    if (std::int64_t& extent = dims[dims.size() - 1 - i]; extent == -1)
      extent = own[own.size() - 1 - i];
  if (common_shape(own, dims) != dims)
    throw Error(
        w, fmt::format("expand: {} does not stretch to [{}]", described(x), join(asked, ", ")));
  return Tensor(stretched(x.value(), dims, w));
}

Tensor broadcast_to(const Tensor& x, const Ints& dims, Where w) { return expand(x, dims, w); }

Tensor repeat(const Tensor& x, Ints times, Where w) {
  const int rank = used(x, "repeat", w).type().rank();
  if (static_cast<int>(times.size()) < rank ||
      std::any_of(times.begin(), times.end(), [](auto t) { return t < 0; }))
    throw Error(w,
                fmt::format("repeat: expected a number >= 0 for each axis of {} (or more), found "
                            "[{}]",
                            described(x), join(times, ", ")));
  // [d] → [t, d] → [t d], of every axis.
  Ints wide, axes, result;
  for (std::size_t i = 0; i < times.size(); ++i) {
    const std::size_t added = times.size() - at(rank);
    const std::int64_t extent = i < added ? 1 : x.shape()[i - added];
    wide.push_back(times[i]);
    wide.push_back(extent);
    if (i >= added) axes.push_back(static_cast<std::int64_t>(2 * i + 1));
    result.push_back(element_count(Ints{times[i], extent}));
  }
  element_count(wide);
  return reshape(Tensor(build::broadcast(x.value(), wide, axes, w)), result, w);
}

Tensor tile(const Tensor& x, Ints times, Where w) {
  const auto rank = at(used(x, "tile", w).type().rank());
  if (times.size() < rank) times.insert(times.begin(), rank - times.size(), 1);
  return repeat(x, times, w);
}

Tensor repeat_interleave(const Tensor& x, std::int64_t times, std::optional<int> axis, Where w) {
  if (!axis) return repeat_interleave(flatten(x, 0, -1, w), times, 0, w);
  const int repeated = checked_axis(x, *axis, "repeat_interleave", w);
  if (times < 0)
    throw Error(w, fmt::format("repeat_interleave: expected a number >= 0, found {}", times));
  Ints wide = x.shape(), result = x.shape();
  wide.insert(wide.begin() + repeated + 1, times);
  result[at(repeated)] = element_count(Ints{result[at(repeated)], times});
  Ints axes = iota_axes(0, x.dim());
  for (std::int64_t& target : axes) target += target > repeated ? 1 : 0;
  return reshape(Tensor(build::broadcast(x.value(), wide, axes, w)), result, w);
}

Tensor repeat_interleave(const Tensor& x, const Ints& times, std::optional<int> axis, Where w) {
  if (!axis) return repeat_interleave(flatten(x, 0, -1, w), times, 0, w);
  const int repeated = checked_axis(x, *axis, "repeat_interleave", w);
  const std::int64_t extent = x.shape()[at(repeated)];
  if (static_cast<std::int64_t>(times.size()) != extent ||
      std::any_of(times.begin(), times.end(), [](auto t) { return t < 0; }))
    throw Error(w,
                fmt::format("repeat_interleave: expected a number >= 0 for each of the {} slices "
                            "of axis {} of {}, found [{}]",
                            extent, *axis, described(x), join(times, ", ")));
  std::vector<Tensor> slices;
  for (std::int64_t i = 0; i < extent; ++i)
    if (times[at(i)] > 0)
      slices.push_back(repeat_interleave(narrow(x, repeated, i, 1, w), times[at(i)], repeated, w));
  return slices.empty() ? narrow(x, repeated, 0, 0, w) : cat(slices, repeated, w);
}

Tensor cat(const std::vector<Tensor>& tensors, int axis, Where w) {
  if (tensors.empty()) throw Error(w, "cat: expected at least one tensor, found none");
  const int along = checked_axis(tensors[0], axis, "cat", w);
  const Ints axes = {along};
  std::vector<Value> values;
  for (const Tensor& tensor : tensors) {
    used(tensor, "cat", w);
    if (tensor.dtype() != tensors[0].dtype() || tensor.dim() != tensors[0].dim() ||
        with_extents(tensor.shape(), axes, 0) != with_extents(tensors[0].shape(), axes, 0))
      throw Error(w, fmt::format("cat: expected tensors of one element type whose extents differ "
                                 "along axis {} alone, found {} and {}",
                                 axis, described(tensors[0]), described(tensor)));
    values.push_back(tensor.value());
  }
  return Tensor(build::concatenate(values, along, w));
}

Tensor stack(const std::vector<Tensor>& tensors, int axis, Where w) {
  if (tensors.empty()) throw Error(w, "stack: expected at least one tensor, found none");
  std::vector<Tensor> rows;
  for (const Tensor& tensor : tensors) {
    used(tensor, "stack", w);
    if (tensor.type() != tensors[0].type())
      throw Error(w, fmt::format("stack: expected tensors of one type, found {} and {}",
                                 described(tensors[0]), described(tensor)));
    rows.push_back(unsqueeze(tensor, axis, w));
  }
  return cat(rows, axis, w);
}

std::vector<Tensor> split(const Tensor& x, const Ints& sizes, int axis, Where w) {
  const int along = checked_axis(x, axis, "split", w);
  const std::int64_t extent = x.shape()[at(along)];
  std::int64_t left = extent;
  for (std::int64_t size : sizes) left -= size >= 0 && size <= left ? size : extent + 1;
  if (left != 0)
    throw Error(w, fmt::format("split: expected extents >= 0 that add up to axis {} of {}, found "
                               "[{}]",
                               axis, described(x), join(sizes, ", ")));
  std::vector<Tensor> pieces;
  std::int64_t begin = 0;
  for (std::int64_t size : sizes) {
    pieces.push_back(narrow(x, along, begin, size, w));
    begin += size;
  }
  return pieces;
}

std::vector<Tensor> split(const Tensor& x, std::int64_t size, int axis, Where w) {
  const int along = checked_axis(x, axis, "split", w);
  if (size <= 0)
    throw Error(w, fmt::format("split: expected pieces of extent 1 or more, found {}", size));
  const std::int64_t extent = x.shape()[at(along)];
  Ints sizes;
  for (std::int64_t begin = 0; begin < extent; begin += size)
    sizes.push_back(std::min(size, extent - begin));
  if (sizes.empty()) sizes = {0};
  return split(x, sizes, along, w);
}

std::vector<Tensor> chunk(const Tensor& x, std::int64_t count, int axis, Where w) {
  const int along = checked_axis(x, axis, "chunk", w);
  if (count <= 0)
    throw Error(w, fmt::format("chunk: expected a number of pieces >= 1, found {}", count));
  const std::int64_t extent = x.shape()[at(along)];
  return split(x, std::max<std::int64_t>(1, extent / count + (extent % count != 0)), along, w);
}

std::vector<Tensor> unbind(const Tensor& x, int axis, Where w) {
  const int along = checked_axis(x, axis, "unbind", w);
  std::vector<Tensor> slices;
  for (std::int64_t i = 0; i < x.shape()[at(along)]; ++i) slices.push_back(select(x, along, i, w));
  return slices;
}

Tensor narrow(const Tensor& x, int axis, std::int64_t start, std::int64_t length, Where w) {
  const int along = checked_axis(x, axis, "narrow", w);
  const std::int64_t extent = x.shape()[at(along)];
  const std::int64_t begin = start < 0 && start >= -extent ? start + extent : start;
  if (begin < 0 || length < 0 || begin > extent || length > extent - begin)
    throw Error(w, fmt::format("narrow: axis {} of {} has no {} elements from {} on", axis,
                               described(x), length, start));
  if (length == extent) return x;
  return Tensor(build::slice_axis(x.value(), along, begin, begin + length, 1, w));
}

Tensor select(const Tensor& x, int axis, std::int64_t place, Where w) {
  const int along = checked_axis(x, axis, "select", w);
  const std::int64_t extent = x.shape()[at(along)];
  if (place < -extent || place >= extent)
    throw Error(w,
                fmt::format("select: axis {} of {} has no element {}", axis, described(x), place));
  return squeeze(narrow(x, along, place, 1, w), along, w);
}

namespace {

/// Python's slice of an axis.
Tensor sliced(const Tensor& x, int axis, const Slice& slice, Where w) {
  const std::int64_t extent = x.shape()[at(axis)], step = slice.step;
  if (step == 0)
    throw Error(w, fmt::format("index: expected a step other than 0 for {}", described(x)));
  const bool forward = step > 0;
  const auto bound = [&](std::optional<std::int64_t> given, std::int64_t otherwise) {
    if (!given) return otherwise;
    const std::int64_t place = *given < 0 ? *given + extent : *given;
    return forward ? std::clamp<std::int64_t>(place, 0, extent)
                   : std::clamp<std::int64_t>(place, -1, extent - 1);
  };
  const std::int64_t start = bound(slice.start, forward ? 0 : extent - 1),
                     stop = bound(slice.stop, forward ? extent : -1);
  // The elements start, start + step, … before stop.
  const std::int64_t span = forward ? stop - start : start - stop;
  if (span <= 0) return narrow(x, axis, 0, 0, w);
  // A step past the end takes one element, however long it is.
  const std::int64_t stride = std::clamp(step, -extent, extent) * (forward ? 1 : -1);
  const std::int64_t steps = (span - 1) / stride;
  if (forward) {
    if (start == 0 && stop == extent && stride == 1) return x;
    return Tensor(build::slice_axis(x.value(), axis, start, start + steps * stride + 1, stride, w));
  }
  const Value rising =
      build::slice_axis(x.value(), axis, start - steps * stride, start + 1, stride, w);
  return Tensor(build::reverse(rising, {axis}, w));
}

}  // namespace

Tensor index(const Tensor& x, std::span<const Index> indices, Where w) {
  const int rank = used(x, "index", w).type().rank();
  const auto is = []<class T>(const Index& i, T) { return std::holds_alternative<T>(i); };
  int named = 0, ellipses = 0;
  for (const Index& i : indices) {
    ellipses += is(i, Ellipsis{});
    named += !is(i, Ellipsis{}) && !is(i, NewAxis{});
  }
  if (named > rank || ellipses > 1)
    throw Error(w, fmt::format("index: expected at most {} indices and one Ellipsis for {}, found "
                               "{} and {}",
                               rank, described(x), named, ellipses));
  Tensor result = x;
  int axis = 0;
  for (const Index& i : indices) {
    if (is(i, Ellipsis{})) {
      axis += rank - named;
    } else if (is(i, NewAxis{})) {
      result = unsqueeze(result, axis++, w);
    } else if (const Slice* slice = std::get_if<Slice>(&i)) {
      result = sliced(result, axis++, *slice, w);
    } else {
      result = select(result, axis, std::get<std::int64_t>(i), w);
    }
  }
  return result;
}

Tensor index(const Tensor& x, std::initializer_list<Index> indices, Where w) {
  return index(x, std::span<const Index>(indices.begin(), indices.size()), w);
}

Tensor diagonal(const Tensor& x, std::int64_t offset, int first, int second, Where w) {
  used(x, "diagonal", w);
  const Ints axes = checked_axes(x, {first, second}, "diagonal", w);
  Tensor matrix = movedim(x, axes, {-2, -1}, w);
  const std::int64_t rows = matrix.size(-2), columns = matrix.size(-1);
  const std::int64_t row = std::clamp<std::int64_t>(-std::max(offset, -rows), 0, rows),
                     column = std::clamp<std::int64_t>(offset, 0, columns);
  const std::int64_t length = std::min(rows - row, columns - column);
  // In a square of n columns the next element of the diagonal is n + 1 further on.
  matrix = narrow(narrow(matrix, -2, row, length, w), -1, column, length, w);
  if (length == 0) return flatten(matrix, -2, -1, w);
  return sliced(flatten(matrix, -2, -1, w), matrix.dim() - 2, Slice{.step = length + 1}, w);
}

Tensor flip(const Tensor& x, const Ints& axes, Where w) {
  used(x, "flip", w);
  const Ints turned = checked_axes(x, axes, "flip", w);
  return turned.empty() ? x : Tensor(build::reverse(x.value(), turned, w));
}

Tensor roll(const Tensor& x, const Ints& shifts, const Ints& axes, Where w) {
  used(x, "roll", w);
  if (axes.empty() && shifts.size() == 1)
    return reshape(roll(reshape(x, {-1}, w), shifts, {0}, w), x.shape(), w);
  if (shifts.size() != axes.size())
    throw Error(w, fmt::format("roll: expected a shift for each axis, found [{}] for [{}] of {}",
                               join(shifts, ", "), join(axes, ", "), described(x)));
  Tensor result = x;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const int axis = checked_axis(x, axes[i], "roll", w);
    const std::int64_t extent = x.shape()[at(axis)];
    const std::int64_t shift = extent == 0 ? 0 : ((shifts[i] % extent) + extent) % extent;
    if (shift == 0) continue;
    result = cat({narrow(result, axis, extent - shift, shift, w),
                  narrow(result, axis, 0, extent - shift, w)},
                 axis, w);
  }
  return result;
}

namespace {

/// `count` elements for outside the low (or high) end of an axis.
Tensor outside(const Tensor& x, int axis, std::int64_t count, bool low, Padding mode, Where w) {
  const std::int64_t extent = x.shape()[at(axis)];
  switch (mode) {
    case Padding::reflect:
      return flip(narrow(x, axis, low ? 1 : extent - 1 - count, count, w), {axis}, w);
    case Padding::replicate: {
      const Tensor edge = narrow(x, axis, low ? 0 : extent - 1, 1, w);
      return expand(edge, with_extents(x.shape(), {axis}, count), w);
    }
    case Padding::circular:
      return narrow(x, axis, low ? extent - count : 0, count, w);
    case Padding::constant:
      break;
  }
  std::abort();
}

}  // namespace

Tensor pad(const Tensor& x, const Ints& pads, Padding mode, double value, Where w) {
  const int rank = used(x, "pad", w).type().rank();
  const auto fail = [&](std::string_view expected) -> Error {
    return {w, fmt::format("pad: expected {}, found [{}] for {}", expected, join(pads, ", "),
                           described(x))};
  };
  if (pads.size() % 2 != 0 || pads.size() > 2 * at(rank))
    throw fail("two numbers for each of the last axes");
  Ints low(at(rank), 0), high(at(rank), 0);
  for (std::size_t i = 0; i < pads.size() / 2; ++i) {
    low[at(rank) - 1 - i] = pads[2 * i];
    high[at(rank) - 1 - i] = pads[2 * i + 1];
  }
  for (int axis = 0; axis < rank; ++axis) {
    const std::int64_t extent = x.shape()[at(axis)];
    const std::int64_t before = low[at(axis)], after = high[at(axis)];
    constexpr std::int64_t kMost = std::int64_t{1} << 48;
    if (std::max(before, after) > kMost || std::min(before, after) < -extent ||
        extent + before + after < 0)
      throw fail("numbers that leave extents >= 0 and possible");
    const std::int64_t most = mode == Padding::reflect    ? extent - 1
                              : mode == Padding::circular ? extent
                                                          : kMost;
    if (mode != Padding::constant &&
        (std::max(before, after) > most || (extent == 0 && before + after > 0)))
      throw fail(mode == Padding::reflect ? "less than an axis has elements"
                                          : "no more than an axis has elements");
  }
  if (mode == Padding::constant) {
    const Value filler = x.value().graph().splat(Type{x.dtype(), {}}, value);
    return Tensor(build::pad(x.value(), filler, low, high, {}, w));
  }
  Tensor result = x;
  for (int axis = 0; axis < rank; ++axis) {
    const std::int64_t before = low[at(axis)], after = high[at(axis)];
    const std::int64_t drop_before = std::max<std::int64_t>(-before, 0),
                       drop_after = std::max<std::int64_t>(-after, 0);
    std::vector<Tensor> parts;
    if (before > 0) parts.push_back(outside(result, axis, before, true, mode, w));
    parts.push_back(
        narrow(result, axis, drop_before, result.shape()[at(axis)] - drop_before - drop_after, w));
    if (after > 0) parts.push_back(outside(result, axis, after, false, mode, w));
    result = cat(parts, axis, w);
  }
  return result;
}

}  // namespace kiln
