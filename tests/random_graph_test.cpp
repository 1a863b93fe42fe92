// Every mode computes what a random graph means, within the bound that running error analysis
// derives.
#include "tests/random_graph.h"

#include <map>

#include "ir/interpret.h"
#include "ir/op.h"
#include "ir/text.h"
#include "passes/error_bound.h"
#include "passes/pipeline.h"
#include "tests/catch.h"
#include "tests/compiled.h"
#include "tests/support.h"

namespace kiln {
namespace {

/// Reference, unfused and fused all give what the graphs mean.
void check_graphs(std::uint64_t first_seed, std::uint64_t graphs,
                  const RandomGraphOptions& options) {
  double share = 0, count = 0;
  for (std::uint64_t seed = first_seed; seed < first_seed + graphs; ++seed) {
    const RandomGraph graph = random_graph(seed, options);
    const std::vector<Bounded> expected = error_bounds(graph.function, graph.inputs);
    for (const Bounded& bounded : expected) share += promised(bounded), ++count;
    const auto check_results = [&](const char* mode, const std::vector<Array>& results) {
      for (std::size_t r = 0; r < results.size(); ++r)
        if (const std::string found = violation(results[r], expected[r]); !found.empty())
          FAIL("seed " << seed << ", " << mode << ", result " << r << ", " << found << "\n"
                       << to_text(graph.function));
    };
    try {
      check_results("reference", interpret(graph.function, graph.inputs));
      PipelineOptions pipeline;
      check_results("fused", execute(graph.function, graph.inputs, pipeline));
      pipeline.mode = Mode::unfused;
      check_results("unfused", execute(graph.function, graph.inputs, pipeline));
    } catch (const std::exception& error) {
      FAIL("seed " << seed << ": " << error.what() << "\n" << to_text(graph.function));
    }
  }
  CHECK(share / count > 0.93);  // else the test says little
}

/// What the graphs of the fuzzer are made of.
struct Census {
  std::map<Op, int> ops;  // also those inside regions
  std::map<DType, int> dtypes;
  std::map<int, int> ranks;
  int empty = 0, one = 0;  // values of no elements, and of one
  int shared = 0;          // values with several users
  int associative = 0, other_regions = 0;
  int nested_control = 0, loop_gradients = 0;

  void count(std::span<const Value> results, bool in_control) {
    std::map<const Node*, int> users;
    for (const Node* node : topological(results)) {
      ++ops[node->op()];
      for (const Type& type : node->types()) {
        ++dtypes[type.dtype];
        ++ranks[type.rank()];
        empty += type.count() == 0;
        one += type.count() == 1;
      }
      for (const Value operand : node->operands()) shared += ++users[operand.node] == 2;
      const bool control = traits(*node).control;
      nested_control += in_control && control;
      for (const Region& region : node->regions()) {
        if (!control) ++(simple_combiner(region) ? associative : other_regions);
        count(region.results, in_control || control);
      }
    }
  }
};

TEST_CASE("the_fuzzers_graphs_have_every_op_every_type_and_every_rank") {
  Census census;
  constexpr std::uint64_t kGraphs = 500;
  for (std::uint64_t seed = 0; seed < kGraphs; ++seed) {
    const RandomGraph graph = random_graph(seed, options_of(seed));
    census.count(graph.function.results, false);
    census.loop_gradients += graph.loop_gradients;
  }
  for (int i = 0; i < kOpCount; ++i) {
    const auto op = static_cast<Op>(i);
    INFO(definition(op).name);
    // A call is what fusion makes; no graph begins with one.
    CHECK((census.ops[op] >= 5 || op == Op::call));
  }
  for (int i = 0; i < kDTypeCount; ++i) {
    INFO(name_of(static_cast<DType>(i)));
    CHECK(census.dtypes[static_cast<DType>(i)] >= 20);
  }
  for (int rank = 0; rank <= 5; ++rank) {
    INFO("rank " << rank);
    CHECK(census.ranks[rank] >= 100);
  }
  CHECK(census.empty >= 100);
  CHECK(census.one >= 100);
  CHECK(census.shared >= 1000);
  CHECK(census.associative >= 300);
  CHECK(census.other_regions >= 100);
  CHECK(census.nested_control >= 20);
  CHECK(census.loop_gradients >= 20);
}

TEST_CASE("every_mode_computes_what_small_random_graphs_mean") {
  check_graphs(0, 80, {.steps = 8});
}

TEST_CASE("every_mode_computes_what_random_graphs_mean") { check_graphs(1000, 60, {}); }

TEST_CASE("every_mode_computes_what_random_graphs_of_many_nodes_mean") {
  check_graphs(2000, 30, {.steps = 70});
}

TEST_CASE("every_mode_computes_what_random_graphs_of_small_values_mean") {
  check_graphs(3000, 60, {.elements = 100});
}

TEST_CASE("every_mode_computes_what_random_graphs_of_large_values_mean") {
  check_graphs(4000, 50, {.steps = 12, .elements = 40000});
}

TEST_CASE("random_graphs_give_the_same_bits_on_every_cpu") {
  for (std::uint64_t seed = 5000; seed < 5020; ++seed) {
    const RandomGraph graph = random_graph(seed);
    const std::vector<Array> here = execute(graph.function, graph.inputs);
    for (const Target& target : test_targets()) {
      const std::vector<Array> there = execute(graph.function, graph.inputs, {}, target);
      for (std::size_t r = 0; r < here.size(); ++r)
        // Which NaN a NaN is, its sign that is, differs between instructions.
        if (const std::string found = difference(there[r], here[r]);
            !there[r].same_bits(here[r]) && found != kNone)
          FAIL("seed " << seed << ", result " << r << ": " << found << "\n"
                       << to_text(graph.function));
    }
  }
}

}  // namespace
}  // namespace kiln
