// `kiln conformance`: files with checks of their own (StableHLO's test data), run in every mode.
#pragma once

#include <string>
#include <vector>

#include "runtime/run_function.h"

namespace kiln {

struct ConformanceOptions {
  std::vector<std::string> paths;  // files, or folders whose *.mlir are meant
  std::vector<RunMode> modes{RunMode::fused, RunMode::unfused, RunMode::reference};
  std::string json;     // one object a file and mode
  int jobs = 0;         // processes at a time; 0: one a processor
  double timeout = 60;  // seconds a file may take in a mode
};

/// Runs each file in each mode in a process of its own, so that a crash or a hang is that file's
/// alone, and prints how many passed, were rejected (by reason), wrong, or crashed. False when one
/// was wrong or crashed.
bool conformance(const ConformanceOptions& options);

}  // namespace kiln
