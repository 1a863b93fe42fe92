// Straight-line statements in an order that keeps a core's pipes busy.
//
//   before:  %1 = mul %0, %k   %2 = fma %1, %1, %c   %3 = fma %2, %1, %d     a chain of row 0,
//            %5 = mul %4, %k   %6 = fma %5, %5, %c   %7 = fma %6, %5, %d     then one of row 1
//   after:   %1 = mul %0, %k   %5 = mul %4, %k   %2 = fma %1, %1, %c   %6 = fma %5, %5, %c   …
//
// Unrolled rows come out one after the other, each a chain of operations that wait for each other,
// longer than a core looks ahead. A list scheduler (Cooper and Torczon, Engineering a Compiler,
// 12.3) with a window over the statements, which bounds how many values are alive at once, takes
// what is ready first. A run in which nothing waits, a product's tile, stays as it is. Nothing is
// computed otherwise, so no bit changes. Code generation keeps the order (codegen/jit.cpp).
#pragma once

#include "ir/loop.h"

namespace kiln {

void interleave(loop::Kernel& kernel);

}  // namespace kiln
