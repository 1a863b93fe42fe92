#include "passes/fit_memory.h"

namespace kiln {
namespace {

/// Throws: `least` is the smallest plan there is.
[[noreturn]] void refuse(const MemoryReport& least, std::int64_t max_bytes) {
  std::string most;
  if (!least.alive.empty())
    most =
        fmt::format("; most of what lives at launch {}, {}, is {} of {} bytes", least.peak_launch,
                    least.peak_kernel, least.alive[0].value, least.alive[0].bytes);
  throw Error(fmt::format(
      "a step may take {} bytes, but needs {} at least: inputs {}, parameters {}, optimiser state "
      "{}, outputs {}, constants {}, arena {}{}",
      max_bytes, least.total(), least.inputs, least.parameters, least.optimiser, least.outputs,
      least.constants, least.arena, most));
}

}  // namespace

StepPlan plan_within(Function& fused, const VectorTarget& target, std::int64_t max_bytes) {
  StepPlan plan = plan_step(fused, target);
  if (max_bytes > 0 && plan.memory.total() > max_bytes) refuse(plan.memory, max_bytes);
  return plan;
}

}  // namespace kiln
