// What all compiled functions of a process share.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "codegen/code_cache.h"
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

  /// The pool all steps run on. KILN_THREADS, or as many threads as there are processors, until
  /// `set_threads` says otherwise.
  ThreadPool& pool();
  /// 1 … 1024; throws Error otherwise.
  void set_threads(int threads);

  /// Where compiled code is kept. Until `set_code_cache` says otherwise it has a store in the
  /// folder KILN_CACHE, else $XDG_CACHE_HOME/kiln, else ~/.cache/kiln, of at most KILN_CACHE_SIZE
  /// MiB (256); KILN_CACHE=off: none, so that only programs of this process share kernels.
  CodeCache& code_cache();
  void set_code_cache(std::shared_ptr<CodeCache> cache) { code_cache_ = std::move(cache); }

 private:
  std::unique_ptr<ThreadPool> pool_;
  std::shared_ptr<CodeCache> code_cache_;
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
