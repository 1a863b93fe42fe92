#include "runtime/executable.h"

#include <chrono>

#include "ir/text.h"
#include "passes/fit_memory.h"

namespace kiln {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

constexpr std::string_view kStages = "graph, backward, optimized, fused, loops, llvm, asm, memory";

}  // namespace

double CompileReport::total() const {
  double total = plan_seconds + codegen_seconds + link_seconds;
  for (const PassReport& pass : passes) total += pass.seconds;
  return total;
}

Executable::Executable(Function function, const PipelineOptions& options, const Target& target)
    : traced_(function), target_(target) {
  PipelineOptions watched = options;
  watched.after = [&](std::string_view pass, const Function& f) {
    if (pass == "dce") optimized_ = f;
    if (options.after) options.after(pass, f);
  };
  optimized_ = function;
  report_.passes = run_passes(function, watched);
  fused_ = std::move(function);

  const auto start = std::chrono::steady_clock::now();
  plan_ = plan_within(fused_, {target.vector_bytes, target.vector_registers}, options.max_memory);
  report_.plan_seconds = seconds_since(start);
  code_ = std::make_unique<CompiledProgram>(
      CompiledProgram::compile(plan_.program, target, settings().reuse_kernels));
  report_.codegen_seconds = (code_->times().emit_ms + code_->times().codegen_ms) / 1e3;
  report_.link_seconds = code_->times().link_ms / 1e3;
  report_.object_bytes = code_->object_bytes();
  report_.reused_kernels = code_->reused_kernels();
  pointers_ = static_cast<std::size_t>(plan_.program.argument_count) - plan_.constants.size();
  frame_ = make_frame();
}

Executable::Frame Executable::make_frame() const {
  Frame frame;
  frame.arena = Array(Type{DType::ui8, {plan_.program.arena_bytes}});
  frame.arguments.resize(static_cast<std::size_t>(plan_.program.argument_count));
  for (std::size_t i = 0; i < plan_.constants.size(); ++i)  // only read
    frame.arguments[pointers_ + i] = const_cast<std::byte*>(plan_.constants[i].bytes().data());
  return frame;
}

void Executable::run_in(Frame& frame, std::span<void* const> pointers) const {
  std::copy(pointers.begin(), pointers.end(), frame.arguments.begin());
  const RuntimeTable table = settings().pool().table();
  const FloatEnvironment environment;
  const std::int32_t status =
      code_->entry()(frame.arguments.data(), frame.arena.bytes().data(), &table);
  internal_check(status == 0, "a step succeeds");
}

void Executable::run(std::span<void* const> pointers) {
  internal_check(pointers.size() == pointers_, "a step is given all its arguments and results");
  if (!frame_taken_.test_and_set(std::memory_order_acquire)) {
    run_in(frame_, pointers);
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
  run_in(*frame, pointers);
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
  if (stage == "optimized") return optimized_;
  if (stage == "fused") return fused_;
  throw Error(fmt::format("unknown stage '{}': expected one of {}", stage, kStages));
}

std::string Executable::dump(std::string_view stage, std::size_t outputs,
                             const TextOptions& text) const {
  std::string result;
  if (stage == "loops") {
    for (const loop::Kernel& kernel : plan_.program.kernels) result += kernel.str() + "\n";
    return result + plan_.program.str();
  }
  if (stage == "llvm") return llvm_text(plan_.program, target_);
  if (stage == "asm") return asm_text(plan_.program, target_);
  if (stage == "memory") return plan_.memory_text();
  Function primal;
  result = to_text(graph_stage(stage, outputs, primal), text);
  // The kernels' iteration spaces, as comments: the text still parses.
  if (stage == "fused")
    for (const space::Kernel& kernel : plan_.spaces) {
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
