// The gradient of reduce.
#pragma once

#include <span>
#include <vector>

#include "ir/op.h"

namespace kiln {

/// Each value by what the region does with it. add: every element has the cotangent. maximum,
/// minimum: tied extrema share it equally (PyTorch's amax). multiply: the product of the others. A
/// choice among the elements (the region of an argmax): the chosen one has it. Anything else is not
/// differentiable.
std::vector<Value> gradient_reduce(const Node& node, std::span<const Value> cotangents);

}  // namespace kiln
