// Gathers nodes into kernels: each becomes a called private function, whose inside is one iteration
// space (passes/lower).
//
//   before:  %2 = dot_general %x, %w          after:  %2 = call @contract_0(%x, %w, %b)
//            %4 = add %2, broadcast %b                func.func private @contract_0 … {
//            %7 = select (%4 <= 0), 0, %4               dot_general, add, compare, select }
//
// Fusion follows data flow and iteration spaces, no catalogue of patterns: a node joins the kernel
// that computes an operand when (1) no path leads from that kernel through another one back into
// the node, (2) its axes unify with the kernel's (passes/axes), (3) the kernel keeps its parallel
// points, or what it loses is small enough to stay in cache. What is used elsewhere becomes a
// result.
//
// An op that reads memory at places of its own (slice, pad, gather; a window) starts a kernel, as
// its operands must have been written before; its users join it. Scatter and sort are kernels
// alone.
//
// Classes: "contract" is a dot_general or convolution with its element-wise epilogue; "row" has
// reductions and maps over the same rows; "map" is element-wise; "scatter" and "sort" are those
// ops.
//
// Control flow stays; its regions are fused likewise. A dynamic_update_slice of what a loop carries
// (or of state) back into it is a kernel of class "update".
//
// With `alone`, each computing node is a kernel of its own (the `unfused` mode): views are still
// index maps, so that the baseline does not copy what nobody would copy.
//
// Composites that are left are inlined.  Leaves: nothing but calls, control flow of calls,
// reshapes, parameters, constants.
#pragma once

#include "ir/graph.h"

namespace kiln {

void fuse(Function& function);
void fuse_alone(Function& function);

}  // namespace kiln
