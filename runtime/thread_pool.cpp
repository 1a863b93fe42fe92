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

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

constexpr unsigned kDefaultControlWord = 0x1F80;  // MXCSR: all exceptions masked, nearest, no FTZ/DAZ

}  // namespace

FloatEnvironment::FloatEnvironment() : saved_(kDefaultControlWord) {
#if defined(__x86_64__)
  saved_ = _mm_getcsr();
  _mm_setcsr(kDefaultControlWord);
#endif
}

FloatEnvironment::~FloatEnvironment() {
#if defined(__x86_64__)
  _mm_setcsr(saved_);
#endif
}

ThreadPool::ThreadPool(int threads) {
  for (int number = 1; number < threads; ++number)
    workers_.emplace_back([this, number] { work(number); });
}

ThreadPool::~ThreadPool() {
  generation_.fetch_or(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_part(const Job& job, std::int64_t part) noexcept {
  const std::int64_t begin = job.chunks * part / job.parts;
  const std::int64_t end = job.chunks * (part + 1) / job.parts;
  if (begin < end) job.kernel(job.buffers, begin, end);
}

void ThreadPool::run(KernelFn* kernel, void* const* buffers, std::int64_t chunks,
                     std::int64_t most) noexcept {
  const std::int64_t parts = std::min<std::int64_t>({most, threads(), chunks});
  if (parts <= 1 || busy_.test_and_set(std::memory_order_acquire)) {
    kernel(buffers, 0, chunks);
    return;
  }
  job_ = {kernel, buffers, chunks, parts};
  pending_.store(static_cast<std::int64_t>(workers_.size()), std::memory_order_relaxed);
  // Sequentially consistent with a worker's count of itself as parked: one of the two sees the other.
  generation_.fetch_add(2, std::memory_order_seq_cst);
  if (parked_.load(std::memory_order_seq_cst) > 0) generation_.notify_all();
  run_part(job_, 0);
  while (pending_.load(std::memory_order_acquire) != 0) relax();
  busy_.clear(std::memory_order_release);
}

void ThreadPool::work(int number) noexcept {
  const FloatEnvironment environment;
  std::uint64_t seen = 0;
  for (;;) {
    const auto idle_since = std::chrono::steady_clock::now();
    std::uint64_t now = generation_.load(std::memory_order_acquire);
    for (int spins = 0; now == seen; now = generation_.load(std::memory_order_acquire)) {
      relax();
      if (++spins % kSpinsPerClockRead != 0 ||
          std::chrono::steady_clock::now() - idle_since < kSpin)
        continue;
      parked_.fetch_add(1, std::memory_order_seq_cst);
      generation_.wait(seen, std::memory_order_seq_cst);
      parked_.fetch_sub(1, std::memory_order_relaxed);
    }
    if ((now & 1) != 0) return;
    seen = now;
    if (number < job_.parts) run_part(job_, number);
    pending_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace kiln
