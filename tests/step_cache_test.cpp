// Steps that come from the cache are those that were compiled: equal bits, equal dumps, and nothing
// wrong in the folder does any harm.
#include "runtime/step_cache.h"

#include <filesystem>
#include <random>
#include <set>

#include "codegen/version.h"
#include "ir/bytes.h"
#include "ir/identity.h"
#include "models/model.h"
#include "models/workloads.h"
#include "runtime/executable.h"
#include "tests/catch.h"
#include "tests/random_graph.h"
#include "tests/support.h"
#include "tests/temp_folder.h"

namespace kiln {
namespace {

namespace fs = std::filesystem;

/// While it lives, compiled code is kept in a folder, or nowhere.
class CacheIn {
 public:
  explicit CacheIn(const std::string& folder) : folder_(folder) { forget(); }
  ~CacheIn() { settings().set_code_cache(nullptr); }
  CacheIn(const CacheIn&) = delete;
  CacheIn& operator=(const CacheIn&) = delete;

  /// As in another process: what is in memory is not found.
  void forget() {
    settings().set_code_cache(folder_.empty() ? std::make_shared<CodeCache>()
                                              : std::make_shared<CodeCache>(ObjectStore(folder_)));
  }

 private:
  std::string folder_;
};

bool same_bits(const std::vector<Array>& a, const std::vector<Array>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Array& x, const Array& y) { return x.same_bits(y); });
}

CompileReport report_of(const Function& function, const PipelineOptions& options = {}) {
  return Executable(function, options, Target::host()).report();
}

Function workload(const char* name) { return find_workload(name).prepare().trace().function; }

Digest key_of(const Function& function) { return step_key(function, {}, Target::host()); }

std::vector<fs::path> entries_of(const TempFolder& folder) {
  std::vector<fs::path> entries;
  for (const auto& file : fs::directory_iterator(folder.path()))
    if (file.path().extension() == ".kiln") entries.push_back(file.path());
  std::sort(entries.begin(), entries.end());
  return entries;
}

}  // namespace

TEST_CASE("a_step_from_the_cache_gives_the_bits_of_one_compiled_afresh") {
  const TempFolder folder;
  for (std::uint64_t seed = 0; seed < 25; ++seed) {
    const RandomGraph graph = random_graph(seed, options_of(seed));
    for (const Mode mode : {Mode::fused, Mode::unfused}) {
      PipelineOptions options;
      options.mode = mode;
      std::vector<Array> fresh, stored, cached;
      {
        const CacheIn none("");
        fresh = execute(graph.function, graph.inputs, options);
        CHECK_FALSE(report_of(graph.function, options).cached);
      }
      CacheIn cache(folder.path());
      stored = execute(graph.function, graph.inputs, options);
      cache.forget();
      const CompileReport report = report_of(graph.function, options);
      CHECK(report.cached);
      CHECK(report.passes.empty());
      CHECK(report.cache.broken == 0);
      cached = execute(graph.function, graph.inputs, options);
      INFO("seed " << seed);
      CHECK(same_bits(stored, fresh));
      CHECK(same_bits(cached, fresh));
    }
  }
}

TEST_CASE("a_step_from_the_cache_can_be_dumped_like_any_other") {
  const TempFolder folder;
  const Function function = workload("digit_mlp");
  CacheIn cache(folder.path());
  const Executable fresh(function, {}, Target::host());
  cache.forget();
  const Executable cached(function, {}, Target::host());
  REQUIRE_FALSE(fresh.report().cached);
  REQUIRE(cached.report().cached);
  for (const char* stage :
       {"graph", "backward", "optimized", "fused", "loops", "llvm", "asm", "memory"})
    CHECK(cached.dump(stage, 1) == fresh.dump(stage, 1));
  CHECK(cached.plan().memory.bound == fresh.plan().memory.bound);
  // Who watches the passes sees them run.
  PipelineOptions watched;
  int passes = 0;
  watched.after = [&](std::string_view, const Function&) { ++passes; };
  CHECK_FALSE(Executable(function, watched, Target::host()).report().cached);
  CHECK(passes > 3);
}

TEST_CASE("another_step_finds_the_kernels_that_it_shares_on_disk") {
  const TempFolder folder;
  const auto step = [](std::int64_t factor) {
    return trace({Type{DType::f32, {64, 64}}}, [&](const std::vector<Tensor>& in) {
      return std::vector{matmul(in[0], in[0]), sum(exp(in[0])) * static_cast<double>(factor)};
    });
  };
  CacheIn cache(folder.path());
  CHECK(report_of(step(2)).cache.loaded == 0);
  cache.forget();
  const CompileReport other = report_of(step(3));
  CHECK_FALSE(other.cached);
  CHECK(other.cache.loaded >= 1);
  // In one process there is no need to read them.
  const Executable living(step(3), {}, Target::host());
  const CompileReport third = report_of(step(4));
  CHECK(third.cache.living >= 1);
  CHECK(third.cache.loaded == 0);
}

TEST_CASE("entries_cut_off_or_spoilt_at_random_are_noticed_and_made_again") {
  const TempFolder folder;
  const RandomGraph graph = random_graph(7, {.steps = 12});
  std::vector<Array> expected;
  {
    const CacheIn none("");
    expected = execute(graph.function, graph.inputs);
  }
  CacheIn cache(folder.path());
  std::mt19937 random(1);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  int noticed = 0;
  for (int round = 0; round < 40; ++round) {
    cache.forget();
    CHECK(same_bits(execute(graph.function, graph.inputs), expected));
    const std::vector<fs::path> entries = entries_of(folder);
    REQUIRE(entries.size() >= 2);
    const std::string name = entries[below(entries.size())].filename().string();
    std::string content = content_of(folder.file(name));
    if (round % 2 == 0)
      content.resize(below(content.size()));
    else
      content[below(content.size())] ^= static_cast<char>(1 << below(8));
    folder.file(name, content);
    cache.forget();
    // A kernel's entry is not looked at where another name of its object was.
    const CompileReport report = report_of(graph.function);
    CHECK(report.cached == (report.cache.broken == 0));
    if (!report.cached) ++noticed;
    cache.forget();
    CHECK(report_of(graph.function).cached);
  }
  CHECK(noticed >= 10);
}

TEST_CASE("an_entry_that_is_whole_but_says_nonsense_is_made_again") {
  const TempFolder folder;
  const Function function = trace({Type{DType::f32, {5}}}, [](const std::vector<Tensor>& in) {
    return std::vector{in[0] + constant(Array::of<float>({5}, {1, 2, 3, 4, 5}))};
  });
  const Array input = Array::full({DType::f32, {5}}, 1);
  CacheIn cache(folder.path());
  const std::vector<Array> expected = execute(function, std::span(&input, 1));
  const ObjectStore store(folder.path());
  const Digest key = key_of(function);
  ObjectStore::Entry entry;
  REQUIRE(store.load(key, entry) == ObjectStore::Found::whole);
  // All but the machine code, which nobody can check, ends with the object's length.
  const std::size_t plan = entry.content.find(
      "\x7f"
      "ELF");
  REQUIRE(plan < entry.content.size());
  const auto is_refused = [&](const std::string& content) {
    store.store(std::span(&key, 1), content);
    cache.forget();
    CacheUse use;
    return !load_step(key, 2, settings().code_cache(), use);
  };
  for (std::size_t size = 0; size < entry.content.size(); size += 1 + size / 50)
    CHECK(is_refused(entry.content.substr(0, size)));
  for (std::size_t byte = 0; byte < plan; ++byte)
    for (const char value : {'\0', '\x01', '\x7f', '\x80', '\xff'}) {
      std::string content = entry.content;
      content[byte] = value;
      is_refused(content);  // or harmless, such as a larger arena
    }
  store.store(std::span(&key, 1), entry.content);
  CacheUse use;
  CHECK_FALSE(load_step(key, 3, settings().code_cache(), use));  // of a function of two arguments
  CHECK(use.broken == 1);
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::string content(random() % 300, '\0');
    for (char& c : content) c = static_cast<char>(random() % 3 == 0 ? random() : 0);
    CHECK(is_refused(content));
  }
  // A kernel's entry that holds no object.
  store.store(std::span(&key, 1), entry.content);
  for (const fs::path& path : entries_of(folder)) {
    Digest kernel;
    for (std::size_t i = 0; i < kernel.bytes.size(); ++i)
      kernel.bytes[i] = static_cast<std::uint8_t>(
          std::stoi(path.filename().string().substr(2 * i, 2), nullptr, 16));
    if (kernel != key) store.store(std::span(&kernel, 1), "no object");
  }
  cache.forget();
  const CompileReport report = report_of(function);
  CHECK_FALSE(report.cached);
  CHECK(report.cache.broken == 1);
  cache.forget();
  CHECK(same_bits(execute(function, std::span(&input, 1)), expected));
}

TEST_CASE("a_cache_that_cannot_be_written_costs_nothing_but_time") {
  const TempFolder folder;
  const Function function = trace({Type{DType::f32, {5}}}, [](const std::vector<Tensor>& in) {
    return std::vector{tanh(in[0])};
  });
  const CacheIn cache(folder.file("file", "no folder"));
  CHECK_FALSE(report_of(function).cached);
  const CompileReport again = report_of(function);
  CHECK_FALSE(again.cached);
  CHECK(again.cache.broken == 0);
}

TEST_CASE("a_step_is_known_by_all_that_decides_its_code_and_by_nothing_else") {
  const auto traced = [](double factor, std::int64_t rows, bool swap, int nodes_before) {
    return trace({Type{DType::f32, {rows, 4}}, Type{DType::f32, {rows, 4}}},
                 [=](const std::vector<Tensor>& in) {
                   Tensor unused = in[0];
                   for (int i = 0; i < nodes_before; ++i) unused = tanh(unused);
                   const Tensor scaled = in[0] * factor;
                   return std::vector{swap ? scaled - in[1] : in[1] - scaled};
                 });
  };
  const Function function = traced(2, 3, false, 0);
  const Digest key = key_of(function);
  CHECK(key == key_of(traced(2, 3, false, 0)));
  CHECK(key == key_of(traced(2, 3, false, 5)));  // what no result needs
  Function named = traced(2, 3, false, 0);
  named.name = named.arguments[0].name = named.result_names[0] = "another";
  CHECK(key == key_of(named));

  CHECK(key != key_of(traced(3, 3, false, 0)));
  CHECK(key != key_of(traced(2, 4, false, 0)));
  CHECK(key != key_of(traced(2, 3, true, 0)));
  CHECK(key_of(traced(0.0, 3, false, 0)) != key_of(traced(-0.0, 3, false, 0)));
  Function aliased = function;
  aliased.arguments[1].alias = 0;
  CHECK(key != key_of(aliased));
  Function twice = function;
  twice.results.push_back(twice.results[0]);
  CHECK(key != key_of(twice));

  PipelineOptions options;
  options.mode = Mode::unfused;
  CHECK(key != step_key(function, options, Target::host()));
  options = {};
  options.disabled = {"simplify"};
  CHECK(key != step_key(function, options, Target::host()));
  options = {};
  options.max_memory = 1 << 20;
  CHECK(key != step_key(function, options, Target::host()));
  options = {};
  options.after = [](std::string_view, const Function&) {};
  CHECK(key == step_key(function, options, Target::host()));
  for (const auto change :
       {+[](Target& t) { t.cpu += "x"; }, +[](Target& t) { t.features += "x"; },
        +[](Target& t) { t.vector_bytes *= 2; }, +[](Target& t) { t.vector_registers *= 2; }}) {
    Target target = Target::host();
    change(target);
    CHECK(key != step_key(function, {}, target));
  }
  CHECK_FALSE(compiler_version().empty());
}

TEST_CASE("different_random_graphs_have_different_identities") {
  std::set<Digest> keys;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Function function = random_graph(seed, options_of(seed)).function;
    CHECK(keys.insert(key_of(function)).second);
    CHECK(key_of(random_graph(seed, options_of(seed)).function) == key_of(function));
    // Every node counts: take away a result, and it is another function.
    Function shorter = function;
    shorter.results.pop_back();
    for (Argument& argument : shorter.arguments)
      if (argument.alias == static_cast<int>(shorter.results.size())) argument.alias = -1;
    if (!shorter.results.empty()) CHECK(keys.insert(key_of(shorter)).second);
  }
}

// 5 ms is what is asked for and `kiln bench --compile` measures; a machine that others use, too, is
// given twice that.
TEST_CASE("every_model_and_workload_is_ready_from_the_cache_within_10_ms", "[timing]") {
  const TempFolder folder;
  CacheIn cache(folder.path());
  const auto milliseconds = [&](const std::function<Function()>& traced) {
    Executable(traced(), {}, Target::host());
    double best = 1e9;
    for (int i = 0; i < 5; ++i) {
      cache.forget();
      const auto start = std::chrono::steady_clock::now();
      const Executable ready(traced(), {}, Target::host());
      const auto taken = std::chrono::steady_clock::now() - start;
      CHECK(ready.report().cached);
      best = std::min(best, std::chrono::duration<double, std::milli>(taken).count());
    }
    return best;
  };
  for (const char* name : {"digit_mlp", "sin_mlp", "deep_mlp", "softmax_cross_entropy"}) {
    const PreparedWork work = find_workload(name).prepare();
    INFO(name);
    CHECK(milliseconds([&] { return work.trace().function; }) <= 10);
  }
  for (const ModelEntry& entry : registered_models()) {
    const std::unique_ptr<Model> model = entry.make();
    INFO(entry.name);
    CHECK(milliseconds([&] { return model->traced().function; }) <= 10);
  }
}

}  // namespace kiln
