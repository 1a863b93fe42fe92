#include "models/bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>

#include <nlohmann/json.hpp>

#include "models/report.h"
#include "models/temporary_folder.h"
#include "models/workloads.h"
#include "runtime/machine.h"

namespace kiln {
namespace {

constexpr int kRounds = 21;              // timed blocks of each mode
constexpr double kBlockSeconds = 10e-3;  // of steps timed together
constexpr double kWarmSeconds = 100e-3;  // before the first block
constexpr int kWarmStarts = 5;           // from the cache

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// A value in the middle, and how far the middle half of the values spreads around it.
struct Summary {
  double median = 0, low = 0, high = 0;  // low and high: quartiles
  explicit Summary(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    median = values[values.size() / 2];
    low = values[values.size() / 4];
    high = values[values.size() * 3 / 4];
  }
  double spread() const { return (high - low) / median; }
};

std::string_view name_of(Mode mode) { return mode == Mode::fused ? "fused" : "unfused"; }

/// One workload in one mode, compiled and warm.
class Contestant {
 public:
  Contestant(const Workload& workload, Mode mode) : mode_(mode), work_(workload.prepare()) {
    inputs_ = work_.input_arrays();
    // One contestant's compiling says nothing of another's: each has a cache of its own, empty
    // first.
    const TemporaryFolder folder;
    const auto ready = [&] {
      compiled_.reset();
      settings().set_code_cache(std::make_shared<CodeCache>(ObjectStore(folder.path())));
      const double start = now();
      compiled_ = std::make_unique<Compiled>(work_.trace(), mode, settings().target);
      return now() - start;
    };
    compile_seconds_ = ready();
    std::vector<double> warm_starts;
    for (int i = 0; i < kWarmStarts; ++i) warm_starts.push_back(ready());
    warm_start_seconds_ = Summary(warm_starts).median;
    settings().set_code_cache(nullptr);  // the process's own again
    for (const VariablePtr& variable : compiled_->variables())
      first_.push_back(value_of(variable).clone());
    std::int64_t steps = 0;
    const double warm = now();
    while (now() - warm < kWarmSeconds) {
      (*compiled_)(inputs_);
      ++steps;
    }
    steps_per_block_ = std::max<std::int64_t>(
        1, static_cast<std::int64_t>(kBlockSeconds / kWarmSeconds * static_cast<double>(steps)));
  }

  void time_block() {
    begin_again();
    const double start = now();
    for (std::int64_t i = 0; i < steps_per_block_; ++i) (*compiled_)(inputs_);
    seconds_.push_back((now() - start) / static_cast<double>(steps_per_block_));
  }

  Mode mode() const { return mode_; }
  const std::vector<double>& seconds() const { return seconds_; }
  /// From trace to ready: with nothing in the cache, and with everything.
  double compile_seconds() const { return compile_seconds_; }
  double warm_start_seconds() const { return warm_start_seconds_; }
  const StepPlan& plan() const { return compiled_->executable().plan(); }

 private:
  /// All state as it was at first. Some hundred steps on the same batch leave moments that have
  /// decayed to denormals, on which an Intel processor takes three times as long: a block would
  /// tell how many steps came before it.
  void begin_again() {
    for (std::size_t i = 0; i < first_.size(); ++i)
      std::ranges::copy(first_[i].bytes(), value_of(compiled_->variables()[i]).bytes().begin());
  }

  Mode mode_;
  PreparedWork work_;
  std::vector<const Array*> inputs_;
  std::unique_ptr<Compiled> compiled_;
  std::vector<Array> first_;  // values of the variables
  std::int64_t steps_per_block_ = 1;
  double compile_seconds_ = 0, warm_start_seconds_ = 0;
  std::vector<double> seconds_;
};

/// What this machine reaches, measured in this run.
struct Machine {
  double peak_gflops = 0, copy_gbs = 0;
};

/// A kernel, and all of its launches in a step.
struct KernelTime {
  space::Kernel kernel;
  std::int64_t launches = 0;  // loops count as often as they go round
  double seconds = 0;
};

/// A step's kernels in the order they are met, timed from launch to launch while steps run.
std::vector<KernelTime> kernel_times(const Workload& workload, Mode mode, std::int64_t steps) {
  const PreparedWork work = workload.prepare();
  const std::vector<const Array*> inputs = work.input_arrays();
  // The first calls of one are not those of the other: they warm caches and threads.
  Compiled compiled(work.trace(), mode, settings().target, true);
  for (std::int64_t i = 0; i < 1 + steps / 8; ++i) compiled(inputs);
  const std::vector<LaunchTime> warm = compiled.launch_times();
  for (std::int64_t i = 0; i < steps; ++i) compiled(inputs);
  const std::vector<LaunchTime>& all = compiled.launch_times();

  const StepPlan& plan = compiled.executable().plan();
  std::vector<KernelTime> times;
  std::vector<std::size_t> place(plan.spaces.size(), plan.spaces.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto kernel = static_cast<std::size_t>(plan.program.launches[i].kernel);
    if (place[kernel] == plan.spaces.size()) {
      place[kernel] = times.size();
      times.push_back({plan.spaces[kernel]});
    }
    KernelTime& time = times[place[kernel]];
    time.launches += (all[i].calls - warm[i].calls) / steps;
    time.seconds += (all[i].seconds - warm[i].seconds) / static_cast<double>(steps);
  }
  return times;
}

/// The roofline of each kernel: of arithmetic, all operations count; of memory, each buffer once.
void print_kernels(const Workload& workload, Mode mode, double step_seconds,
                   const Machine& machine) {
  constexpr double kSeconds = 0.2;
  const auto steps = std::max<std::int64_t>(1, static_cast<std::int64_t>(kSeconds / step_seconds));
  const std::vector<KernelTime> times = kernel_times(workload, mode, steps);
  double total = 0;
  for (const KernelTime& time : times) total += time.seconds;
  fmt::print("  {:<28} {:<9} {:>8} {:>11} {:>6} {:>11} {:>11} {:>9} {:>7} {:>8} {:>7}\n", "kernel",
             "class", "launches", "time", "share", "flops", "bytes", "GFLOP/s", "peak", "GB/s",
             "copy");
  for (const KernelTime& time : times) {
    const double launches = static_cast<double>(time.launches);
    const double gflops = time.kernel.flops() * launches / time.seconds / 1e9;
    const double gbs = static_cast<double>(time.kernel.bytes()) * launches / time.seconds / 1e9;
    fmt::print(
        "  {:<28} {:<9} {:>8} {:>11} {:>5.1f}% {:>11.4g} {:>11.4g} {:>9.1f} {:>6.1f}% {:>8.1f} "
        "{:>6.1f}%\n",
        time.kernel.name, time.kernel.kind, time.launches, time_text(time.seconds),
        100 * time.seconds / total, time.kernel.flops() * launches,
        static_cast<double>(time.kernel.bytes()) * launches, gflops,
        100 * gflops / machine.peak_gflops, gbs, 100 * gbs / machine.copy_gbs);
  }
}

}  // namespace

void bench(const BenchOptions& options) {
  std::vector<const Workload*> chosen;
  for (const std::string& name : options.workloads) chosen.push_back(&find_workload(name));
  if (chosen.empty())
    for (const Workload& workload : workloads()) chosen.push_back(&workload);
  std::ofstream json;
  if (!options.json.empty()) {
    json.open(options.json);
    if (!json) throw Error(fmt::format("{}: cannot be written", options.json));
  }

  const int threads = settings().pool().threads();
  Machine machine{.peak_gflops = measured_peak_gflops(settings().target) * threads};
  const double peak = machine.peak_gflops;
  fmt::print("{}; {} thread{}; peak {:.0f} GFLOP/s (fused multiply-adds in registers, this run)",
             settings().target.cpu, threads, threads == 1 ? "" : "s", peak);
  if (options.kernels) {
    machine.copy_gbs = measured_copy_gbs(settings().pool());
    fmt::print("; copy {:.1f} GB/s (read and written, beyond the caches)", machine.copy_gbs);
  }
  fmt::print("\n");
  fmt::print("{:<30} {:<8} {:>11} {:>7} {:>9} {:>7} {:>8} {:>11} {:>7} {:>9} {:>8}\n", "workload",
             "mode", "step", "spread", "GFLOP/s", "peak", "launches", "arena", "gap", "compile",
             "cached");
  for (const Workload* workload : chosen) {
    std::vector<std::unique_ptr<Contestant>> contestants;
    for (const Mode mode : options.modes)
      contestants.push_back(std::make_unique<Contestant>(*workload, mode));
    for (int round = 0; round < kRounds; ++round)
      for (const auto& contestant : contestants) contestant->time_block();
    for (const auto& contestant : contestants) {
      const Summary time(contestant->seconds());
      const double gflops = contestant->plan().contraction_flops() / time.median / 1e9;
      fmt::print(
          "{:<30} {:<8} {:>11} {:>6.1f}% {:>9.1f} {:>6.1f}% {:>8} {:>11} {:>6.1f}% {:>6.0f} ms "
          "{:>5.1f} ms\n",
          workload->name, name_of(contestant->mode()), time_text(time.median), 100 * time.spread(),
          gflops, 100 * gflops / peak, contestant->plan().program.launches.size(),
          contestant->plan().program.arena_bytes, 100 * contestant->plan().memory.gap(),
          1e3 * contestant->compile_seconds(), 1e3 * contestant->warm_start_seconds());
      if (json.is_open())
        json << nlohmann::json{{"workload", workload->name},
                               {"mode", name_of(contestant->mode())},
                               {"threads", threads},
                               {"seconds", time.median},
                               {"spread", time.spread()},
                               {"gflops", gflops},
                               {"peak_share", gflops / peak},
                               {"arena_bytes", contestant->plan().program.arena_bytes},
                               {"arena_bound", contestant->plan().memory.bound},
                               {"compile_seconds", contestant->compile_seconds()},
                               {"warm_seconds", contestant->warm_start_seconds()}}
                    .dump()
             << std::endl;
    }
    for (std::size_t other = 1; other < contestants.size(); ++other) {
      std::vector<double> ratios;
      for (int round = 0; round < kRounds; ++round)
        ratios.push_back(contestants[other]->seconds()[static_cast<std::size_t>(round)] /
                         contestants[0]->seconds()[static_cast<std::size_t>(round)]);
      const Summary ratio(ratios);
      fmt::print("{:<30} {} is {:.2f}x as fast as {} (middle half of pairs {:.2f} … {:.2f})\n", "",
                 name_of(contestants[0]->mode()), ratio.median, name_of(contestants[other]->mode()),
                 ratio.low, ratio.high);
    }
    if (options.kernels)
      for (const auto& contestant : contestants) {
        if (contestants.size() > 1) fmt::print("  {}:\n", name_of(contestant->mode()));
        print_kernels(*workload, contestant->mode(), Summary(contestant->seconds()).median,
                      machine);
      }
    std::fflush(stdout);
  }
}

}  // namespace kiln
