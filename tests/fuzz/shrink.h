// A failing graph made small: fewer results, fewer ops, plainer inputs, as long as it still fails.
#pragma once

#include <functional>

#include "tests/random_graph.h"

namespace kiln::fuzz {

/// Whether a candidate still fails; it may crash, so this should ask another process.
using Fails = std::function<bool(const RandomGraph& candidate)>;

/// `graph` fails. What a node computes is replaced by a new argument that holds its value, or by a
/// zero, or by one of its operands, wherever the failure stays.
RandomGraph shrink(RandomGraph graph, const Fails& fails);

}  // namespace kiln::fuzz
