// Ops whose elements wait for each other, straight from the graph to loops: scatter and sort.
//
//   before:  kernel @sort_0 sort  buffers b0: f32[64] in, b1: f32[64] out, b2: i64[128] scratch
//              sort of b0
//   after:   for chunk = begin to end { for … carry … }  (passes/sort.cpp)
#pragma once

#include <vector>

#include "ir/graph.h"
#include "ir/loop.h"
#include "ir/space.h"

namespace kiln {

/// Memory that the op's kernel needs beside operands and results.
std::vector<Type> scratch_types(const Node& node);
/// The loops of a kernel that is a sequential op.
loop::Kernel sequential(const space::Kernel& space);

loop::Kernel scatter_loops(const space::Kernel& space);
loop::Kernel sort_loops(const space::Kernel& space);

}  // namespace kiln
