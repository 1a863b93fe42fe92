// The schedule of contractions: register tiles (passes/micro_tile), and what lies between them.
//
//   before:  kernel @contract_0 contract  dims p0=64 parallel, p1=256 parallel, r2=784
//              e0 = load b0[784·p0 + r2]  e1 = load b1[p1 + 256·r2]  #0 = sum of e0 · e1 over r2 …
//   after:   for each panel of 32 columns: for each 11 rows: a register tile; epilogue; stores
//
// The operand that varies along the vector dimension is read as vectors. Where its memory lies along
// the contracted dimension instead (A·Bᵀ), each panel of it is transposed into memory of the kernel's
// own just before use. Products beyond the caches go block by block: a chunk is a block of rows and
// of columns; of the second factor, a block of its columns and of k is copied together, panel by
// panel, and met by all the chunk's rows before the next, sums waiting in the kernel's own memory:
//
//   for each 256 rows and 256 columns: for each 384 of k: pack; for each panel: for each 12 rows:
//     the sums so far; a register tile; after the last of k the epilogue, else the sums are kept
//
// Each output is one ascending chain of fused multiply-adds all the same, so neither tiles, blocks
// nor packing change a bit of the result. The epilogue is evaluated on the accumulators.
#pragma once

#include "ir/loop.h"
#include "ir/space.h"
#include "passes/vectorise.h"

namespace kiln {

/// One float contraction of two loads, with stores over all its result's points and nothing else.
bool is_tileable(const space::Kernel& space);
loop::Kernel tile(const space::Kernel& space, const VectorTarget& target);

}  // namespace kiln
