// What one step of a scan costs, for stacks of different lengths.
#include <benchmark/benchmark.h>

#include "ir/build.h"
#include "ir/build_control.h"
#include "runtime/executable.h"

namespace kiln {
namespace {

using Values = std::vector<Value>;

/// h = tanh(h + xs[i]), ys[i] = h for i = 0 … steps-1, where xs and ys hold `rows` rows.
Function scan(std::int64_t steps, std::int64_t rows, std::int64_t width) {
  Function function;
  function.graph = std::make_shared<Graph>();
  Graph& graph = *function.graph;
  function.arguments = {{{DType::f32, {rows, width}}, "xs"}, {{DType::f32, {width}}, "h"}};
  const Value xs = function.argument(0), h = function.argument(1);
  function.results =
      build::counted(graph, steps, {h, build::like(xs, 0)}, [&](Value i, std::span<const Value> v) {
        const Value starts[] = {i, graph.constant(Array::scalar<std::int64_t>(0))};
        const Value x = build::reshape(build::dynamic_slice(xs, starts, {1, width}), {width});
        const Value next = build::unary(Op::tanh, build::add(v[0], x));
        return Values{next,
                      build::dynamic_update_slice(v[1], build::reshape(next, {1, width}), starts)};
      });
  return function;
}

void scan_of_1000_steps(benchmark::State& state) {
  constexpr std::int64_t kSteps = 1000, kWidth = 64;
  Executable executable(scan(kSteps, state.range(0), kWidth), {}, settings().target);
  Array xs(Type{DType::f32, {state.range(0), kWidth}}), h(Type{DType::f32, {kWidth}});
  Array last = h.clone(), ys = xs.clone();
  void* pointers[] = {xs.bytes().data(), h.bytes().data(), last.bytes().data(), ys.bytes().data()};
  for (auto _ : state) executable.run(pointers);
  state.counters["step"] = benchmark::Counter(
      kSteps, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK(scan_of_1000_steps)->Arg(1000)->Arg(4000)->Arg(16000);

}  // namespace
}  // namespace kiln
