// `kiln bench --compile`: what it takes from a model or workload to a step that is ready to be
// called.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace kiln {

/// Where the time goes from trace to ready: medians over processes that had compiled nothing
/// before, so that LLVM's own start counts, too.
struct CompileCosts {
  std::string program;
  double trace_seconds = 0;  // running the user's function, gradients included
  double pass_seconds = 0;
  double plan_seconds = 0;     // lowering, vectorising, memory
  double codegen_seconds = 0;  // loop IR to machine code
  double link_seconds = 0;
  double cold_seconds = 0;  // all of it, without a cache
  double cpu_seconds = 0;   // the same on one processor: the time of all threads together
  double warm_seconds = 0;  // all of it, where the cache has the step
  std::size_t kernels = 0, launches = 0;
};

/// Measures models and workloads by their names (none: all of them). Call it before the process has
/// started threads. Throws Error for an unknown name, and where a program cannot be compiled.
std::vector<CompileCosts> compile_costs(const std::vector<std::string>& programs);

/// Prints them as a table; `json`: file for one JSON object a line, empty for none.
void bench_compile(const std::vector<std::string>& programs, const std::string& json);

}  // namespace kiln
