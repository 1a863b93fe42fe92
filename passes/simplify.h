// Rewrites by named rules until none applies.
//
//   before:  %1 = multiply %0, 1.0        after:  %0
//   before:  %2 = transpose %0, [1, 0]    after:  dot_general %0, %1, contracting [0] x [0]
//            dot_general %2, %1, contracting [1] x [0]
//
// The law: a rule never changes a bit of a result (a NaN's payload aside), and each makes the graph
// smaller, cheaper, or more canonical, so that the rewriting ends. Element-wise rules are data: a
// pattern and a replacement over wildcards, written with the graph's own ops, which can be run
// (each is tested on values, special ones too). Rules about shapes are functions.
#pragma once

#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace kiln {

void simplify(Function& function);

/// An element-wise rule as data, over scalars of `dtype`: parameters are wildcards.
struct ElementwiseRule {
  std::string_view name;
  DType dtype;
  Value pattern;
  Value replacement;
};
/// All of them, for tests.
const std::vector<ElementwiseRule>& elementwise_rules();

}  // namespace kiln
