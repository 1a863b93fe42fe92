#include "models/serve.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "models/workloads.h"
#include "runtime/machine.h"
#include "runtime/safetensors.h"

namespace kiln {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Of this process, in bytes: VmRSS, or VmHWM, its highest value since `forget_peak`.
std::int64_t resident(const std::string& what) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(what + ":")) return 1024 * std::stoll(line.substr(what.size() + 1));
  throw Error("/proc/self/status: no " + what);
}
void forget_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

class Server {
 public:
  Server(const Workload& workload, Mode mode, std::string folder)
      : mode_(mode),
        folder_(std::move(folder)),
        work_(workload.prepare()),
        inputs_(work_.input_arrays()),
        traced_(work_.trace()) {
    NamedArrays arrays;
    for (const PreparedWork::Input& input : work_.inputs) arrays.emplace(input.name, input.value);
    for (const VariablePtr& variable : traced_.variables) {
      arrays.emplace(variable->name, value_of(variable));
      initial_.push_back(value_of(variable).clone());
    }
    save_safetensors(folder_ + "/inputs.safetensors", arrays);
  }

  nlohmann::json first() {
    forget_peak();
    const std::int64_t before = resident("VmRSS");
    double start = now();
    compiled_ = std::make_unique<Compiled>(work_.trace(), mode_, settings().target);
    const double compile_seconds = now() - start;
    NamedArrays results = named((*compiled_)(inputs_), "");
    for (const VariablePtr& variable : compiled_->variables())
      results.emplace(variable->name, value_of(variable).clone());
    results.merge(named((*compiled_)(inputs_), "again."));
    start = now();
    (*compiled_)(inputs_);
    step_seconds_ = now() - start;
    const std::int64_t peak = resident("VmHWM") - before;
    save_safetensors(
        folder_ + fmt::format("/{}.safetensors", mode_ == Mode::fused ? "kiln" : "unfused"),
        results);
    // Neither counts: the plan of a step from the cache is made for this question alone.
    const StepPlan& plan = compiled_->executable().plan();
    std::int64_t bytes = 0;
    for (const Launch& launch : plan.program.launches) bytes += plan.space_of(launch).bytes();
    return {{"compile_seconds", compile_seconds},
            {"step_seconds", step_seconds_},
            {"peak_bytes", peak},
            {"flops", plan.contraction_flops()},
            {"bytes", bytes},
            {"launches", plan.program.launches.size()},
            {"arena_bytes", plan.program.arena_bytes}};
  }

  nlohmann::json block(double seconds) {
    if (!compiled_) throw Error("--serve: a block before the first step");
    for (std::size_t i = 0; i < initial_.size(); ++i)
      std::ranges::copy(std::as_const(initial_[i]).bytes(),
                        value_of(traced_.variables[i]).bytes().begin());
    // Untimed steps before: caches, and threads that were parked.
    const auto steps = std::max<std::int64_t>(1, std::int64_t(seconds / step_seconds_));
    run(1 + steps / 8);
    step_seconds_ = run(steps);
    return {{"seconds", step_seconds_}, {"steps", steps}};
  }

 private:
  double run(std::int64_t steps) {
    const double start = now();
    for (std::int64_t i = 0; i < steps; ++i) (*compiled_)(inputs_);
    return (now() - start) / static_cast<double>(steps);
  }

  NamedArrays named(const std::vector<Array>& results, const std::string& prefix) const {
    NamedArrays all;
    for (std::size_t i = 0; i < results.size(); ++i)
      all.emplace(prefix + work_.outputs[i], results[i].clone());
    return all;
  }

  Mode mode_;
  std::string folder_;
  PreparedWork work_;
  std::vector<const Array*> inputs_;
  Traced traced_;
  std::vector<Array> initial_;  // of the variables
  std::unique_ptr<Compiled> compiled_;
  double step_seconds_ = 1;
};

}  // namespace

void serve(const std::string& workload, Mode mode, const std::string& folder) {
  const auto answer = [](const nlohmann::json& json) { std::cout << json.dump() << std::endl; };
  const int threads = settings().pool().threads();
  Server server(find_workload(workload), mode, folder);
  answer({{"ready", true}, {"threads", threads}, {"cpu", settings().target.cpu}});
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command;
    double seconds = 0;
    words >> command >> seconds;
    if (command == "first")
      answer(server.first());
    else if (command == "block" && seconds > 0)
      answer(server.block(seconds));
    else if (command == "machine")
      answer({{"peak_gflops", measured_peak_gflops(settings().target) * threads},
              {"copy_gbs", measured_copy_gbs(settings().pool())}});
    else
      throw Error(
          fmt::format("--serve: expected first, block SECONDS or machine, found '{}'", line));
  }
}

}  // namespace kiln
