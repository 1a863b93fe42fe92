#include "runtime/thread_pool.h"

#include <algorithm>
#include <chrono>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace kiln {
namespace {

constexpr auto kSpin = std::chrono::microseconds(200);
constexpr int kSpinsPerClockRead = 64;
constexpr int kSpinsBeforeYield = 2000;      // of the caller, while others finish their parts
constexpr std::int64_t kPartsPerThread = 4;  // so that threads that are held up matter less

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

constexpr unsigned kDefaultControlWord =
    0x1F80;  // MXCSR: all exceptions masked, nearest, no FTZ/DAZ

}  // namespace

// Writing the control word stalls the pipeline, so it is written only where it differs; the lowest
// six bits are flags that record what happened and change nothing.
constexpr unsigned kFlags = 0x3F;

FloatEnvironment::FloatEnvironment() : saved_(kDefaultControlWord) {
#if defined(__x86_64__)
  saved_ = _mm_getcsr();
  if ((saved_ & ~kFlags) != kDefaultControlWord) _mm_setcsr(kDefaultControlWord);
#endif
}

FloatEnvironment::~FloatEnvironment() {
#if defined(__x86_64__)
  if ((saved_ & ~kFlags) != kDefaultControlWord) _mm_setcsr(saved_);
#endif
}

ThreadPool::ThreadPool(int threads) : ranges_(new Range[static_cast<std::size_t>(threads)]) {
  for (std::uint32_t number = 1; number < static_cast<std::uint32_t>(threads); ++number)
    workers_.emplace_back([this, number] { work(number); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_release);
  generation_.fetch_add(1, std::memory_order_seq_cst);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

/// Claims and runs parts of a generation's job until none is left: of the thread's own range, then
/// of the others'.
void ThreadPool::run_parts(std::uint32_t generation, std::uint32_t thread) noexcept {
  std::uint32_t range = thread, visited = 0, done = 0;
  std::uint64_t claim = ranges_[range].claims.load(std::memory_order_acquire);
  for (;;) {
    KernelFn* kernel = kernel_.load(std::memory_order_relaxed);
    void* const* buffers = buffers_.load(std::memory_order_relaxed);
    const std::int64_t chunks = chunks_.load(std::memory_order_relaxed);
    const std::uint32_t ranges = ranges_in_use_.load(std::memory_order_relaxed);
    const std::uint32_t parts = parts_of_range_.load(std::memory_order_relaxed);
    const auto part = static_cast<std::uint32_t>(claim);
    if (claim >> 32 != generation) break;
    if (part >= parts) {
      if (++visited >= ranges) break;
      range = range + 1 < ranges ? range + 1 : 0;
      claim = ranges_[range].claims.load(std::memory_order_acquire);
      continue;
    }
    if (!ranges_[range].claims.compare_exchange_weak(claim, claim + 1, std::memory_order_acq_rel,
                                                     std::memory_order_acquire))
      continue;
    const std::int64_t all = std::int64_t{ranges} * parts,
                       first = std::int64_t{range} * parts + part;
    kernel(buffers, chunks * first / all, chunks * (first + 1) / all);
    ++done;
    claim = ranges_[range].claims.load(std::memory_order_acquire);
  }
  if (done > 0) finished_.fetch_add(done, std::memory_order_release);
}

void ThreadPool::run(KernelFn* kernel, void* const* buffers, std::int64_t chunks,
                     std::int64_t most) noexcept {
  const std::int64_t threads_used = std::min<std::int64_t>({most, threads(), chunks});
  if (threads_used <= 1 || busy_.test_and_set(std::memory_order_acquire)) {
    kernel(buffers, 0, chunks);
    return;
  }
  const auto ranges = static_cast<std::uint32_t>(threads_used);
  const auto parts = static_cast<std::uint32_t>(std::min(chunks / threads_used, kPartsPerThread));
  const std::uint32_t generation = generation_.load(std::memory_order_relaxed) + 1;
  // No part of the old generation is unclaimed or unfinished; this one's are claimed only once a
  // range says so, which publishes the rest.
  kernel_.store(kernel, std::memory_order_relaxed);
  buffers_.store(buffers, std::memory_order_relaxed);
  chunks_.store(chunks, std::memory_order_relaxed);
  ranges_in_use_.store(ranges, std::memory_order_relaxed);
  parts_of_range_.store(parts, std::memory_order_relaxed);
  finished_.store(0, std::memory_order_relaxed);
  for (std::uint32_t range = 0; range < ranges; ++range)
    ranges_[range].claims.store(std::uint64_t{generation} << 32, std::memory_order_release);
  // Sequentially consistent with a worker's count of itself as parked: one of the two sees the
  // other.
  generation_.store(generation, std::memory_order_seq_cst);
  if (parked_.load(std::memory_order_seq_cst) > 0) generation_.notify_all();
  run_parts(generation, 0);
  for (int spins = 0; finished_.load(std::memory_order_acquire) != ranges * parts; ++spins) {
    if (spins < kSpinsBeforeYield)
      relax();
    else
      std::this_thread::yield();  // a worker may be waiting for this very processor
  }
  busy_.clear(std::memory_order_release);
}

void ThreadPool::work(std::uint32_t number) noexcept {
  const FloatEnvironment environment;
  std::uint32_t seen = 0;
  for (;;) {
    const auto idle_since = std::chrono::steady_clock::now();
    std::uint32_t now = generation_.load(std::memory_order_acquire);
    for (int spins = 0; now == seen; now = generation_.load(std::memory_order_acquire)) {
      relax();
      if (++spins % kSpinsPerClockRead != 0 ||
          std::chrono::steady_clock::now() - idle_since < kSpin)
        continue;
      parked_.fetch_add(1, std::memory_order_seq_cst);
      generation_.wait(seen, std::memory_order_seq_cst);
      parked_.fetch_sub(1, std::memory_order_relaxed);
    }
    if (stop_.load(std::memory_order_acquire)) return;
    seen = now;
    if (number < ranges_in_use_.load(std::memory_order_relaxed)) run_parts(now, number);
  }
}

}  // namespace kiln
