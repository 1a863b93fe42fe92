// The one contract between generated code and the runtime. Nothing unwinds through it: callbacks
// are noexcept, kernels nounwind, a step answers with a status.
#pragma once

#include <cstdint>

namespace kiln {

/// A kernel works on chunks [begin, end) of the buffers it is given.
using KernelFn = void(void* const* buffers, std::int64_t begin, std::int64_t end);

/// What generated code may call back.
struct RuntimeTable {
  /// Runs kernel over [0, chunks) on at most `threads` threads and returns when all is done.
  void (*parallel_for)(void* context, KernelFn* kernel, void* const* buffers, std::int64_t chunks,
                       std::int64_t threads) noexcept;
  /// Told before each launch of a step compiled with profiling, and with -1 after the last.
  void (*profile)(void* context, std::int64_t launch) noexcept;
  void* context;
};

/// A whole compiled step: arguments (inputs, state, constants, results: one pointer each), the
/// arena, the callbacks. Returns 0, or a code that the program that made it defines.
using StepFn = std::int32_t(void* const* arguments, void* arena, const RuntimeTable* runtime);

}  // namespace kiln
