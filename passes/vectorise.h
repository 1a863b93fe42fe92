// From an iteration space to loops of explicit vectors.
//
//   before:  kernel @map_0 map  dims p0=16384 parallel
//              e0 = load b0[p0]   e1 = tanh e0   store b1[p0] = e1
//   after:   for chunk = begin to end { for i = 4096·chunk to min(…) step 16 {
//              %0 = load f32x16 %0[i]  …  store … } }
//
// Kernels of rows take a block of rows at a time, stage by stage (split_rows): within a stage rows
// are independent, so their latencies overlap, and what is computed once a row is computed for 16
// at once; so are the lanes of 16 rows' reductions combined (passes/chains). Sums down columns run
// over several vectors of columns abreast, so that memory is walked along for some cache lines.
//
// One dimension is walked 16 points at a time: a parallel one where memory lies along it
// ("columns"), else, in each loop nest, the one its operands lie along ("rows"); a reduction along
// the vector dimension runs over 16 logical lanes that are combined by halving at the end. Chunks,
// splits and lanes follow from the shape alone, so results do not depend on the CPU or the number
// of threads; only tile sizes (passes/tile), which change no result, look at the target.
#pragma once

#include "ir/loop.h"
#include "ir/space.h"

namespace kiln {

/// What a schedule may know of the machine.
struct VectorTarget {
  int vector_bytes = 64;
  int vector_registers = 32;
  /// Whether it has fused multiply-adds; without, they are calls. As good as all processors with
  /// wide registers do.
  bool multiply_adds() const { return vector_bytes >= 32; }
};

loop::Kernel vectorise(const space::Kernel& space, const VectorTarget& target);

}  // namespace kiln
