// The threads that share a kernel's chunks: made once, kept, parked when there is nothing to do.
//
// A launch is divided into as many contiguous ranges of chunks as threads take part; which thread
// runs which chunk changes no result. Between launches workers spin for a bounded time (a step's
// kernels follow each other within microseconds, waking a parked thread takes tens), then park, so an
// idle process uses no CPU.
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
  /// Runs kernel over [0, chunks) on at most `most` threads; returns when all is done. When the pool
  /// is busy with another caller's kernel, this one runs on its own thread alone.
  void run(KernelFn* kernel, void* const* buffers, std::int64_t chunks, std::int64_t most) noexcept;
  /// What generated code calls back.
  RuntimeTable table() { return {&parallel_for, nullptr, this}; }

 private:
  struct Job {
    KernelFn* kernel;
    void* const* buffers;
    std::int64_t chunks;
    std::int64_t parts;
  };
  static void parallel_for(void* context, KernelFn* kernel, void* const* buffers,
                           std::int64_t chunks, std::int64_t threads) noexcept {
    static_cast<ThreadPool*>(context)->run(kernel, buffers, chunks, threads);
  }
  static void run_part(const Job& job, std::int64_t part) noexcept;
  void work(int number) noexcept;

  Job job_{};
  std::atomic<std::uint64_t> generation_{0};  // odd: stop; raised by 2 for each job
  std::atomic<std::int64_t> pending_{0};      // workers that have not finished this job
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
