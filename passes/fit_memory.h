// A plan that takes no more memory than allowed.
//
//   before:  50 MB: all activations wait for the backward part
//   after:   20 MB: launch contract_3, …, launch contract_3_again   what waited is computed again
//
// What counts is all that a step takes (MemoryReport::total): arguments, state, results, constants
// and the arena. Only the arena can give: values that wait over the peak are computed again right
// before they are read again (passes/rematerialise), by the very kernels that made them, so results
// keep their bits.
#pragma once

#include "ir/graph.h"
#include "passes/plan_memory.h"

namespace kiln {

/// The plan of a fused function, which this changes where the plan would take more than `max_bytes`
/// (0: any number is allowed). Throws Error, telling what takes how much, where it cannot take
/// less.
StepPlan plan_within(Function& fused, const VectorTarget& target, std::int64_t max_bytes);

}  // namespace kiln
