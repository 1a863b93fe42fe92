#include "frontend/select.h"

#include "frontend/checks.h"
#include "ir/build.h"

namespace kiln {
Tensor where(const Tensor& condition, const Operand& yes, const Operand& no, Where w) {
  if (yes.is_number() && no.is_number())
    throw Error(w, "where: expected a tensor among the two choices, found only numbers");
  auto v = broadcast_together("where", {yes, no}, w);
  const auto dims = common_shape(used(condition, "where", w).type().dims, v[0].type().dims);
  if (condition.dtype() != DType::i1 || !dims)
    throw Error(w, fmt::format("where: expected an i1 condition that broadcasts with the choices, "
                               "found {} and {}",
                               described(condition.value()), v[0].type().pretty()));
  return Tensor(build::select(stretched(condition.value(), *dims, w), stretched(v[0], *dims, w),
                              stretched(v[1], *dims, w), w));
}

}  // namespace kiln
