#include "runtime/thread_pool.h"

#include <atomic>
#include <chrono>
#include <ctime>

#include "tests/catch.h"

namespace kiln {
namespace {

std::atomic<std::int64_t> visits[1000];

void nothing(void* const*, std::int64_t, std::int64_t) {}

void visit(void* const*, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) visits[i].fetch_add(1);
}

double process_cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

TEST_CASE("a pool runs every chunk once, whatever the numbers of chunks and threads") {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    REQUIRE(pool.threads() == threads);
    for (const std::int64_t chunks : {0, 1, 2, 3, 7, 8, 9, 1000}) {
      for (auto& v : visits) v = 0;
      for (int round = 0; round < 20; ++round) pool.run(visit, nullptr, chunks, 8);
      for (std::int64_t i = 0; i < 1000; ++i) REQUIRE(visits[i] == (i < chunks ? 20 : 0));
    }
  }
}

TEST_CASE("two callers at once both get all their chunks") {
  ThreadPool pool(3);
  for (auto& v : visits) v = 0;
  const auto call = [&] {
    for (int round = 0; round < 200; ++round) pool.run(visit, nullptr, 1000, 3);
  };
  std::thread other(call);
  call();
  other.join();
  for (const auto& v : visits) REQUIRE(v == 400);
}

TEST_CASE("an idle pool uses no processor time", "[timing]") {
  ThreadPool pool(4);
  pool.run(visit, nullptr, 100, 4);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // spinning is over by now
  const double before = process_cpu_seconds();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  REQUIRE(process_cpu_seconds() - before < 0.002);
}

TEST_CASE("two threads that spin fork and join an empty region within 2 us", "[timing]") {
  if (std::thread::hardware_concurrency() < 2) return;  // they would wait for each other
  ThreadPool pool(2);
  double best = 1;
  for (int block = 0; block < 200; ++block) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 1000; ++i) pool.run(nothing, nullptr, 8, 2);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    best = std::min(best, taken.count() / 1000);
  }
  REQUIRE(best <= 2e-6);
}

TEST_CASE("a thread has the same range of chunks each time, and helps with the others'") {
  // Chunks say who ran them.
  static thread_local int me = 0;
  static std::atomic<int> names{0};
  static std::atomic<int> runner[64];
  const auto note = [](void* const*, std::int64_t begin, std::int64_t end) {
    if (me == 0) me = ++names;
    for (std::int64_t i = begin; i < end; ++i) runner[i] = me;
    for (const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(20);
         std::chrono::steady_clock::now() < until;) {
    }
  };
  ThreadPool pool(2);
  int own = 0;
  constexpr int kRounds = 200;
  for (int round = 0; round < kRounds; ++round) {
    pool.run(note, nullptr, 64, 2);
    for (const auto& who : runner) REQUIRE(who > 0);
    if (runner[0] == me && runner[63] != me) ++own;
  }
  if (std::thread::hardware_concurrency() >= 2) CHECK(own > 0);
}

TEST_CASE("a parked pool wakes up") {
  ThreadPool pool(4);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    for (auto& v : visits) v = 0;
    pool.run(visit, nullptr, 100, 4);
    for (std::int64_t i = 0; i < 100; ++i) REQUIRE(visits[i] == 1);
  }
}

TEST_CASE("the float environment is the default inside and the caller's own after") {
  const FloatEnvironment outer;
  volatile float tiny = 1e-38f;
  {
    const FloatEnvironment inner;
    REQUIRE(tiny / 4 > 0);  // subnormals are kept
  }
}

}  // namespace kiln
