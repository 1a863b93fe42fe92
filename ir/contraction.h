// How a contraction adds up its products.
#pragma once

#include "ir/graph.h"

namespace kiln {

/// Whether each product is rounded before it is added. All contractions are ascending chains of
/// fused multiply-adds but those of depthwise convolutions (groups of one input feature): they are
/// sums of a few shifted tensors, which no matrix product computes, and where terms cancel they
/// agree with other implementations only if they round as element-wise ops do.
bool rounds_products(const Node& contraction);

}  // namespace kiln
