// The schedule of streams: blocks of rows, stage by stage, with what a block needs in the caches.
//
//   before:  kernel @stream_0 stream  dims p0=64 parallel, p1=512 parallel, r2=512, r3=64, r4=64
//              #0 = sum of q · kt over r3      #1 = maximum of #0 over r2
//              #2 = add of e over r2           #3 = sum of e · v over r2       store … = #3 / #2
//   after:   for each p0, each block of 64 rows p1:
//              register tiles of #0 → 64x512 of the kernel's own memory
//              for each row: its maximum;  for each row: e and its sum, e where #0 was
//              register tiles of #3, divided by the row's sum as they are stored
//
// One dimension, the rows, is that which every reduction keeps whose result is read again. Where
// some reduction sums over the rows themselves (the gradients of keys and values), its results
// are accumulated in memory from block to block, each one ascending chain; then the blocks of one
// point of the other parallel dimensions are one chunk. Columns that a mask hides from all rows of
// a block are left out: by a causal mask's shape, or, once the rows' maxima are known, by what the
// mask holds (StreamLimit). Element-wise values that only one contraction's result leads to are
// evaluated on its accumulators. Blocks follow from the shape.
#pragma once

#include "ir/loop.h"
#include "ir/space.h"
#include "passes/vectorise.h"

namespace kiln {

/// Whether rows can be found, and a block of them fits.
bool is_streamable(const space::Kernel& space);
loop::Kernel schedule_stream(const space::Kernel& space, const VectorTarget& target);

}  // namespace kiln
