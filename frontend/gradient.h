// Gradients of traced code: torch.autograd.grad, and the transforms JAX calls grad and
// value_and_grad. All symbolic, so they nest.
#pragma once

#include <concepts>
#include <utility>
#include <vector>

#include "frontend/module.h"
#include "frontend/tensor.h"

namespace kiln {

/// d(scalar y)/d(x) for each x. Throws Error when y is not a float scalar, or naming the op when
/// something on the way has no derivative.
std::vector<Tensor> grad(const Tensor& y, const std::vector<Tensor>& x,
                         Where where = Where::current());

/// loss() and its gradients with respect to parameters:
///   auto [loss, grads] = value_and_grad([&] { return cross_entropy(net(x), y); },
///   net.parameters());
template <std::invocable F>
std::pair<Tensor, std::vector<Tensor>> value_and_grad(F&& loss,
                                                      const std::vector<Parameter>& parameters,
                                                      Where where = Where::current()) {
  const std::vector<Tensor> wrt(parameters.begin(), parameters.end());
  const Tensor value = loss();
  return {value, grad(value, wrt, where)};
}

/// A function of one tensor with a scalar result → the function of its gradient.
template <class F>
  requires std::invocable<F, Tensor>
auto grad(F f, Where where = Where::current()) {
  return [f = std::move(f), where](const Tensor& x) { return grad(f(x), {x}, where)[0]; };
}

}  // namespace kiln
