// The kernels' benchmarks, in fused/unfused pairs: build/release/kiln_benchmarks
#include <benchmark/benchmark.h>

#include "models/workloads.h"

namespace kiln {
namespace {

void run(benchmark::State& state, const Workload& workload, Mode mode) {
  settings().set_threads(1);
  const PreparedWork work = workload.prepare();
  const std::vector<const Array*> inputs = work.input_arrays();
  Compiled compiled(work.trace(), mode, settings().target);
  compiled(inputs);
  for (auto _ : state) compiled(inputs);
  state.counters["FLOP/s"] = benchmark::Counter(compiled.executable().plan().contraction_flops(),
                                                benchmark::Counter::kIsIterationInvariantRate,
                                                benchmark::Counter::kIs1000);
  state.counters["launches"] =
      static_cast<double>(compiled.executable().plan().program.launches.size());
}

const bool kRegistered = [] {
  for (const Workload& workload : workloads())
    for (const auto& [name, mode] :
         {std::pair("fused", Mode::fused), std::pair("unfused", Mode::unfused)})
      benchmark::RegisterBenchmark(
          (workload.name + "/" + name).c_str(),
          [&workload, mode = mode](benchmark::State& state) { run(state, workload, mode); });
  return true;
}();

}  // namespace
}  // namespace kiln
