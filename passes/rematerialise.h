// Computes cheap values again where they are read, instead of keeping them in memory until then.
//
//   before:  %5:2 = call @contract_0(%x, %w)      { %p = x·w <= 0   return select(%p, 0, x·w), %p }
//            %9 = call @contract_6(%g, %v, %5#1)  { return select(%5#1, 0, g·v) }
//   after:   %5 = call @contract_0(%x, %w)        { return select(x·w <= 0, 0, x·w) }
//            %9 = call @contract_6(%g, %v, %5)    { return select(%5 <= 0, 0, g·v) }
//
// A kernel's result moves into the kernels that read it when it is a few element-wise operations
// away from values that are in memory then anyway: operands or other results of the kernel that
// made it. A comparison with what a select replaced is found again in that select's result. No
// sum and no elementary function is ever computed twice: what feeds a maximum and the shift by it
// must be one value, and storing it is cheaper. Nor does a value move out of or into a kernel that
// sums anything but products, as the order of its sums follows from how its operands and results
// lie in memory: results keep their bits.
//
// Requires: a fused function.  Leaves: a fused function, with fewer or smaller results of kernels.
#pragma once

#include "ir/graph.h"

namespace kiln {

void rematerialise(Function& function);

}  // namespace kiln
