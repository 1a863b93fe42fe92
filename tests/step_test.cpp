// What must hold of a compiled training step: no allocation, equal bits, state updated in place.
#include <cstdlib>
#include <new>

#include "models/workloads.h"
#include "runtime/checkpoint.h"
#include "tests/catch.h"

// The sanitizers count allocations themselves, and want to see where each is freed.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define KILN_COUNT_ALLOCATIONS
#endif

#ifdef KILN_COUNT_ALLOCATIONS
namespace {

// Counts while a test asks for it; all allocations of the program come through here.
thread_local bool counting = false;
thread_local long allocations = 0;

void* allocate(std::size_t size, std::size_t alignment) {
  if (counting) ++allocations;
  void* memory = alignment > alignof(std::max_align_t)
                     ? std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment)
                     : std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size, 0); }
void* operator new[](std::size_t size) { return allocate(size, 0); }
void* operator new(std::size_t size, std::align_val_t a) {
  return allocate(size, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t size, std::align_val_t a) {
  return allocate(size, static_cast<std::size_t>(a));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
#endif

namespace kiln {
namespace {

/// A workload compiled afresh, and stepped.
class Stepper {
 public:
  Stepper(const std::string& workload, Mode mode, const Target& target)
      : work_(find_workload(workload).prepare()),
        inputs_(work_.input_arrays()),
        compiled_(std::make_unique<Compiled>(work_.trace(), mode, target)) {}
  double step() { return (*compiled_)(inputs_)[0].as_double(0); }
  std::uint64_t hash_after(int steps) {
    for (int i = 0; i < steps; ++i) step();
    return hash_of(compiled_->variables());
  }
  const Compiled& compiled() const { return *compiled_; }

 private:
  PreparedWork work_;
  std::vector<const Array*> inputs_;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace

#ifdef KILN_COUNT_ALLOCATIONS
TEST_CASE("a training step allocates nothing") {
  for (const Mode mode : {Mode::fused, Mode::unfused}) {
    Stepper stepper("digit_mlp", mode, Target::host());
    stepper.step();
    allocations = 0;
    counting = true;
    for (int i = 0; i < 10; ++i) stepper.step();
    counting = false;
    REQUIRE(allocations == 0);
  }
}

TEST_CASE("the counting allocator counts") {
  counting = true;
  allocations = 0;
  // Called, not written as new-expressions: those a compiler may leave out.
  ::operator delete(::operator new(1));
  ::operator delete[](::operator new[](1));
  counting = false;
  REQUIRE(allocations == 2);
}
#endif

TEST_CASE("weights have equal bits at any number of threads, run after run") {
  for (const char* workload : {"digit_mlp", "sin_mlp"}) {
    settings().set_threads(1);
    const std::uint64_t expected = Stepper(workload, Mode::fused, Target::host()).hash_after(20);
    for (const int threads : {1, 2, 3, 8}) {
      settings().set_threads(threads);
      REQUIRE(Stepper(workload, Mode::fused, Target::host()).hash_after(20) == expected);
    }
  }
  settings().set_threads(2);
}

TEST_CASE("weights have equal bits on AVX2 and AVX-512") {
  const auto runs = [](const char* name) {
    try {
      Target::named(name);
      return true;
    } catch (const Error&) {
      return false;
    }
  };
  if (!runs("x86-64-v3") || !runs("x86-64-v4")) return;  // this machine has only one of them
  for (const char* workload : {"digit_mlp", "sin_mlp", "softmax_cross_entropy"}) {
    const auto hash = [&](const Target& target) {
      Stepper stepper(workload, Mode::fused, target);
      return stepper.hash_after(20);
    };
    const std::uint64_t expected = hash(Target::named("x86-64-v3"));
    REQUIRE(hash(Target::named("x86-64-v4")) == expected);
    REQUIRE(hash(Target::host()) == expected);
  }
}

TEST_CASE("training lowers the loss, fused and unfused alike") {
  Stepper fused("digit_mlp", Mode::fused, Target::host()),
      unfused("digit_mlp", Mode::unfused, Target::host());
  const double first = fused.step();
  REQUIRE(unfused.step() == Approx(first).epsilon(1e-5));
  double last = 0;
  for (int i = 0; i < 50; ++i) {
    last = fused.step();
    REQUIRE(unfused.step() == Approx(last).epsilon(1e-3));
  }
  REQUIRE(last < 0.5 * first);
}

TEST_CASE("the fused digits step has few launches and no state to copy but its counter") {
  Stepper fused("digit_mlp", Mode::fused, Target::host());
  const StepPlan& plan = fused.compiled().executable().plan();
  REQUIRE(plan.program.launches.size() <= 12);
  REQUIRE(plan.memory.copies <= 1);
  REQUIRE(static_cast<double>(plan.program.arena_bytes) <=
          1.05 * static_cast<double>(plan.memory.bound));
}

TEST_CASE("a profiled step has the bits of another, and a time for each call of each launch") {
  // lang_rnn has launches in a loop, which are called more often than the others.
  for (const char* name : {"digit_mlp", "lang_rnn"}) {
    Stepper plain(name, Mode::fused, Target::host());
    const PreparedWork work = find_workload(name).prepare();
    const std::vector<const Array*> inputs = work.input_arrays();
    Compiled profiled(work.trace(), Mode::fused, Target::host(), true);
    for (int i = 0; i < 3; ++i) profiled(inputs);
    REQUIRE(hash_of(profiled.variables()) == plain.hash_after(3));

    const std::vector<LaunchTime>& times = profiled.launch_times();
    REQUIRE(times.size() == profiled.executable().plan().program.launches.size());
    std::int64_t most = 0;
    for (const LaunchTime& time : times) {
      REQUIRE(time.seconds > 0);
      REQUIRE(time.calls % 3 == 0);
      most = std::max(most, time.calls);
    }
    REQUIRE(times[0].calls == 3);
    REQUIRE((most > 3) == (std::string(name) == "lang_rnn"));
    REQUIRE(plain.compiled().launch_times().empty());
  }
}

}  // namespace kiln
