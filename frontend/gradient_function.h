// The gradient of a whole function, as a function: what `kiln grad` prints.
#pragma once

#include <span>

#include "ir/graph.h"

namespace kiln {

/// Takes the function's arguments and gives its results, then d(Σ results · cotangents) /
/// d(argument) for each argument of `wrt` (by default all floats). The cotangent of a scalar is 1;
/// of every other float result it is a further argument. Nothing is updated in place any more.
///   before:  main(x: f32[3], w: f32[3,2]) -> f32[2]
///   after:   main(x, w, arg2: f32[2]) -> f32[2], f32[3], f32[3,2]
/// Throws Error for an argument that does not exist or is no float, for a function without float
/// results, and, naming the op, where something on the way has no derivative.
Function gradient_function(const Function& function, std::span<const int> wrt = {});

}  // namespace kiln
