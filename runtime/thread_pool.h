// The threads that share a kernel's chunks: made once, kept, parked when there is nothing to do.
//
// A launch gives each thread that takes part a contiguous range of its chunks, the same one in
// every step, so that the weights a thread updates stay in its own caches. A range is cut into a
// few parts; who has done its own helps with the others', so a thread that the system holds up, or
// that is not awake yet, delays only the part it is in. Which thread runs which part changes no
// result. Between launches workers spin for a bounded time (a step's kernels follow each other
// within microseconds, waking a parked thread takes tens), then park, so an idle process uses no
// CPU.
//
// Why not a library, by the time to fork and join an empty region of 2, 8 and 64 chunks on two
// threads (two cores of a Zen 5, medians):
//   this pool                 0.34   0.65   0.65 us
//   libgomp 12, static        1.06   1.02   1.19 us    dynamic   1.97   2.15   2.56 us
//   oneTBB 2021.8, static     0.78   0.74   0.79 us    auto      0.27   2.11   3.34 us
// Neither of them gives a thread the same range in each step and still lets others help with it.
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
  void run_parts(std::uint32_t generation, std::uint32_t thread) noexcept;
  void work(std::uint32_t number) noexcept;

  /// What is left of one thread's range: generation << 32 | next part. On a cache line of its own.
  struct alignas(64) Range {
    std::atomic<std::uint64_t> claims{0};
  };

  // The job. Read by workers that may come late, so atomic; what such a worker read counts only if
  // it then claims a part of the same generation.
  std::atomic<KernelFn*> kernel_{nullptr};
  std::atomic<void* const*> buffers_{nullptr};
  std::atomic<std::int64_t> chunks_{0};
  std::atomic<std::uint32_t> ranges_in_use_{0};  // threads that take part
  std::atomic<std::uint32_t> parts_of_range_{0};
  std::unique_ptr<Range[]> ranges_;                     // one a thread
  alignas(64) std::atomic<std::uint32_t> finished_{0};  // parts

  alignas(64) std::atomic<std::uint32_t> generation_{0};  // what workers wait for
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
