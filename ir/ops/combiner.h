// What the region of a reduce, a reduce_window or a scatter does with one of its n values. Such a
// region has 2n scalar parameters: n running values (of a scatter the input's elements), then n
// elements (the updates).
#pragma once

#include <optional>

#include "ir/op.h"

namespace kiln {

/// The element-wise op of running value i and element i that result i is, if it is one and depends
/// on nothing else; `parameter` where the element replaces the running value.
std::optional<Op> combiner_of(const Region& region, std::size_t i);

/// Where result i is always running value i or element i, whatever decides between them (the region
/// of an argmax): the region with one more running value and element, their places, of which the
/// last result is the place of what was chosen.
std::optional<Region> with_place_of(const Region& region, std::size_t i, const Type& place);

}  // namespace kiln
