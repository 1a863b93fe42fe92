// The derivative of a while whose trip count is static (passes/trip_count): the loop again, which
// now keeps what each iteration's derivative needs, and a loop through the iterations backwards.
//
//   before:  %y:2 = while(%i = 0, %h = %x) cond { %i < 10 } do { %i + 1, sine %h }
//   after:   %z:3 = while(%i = 0, %h = %x, %s = zeros [10, …])
//              cond { %i < 10 } do { %i + 1, sine %h, dynamic_update_slice %s, %h at %i }
//            %g:2 = while(%t = 0, %ct = the cotangent of %y#1)
//              cond { %t < 10 } do { %t + 1, %ct · cosine(dynamic_slice %z#2 at 9 - %t) }
//
// Leaves: both loops where the first's results are used; passes/merge_loops makes them one.
//
// Kept is as little as is simple: nothing for what does not change from one iteration to the next,
// nor for what is cheap to compute from that and the counter; of a cheap value of one other that is
// no larger, the other.
#pragma once

#include <span>
#include <vector>

#include "ir/graph.h"

namespace kiln {

/// Cotangents of a while's operands, given those of its results (empty: zero in both); `wrt` are
/// the operands that have any. Throws Error where the trip count is not static.
std::vector<Value> gradient_of_loop(const Node& loop, std::span<const Value> cotangents,
                                    std::span<const int> wrt);

}  // namespace kiln
