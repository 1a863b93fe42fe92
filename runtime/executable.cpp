#include "runtime/executable.h"

#include <chrono>

#include "ir/text.h"
#include "passes/fit_memory.h"

namespace kiln {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Of the step that this thread runs: from one launch to the next. The callbacks' context is the
/// pool's.
struct LaunchClock {
  using Clock = std::chrono::steady_clock;

  std::vector<LaunchTime>* times = nullptr;
  std::int64_t launch = -1;
  Clock::time_point start{};

  static thread_local LaunchClock* current;
  static void next(void*, std::int64_t launch) noexcept {
    const Clock::time_point now = Clock::now();
    if (current->launch >= 0) {
      LaunchTime& time = (*current->times)[static_cast<std::size_t>(current->launch)];
      time.seconds += std::chrono::duration<double>(now - current->start).count();
      ++time.calls;
    }
    current->launch = launch;
    current->start = Clock::now();
  }
};
thread_local LaunchClock* LaunchClock::current = nullptr;

constexpr std::string_view kStages = "graph, backward, optimized, fused, loops, llvm, asm, memory";

}  // namespace

double CompileReport::total() const {
  double total = cache_seconds + plan_seconds + codegen_seconds + link_seconds;
  for (const PassReport& pass : passes) total += pass.seconds;
  return total;
}

Executable::Executable(Function function, const PipelineOptions& options, const Target& target)
    : traced_(std::move(function)), options_(options), target_(target) {
  options_.after = nullptr;
  pointers_ = traced_.arguments.size() + traced_.results.size();
  for (const Argument& argument : traced_.arguments)
    if (argument.alias >= 0) --pointers_;

  CodeCache& cache = settings().code_cache();
  // Who watches the passes wants them to run.
  const bool cacheable = cache.store() != nullptr && !options.after;
  auto start = std::chrono::steady_clock::now();
  Digest key;
  if (cacheable) {
    key = step_key(traced_, options_, target);
    code_ = load_step(key, pointers_, cache, report_.cache);
  }
  report_.cached = code_.has_value();
  report_.cache_seconds = seconds_since(start);
  if (!code_) {
    compile(options, cache);
    start = std::chrono::steady_clock::now();
    if (cacheable) store_step(key, *code_, cache);
    report_.cache_seconds += seconds_since(start);
  }
  report_.object_bytes = code_->program.object_bytes();
  frame_ = make_frame();
}

Executable::Stages Executable::make_stages(const PipelineOptions& options) const {
  Stages stages;
  Function function = traced_;
  PipelineOptions watched = options;
  watched.after = [&](std::string_view pass, const Function& f) {
    if (pass == "dce") stages.optimized = f;
    if (options.after) options.after(pass, f);
  };
  stages.optimized = function;
  stages.passes = run_passes(function, watched);
  stages.fused = std::move(function);
  const auto start = std::chrono::steady_clock::now();
  stages.plan = plan_within(stages.fused, {target_.vector_bytes, target_.vector_registers},
                            options.max_memory);
  stages.plan.program.profile = options.profile;
  stages.plan_seconds = seconds_since(start);
  return stages;
}

const Executable::Stages& Executable::stages() const {
  std::call_once(stages_made_, [this] {
    if (!stages_) stages_ = make_stages(options_);
  });
  return *stages_;
}

void Executable::compile(const PipelineOptions& options, CodeCache& cache) {
  stages_ = make_stages(options);
  report_.passes = stages_->passes;
  report_.plan_seconds = stages_->plan_seconds;
  const StepPlan& plan = stages_->plan;
  internal_check(
      pointers_ + plan.constants.size() == static_cast<std::size_t>(plan.program.argument_count),
      "a step's arguments are its function's, its results, its constants");
  code_ = StepCode{CompiledProgram::compile(plan.program, target_, cache), pointers_,
                   plan.program.arena_bytes, plan.constants};
  const CompileTimes& times = code_->program.times();
  report_.codegen_seconds = (times.emit_ms + times.codegen_ms) / 1e3;
  report_.link_seconds = times.link_ms / 1e3;
  const CacheUse& use = code_->program.cache_use();
  report_.cache.living += use.living;
  report_.cache.loaded += use.loaded;
  report_.cache.broken += use.broken;
}

Executable::Frame Executable::make_frame() const {
  Frame frame;
  frame.arena = Array(Type{DType::ui8, {code_->arena_bytes}});
  const std::vector<Array>& constants = code_->constants;
  frame.arguments.resize(pointers_ + constants.size());
  for (std::size_t i = 0; i < constants.size(); ++i)  // only read
    frame.arguments[pointers_ + i] = const_cast<std::byte*>(constants[i].bytes().data());
  return frame;
}

void Executable::run_in(Frame& frame, std::span<void* const> pointers,
                        const RuntimeTable& table) const {
  std::copy(pointers.begin(), pointers.end(), frame.arguments.begin());
  const FloatEnvironment environment;
  const std::int32_t status =
      code_->program.entry()(frame.arguments.data(), frame.arena.bytes().data(), &table);
  internal_check(status == 0, "a step succeeds");
}

void Executable::run(std::span<void* const> pointers) { run(pointers, settings().pool().table()); }

void Executable::run(std::span<void* const> pointers, std::vector<LaunchTime>& times) {
  internal_check(options_.profile, "a step whose launches are timed tells of them");
  times.resize(plan().program.launches.size());
  LaunchClock clock{&times};
  LaunchClock::current = &clock;
  RuntimeTable table = settings().pool().table();
  table.profile = &LaunchClock::next;
  run(pointers, table);
  LaunchClock::current = nullptr;
}

void Executable::run(std::span<void* const> pointers, const RuntimeTable& table) {
  internal_check(pointers.size() == pointers_, "a step is given all its arguments and results");
  if (!frame_taken_.test_and_set(std::memory_order_acquire)) {
    run_in(frame_, pointers, table);
    frame_taken_.clear(std::memory_order_release);
    return;
  }
  std::unique_ptr<Frame> frame;
  {
    const std::lock_guard lock(mutex_);
    if (!more_frames_.empty()) {
      frame = std::move(more_frames_.back());
      more_frames_.pop_back();
    }
  }
  if (!frame) frame = std::make_unique<Frame>(make_frame());
  run_in(*frame, pointers, table);
  const std::lock_guard lock(mutex_);
  more_frames_.push_back(std::move(frame));
}

const Function& Executable::graph_stage(std::string_view stage, std::size_t outputs,
                                        Function& primal) const {
  if (stage == "graph") {
    // The primal: what the outputs need, without the state's new values.
    primal = traced_;
    primal.results.resize(outputs);
    for (Argument& argument : primal.arguments) argument.alias = -1;
    return primal;
  }
  if (stage == "backward") return traced_;
  if (stage == "optimized") return stages().optimized;
  if (stage == "fused") return stages().fused;
  throw Error(fmt::format("unknown stage '{}': expected one of {}", stage, kStages));
}

std::string Executable::dump(std::string_view stage, std::size_t outputs,
                             const TextOptions& text) const {
  std::string result;
  if (stage == "loops") {
    for (const loop::Kernel& kernel : plan().program.kernels) result += kernel.str() + "\n";
    return result + plan().program.str();
  }
  if (stage == "llvm") return llvm_text(plan().program, target_);
  if (stage == "asm") return asm_text(plan().program, target_);
  if (stage == "memory") return plan().memory_text();
  Function primal;
  result = to_text(graph_stage(stage, outputs, primal), text);
  // The kernels' iteration spaces, as comments: the text still parses.
  if (stage == "fused")
    for (const space::Kernel& kernel : plan().spaces) {
      result += "\n// ";
      for (char c : kernel.str()) result += c == '\n' ? "\n// " : std::string(1, c);
      result.erase(result.size() - 3);
    }
  return result;
}

std::string Executable::dump_dot(std::string_view stage, std::size_t outputs) const {
  Function primal;
  return to_dot(graph_stage(stage, outputs, primal));
}

}  // namespace kiln
