// Compiled steps on disk: what an Executable needs to run, by what was traced.
//
// A hit skips the passes, lowering, planning and code generation. The entry holds the sizes and
// constants that a call needs, and the step's code; its kernels are entries of their own
// (codegen/code_cache.h), which other steps share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "codegen/jit.h"
#include "ir/graph.h"
#include "passes/pipeline.h"

namespace kiln {

/// What running a step takes.
struct StepCode {
  CompiledProgram program;
  std::size_t pointers = 0;  // arguments that a call gives
  std::int64_t arena_bytes = 0;
  std::vector<Array> constants;  // the arguments after those
};

/// Everything that decides a step's code: the function, the options, the target, the compiler.
Digest step_key(const Function& function, const PipelineOptions& options, const Target& target);

/// The step of this key, called with so many pointers; nothing where the cache lacks it, or a part
/// of it is broken (which `use` tells).
std::optional<StepCode> load_step(const Digest& key, std::size_t pointers, CodeCache& cache,
                                  CacheUse& use);
void store_step(const Digest& key, const StepCode& step, CodeCache& cache);

}  // namespace kiln
