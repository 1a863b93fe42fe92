// The schedule of contractions: register tiles.
//
//   before:  kernel @contract_0 contract  dims p0=64 parallel, p1=256 parallel, r2=784
//              e0 = load b0[784·p0 + r2]  e1 = load b1[p1 + 256·r2]  #0 = sum of e0 · e1 over r2 …
//   after:   for each panel of 32 columns: for each 8 rows:
//              16 accumulators; for r2: 2 vector loads, 8 broadcasts, 16 fma; epilogue; 16 stores
//
// The operand that varies along the vector dimension is read as vectors; where its memory lies
// along the contracted dimension instead (A·Bᵀ), each panel of it is transposed into memory of the
// kernel's own just before use; where a panel's rows lie far apart (a large B), it is copied there.
// Each output is one ascending chain of fused multiply-adds, so neither the tile nor the packing
// changes a bit of the result. The epilogue is evaluated on the accumulators.
#pragma once

#include "ir/loop.h"
#include "ir/space.h"
#include "passes/vectorise.h"

namespace kiln {

/// One float contraction of two loads, with stores over all its result's points and nothing else.
bool is_tileable(const space::Kernel& space);
loop::Kernel tile(const space::Kernel& space, const VectorTarget& target);

}  // namespace kiln
