// The sub-commands that work on a program in StableHLO's text: run, grad, check, dump.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/parse.h"
#include "runtime/run_function.h"

namespace kiln {

struct RunOptions {
  std::string file;
  std::string inputs;   // safetensors; empty: the functions that run take no arguments
  std::string outputs;  // safetensors; empty: results are printed
  RunMode mode = RunMode::fused;
};
/// Runs @main of each of the file's modules, or, where there is none, each function without
/// arguments; prints or writes the results and judges the checks. False when a check failed.
bool run_file(const RunOptions& options);

struct GradOptions {
  std::string file;
  std::vector<int> wrt;  // arguments; empty: all of float type
  std::string output;    // where the text goes; empty: stdout
};
void grad_file(const GradOptions& options);

struct CheckOptions {
  std::string file;
  std::string inputs;  // safetensors; empty: drawn at random
  std::uint64_t seed = 0;
};
/// Runs each function in all modes and prints how far their results are from the reference's,
/// beside what rounding may account for. False where one is further, or one of the file's own
/// checks fails.
bool check_file(const CheckOptions& options);

/// The one function of a file, without the operands of its checks; throws Error when it holds
/// several and none is called main.
ParsedFunction function_in(const std::string& file);
/// Whether the argument of a command names a file, not a model.
bool names_file(const std::string& name);

}  // namespace kiln
