#include "models/compile_costs.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <functional>

#include <nlohmann/json.hpp>

#include "models/model.h"
#include "models/temporary_folder.h"
#include "models/workloads.h"
#include "runtime/isolated.h"

namespace kiln {
namespace {

constexpr int kStarts = 5;  // of each kind, the median counts
constexpr double kTimeout = 600;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// What this process's threads took together.
double cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// A model or workload by its name. `prepare` makes it ready to be traced, which does not count.
struct Source {
  std::string name;
  std::function<std::function<Traced()>()> prepare;
};

Source of_model(const ModelEntry& entry) {
  return {entry.name, [entry]() -> std::function<Traced()> {
            const std::shared_ptr<Model> model = entry.make();
            return [model] { return model->traced(); };
          }};
}

Source of_workload(const Workload& workload) {
  return {workload.name, [workload]() -> std::function<Traced()> {
            const auto work = std::make_shared<PreparedWork>(workload.prepare());
            return [work] { return work->trace(); };
          }};
}

std::vector<Source> chosen(const std::vector<std::string>& names) {
  std::vector<Source> programs;
  for (const ModelEntry& entry : registered_models()) programs.push_back(of_model(entry));
  for (const Workload& workload : workloads()) programs.push_back(of_workload(workload));
  if (names.empty()) return programs;
  std::vector<Source> some;
  for (const std::string& name : names) {
    const std::size_t before = some.size();  // a model and a workload may share a name
    std::ranges::copy_if(programs, std::back_inserter(some),
                         [&](const Source& source) { return source.name == name; });
    if (some.size() == before)
      throw Error(
          fmt::format("there is no model or workload '{}': see kiln models and kiln bench", name));
  }
  return some;
}

/// One start, as text for the process that waits for it.
std::string start(const Source& source, std::shared_ptr<CodeCache> cache) {
  const std::function<Traced()> trace = source.prepare();
  settings().set_code_cache(std::move(cache));
  const double cpu_before = cpu_seconds();
  const auto begin = std::chrono::steady_clock::now();
  Traced traced = trace();
  const double trace_seconds = seconds_since(begin);
  const Compiled compiled(std::move(traced), settings().mode, settings().target);
  const double seconds = seconds_since(begin), cpu = cpu_seconds() - cpu_before;

  const CompileReport& report = compiled.executable().report();
  double pass_seconds = 0;
  for (const PassReport& pass : report.passes) pass_seconds += pass.seconds;
  nlohmann::json result{{"trace", trace_seconds},
                        {"passes", pass_seconds},
                        {"plan", report.plan_seconds},
                        {"codegen", report.codegen_seconds},
                        {"link", report.link_seconds},
                        {"all", seconds},
                        {"cpu", cpu},
                        {"cached", report.cached}};
  if (!report.cached) {
    const Program& made = compiled.executable().plan().program;
    result["kernels"] = made.kernels.size();
    result["launches"] = made.launches.size();
  }
  return result.dump();
}

/// The start in the middle of some in processes of their own, one after the other.
nlohmann::json median_start(const Source& source, int count,
                            const std::function<std::shared_ptr<CodeCache>()>& cache) {
  const std::vector<std::function<std::string()>> jobs(static_cast<std::size_t>(count),
                                                       [&] { return start(source, cache()); });
  std::vector<nlohmann::json> starts;
  for (const IsolatedResult& result : run_isolated(jobs, 1, kTimeout)) {
    if (!result.death.empty())
      throw Error(fmt::format("{}: cannot be compiled: {}", source.name, result.death));
    starts.push_back(nlohmann::json::parse(result.message));
  }
  const auto all = [](const nlohmann::json& one) { return one.at("all").get<double>(); };
  std::ranges::sort(starts, {}, all);
  return starts[starts.size() / 2];
}

CompileCosts costs_of(const Source& source) {
  const auto cold = median_start(source, kStarts, [] { return std::make_shared<CodeCache>(); });
  const TemporaryFolder folder;
  const auto kept = [&] { return std::make_shared<CodeCache>(ObjectStore(folder.path())); };
  median_start(source, 1, kept);
  const auto warm = median_start(source, kStarts, kept);
  if (!warm.at("cached").get<bool>())
    throw Error(fmt::format("{}: the cache does not keep it", source.name));
  return {.program = source.name,
          .trace_seconds = cold.at("trace"),
          .pass_seconds = cold.at("passes"),
          .plan_seconds = cold.at("plan"),
          .codegen_seconds = cold.at("codegen"),
          .link_seconds = cold.at("link"),
          .cold_seconds = cold.at("all"),
          .cpu_seconds = cold.at("cpu"),
          .warm_seconds = warm.at("all"),
          .kernels = cold.at("kernels"),
          .launches = cold.at("launches")};
}

}  // namespace

std::vector<CompileCosts> compile_costs(const std::vector<std::string>& programs) {
  std::vector<CompileCosts> costs;
  for (const Source& source : chosen(programs)) costs.push_back(costs_of(source));
  return costs;
}

void bench_compile(const std::vector<std::string>& programs, const std::string& json) {
  const std::vector<Source> sources = chosen(programs);
  std::ofstream file;
  if (!json.empty()) {
    file.open(json);
    if (!file) throw Error(fmt::format("{}: cannot be written", json));
  }
  fmt::print("from trace to ready, in ms, on {} processor{}; medians of {} processes each\n",
             usable_processors(), usable_processors() == 1 ? "" : "s", kStarts);
  fmt::print("{:<30} {:>7} {:>8} {:>7} {:>7} {:>7} {:>8} {:>6} {:>8} {:>8} {:>8}\n", "program",
             "kernels", "launches", "trace", "passes", "plan", "codegen", "link", "cold", "cpu",
             "cached");
  for (const Source& source : sources) {
    const CompileCosts costs = costs_of(source);
    fmt::print(
        "{:<30} {:>7} {:>8} {:>7.1f} {:>7.1f} {:>7.1f} {:>8.1f} {:>6.1f} {:>8.1f} {:>8.1f} "
        "{:>8.1f}\n",
        costs.program, costs.kernels, costs.launches, 1e3 * costs.trace_seconds,
        1e3 * costs.pass_seconds, 1e3 * costs.plan_seconds, 1e3 * costs.codegen_seconds,
        1e3 * costs.link_seconds, 1e3 * costs.cold_seconds, 1e3 * costs.cpu_seconds,
        1e3 * costs.warm_seconds);
    std::fflush(stdout);
    if (file.is_open())
      file << nlohmann::json{{"program", costs.program},
                             {"kernels", costs.kernels},
                             {"launches", costs.launches},
                             {"trace_seconds", costs.trace_seconds},
                             {"pass_seconds", costs.pass_seconds},
                             {"plan_seconds", costs.plan_seconds},
                             {"codegen_seconds", costs.codegen_seconds},
                             {"link_seconds", costs.link_seconds},
                             {"compile_seconds", costs.cold_seconds},
                             {"compile_cpu_seconds", costs.cpu_seconds},
                             {"warm_seconds", costs.warm_seconds}}
                  .dump()
           << std::endl;
  }
}

}  // namespace kiln
