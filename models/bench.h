// `kiln bench`: workloads timed, modes against each other in one run.
#pragma once

#include <string>
#include <vector>

#include "runtime/kiln.h"

namespace kiln {

struct BenchOptions {
  std::vector<std::string> workloads;  // empty: all
  std::vector<Mode> modes{Mode::fused};
  std::string json;
  bool kernels = false;  // a line for each kernel of the step
};

/// Times each workload in each mode, the modes alternating, and prints a table: median step time,
/// its spread, arithmetic rate and its share of this machine's peak, arena, compile time; where two
/// modes are timed, the median of the pairwise ratios. Where asked for, each kernel's class, what
/// its launches take of a step, and how near that is to what this machine reaches.
void bench(const BenchOptions& options);

}  // namespace kiln
