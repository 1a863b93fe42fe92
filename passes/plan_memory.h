// The last pass: an order for the kernels and a place for every value, so that a step is a list of
// launches over one arena.
//
//   before:  %5 = call @contract_0(%arg0, …)      after:  launch contract_0(arg0, …, arena+0)
//            %6 = call @row_1(%5, %arg7)                  launch row_1(arena+0, arg7, arena+16384)
//
// State that has a new value is updated in place where the kernel that computes it reads the old
// one only at the very points it writes, and every other reader can run before; elsewhere the new
// value is copied at the end. What a while carries is such state of its body, and the body's values
// share the arena with those around it (passes/plan_block). Arena offsets are the best of several
// best-fit orders, compared with the bound that the bytes live at one time set.
//
// Requires: a fused function (passes/fuse).
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "ir/program.h"
#include "ir/space.h"
#include "passes/memory_report.h"
#include "passes/vectorise.h"

namespace kiln {

/// A compiled step before it is machine code. The step's arguments are, in this order: those of the
/// function, one for each result that is not aliased to one of those, the constants.
struct StepPlan {
  Program program;
  std::vector<space::Kernel> spaces;  // of the program's kernels, for people and the cost model
  std::vector<Array> constants;
  std::vector<int> result_argument;  // where each result of the function lies
  MemoryReport memory;
  const space::Kernel& space_of(const Launch& launch) const {
    return spaces[static_cast<std::size_t>(launch.kernel)];
  }
  /// Of sums of products, in all launches; element-wise work is not counted.
  double contraction_flops() const;
  /// The report and the launches, with places in the arena, as text.
  std::string memory_text() const;
};

StepPlan plan_step(const Function& fused, const VectorTarget& target);

}  // namespace kiln
