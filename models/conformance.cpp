#include "models/conformance.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <thread>

#include <nlohmann/json.hpp>

#include "ir/parse.h"
#include "runtime/atomic_file.h"
#include "runtime/isolated.h"
#include "runtime/judge.h"
#include "runtime/settings.h"

namespace kiln {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

enum class Verdict : std::uint8_t { passed, rejected, wrong, crashed };
constexpr std::array kVerdictNames = {"passed", "rejected", "wrong", "crashed"};

/// What came of one file in one mode.
struct Outcome {
  Verdict verdict = Verdict::crashed;
  std::string why;  // the reason, or what was wrong
};

struct Job {
  std::string file;
  RunMode mode;
  Outcome outcome;
  double seconds = 0;
};

std::vector<std::string> files_in(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    if (!fs::is_directory(path)) {
      if (!fs::exists(path)) throw Error(fmt::format("{}: there is no such file or folder", path));
      files.push_back(path);
      continue;
    }
    for (const auto& entry : fs::directory_iterator(path))
      if (entry.path().extension() == ".mlir") files.push_back(entry.path().string());
  }
  if (files.empty()) throw Error("there is no *.mlir file to run");
  std::sort(files.begin(), files.end());
  return files;
}

/// Test files that StableHLO itself does not run say so where others say how to.
bool disabled(const std::string& text) {
  constexpr std::size_t kFirstLines = 400;
  return text.substr(0, kFirstLines).find("// RUN-DISABLED") != std::string::npos;
}

/// An error's first line without the place in the file, so that equal errors are counted together.
std::string without_place(const std::string& file, std::string message) {
  message = message.substr(0, message.find('\n'));
  if (!message.starts_with(file + ":")) return message;
  const std::size_t end = message.find_first_not_of("0123456789: ", file.size());
  return end == std::string::npos ? message : message.substr(end);
}

Outcome run_checks(const std::string& file, RunMode mode) {
  const std::string text = read_file(file);
  if (disabled(text)) return {Verdict::rejected, "disabled upstream (RUN-DISABLED)"};
  std::vector<ParsedModule> modules;
  try {
    modules = parse_modules(text, file);
  } catch (const UnsupportedError& error) {
    return {Verdict::rejected, error.constructs.front().name};
  } catch (const Error& error) {
    return {Verdict::rejected, "not understood: " + without_place(file, error.what())};
  }
  std::size_t checks = 0;
  for (const ParsedModule& module : modules)
    for (const ParsedFunction& parsed : module.functions) {
      if (parsed.checks.empty() || !parsed.function.arguments.empty()) continue;
      const Function& function = parsed.function;
      const std::vector<Array> results = run_function(function, {}, mode);
      for (const Check& check : parsed.checks) {
        const auto result = [&](int index) {
          const auto i = static_cast<std::size_t>(index);
          return results[i].converted(function.results[i].type().dtype);
        };
        const std::string refused = judge(check, result(check.got), result(check.expected));
        if (!refused.empty())
          return {Verdict::wrong, fmt::format("line {}: {}", check.where.line, refused)};
        ++checks;
      }
    }
  if (checks == 0) return {Verdict::rejected, "checks nothing"};
  return {Verdict::passed, ""};
}

/// What a job's process says: the verdict's digit, then why.
std::string run_job(const std::string& file, RunMode mode) {
  settings().set_threads(1);
  Outcome outcome;
  try {
    outcome = run_checks(file, mode);
  } catch (const Error& error) {
    outcome = {Verdict::rejected, "while running: " + without_place(file, error.what())};
  }
  return std::to_string(static_cast<int>(outcome.verdict)) + outcome.why;
}

void run_all(std::vector<Job>& jobs, const ConformanceOptions& options) {
  std::vector<std::function<std::string()>> work;
  for (const Job& job : jobs) work.emplace_back([&job] { return run_job(job.file, job.mode); });
  const int processors = usable_processors();
  const std::vector<IsolatedResult> results =
      run_isolated(work, options.jobs > 0 ? options.jobs : processors, options.timeout);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const IsolatedResult& result = results[i];
    jobs[i].seconds = result.seconds;
    if (result.death.empty())
      jobs[i].outcome = {static_cast<Verdict>(result.message[0] - '0'), result.message.substr(1)};
    else
      jobs[i].outcome = {Verdict::crashed, result.death};
  }
}

void report(const std::vector<Job>& jobs, const std::vector<RunMode>& modes) {
  fmt::print("{:<9}", "mode");
  for (const char* name : kVerdictNames) fmt::print("  {:>8}", name);
  fmt::print("\n");
  for (const RunMode mode : modes) {
    std::array<int, kVerdictNames.size()> counts{};
    for (const Job& job : jobs)
      if (job.mode == mode) ++counts[static_cast<std::size_t>(job.outcome.verdict)];
    fmt::print("{:<9}", name_of(mode));
    for (const int count : counts) fmt::print("  {:>8}", count);
    fmt::print("\n");
  }

  // A file is rejected for the same reason in each mode, nearly always.
  std::map<std::string, std::vector<std::string>> reasons;
  for (const Job& job : jobs)
    if (job.outcome.verdict == Verdict::rejected) {
      std::vector<std::string>& files = reasons[job.outcome.why];
      if (files.empty() || files.back() != job.file) files.push_back(job.file);
    }
  std::vector<std::pair<std::string, std::vector<std::string>>> ordered(reasons.begin(),
                                                                        reasons.end());
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const auto& a, const auto& b) { return a.second.size() > b.second.size(); });
  if (!ordered.empty()) fmt::print("\nrejected, by reason:\n");
  for (const auto& [reason, files] : ordered)
    fmt::print("{:>6}  {}{}\n", files.size(), reason,
               files.size() == 1 ? "  (" + fs::path(files[0]).filename().string() + ")" : "");

  for (const Verdict verdict : {Verdict::wrong, Verdict::crashed}) {
    bool first = true;
    for (const Job& job : jobs) {
      if (job.outcome.verdict != verdict) continue;
      if (first) fmt::print("\n{}:\n", kVerdictNames[static_cast<std::size_t>(verdict)]);
      first = false;
      fmt::print("  {} ({}): {}\n", fs::path(job.file).filename().string(), name_of(job.mode),
                 job.outcome.why);
    }
  }
}

void write_json(const std::string& path, const std::vector<Job>& jobs) {
  std::string lines;
  for (const Job& job : jobs) {
    nlohmann::ordered_json line;
    line["file"] = job.file;
    line["mode"] = name_of(job.mode);
    line["outcome"] = kVerdictNames[static_cast<std::size_t>(job.outcome.verdict)];
    if (!job.outcome.why.empty()) line["why"] = job.outcome.why;
    line["seconds"] = job.seconds;
    lines += line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  }
  write_file(path, lines);
}

}  // namespace

bool conformance(const ConformanceOptions& options) {
  std::vector<Job> jobs;
  for (const std::string& file : files_in(options.paths))
    for (const RunMode mode : options.modes) jobs.push_back({file, mode, {}, 0});
  const auto start = Clock::now();
  run_all(jobs, options);
  report(jobs, options.modes);
  fmt::print("\n{} runs in {:.0f} s\n", jobs.size(),
             std::chrono::duration<double>(Clock::now() - start).count());
  if (!options.json.empty()) write_json(options.json, jobs);
  return std::none_of(jobs.begin(), jobs.end(), [](const Job& job) {
    return job.outcome.verdict == Verdict::wrong || job.outcome.verdict == Verdict::crashed;
  });
}

}  // namespace kiln
