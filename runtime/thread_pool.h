// The threads that share a kernel's chunks: made once, kept, parked when there is nothing to do.
//
// A launch is divided into contiguous parts of its chunks, a few for each thread that takes part;
// threads claim parts until none is left, so one that the system holds up delays only the part it
// is in. Which thread runs which part changes no result. Between launches workers spin for a
// bounded time (a step's kernels follow each other within microseconds, waking a parked thread
// takes tens), then park, so an idle process uses no CPU.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "codegen/kernel_abi.h"

namespace kiln {

class ThreadPool {
 public:
  /// `threads` in all, the caller's among them; 1 starts none.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  /// Runs kernel over [0, chunks) on at most `most` threads; returns when all is done. When the
  /// pool is busy with another caller's kernel, this one runs on its own thread alone.
  void run(KernelFn* kernel, void* const* buffers, std::int64_t chunks, std::int64_t most) noexcept;
  /// What generated code calls back.
  RuntimeTable table() { return {&parallel_for, nullptr, this}; }

 private:
  static void parallel_for(void* context, KernelFn* kernel, void* const* buffers,
                           std::int64_t chunks, std::int64_t threads) noexcept {
    static_cast<ThreadPool*>(context)->run(kernel, buffers, chunks, threads);
  }
  void run_parts(std::uint32_t generation) noexcept;
  void work(int number) noexcept;

  // The job. Read by workers that may come late, so atomic; what such a worker read counts only if
  // it then claims a part of the same generation.
  std::atomic<KernelFn*> kernel_{nullptr};
  std::atomic<void* const*> buffers_{nullptr};
  std::atomic<std::int64_t> chunks_{0};
  std::atomic<std::uint32_t> parts_{0};
  std::atomic<std::uint64_t> claims_{0};  // generation << 32 | next part
  std::atomic<std::uint32_t> finished_{0};

  std::atomic<std::uint32_t> generation_{0};  // what workers wait for
  std::atomic<int> helpers_{0};               // workers this job may use
  std::atomic<bool> stop_{false};
  std::atomic<int> parked_{0};
  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
  std::vector<std::thread> workers_;
};

/// The floating-point control word that compiled code expects (round to nearest, denormals kept,
/// nothing trapped) while this lives; the caller's own afterwards.
class FloatEnvironment {
 public:
  FloatEnvironment();
  ~FloatEnvironment();
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
  unsigned saved_;
};

}  // namespace kiln
