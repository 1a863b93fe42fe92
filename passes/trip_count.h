// How often a while runs, where its text says so: the counter pattern that JAX prints too.
//
//   while(%i = 0, …) cond { compare LT, %i, 10 } do { …; return add %i, 1, … }      10 trips
//
// The counter starts at a constant, the body adds a constant to it (or subtracts one), the
// condition compares it with a constant; a constant may also come in as a carried value that the
// body passes through.
#pragma once

#include <cstdint>
#include <optional>

#include "ir/graph.h"

namespace kiln {

/// The counter of such a loop: it is start + step · t in the body's run number t = 0 … trips-1.
struct TripCounter {
  int carried = 0;  // which carried value counts
  std::int64_t start = 0, step = 1;
  std::int64_t trips = 0;
};

/// Nothing where the loop is not of that kind, never ends, or its counter would wrap around.
std::optional<TripCounter> trip_counter(const Node& loop);

/// Whether the body gives a carried value back as it is.
bool is_invariant(const Node& loop, int carried);

}  // namespace kiln
