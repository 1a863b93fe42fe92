// scan: a loop over the slices of tensors, carrying state, as jax.lax.scan.
//
//   auto [h, ys] = scan([&](const Tensor& h, const Tensor& x) {
//     const Tensor next = tanh(linear(x, w) + linear(h, u));
//     return std::pair{next, next};                  // the next carry, this slice's output
//   }, h0, xs);                                      // xs [T, ...]: ys [T, ...]
//
// It is one `while` with a static trip count, however long the sequence: the body is traced and
// compiled once. What the body uses from outside is captured.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "frontend/tensor.h"

namespace kiln {

/// The carry and the outputs: of one slice where the body returns it; of all, the outputs stacked
/// along a new first axis, where scan does.
struct Scanned {
  std::vector<Tensor> carry;
  std::vector<Tensor> outputs;
};
using ScanBody =
    std::function<Scanned(const std::vector<Tensor>& carry, const std::vector<Tensor>& slices)>;

/// Calls the body for each index of the first axis of `xs`, which all have, in ascending order (in
/// descending order where `reverse`); outputs lie where their slices did. The carry keeps its
/// types.
Scanned scan(const ScanBody& body, const std::vector<Tensor>& carry, const std::vector<Tensor>& xs,
             bool reverse = false, Where where = Where::current());

/// The same with one carry, one input and one output.
std::pair<Tensor, Tensor> scan(
    const std::function<std::pair<Tensor, Tensor>(const Tensor& carry, const Tensor& slice)>& body,
    const Tensor& carry, const Tensor& xs, bool reverse = false, Where where = Where::current());

}  // namespace kiln
