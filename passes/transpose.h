// Copies that turn memory round: read along one dimension, written along another.
//
//   before:  kernel @map_0 map  dims p0=8 parallel, p1=64 parallel, p2=512 parallel
//              store b1[32768·p0 + 512·p1 + p2] = load b0[32768·p0 + p1 + 64·p2]
//   after:   for each p0, each 16 p2:  transpose 16x64 b0[32768·p0 + 64·p2 …] to b1[…]
//
// A vector along either dimension would gather or scatter; tiles are transposed in registers.
#pragma once

#include "ir/loop.h"
#include "ir/space.h"

namespace kiln {

/// A copy of 4-byte elements, all dimensions parallel, that is such a one, with full tiles to turn.
bool is_transposing(const space::Kernel& space);
loop::Kernel schedule_transpose(const space::Kernel& space);

}  // namespace kiln
