// What a function is, as bytes: equal bytes, equal function, whatever graph holds it.
//
// The bytes say all that passes look at: the nodes the results need in the order of their ids, each
// with its op, attributes, types, regions and operands (as numbers), the arguments' types and
// aliases. They leave out what only people read, names and locations, and nodes that no result
// needs.
#pragma once

#include <string>

#include "ir/graph.h"

namespace kiln {

std::string identity(const Function& function);

}  // namespace kiln
