// Sums of the same terms in several directions, in one pass over the terms: the gradients of what
// was broadcast against each other.
//
//   before:  kernel row  dims p0=256 parallel, r1=128, r2=64
//              e = …                                   what is dear, computed once
//              #0 = add of e over r2   #1 = add of e over r1   #2 = add of e · w over r1, r2
//   after:   for 16 p0:  sums1[r2] = 0;  s2 = 0
//              for r1:  s0 = 0
//                for r2:  e;  s0 += e;  sums1[r2] += e;  s2 += e · w
//                store s0
//              store s2;  for r2: store sums1[r2]
//
// The order of the loops is the one with the least traffic. A sum over the innermost ones runs in a
// register, another lies in memory of the kernel's own, 16 columns wide. Each is one ascending
// chain over the loops in their order, which follows from the shape alone.
#pragma once

#include "ir/loop.h"
#include "ir/space.h"
#include "passes/vectorise.h"

namespace kiln {

/// Several sums, none waiting for another, over all that is not parallel between them, and a
/// parallel dimension that lies along vectors.
bool is_cross_sums(const space::Kernel& space);
loop::Kernel schedule_cross_sums(const space::Kernel& space, const VectorTarget& target);

}  // namespace kiln
