// Training ends with the same bits whatever runs it: any number of threads, code compiled afresh or
// read from the cache, AVX2 or AVX-512. Of every model the command knows.
#include <cstring>
#include <functional>
#include <map>

#include "models/model.h"
#include "runtime/checkpoint.h"
#include "tests/catch.h"
#include "tests/random_array.h"
#include "tests/temp_folder.h"

namespace kiln {
namespace {

constexpr int kSteps = 100;
/// Of models whose step is a thousand times the work of others'.
constexpr int kStepsOfLarge = 10;
constexpr std::int64_t kLarge = 500'000;  // parameters

struct Conditions {
  Target target = Target::host();
  int threads = 1;
  std::string cache = {};  // folder; empty: none
};

/// What is left of the process's settings while one lives.
class Under {
 public:
  explicit Under(const Conditions& conditions) : target_(settings().target) {
    settings().target = conditions.target;
    settings().set_threads(conditions.threads);
    settings().set_code_cache(conditions.cache.empty()
                                  ? std::make_shared<CodeCache>()
                                  : std::make_shared<CodeCache>(ObjectStore(conditions.cache)));
    manual_seed(0);
  }
  ~Under() {
    settings().target = target_;
    settings().set_threads(2);
    settings().set_code_cache(nullptr);
  }
  Under(const Under&) = delete;
  Under& operator=(const Under&) = delete;

 private:
  Target target_;
};

struct Result {
  std::uint64_t hash = 0;
  bool cached = true;  // every step it ran
};

/// The data of each model that learns, loaded once.
const Dataset& data_of(const std::string& name, Learner& learner) {
  static std::map<std::string, Dataset> all;
  const auto known = all.find(name);
  if (known != all.end()) return known->second;
  return all.emplace(name, learner.load({})).first->second;
}

/// The weights after so many steps of training.
Result trained(const std::string& name, Learner& learner) {
  const Learner::Defaults defaults = learner.defaults();
  const std::unique_ptr<Optimizer> optimizer = learner.optimizer(defaults.lr);
  Jit<Tensor> step = training_step(learner, *optimizer);
  DataLoader loader(data_of(name, learner).train, defaults.batch);
  Result result;
  const int steps = learner.parameter_count() < kLarge ? kSteps : kStepsOfLarge;
  for (int i = 0; i < steps; ++i) {
    const std::int64_t place = i % loader.batches();
    if (place == 0) loader.begin_epoch(static_cast<int>(i / loader.batches()));
    step.run(loader.batch(place));
    result.cached = result.cached && step.latest().executable().report().cached;
  }
  result.hash = hash_of(learner.module().state());
  return result;
}

/// A model that shows something without learning: what it computes, and its state after a hundred
/// calls.
Result computed(Model& model) {
  Compiled step(model.traced(), Mode::fused, settings().target);
  const Function& function = step.executable().function();
  std::vector<Array> inputs;
  for (std::size_t i = 0; i + step.variables().size() < function.arguments.size(); ++i)
    inputs.push_back(random_array(function.arguments[i].type, i + 1));
  std::vector<const Array*> pointers;
  for (const Array& input : inputs) pointers.push_back(&input);
  std::vector<VariablePtr> values = step.variables();
  for (int i = 1; i < kSteps; ++i) step(pointers);
  for (const Array& output : step(pointers)) {
    values.push_back(std::make_shared<Variable>(Variable{"output", output.type(), {}}));
    *values.back()->storage = output;
  }
  return {hash_of(values), step.executable().report().cached};
}

Result run(const ModelEntry& entry, const Conditions& conditions) {
  const Under these(conditions);
  const std::unique_ptr<Model> model = entry.make();
  if (auto* learner = dynamic_cast<Learner*>(model.get())) return trained(entry.name, *learner);
  return computed(*model);
}

}  // namespace

TEST_CASE("every_model_ends_with_equal_bits_at_any_number_of_threads_cached_or_fresh") {
  for (const ModelEntry& entry : registered_models()) {
    const TempFolder folder;
    INFO(entry.name);
    const Result expected = run(entry, {});
    CHECK_FALSE(expected.cached);
    CHECK(run(entry, {.threads = 2, .cache = folder.path()}).hash == expected.hash);
    for (const int threads : {3, 8}) {
      const Result cached = run(entry, {.threads = threads, .cache = folder.path()});
      CHECK(cached.hash == expected.hash);
      CHECK(cached.cached);
    }
  }
}

TEST_CASE("every_model_ends_with_equal_bits_on_this_processor_avx2_and_avx512") {
  std::vector<Target> targets{Target::host()};
  for (const char* name : {"x86-64-v3", "x86-64-v4"}) {
    try {
      targets.push_back(Target::named(name));
    } catch (const Error& error) {
      WARN(error.what());  // nothing to compare with
    }
  }
  if (targets.size() < 2) return;
  for (const ModelEntry& entry : registered_models()) {
    INFO(entry.name);
    const std::uint64_t expected = run(entry, {.target = targets[0]}).hash;
    for (std::size_t i = 1; i < targets.size(); ++i)
      CHECK(run(entry, {.target = targets[i], .threads = 2}).hash == expected);
  }
}

}  // namespace kiln
