// For every op of the table, functions whose text shows all that the op can carry: what printer and
// parser are tested on.
#pragma once

#include <vector>

#include "ir/graph.h"

namespace kiln {

/// Functions whose results are nodes of this op: its element types, shapes down to rank 0 and no
/// elements, attributes left at their defaults and not, regions of one op and of several.
std::vector<Function> text_samples(Op op);

}  // namespace kiln
