// The list of passes and its runner.
//
// graph passes: inline_composites, merge_loops, simplify, fold, cse, dce, then stream, fuse and
// rematerialise (or fuse_alone). Gradients are taken earlier, while tracing (passes/autodiff).
// After them each kernel is lowered to an iteration space (passes/lower) and loops
// (passes/vectorise), and the step is planned (passes/plan_memory).
#pragma once

#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace kiln {

/// A pass: one function over a Function, in place. What is before and after stands in its header.
struct Pass {
  std::string_view name;
  void (*run)(Function& function);
};

/// Which kernels: one per op (the baseline), or as few as fusion finds.
enum class Mode : std::uint8_t { unfused, fused };

/// The passes in the order they run.
std::span<const Pass> graph_passes(Mode mode);
/// Their names, for messages.
std::string pass_names(Mode mode);

struct PassReport {
  std::string_view name;
  double seconds = 0;
  int nodes_before = 0, nodes_after = 0;
};

struct PipelineOptions {
  Mode mode = Mode::fused;
  std::set<std::string, std::less<>> disabled;                        // names of passes to skip
  std::function<void(std::string_view pass, const Function&)> after;  // called after each
  /// All the bytes a step may take (MemoryReport::total); 0: as many as it likes. Not a matter of
  /// the graph passes but of the plan (passes/fit_memory).
  std::int64_t max_memory = 0;
  /// The step tells RuntimeTable::profile of its launches. Not a matter of the passes either.
  bool profile = false;
};

/// Runs the passes, verifying after each. Throws Error when `disabled` names no pass.
std::vector<PassReport> run_passes(Function& function, const PipelineOptions& options = {});

/// Inlines composites (custom derivatives, stop_gradient): their work is done once gradients exist.
/// Calls, too: the kernels of a program that was dumped once fused are found again.
void inline_composites(Function& function);
/// The same, but for the kernels that passes/stream has made.
void inline_but_streams(Function& function);
/// Computes what depends on constants alone, where the result is small.
///   before:  %0 = constant 3.0   %1 = exponential %0     after:  %1 = constant 20.08
void fold(Function& function);
/// Orders the operands of commutative ops, so that a + b and b + a become one node.
void cse(Function& function);
/// Copies what the results need into a new graph; everything else is gone.
void dce(Function& function);

/// Checks that a function is well formed: arguments fit their uses, operands come before users, and
/// each node's types are those its shape rule infers. Throws InternalError.
void verify(const Function& function);

}  // namespace kiln
