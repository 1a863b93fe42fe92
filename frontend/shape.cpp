#include "frontend/shape.h"

#include <algorithm>

#include "frontend/checks.h"
#include "ir/build.h"

namespace kiln {
Tensor reshape(const Tensor& x, Ints dims, Where w) {
  const std::int64_t count = used(x, "reshape", w).type().count();
  const auto fail = [&, asked = dims]() -> Error {
    return {w, fmt::format("reshape: {} has {} elements, which do not fit [{}]",
                           described(x.value()), count, join(asked, ", "))};
  };
  std::int64_t* unknown = nullptr;
  std::int64_t known = 1;
  for (std::int64_t& extent : dims) {
    if (extent == -1 && unknown == nullptr)
      unknown = &extent;
    else if (extent < 0 || (extent > 0 && known > (std::int64_t{1} << 48) / extent))
      throw fail();
    else
      known *= extent;
  }
  if (unknown != nullptr && known > 0 && count % known == 0)
    *unknown = count / known;
  else if (unknown != nullptr || known != count)
    throw fail();
  return Tensor(build::reshape(x.value(), dims, w));
}

Tensor flatten(const Tensor& x, int first, Where w) {
  const auto axis = static_cast<std::size_t>(checked_axis(x, first, "flatten", w));
  Ints dims(x.shape().begin(), x.shape().begin() + static_cast<std::ptrdiff_t>(axis));
  dims.push_back(element_count(std::span(x.shape()).subspan(axis)));
  return reshape(x, dims, w);
}

Tensor permute(const Tensor& x, Ints axes, Where w) {
  const Ints asked = axes;
  for (std::int64_t& axis : axes) axis = checked_axis(x, axis, "permute", w);
  Ints sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  if (sorted != iota_axes(0, used(x, "permute", w).type().rank()))
    throw Error(w, fmt::format("permute: expected each axis of {} once, found [{}]",
                               described(x.value()), join(asked, ", ")));
  return Tensor(build::transpose(x.value(), axes, w));
}

Tensor transpose(const Tensor& x, int a, int b, Where w) {
  Ints axes = iota_axes(0, used(x, "transpose", w).type().rank());
  std::swap(axes[static_cast<std::size_t>(checked_axis(x, a, "transpose", w))],
            axes[static_cast<std::size_t>(checked_axis(x, b, "transpose", w))]);
  return permute(x, axes, w);
}

Tensor unsqueeze(const Tensor& x, int axis, Where w) {
  const int rank = used(x, "unsqueeze", w).type().rank() + 1;
  if (axis < -rank || axis >= rank)
    throw Error(w, fmt::format("unsqueeze: axis {} does not fit {}", axis, described(x.value())));
  Ints dims = x.shape();
  dims.insert(dims.begin() + (axis < 0 ? axis + rank : axis), 1);
  return reshape(x, dims, w);
}

Tensor squeeze(const Tensor& x, int axis, Where w) {
  const int at = checked_axis(x, axis, "squeeze", w);
  Ints dims = x.shape();
  if (dims[static_cast<std::size_t>(at)] == 1) dims.erase(dims.begin() + at);
  return reshape(x, dims, w);
}

Tensor expand(const Tensor& x, Ints dims, Where w) {
  if (common_shape(used(x, "expand", w).type().dims, dims) != dims)
    throw Error(w, fmt::format("expand: {} does not stretch to [{}]", described(x.value()),
                               join(dims, ", ")));
  return Tensor(stretched(x.value(), dims, w));
}

}  // namespace kiln
