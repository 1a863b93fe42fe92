#include "frontend/creation.h"

#include "frontend/checks.h"
#include "frontend/elementwise.h"
#include "frontend/shape.h"
#include "frontend/trace.h"
#include "ir/build.h"

namespace kiln {
namespace {

/// i1 [..., classes]: whether the class is the index.
Tensor is_class(const Tensor& index, std::int64_t classes, Where where) {
  // Counted in 32 bits at least: a count in 8 would come round to the index again.
  const Tensor wide = size_of(index.dtype()) < 4 ? to(index, DType::i32, where) : index;
  Ints dims = wide.shape();
  dims.push_back(classes);
  const Tensor number(build::iota(wide.value().graph(), Type{wide.dtype(), dims},
                                  static_cast<std::int64_t>(dims.size()) - 1, where));
  return eq(unsqueeze(wide, -1, where), number, where);
}

}  // namespace

Tensor full(Ints dims, double value, DType dtype, Where w) {
  return Tensor(Trace::current("full", w).graph().splat(Type{dtype, std::move(dims)}, value, w));
}

Tensor arange(std::int64_t n, DType dtype, Where w) {
  if (n < 0) throw Error(w, fmt::format("arange: expected a length >= 0, found {}", n));
  return Tensor(build::iota(Trace::current("arange", w).graph(), Type{dtype, {n}}, 0, w));
}

Tensor constant(const Array& value, Where w) {
  return Tensor(Trace::current("constant", w).graph().constant(value, w));
}

Tensor one_hot(const Tensor& index, std::int64_t classes, DType dtype, Where w) {
  if (classes < 0)
    throw Error(w, fmt::format("one_hot: expected a number of classes >= 0, found {}", classes));
  if (!is_integer(used(index, "one_hot", w).type().dtype))
    throw Error(
        w, fmt::format("one_hot: expected integer classes, found {}", described(index.value())));
  return to(is_class(index, classes, w), dtype, w);
}

}  // namespace kiln
