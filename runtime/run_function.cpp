#include "runtime/run_function.h"

#include <string>

#include "ir/interpret.h"
#include "passes/widen.h"
#include "runtime/executable.h"

namespace kiln {
namespace {

void check_arguments(const Function& function, std::span<const Array> arguments) {
  if (arguments.size() != function.arguments.size())
    throw Error(fmt::format("@{} takes {} arguments, found {}", function.name,
                            function.arguments.size(), arguments.size()));
  for (std::size_t i = 0; i < arguments.size(); ++i)
    if (arguments[i].type() != function.arguments[i].type)
      throw Error(fmt::format("@{}: expected argument {} to be {}, found {}", function.name, i,
                              function.arguments[i].type.str(), arguments[i].type().str()));
}

std::vector<Array> run_compiled(const Function& function, std::span<const Array> arguments,
                                Mode mode) {
  PipelineOptions options;
  options.mode = mode;
  options.max_memory = settings().max_memory;
  Executable executable(function, options, settings().target);

  std::vector<Array> results(function.results.size());
  std::vector<void*> pointers;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const int alias = function.arguments[i].alias;
    if (alias < 0) {  // only read
      pointers.push_back(const_cast<std::byte*>(arguments[i].bytes().data()));
      continue;
    }
    Array& state = results[static_cast<std::size_t>(alias)];
    state = arguments[i].clone();
    pointers.push_back(state.bytes().data());
  }
  for (std::size_t r = 0; r < results.size(); ++r) {
    if (!results[r].empty()) continue;  // its argument, updated in place
    results[r] = Array(function.results[r].type());
    pointers.push_back(results[r].bytes().data());
  }
  executable.run(pointers);
  return results;
}

}  // namespace

std::string_view name_of(RunMode mode) {
  switch (mode) {
    case RunMode::reference:
      return "reference";
    case RunMode::exact:
      return "exact";
    case RunMode::unfused:
      return "unfused";
    case RunMode::fused:
      return "fused";
  }
  return {};
}

RunMode run_mode_named(std::string_view name) {
  std::string names;
  for (const RunMode mode : kRunModes) {
    if (name_of(mode) == name) return mode;
    names += (names.empty() ? "" : ", ") + std::string(name_of(mode));
  }
  throw Error(fmt::format("there is no mode '{}': expected one of {}", name, names));
}

std::vector<Array> run_function(const Function& function, std::span<const Array> arguments,
                                RunMode mode) {
  check_arguments(function, arguments);
  switch (mode) {
    case RunMode::reference:
      return interpret(function, arguments);
    case RunMode::exact: {
      std::vector<Array> wide;
      for (const Array& argument : arguments)
        wide.push_back(
            argument.converted(is_float(argument.dtype()) ? DType::f64 : argument.dtype()));
      return interpret(widened(function), wide);
    }
    case RunMode::unfused:
      return run_compiled(function, arguments, Mode::unfused);
    case RunMode::fused:
      return run_compiled(function, arguments, Mode::fused);
  }
  return {};
}

}  // namespace kiln
