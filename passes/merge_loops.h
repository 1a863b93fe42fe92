// A loop that keeps what its derivative needs (passes/loop_gradient) computes all that the loop
// without that does: one of them is enough. The same goes for a sort with the permutation.
//
//   before:  %y:2 = while(%i = 0, %h = %x) …                  after:  %z:3 = while(…), its users
//            %z:3 = while(%i = 0, %h = %x, %s = zeros) …              and those of %y
//
// Merged are a node and one of the same op whose operands, and what it computes of them, go on
// where the first's end. Regions of loops and branches are entered afterwards.
#pragma once

#include "ir/graph.h"

namespace kiln {

void merge_loops(Function& function);

}  // namespace kiln
