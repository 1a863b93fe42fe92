// The `exact` mode: the same function with every f32 as f64, the yardstick for tolerances.
//
//   before:  %1 = constant 0.1 : f32                 after:  %1 = constant 0.100000001490116… : f64
//            %2 = multiply %x, %1 : f32[8]                   %2 = multiply %x, %1 : f64[8]
//            %3 = convert %2 : f32[8] -> f64[8]              (%2 itself)
//
// Constants keep the value they had in f32: only arithmetic is more accurate. What the bits of an
// f32 are has no answer any more, so bitcast_convert of one to an integer is an Error; bits that
// become an f32 keep their value.
#pragma once

#include "ir/graph.h"

namespace kiln {

/// The function in f64, in a graph of its own: arguments, results and regions included.
Function widened(const Function& function);

}  // namespace kiln
