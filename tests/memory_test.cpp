// What a step's memory comes to, seen before anything runs.
#include <map>

#include "frontend/activation.h"
#include "frontend/gradient.h"
#include "models/model.h"
#include "models/workloads.h"
#include "passes/arena.h"
#include "passes/fit_memory.h"
#include "passes/schedule.h"
#include "runtime/checkpoint.h"
#include "runtime/executable.h"
#include "tests/catch.h"
#include "tests/plan_check.h"
#include "tests/random_array.h"
#include "tests/random_graph.h"
#include "tests/support.h"

using Catch::Matchers::ContainsSubstring;

namespace kiln {
namespace {

Traced traced(const Workload& workload) { return workload.prepare().trace(); }

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
StepPlan plan_of(Function& function, Mode mode = Mode::fused,
                 std::set<std::string, std::less<>> disabled = {}) {
  PipelineOptions options;
  options.mode = mode;
  options.disabled = std::move(disabled);
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
  CHECK(of_inference.scratch == aligned(4 * 64 * 256) + aligned(4 * 64 * 128));
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

namespace {

/// How many results of kernels have this type of element.
int stored(const Function& fused, DType dtype) {
  int count = 0;
  for (const Node* node : topological(fused.results))
    for (const Type& type : node->types()) count += node->op() == Op::call && type.dtype == dtype;
  return count;
}

/// The kernels that compute this op.
int computing(const Function& fused, Op op) {
  int count = 0;
  for (const Node* node : topological(fused.results))
    if (node->op() == Op::call)
      for (const Node* inner : topological(node->regions()[0].results)) count += inner->op() == op;
  return count;
}

bool equal_bits(const std::vector<Array>& a, const std::vector<Array>& b) {
  return std::ranges::equal(a, b, [](const Array& x, const Array& y) {
    return x.type() == y.type() && std::ranges::equal(x.bytes(), y.bytes());
  });
}

}  // namespace

TEST_CASE("a_relu_s_mask_is_found_again_in_its_result") {
  for (const char* name : {"digit_mlp", "sin_mlp", "deep_mlp"}) {
    CAPTURE(name);
    Function kept = traced(find_workload(name)).function, again = kept;
    const StepPlan keeping = plan_of(kept, Mode::fused, {"rematerialise"});
    const StepPlan computing = plan_of(again);
    CHECK(stored(kept, DType::i1) > 0);
    CHECK(stored(again, DType::i1) == 0);
    CHECK(computing.memory.bound < keeping.memory.bound);
    CHECK(computing.program.launches.size() == keeping.program.launches.size());
    CHECK(overlap(computing) == std::string());
  }
}

TEST_CASE("of_an_activation_too_large_for_the_caches_only_the_operand_is_stored") {
  const std::vector<Type> types{
      {DType::f32, {512, 32}}, {DType::f32, {32, 1024}}, {DType::f32, {1024, 16}}};
  const Function function = trace(types, [](const std::vector<Tensor>& in) {
    const Tensor y = matmul(gelu(matmul(in[0], in[1])), in[2]);
    return grad(sum(square(y)), {in[0], in[1], in[2]});
  });
  const auto large = [](const StepPlan& plan) {
    std::ptrdiff_t count = 0;
    for (const space::Kernel& kernel : plan.spaces)
      count += std::ranges::count_if(kernel.buffers, [](const space::Buffer& buffer) {
        return buffer.output && buffer.count == 512 * 1024;
      });
    return count;
  };
  Function kept = function, again = function;
  CHECK(large(plan_of(kept, Mode::fused, {"rematerialise"})) > 3);
  CHECK(large(plan_of(again)) == 3);  // gelu's operand, its result, the operand's gradient
  std::vector<Array> inputs;
  for (const Type& type : types) inputs.push_back(random_array(type, inputs.size()));
  PipelineOptions keeping;
  keeping.disabled = {"rematerialise"};
  CHECK(equal_bits(execute(function, inputs), execute(function, inputs, keeping)));
}

TEST_CASE("what_is_computed_again_has_the_bits_it_had") {
  for (const auto& [name, function] : programs()) {
    if (name != "sin_mlp" && name != "digits-conv" && name != "nw-parametric" &&
        name != "additive-attention" && name != "causal-attention")
      continue;
    CAPTURE(name);
    std::vector<Array> inputs;
    for (const Argument& argument : function.arguments)
      inputs.push_back(random_array(argument.type, inputs.size(), 0, 2));
    PipelineOptions keeping;
    keeping.disabled = {"rematerialise"};
    const std::vector<Array> results = execute(function, inputs, PipelineOptions());
    CHECK(equal_bits(results, execute(function, inputs, keeping)));
    if (name != "causal-attention") continue;
    Function planned = function;
    const MemoryReport usual = plan_of(planned).memory;
    PipelineOptions tight;
    tight.max_memory = usual.total() - usual.activations / 3;
    CHECK(equal_bits(results, execute(function, inputs, tight)));
  }
}

TEST_CASE("an_elementary_function_is_not_computed_twice") {
  // Rows too long for one kernel: what the maximum and the shift by it read is stored.
  const Type type{DType::f32, {4, 40000}};
  const Function function =
      trace({type}, [](const auto& in) { return std::vector{softmax(exp(in[0]) * 3.0, 1)}; });
  Function compiled = function;
  run_passes(compiled);
  CHECK(computing(compiled, Op::exponential) <= 2);  // exp of the logits, exp of the softmax
  const std::vector<Array> inputs{random_array(type, 1, -1, 5)};
  const Array result = execute(function, inputs, PipelineOptions())[0];
  double sum = 0;
  for (std::int64_t i = 0; i < result.count(); ++i) sum += result.as_double(i);
  CHECK(std::abs(sum - 4) < 1e-3);
}

namespace {

/// Many layers of few weights: nearly all of its memory waits for the backward part.
struct Stack : Module {
  Stack() {
    for (int i = 0; i < 64; ++i)
      layers.push_back(std::make_unique<Linear>(this, fmt::format("layer{}", i), 16, 16));
  }
  Tensor operator()(Tensor x) const {
    for (const auto& layer : layers) x = relu((*layer)(x));
    return x;
  }
  std::vector<std::unique_ptr<Linear>> layers;
};

struct Trained {
  MemoryReport memory;
  std::uint64_t weights;
};

/// Three steps of a fresh stack under a limit.
Trained train_stack(std::int64_t max_memory) {
  const std::int64_t before = std::exchange(settings().max_memory, max_memory);
  const std::shared_ptr<void> restore(nullptr, [=](void*) { settings().max_memory = before; });
  manual_seed(1);
  Stack net;
  SGD sgd({.lr = 0.1});
  auto step = jit([&](const Tensor& x, const Tensor& y) {
    const auto [loss, grads] =
        value_and_grad([&] { return mse_loss(net(x), y); }, net.parameters());
    sgd.update(net.parameters(), grads);
    return loss;
  });
  const Type type{DType::f32, {256, 16}};
  const Array x = random_array(type, 1), y = random_array(type, 2);
  for (int i = 0; i < 3; ++i) step(x, y);
  return {step.memory(), hash_of(net.state())};
}

}  // namespace

TEST_CASE("half_the_memory_gives_the_same_weights") {
  const Trained usual = train_stack(0);
  for (const std::int64_t limit : {usual.memory.total() * 3 / 4, usual.memory.total() / 2}) {
    const Trained tight = train_stack(limit);
    CHECK(tight.memory.total() <= limit);
    CHECK(tight.memory.parameters == usual.memory.parameters);
    CHECK(tight.weights == usual.weights);
  }
}

TEST_CASE("random_graphs_keep_their_bits_within_a_limit") {
  int fitted = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    const RandomGraph random = random_graph(seed, {.steps = 40});
    Function planned = random.function;
    const MemoryReport usual = plan_of(planned).memory;
    PipelineOptions tight;
    tight.max_memory = usual.total() - usual.arena / 10;
    Function limited = random.function;
    run_passes(limited);
    StepPlan plan;
    try {
      plan = plan_within(limited, {}, tight.max_memory);
    } catch (const Error&) {
      continue;  // refused: too little of it waits
    }
    CHECK(overlap(plan) == std::string());
    ++fitted;
    CHECK(equal_bits(execute(random.function, random.inputs),
                     execute(random.function, random.inputs, tight)));
  }
  CHECK(fitted > 0);
}

TEST_CASE("a_limit_that_cannot_be_kept_is_refused_with_the_figures") {
  const MemoryReport usual = train_stack(0).memory;
  CHECK_THROWS_WITH(train_stack(usual.parameters),
                    ContainsSubstring(fmt::format("may take {} bytes", usual.parameters)) &&
                        ContainsSubstring(fmt::format("parameters {}", usual.parameters)));
}

}  // namespace kiln
