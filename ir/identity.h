// What a function is, as bytes: equal bytes, equal function, whatever graph holds it.
//
// The bytes say all that passes look at: the nodes the results need in the order of their ids, each
// with its op, attributes, types, regions and operands (as numbers), the arguments' types and
// aliases. They leave out what only people read, names and locations, and nodes that no result
// needs.
#pragma once

#include <functional>
#include <string_view>

#include "ir/graph.h"

namespace kiln {

/// Gives the bytes to `sink`, piece by piece.
void identity(const Function& function, const std::function<void(std::string_view)>& sink);

}  // namespace kiln
