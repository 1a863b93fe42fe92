#include "frontend/gradient.h"

#include "passes/autodiff.h"

namespace kiln {

std::vector<Tensor> grad(const Tensor& y, const std::vector<Tensor>& x, Where where) {
  if (y.dim() != 0 || !is_float(y.dtype()))
    throw Error(where, fmt::format("grad: expected a float scalar to differentiate, found {}; "
                                   "reduce it with sum or mean",
                                   y.type().pretty()));
  std::vector<Value> wrt;
  for (const Tensor& tensor : x) wrt.push_back(tensor.value());
  const Value one = y.value().graph().splat(y.type(), 1);
  std::vector<Tensor> results;
  for (Value gradient : gradients(std::vector{y.value()}, std::vector{one}, wrt))
    results.emplace_back(gradient);
  return results;
}

}  // namespace kiln
