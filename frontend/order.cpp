#include "frontend/order.h"

#include "frontend/checks.h"
#include "frontend/elementwise.h"
#include "frontend/reduction.h"
#include "frontend/select.h"
#include "ir/build.h"

namespace kiln {
Tensor argmax(const Tensor& x, int axis, Where w) {
  // The smallest index among those that hold the maximum (or the NaNs, where there are any).
  const int at = checked_axis(x, axis, "argmax", w);
  if (x.shape()[static_cast<std::size_t>(at)] == 0)
    throw Error(w, fmt::format("argmax: axis {} of {} is empty", axis, described(x.value())));
  const Tensor top = amax(x, {at}, true, w);
  const Tensor nan = ne(x, x, w);
  const Tensor holds =
      kiln::where(ne(top, top, w), to(nan, DType::i64, w), to(eq(x, top, w), DType::i64, w), w);
  const Tensor index(build::iota(x.value().graph(), Type{DType::i64, x.shape()}, at, w));
  const double beyond = static_cast<double>(x.shape()[static_cast<std::size_t>(at)]);
  return amin(kiln::where(gt(holds, 0.0, w), index, beyond, w), {at}, false, w);
}

}  // namespace kiln
