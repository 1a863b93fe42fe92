// What all compiled functions of a process share.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "codegen/target.h"
#include "frontend/random.h"
#include "frontend/trace.h"
#include "passes/pipeline.h"
#include "runtime/thread_pool.h"

namespace kiln {

struct Settings {
  Target target = Target::host();
  Mode mode = Mode::fused;
  std::uint64_t seed = 0;  // of parameters' first values
  /// The most bytes that one compiled step may take, its arguments and results included; 0: any. A
  /// step that would take more computes values again instead of keeping them, to the same bits; one
  /// that cannot is an Error.
  std::int64_t max_memory = 0;
  bool reuse_kernels = true;  // of functions compiled before; off where compiling is measured

  /// The pool all steps run on. KILN_THREADS, or as many threads as there are processors, until
  /// `set_threads` says otherwise.
  ThreadPool& pool();
  /// 1 … 1024; throws Error otherwise.
  void set_threads(int threads);

 private:
  std::unique_ptr<ThreadPool> pool_;
};

/// The process's settings. Change them before the first step, not while one runs.
Settings& settings();

/// torch.manual_seed: the first values of variables follow from this seed and their names alone,
/// and the default generator begins again from it.
void manual_seed(std::uint64_t seed);
/// The generator begins again from this seed (torch.Generator.manual_seed).
void manual_seed(Generator& generator, std::uint64_t seed);

/// The variable's value, drawn by its initialiser if it has none yet.
Array& value_of(const VariablePtr& variable);

}  // namespace kiln
