// Plans run on paper.
#pragma once

#include <functional>
#include <string>

#include "passes/plan_memory.h"

namespace kiln {

/// Walks the launches as a run would: every read of the arena finds what one launch wrote there
/// whole, and no launch writes where it reads, except in place. Loops without a fixed number of
/// trips run `choose(3)` times, others at most twice; a case takes branch `choose(its branches)`.
/// The first thing found wrong; nothing if nothing is.
std::string overlap(
    const StepPlan& plan, const std::function<int(int)>& choose = [](int) { return 0; });

/// The numbers of the launches that are inside loops.
std::vector<int> launches_in_loops(const Program& program);

}  // namespace kiln
