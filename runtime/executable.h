// A function compiled: its passes run, its kernels are machine code, its step is ready to be
// called.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "ir/text.h"
#include "passes/pipeline.h"
#include "passes/plan_memory.h"
#include "runtime/settings.h"
#include "runtime/step_cache.h"

namespace kiln {

/// Where compiling spent its time, in seconds.
struct CompileReport {
  double cache_seconds = 0;  // looking for the step, and storing it
  bool cached = false;       // the step was found: nothing was compiled
  std::vector<PassReport> passes;
  double plan_seconds = 0;     // lowering, vectorising, memory
  double codegen_seconds = 0;  // loop IR to machine code
  double link_seconds = 0;
  std::size_t object_bytes = 0;
  CacheUse cache;  // what was there already
  double total() const;
};

/// What the calls of one launch took, all together.
struct LaunchTime {
  double seconds = 0;
  std::int64_t calls = 0;
};

class Executable {
 public:
  Executable(Function function, const PipelineOptions& options, const Target& target);

  const Function& function() const { return traced_; }
  const StepPlan& plan() const { return stages().plan; }
  const CompileReport& report() const { return report_; }
  /// The exact bytes a step takes, and for what.
  const MemoryReport& memory() const { return plan().memory; }

  /// Runs the step. `pointers` holds the addresses of the function's arguments (state is updated in
  /// place), then of the results that are not aliased. Allocates nothing once as many calls have
  /// been in flight together as ever will.
  void run(std::span<void* const> pointers);
  /// The same, adding what each of the program's launches took; compiled with
  /// PipelineOptions::profile.
  void run(std::span<void* const> pointers, std::vector<LaunchTime>& times);
  /// How many pointers `run` takes.
  std::size_t pointer_count() const { return pointers_; }

  /// The program after a stage: graph, backward, optimized, fused, loops, llvm, asm, memory.
  /// `outputs` results belong to the primal. Throws Error for an unknown stage.
  std::string dump(std::string_view stage, std::size_t outputs, const TextOptions& text = {}) const;
  /// The graph stages as Graphviz's dot; Error for the others.
  std::string dump_dot(std::string_view stage, std::size_t outputs) const;

 private:
  /// What a step goes through on its way to code.
  struct Stages {
    Function optimized, fused;
    StepPlan plan;
    std::vector<PassReport> passes;
    double plan_seconds = 0;
  };
  Stages make_stages(const PipelineOptions& options) const;
  /// A step that came from the cache has gone through none: they are made when asked for.
  const Stages& stages() const;
  void compile(const PipelineOptions& options, CodeCache& cache);
  const Function& graph_stage(std::string_view stage, std::size_t outputs, Function& primal) const;

  Function traced_;
  PipelineOptions options_;
  Target target_;
  CompileReport report_;
  std::optional<StepCode> code_;
  std::size_t pointers_ = 0;
  mutable std::once_flag stages_made_;
  mutable std::optional<Stages> stages_;

  struct Frame {  // what one call in flight needs
    Array arena;
    std::vector<void*> arguments;
  };
  Frame make_frame() const;
  void run_in(Frame& frame, std::span<void* const> pointers, const RuntimeTable& table) const;
  void run(std::span<void* const> pointers, const RuntimeTable& table);

  Frame frame_;  // of the first call in flight; others, which are rare, make their own
  std::atomic_flag frame_taken_ = ATOMIC_FLAG_INIT;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Frame>> more_frames_;
};

}  // namespace kiln
