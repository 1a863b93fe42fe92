// What a step's memory comes to, seen before anything runs.
#include <map>

#include "models/model.h"
#include "models/workloads.h"
#include "passes/schedule.h"
#include "runtime/executable.h"
#include "tests/catch.h"
#include "tests/plan_check.h"

using Catch::Matchers::ContainsSubstring;

namespace kiln {
namespace {

Traced traced(const Workload& workload) {
  const PreparedWork work = workload.prepare();
  std::vector<Type> types;
  for (const Array& input : work.inputs) types.push_back(input.type());
  return Trace::run(work.function, types);
}

/// Every workload and every model's step, as traced.
std::map<std::string, Function> programs() {
  std::map<std::string, Function> programs;
  for (const Workload& workload : workloads())
    programs.emplace(workload.name, traced(workload).function);
  for (const ModelEntry& entry : registered_models())
    programs.emplace(entry.name, entry.make()->traced().function);
  return programs;
}

/// The plan refers to the function's nodes.
StepPlan plan_of(Function& function, Mode mode = Mode::fused) {
  PipelineOptions options;
  options.mode = mode;
  run_passes(function, options);
  return plan_step(function, {});
}

}  // namespace

TEST_CASE("every_program_s_arena_is_within_a_twentieth_of_what_lives_at_once") {
  for (const auto& [name, function] : programs())
    for (const Mode mode : {Mode::fused, Mode::unfused}) {
      CAPTURE(name, mode == Mode::fused);
      Function program = function;
      const StepPlan plan = plan_of(program, mode);
      CHECK(overlap(plan) == std::string());
      CHECK(plan.program.arena_bytes >= plan.memory.bound);
      CHECK(static_cast<double>(plan.program.arena_bytes) <=
            1.05 * static_cast<double>(plan.memory.bound));
    }
}

TEST_CASE("the_report_tells_parameters_from_other_state_and_activations_from_gradients") {
  Traced step = traced(find_workload("digit_mlp"));
  // Names say nothing.
  for (Argument& argument : step.function.arguments) argument.name.clear();
  const MemoryReport report = plan_of(step.function).memory;
  constexpr std::int64_t kWeights = 784 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10;
  CHECK(report.inputs == 64 * 784 * 4 + 64 * 4);
  CHECK(report.parameters == 4 * kWeights);
  CHECK(report.optimiser == 2 * 4 * kWeights + 8);  // two moments, the step number
  CHECK(report.outputs == 4);
  CHECK(report.constants == 0);
  CHECK(report.total() == report.inputs + 3 * report.parameters + 8 + 4 + report.arena);
  CHECK(report.activations + report.gradients + report.scratch == report.bound);
  // The first layer waits for the gradient of its weights; its own is being made of the second's.
  CHECK(report.activations >= 4 * 64 * 256);
  CHECK(report.gradients >= 4 * 64 * (256 + 128));
  std::int64_t alive = 0;
  for (const MemoryReport::Alive& one : report.alive) {
    alive += one.bytes;
    CHECK(one.first_launch <= report.peak_launch);
    CHECK(report.peak_launch <= one.last_launch);
  }
  CHECK(alive == report.bound);

  Traced inference = traced(find_workload("digit_mlp_infer_64"));
  const MemoryReport of_inference = plan_of(inference.function).memory;
  CHECK(of_inference.activations + of_inference.gradients + of_inference.optimiser == 0);
  CHECK(of_inference.scratch == 4 * 64 * (256 + 128));
}

TEST_CASE("a_jitted_function_tells_its_memory") {
  auto twice = jit([](const Tensor& x) { return tanh(x) * 2.0; }, {Type{DType::f32, {16, 8}}});
  CHECK(twice.memory().inputs == 16 * 8 * 4);
  CHECK(twice.memory().outputs == 16 * 8 * 4);
  CHECK(twice.memory().arena == 0);
  CHECK_THAT(twice.dump("memory"), ContainsSubstring("a step takes 1024 bytes"));
}

TEST_CASE("an_order_is_chosen_that_keeps_few_bytes_alive") {
  // Two makers, then each one's reader: a reader before the other maker.
  Dependencies dependencies(4);
  dependencies.add(0, 2);
  dependencies.add(1, 3);
  const std::vector<Touched> jobs{{{0}, {}}, {{1}, {}}, {{0}, {}}, {{1}, {}}};
  const std::vector<Piece> pieces{{1000}, {1000}};
  const Schedule found = schedule(dependencies, jobs, pieces);
  CHECK(found.peak == 1000);
  const std::vector<int>& order = found.order;
  CHECK((order == std::vector{0, 2, 1, 3} || order == std::vector{1, 3, 0, 2}));
}

TEST_CASE("a_value_takes_the_place_of_one_that_dies") {
  // 0 → 1 → 2, each over the one before, which nobody else reads; then one somebody does.
  Dependencies dependencies(4);
  for (int job = 1; job < 4; ++job) dependencies.add(job - 1, job);
  const std::vector<Touched> jobs{
      {{0}, {}}, {{0, 1}, {{1, 0}}}, {{1, 2}, {{2, 1}}}, {{2, 3}, {{3, 2}}}};
  std::vector<Piece> pieces{{64}, {64}, {64}, {64}};
  CHECK(schedule(dependencies, jobs, pieces).lies_in == std::vector{0, 0, 0, 0});
  CHECK(schedule(dependencies, jobs, pieces).peak == 64);
  pieces[1].kept = true;
  CHECK(schedule(dependencies, jobs, pieces).lies_in == std::vector{0, 0, 2, 2});
  CHECK(schedule(dependencies, jobs, pieces).peak == 128);
}

TEST_CASE("jobs_keep_an_order_that_can_run_as_edges_come") {
  std::uint64_t state = 1;
  const auto draw = [&](int n) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<int>((state >> 33) % static_cast<std::uint64_t>(n));
  };
  for (int round = 0; round < 50; ++round) {
    const int jobs = 2 + draw(30);
    Dependencies dependencies(jobs);
    std::vector<std::vector<bool>> follows(static_cast<std::size_t>(jobs),
                                           std::vector<bool>(static_cast<std::size_t>(jobs)));
    for (int i = 0; i < jobs; ++i)
      follows[static_cast<std::size_t>(i)][static_cast<std::size_t>(i)] = true;
    for (int edge = 0; edge < 3 * jobs; ++edge) {
      const auto a = static_cast<std::size_t>(draw(jobs)), b = static_cast<std::size_t>(draw(jobs));
      REQUIRE(dependencies.follows(static_cast<int>(a), static_cast<int>(b)) == follows[a][b]);
      if (follows[a][b]) continue;
      dependencies.add(static_cast<int>(a), static_cast<int>(b));
      for (std::size_t x = 0; x < follows.size(); ++x)
        for (std::size_t y = 0; y < follows.size(); ++y)
          if (follows[x][b] && follows[a][y]) follows[x][y] = true;
    }
    const std::vector<int> order = dependencies.order();
    for (std::size_t i = 0; i < order.size(); ++i)
      for (std::size_t j = i + 1; j < order.size(); ++j)
        REQUIRE(!follows[static_cast<std::size_t>(order[i])][static_cast<std::size_t>(order[j])]);
  }
}

}  // namespace kiln
