#include "frontend/tensor.h"

#include "frontend/checks.h"

namespace kiln {

std::int64_t Tensor::size(int axis, Where where) const {
  return shape()[static_cast<std::size_t>(checked_axis(*this, axis, "size", where))];
}

Tensor stop_gradient(const Tensor& x, Where w) {
  Graph& graph = used(x, "stop_gradient", w).graph();
  const Value inside = graph.parameter(0, x.type());
  return Tensor(Value{graph.make(Op::composite, {x.value()}, CallAttrs{"kiln.stop_gradient", ""},
                                 std::nullopt, {Region{{x.type()}, {inside}}}, w),
                      0});
}

}  // namespace kiln
