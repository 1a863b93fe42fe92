// Every mode computes what a random graph means, within the bound that running error analysis
// derives.
#include "tests/random_graph.h"

#include "ir/interpret.h"
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
  CHECK(share / count > 0.85);  // else the test says little
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
        if (!there[r].same_bits(here[r]))
          FAIL("seed " << seed << ", result " << r << ": " << difference(there[r], here[r]) << "\n"
                       << to_text(graph.function));
    }
  }
}

}  // namespace
}  // namespace kiln
