// Ops whose elements wait for each other, straight from the graph to loops: scatter and sort; and
// dynamic_update_slice where it is done in place, so that only the update is touched.
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
loop::Kernel update_loops(const space::Kernel& space);

/// Where a result of the kernel lies.
space::Source result_source(const space::Kernel& space, std::size_t result);
/// result i = operand i, for an op that then updates it.
void copy_operand(loop::Builder& builder, const space::Kernel& space, std::size_t i);

/// body(first, active) for all of n neighbouring points, 16 at a time.
template <class F>
void vectors(loop::Builder& builder, const std::string& name, std::int64_t n, F&& body) {
  const std::int64_t full = n / loop::kLanes * loop::kLanes;
  if (full > 0)
    builder.loop(name, {0}, {full}, loop::kLanes,
                 [&](loop::Var v) { body(loop::Affine::of(v), loop::kLanes); });
  if (full < n) body(loop::Affine(full), static_cast<int>(n - full));
}

}  // namespace kiln
