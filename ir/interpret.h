// The reference: runs a graph op by op as the table's `reference` cells define it. Slow and plain;
// what every compiled mode must agree with.
#pragma once

#include <span>
#include <vector>

#include "ir/graph.h"

namespace kiln {

/// The results of a region given its parameters' values.
std::vector<Array> interpret(const Region& region, std::span<const Array> arguments);
/// The results of a function; throws Error when the arguments' number or types are not its own.
std::vector<Array> interpret(const Function& function, std::span<const Array> arguments);

}  // namespace kiln
