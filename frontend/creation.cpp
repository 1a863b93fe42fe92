#include "frontend/creation.h"

#include <cmath>

#include "frontend/checks.h"
#include "frontend/elementwise.h"
#include "frontend/select.h"
#include "frontend/shape.h"
#include "frontend/trace.h"
#include "ir/build.h"

namespace kiln {
namespace {

Tensor counting(Graph& graph, Type type, int axis, Where w) {
  return Tensor(build::iota(graph, std::move(type), axis, w));
}

/// Column minus row in the last two axes, i64.
Tensor right_of_diagonal(Graph& graph, Ints dims, Where w) {
  const Type type{DType::i64, std::move(dims)};
  return sub(counting(graph, type, type.rank() - 1, w), counting(graph, type, type.rank() - 2, w),
             w);
}

void check_matrices(const Tensor& x, std::string_view op, Where w) {
  if (used(x, op, w).type().rank() < 2)
    throw Error(w,
                fmt::format("{}: expected a tensor of rank 2 or more, found {}", op, described(x)));
}

void check_holds(DType dtype, double value, std::string_view op, Where w) {
  if (!is_float(dtype) && Array::full(Type{dtype, {}}, value).item() != value)
    throw Error(
        w, fmt::format("{}: expected a number that {} holds, found {}", op, name_of(dtype), value));
}

}  // namespace

Tensor full(Ints dims, double value, DType dtype, Where w) {
  check_holds(dtype, value, "full", w);
  return Tensor(Trace::current("full", w).graph().splat(Type{dtype, std::move(dims)}, value, w));
}
Tensor zeros(Ints dims, DType dtype, Where w) { return full(std::move(dims), 0, dtype, w); }
Tensor ones(Ints dims, DType dtype, Where w) { return full(std::move(dims), 1, dtype, w); }
Tensor full_like(const Tensor& x, double value, Where w) {
  check_holds(used(x, "full_like", w).type().dtype, value, "full_like", w);
  return Tensor(x.value().graph().splat(x.type(), value, w));
}
Tensor zeros_like(const Tensor& x, Where w) { return full_like(x, 0, w); }
Tensor ones_like(const Tensor& x, Where w) { return full_like(x, 1, w); }
Tensor constant(const Array& value, Where w) {
  return Tensor(Trace::current("constant", w).graph().constant(value, w));
}

Tensor arange(std::int64_t n, DType dtype, Where w) {
  if (n < 0) throw Error(w, fmt::format("arange: expected a length >= 0, found {}", n));
  return counting(Trace::current("arange", w).graph(), Type{dtype, {n}}, 0, w);
}

Tensor arange_between(double start, double end, double step, DType dtype, Where w) {
  const double count = std::max(0.0, std::ceil((end - start) / step));
  if (!(std::isfinite(start) && std::isfinite(step) && count < 0x1p48))
    throw Error(w, fmt::format("arange: expected a finite number of steps, found {} to {} by {}",
                               start, end, step));
  const auto n = static_cast<std::int64_t>(count);
  if (is_integer(dtype)) return add(mul(arange(n, dtype, w), step, w), start, w);
  // In f64, then rounded once.
  return to(add(mul(arange(n, DType::f64, w), step, w), start, w), dtype, w);
}

Tensor linspace(double start, double end, std::int64_t count, DType dtype, Where w) {
  if (count < 0)
    throw Error(w, fmt::format("linspace: expected a number of steps >= 0, found {}", count));
  // From both ends, so that both are exact.
  const double step = count > 1 ? (end - start) / static_cast<double>(count - 1) : 0;
  const Tensor i = arange(count, DType::f64, w);
  const Tensor rising = add(mul(i, step, w), start, w),
               falling = sub(end, mul(sub(static_cast<double>(count - 1), i, w), step, w), w);
  return to(kiln::where(lt(i, static_cast<double>((count + 1) / 2), w), rising, falling, w), dtype,
            w);
}

Tensor eye(std::int64_t rows, std::int64_t columns, DType dtype, Where w) {
  if (columns == -1) columns = rows;
  if (rows < 0 || columns < 0)
    throw Error(w, fmt::format("eye: expected extents >= 0, found {} and {}", rows, columns));
  Graph& graph = Trace::current("eye", w).graph();
  return to(eq(right_of_diagonal(graph, {rows, columns}, w), 0.0, w), dtype, w);
}

Tensor tril(const Tensor& x, std::int64_t offset, Where w) {
  check_matrices(x, "tril", w);
  const Tensor right = right_of_diagonal(x.value().graph(), x.shape(), w);
  return kiln::where(le(right, static_cast<double>(offset), w), x, 0.0, w);
}
Tensor triu(const Tensor& x, std::int64_t offset, Where w) {
  check_matrices(x, "triu", w);
  const Tensor right = right_of_diagonal(x.value().graph(), x.shape(), w);
  return kiln::where(ge(right, static_cast<double>(offset), w), x, 0.0, w);
}

Tensor one_hot(const Tensor& index, std::int64_t classes, DType dtype, Where w) {
  if (classes < 0)
    throw Error(w, fmt::format("one_hot: expected a number of classes >= 0, found {}", classes));
  used_integer(index, "one_hot", w);
  // Counted in 32 bits at least: a count in 8 would come round to the index again.
  const Tensor wide = size_of(index.dtype()) < 4 ? to(index, DType::i32, w) : index;
  Ints dims = wide.shape();
  dims.push_back(classes);
  const Tensor number = counting(wide.value().graph(), Type{wide.dtype(), dims},
                                 static_cast<int>(dims.size()) - 1, w);
  return to(eq(unsqueeze(wide, -1, w), number, w), dtype, w);
}

}  // namespace kiln
