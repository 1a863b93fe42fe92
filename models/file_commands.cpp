#include "models/file_commands.h"

#include <cstdio>
#include <filesystem>

#include "frontend/gradient_function.h"
#include "ir/text.h"
#include "runtime/atomic_file.h"
#include "runtime/compare_modes.h"
#include "runtime/function_io.h"

#include "runtime/judge.h"

namespace kiln {
namespace {

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

/// What running a file runs: the modules' @main; of a module without one, what takes no arguments.
std::vector<ParsedFunction> functions_to_run(const std::string& file) {
  std::vector<ParsedFunction> functions;
  for (const ParsedModule& module : parse_modules(read_file(file), file)) {
    if (const ParsedFunction* main = module.main()) {
      functions.push_back(*main);
      continue;
    }
    for (const ParsedFunction& parsed : module.functions)
      if (parsed.function.arguments.empty()) functions.push_back(parsed);
  }
  if (functions.empty())
    throw Error(fmt::format(
        "{}: expected a function called main, or functions without arguments; found none", file));
  return functions;
}

std::string arguments_text(const Function& function) {
  std::string text;
  for (std::size_t i = 0; i < function.arguments.size(); ++i)
    text += fmt::format("{}'{}' ({})", i == 0 ? "" : ", ", argument_name(function, i),
                        function.arguments[i].type.str());
  return text;
}

/// The arguments of each function, all from one file of tensors, read once.
class Inputs {
 public:
  explicit Inputs(std::string path) : path_(std::move(path)) {
    if (!path_.empty()) tensors_ = load_safetensors(path_).tensors;
  }
  std::vector<Array> of(const Function& function, const std::string& file) const {
    if (function.arguments.empty()) return {};
    if (path_.empty())
      throw Error(fmt::format("{}: @{} takes arguments: give {} with --inputs X.safetensors", file,
                              function.name, arguments_text(function)));
    return arguments_from(tensors_, function, path_);
  }

 private:
  std::string path_;
  NamedArrays tensors_;
};

/// Prints which checks failed; true when none did.
bool judge_all(const ParsedFunction& parsed, const std::vector<Array>& results) {
  std::size_t passed = 0;
  for (const Check& check : parsed.checks) {
    // The exact mode's results are wider than what the check speaks of.
    const auto result = [&](int index) {
      const auto i = static_cast<std::size_t>(index);
      return results[i].converted(parsed.function.results[i].type().dtype);
    };
    const std::string refused = judge(check, result(check.got), result(check.expected));
    if (refused.empty())
      ++passed;
    else
      fmt::print("{}: check failed in @{}: {}\n", check.where.str(), parsed.function.name, refused);
  }
  if (!parsed.checks.empty()) fmt::print("{} of {} checks passed\n", passed, parsed.checks.size());
  return passed == parsed.checks.size();
}

}  // namespace

bool names_file(const std::string& name) {
  std::error_code error;
  return name.ends_with(".mlir") || std::filesystem::is_regular_file(name, error);
}

ParsedFunction function_in(const std::string& file) {
  const std::vector<ParsedModule> modules = parse_modules(read_file(file), file);
  const ParsedFunction* found = nullptr;
  std::string names;
  for (const ParsedModule& module : modules)
    for (const ParsedFunction& parsed : module.functions)
      names += (names.empty() ? "@" : ", @") + parsed.function.name;
  if (modules.size() == 1) {
    found = modules[0].main();
    if (found == nullptr && modules[0].functions.size() == 1) found = &modules[0].functions[0];
  }
  if (found == nullptr)
    throw Error(fmt::format(
        "{}: expected one module with a function called main, or with one "
        "function; found {}{}",
        file, modules.size() == 1 ? "" : fmt::format("{} modules with ", modules.size()),
        names.empty() ? "no function" : names));
  ParsedFunction function = *found;
  // A test file's function often returns nothing but checks its results: those are shown then.
  if (function.outputs > 0)
    function.function.results.resize(static_cast<std::size_t>(function.outputs));
  function.outputs = static_cast<int>(function.function.results.size());
  function.checks.clear();
  return function;
}

bool run_file(const RunOptions& options) {
  const std::vector<ParsedFunction> functions = functions_to_run(options.file);
  if (!options.outputs.empty() && functions.size() > 1)
    throw Error(fmt::format(
        "--outputs: expected one function to run, for its results to be named after; {} has {}",
        options.file, functions.size()));
  const Inputs inputs(options.inputs);
  bool passed = true;
  for (const ParsedFunction& parsed : functions) {
    const Function& function = parsed.function;
    const std::vector<Array> results =
        run_function(function, inputs.of(function, options.file), options.mode);
    const std::vector<Array> returned(results.begin(), results.begin() + parsed.outputs);
    if (!options.outputs.empty()) {
      save_safetensors(options.outputs, named_results(function, returned));
    } else {
      if (functions.size() > 1) fmt::print("@{}\n", function.name);
      for (std::size_t r = 0; r < returned.size(); ++r)
        fmt::print("{}: {}\n{}\n", result_name(function, r), returned[r].type().str(),
                   array_text(returned[r]));
    }
    passed = judge_all(parsed, results) && passed;
  }
  return passed;
}

void grad_file(const GradOptions& options) {
  const Function function = function_in(options.file).function;
  const std::string text = to_text(gradient_function(function, options.wrt));
  if (options.output.empty())
    print(text);
  else
    write_file(options.output, text);
}

bool check_file(const CheckOptions& options) {
  const std::vector<ParsedFunction> functions = functions_to_run(options.file);
  const Inputs inputs(options.inputs);
  bool passed = true;
  for (const ParsedFunction& parsed : functions) {
    const Function& function = parsed.function;
    const bool drawn = options.inputs.empty() && !function.arguments.empty();
    const std::vector<Array> arguments =
        drawn ? drawn_arguments(function, options.seed) : inputs.of(function, options.file);
    if (functions.size() > 1) fmt::print("@{}\n", function.name);
    if (drawn)
      fmt::print("arguments drawn at random, seed {}: floats of [-1, 1), integers of 0 … 9\n",
                 options.seed);
    const ModeComparison comparison = compare_modes(function, arguments);
    print(comparison.text());
    passed = comparison.agree() && judge_all(parsed, comparison.reference) && passed;
  }
  return passed;
}

}  // namespace kiln
