// From a fused kernel (a called region) to its iteration space: views become affine maps,
// reductions and contractions become reductions over dimensions, everything is given a level.
//
//   before:  func.func private @row_2(%arg0: tensor<64x10xf32>) { reduce max, subtract, … }
//   after:   kernel @row_2 row  dims p0=64 parallel, r1=10 … (see ir/space.h)
//
// An indexed op (pad, gather) is an expression that reads memory where the op says; where that turns
// out to be one affine place (slice, reverse, a window without padding) it is a plain load.
// A sequential op (scatter, sort) has no iteration space: the kernel names it.
//
// Requires: the region's axes unify (passes/fuse saw to it).
#pragma once

#include "ir/graph.h"
#include "ir/space.h"

namespace kiln {

/// The iteration space of a call made by passes/fuse; buffers are its operands, then its results,
/// then scratch.
space::Kernel lower(const Node& call);

}  // namespace kiln
