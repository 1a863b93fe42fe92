// Derivatives of what runs regions once: case, composite. Of loops: passes/loop_gradient.
//
//   before:  %y = case %i, %x { sine %x } { multiply %x, %x }
//   after:   %g = case %i, %x, %ct { multiply %ct, cosine %x } { … %ct, %x … }
#pragma once

#include <span>
#include <vector>

#include "ir/graph.h"

namespace kiln {

/// The gradient of a region's results with respect to some of its parameters, in terms of its
/// parameters 0 … n-1 and of the cotangents of `results`, which are the parameters from n on. Empty
/// where it is zero.
std::vector<Value> pullback(Graph& graph, const Region& region, std::span<const int> results,
                            std::span<const int> wrt);

/// Cotangents of the operands, given those of the results and the operands that have any (empty:
/// zero in both). Of a case: a case of the branches' gradients, which take the operands again.
std::vector<Value> gradient_of_case(const Node& node, std::span<const Value> cotangents,
                                    std::span<const int> wrt);
/// Of a composite: its second region if it has one (a derivative of its own: takes the operands,
/// then a cotangent for each result; gives one for each float operand), else its decomposition's.
/// kiln.stop_gradient has none.
std::vector<Value> gradient_of_composite(const Node& node, std::span<const Value> cotangents,
                                         std::span<const int> wrt);

}  // namespace kiln
