#include "tests/fuzz/judge.h"

#include <algorithm>

#include "codegen/jit.h"
#include "ir/interpret.h"
#include "ir/parse.h"
#include "ir/text.h"
#include "passes/error_bound.h"
#include "passes/plan_memory.h"
#include "runtime/executable.h"
#include "runtime/settings.h"

namespace kiln::fuzz {
namespace {

struct Result {
  std::vector<Array> results;
  std::vector<void*> pointers;  // of the arguments, then of the results that are not aliased
};

/// Memory for a call: arguments copied, as state is updated in place.
Result prepare(const Function& function, std::span<const Array> inputs) {
  Result call;
  std::vector<Array> arguments;
  for (const Array& input : inputs) {
    arguments.push_back(input.clone());
    call.pointers.push_back(arguments.back().bytes().data());
  }
  for (std::size_t r = 0; r < function.results.size(); ++r) {
    const auto state =
        std::find_if(function.arguments.begin(), function.arguments.end(),
                     [&](const Argument& a) { return a.alias == static_cast<int>(r); });
    if (state != function.arguments.end()) {
      call.results.push_back(
          arguments[static_cast<std::size_t>(state - function.arguments.begin())]);
      continue;
    }
    Array& result = call.results.emplace_back(function.results[r].type());
    std::fill(result.bytes().begin(), result.bytes().end(), std::byte{0x5A});  // to be overwritten
    call.pointers.push_back(result.bytes().data());
  }
  // The arrays of arguments live on in no one's hands but here.
  call.results.insert(call.results.end(), arguments.begin(), arguments.end());
  return call;
}

std::vector<Array> run(Executable& executable, std::span<const Array> inputs) {
  Result call = prepare(executable.function(), inputs);
  executable.run(call.pointers);
  call.results.resize(executable.function().results.size());
  return call.results;
}

/// As Executable does it, with a bug in the program.
std::vector<Array> run_planted(Function function, std::span<const Array> inputs, Mode mode,
                               const Plant& plant) {
  Result call = prepare(function, inputs);
  const std::size_t results = function.results.size();
  PipelineOptions options;
  options.mode = mode;
  run_passes(function, options);
  const Target target = Target::host();
  StepPlan plan = plan_step(function, {target.vector_bytes, target.vector_registers});
  plant.program(plan.program);
  const CompiledProgram code = CompiledProgram::compile(plan.program, target);
  Array arena(Type{DType::ui8, {plan.program.arena_bytes}});
  for (Array& constant : plan.constants) call.pointers.push_back(constant.bytes().data());
  const RuntimeTable table = settings().pool().table();
  code.entry()(call.pointers.data(), arena.bytes().data(), &table);
  call.results.resize(results);
  return call.results;
}

std::string compare(std::span<const Array> results, std::span<const Bounded> expected,
                    std::string_view mode) {
  for (std::size_t r = 0; r < results.size(); ++r)
    if (const std::string found = violation(results[r], expected[r]); !found.empty())
      return fmt::format("{}, result {}, {}", mode, r, found);
  return "";
}

std::string compare_bits(std::span<const Array> results, std::span<const Array> others,
                         std::string_view what) {
  for (std::size_t r = 0; r < results.size(); ++r)
    if (!results[r].same_bits(others[r])) return fmt::format("{}, result {}", what, r);
  return "";
}

/// What the function's text, read again, does not say as the function does.
std::string judge_text(const Function& function, std::span<const Array> inputs,
                       std::span<const Array> reference) {
  const std::string text = to_text(function);
  const ParsedModule module = parse_module(text, "printed.mlir");
  if (module.functions.size() != 1)
    return fmt::format("printed as {} functions", module.functions.size());
  const Function& again = module.functions[0].function;
  const std::string printed = to_text(again);
  if (printed != text) {
    const auto differs = std::mismatch(text.begin(), text.end(), printed.begin(), printed.end());
    const auto line = std::count(text.begin(), differs.first, '\n') + 1;
    return fmt::format("printed, read and printed: another text from line {} on", line);
  }
  return compare_bits(interpret(again, inputs), reference,
                      "other bits of what was printed and read");
}

}  // namespace

std::string judge(const Function& function, std::span<const Array> inputs, const Plant* plant) {
  const std::vector<Bounded> expected = error_bounds(function, inputs);
  if (!plant) {
    const std::vector<Array> reference = interpret(function, inputs);
    std::string found = compare(reference, expected, "reference");
    if (found.empty()) found = judge_text(function, inputs, reference);
    if (!found.empty()) return found;
  }
  for (const Mode mode : {Mode::fused, Mode::unfused}) {
    const std::string_view name = mode == Mode::fused ? "fused" : "unfused";
    std::string found;
    if (plant && plant->program) {
      found = compare(run_planted(function, inputs, mode, *plant), expected, name);
    } else {
      Function compiled = function;
      if (plant) plant->graph(compiled);
      PipelineOptions options;
      options.mode = mode;
      Executable executable(compiled, options, Target::host());
      settings().set_threads(1);
      const std::vector<Array> results = run(executable, inputs);
      found = compare(results, expected, name);
      if (found.empty() && !plant) {
        settings().set_threads(3);
        found = compare_bits(results, run(executable, inputs),
                             fmt::format("{}: other bits at 3 threads than at 1", name));
      }
    }
    if (!found.empty()) return found;
  }
  return "";
}

}  // namespace kiln::fuzz
