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
// sum is ever computed twice, and an elementary function only where several results, too large for
// the caches, are functions of one value that is stored instead of them:
//
//   before:  %5:3 = call @contract_0(%x, %w)  { return erf(x·w), exp(-(x·w)²), … }
//   after:   %5 = call @contract_0(%x, %w)    { return x·w, … }
//
// It is a function of the very same bits by the same code, so its value is the same. No result of a
// kernel that sums anything but products moves, and into one only what is read as the old operand
// was, as the order of its sums follows from how its memory lies.
//
// Requires: a fused function.  Leaves: a fused function, with fewer or smaller results of kernels.
#pragma once

#include "ir/graph.h"

namespace kiln {

void rematerialise(Function& function);

}  // namespace kiln
