// Reverse-mode differentiation, symbolically: gradients are more graph, built from the `gradient`
// cells of the op table, so they can be fused, printed and differentiated again.
//
//   before:  %1 = multiply %x, %x          wrt: %x
//            %2 = reduce add %1 over [0]
//   after:   %3 = broadcast_in_dim 1.0 to x's shape
//            %4 = multiply %3, %x
//            %5 = add %4, %4               <- the gradient
//
// Only nodes on a path of floats from `wrt` to the output are visited. The method is that of
// Griewank and Walther, Evaluating Derivatives (2008), chapter 3. What has regions (case, while,
// composites) is in passes/region_gradient and passes/loop_gradient.
#pragma once

#include <span>
#include <vector>

#include "ir/graph.h"

namespace kiln {

/// d(Σ outputs · cotangents) / d(wrt[i]), one value of wrt[i]'s type each; zeros where an output
/// does not depend on it. Cotangents have the outputs' types. Throws Error, naming the op, where a
/// non-differentiable op lies on a path.
std::vector<Value> gradients(std::span<const Value> outputs, std::span<const Value> cotangents,
                             std::span<const Value> wrt);

/// The same with zeros left out: an empty cotangent is zero, and so is an empty result.
std::vector<Value> nonzero_gradients(std::span<const Value> outputs,
                                     std::span<const Value> cotangents, std::span<const Value> wrt);

}  // namespace kiln
