// Every mode computes what a random graph means, within the bound that running error analysis derives.
#include "tests/random_graph.h"

#include "ir/interpret.h"
#include "ir/text.h"
#include "passes/pipeline.h"
#include "tests/catch.h"
#include "tests/error_bound.h"
#include "tests/support.h"

namespace kiln {
namespace {

constexpr std::uint64_t kGraphs = 300;

TEST_CASE("every_mode_computes_what_a_random_graph_means") {
  double share = 0, count = 0;
  for (std::uint64_t seed = 0; seed < kGraphs; ++seed) {
    const RandomGraph graph = random_graph(seed);
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
      PipelineOptions options;
      check_results("fused", execute(graph.function, graph.inputs, options));
      options.mode = Mode::unfused;
      check_results("unfused", execute(graph.function, graph.inputs, options));
    } catch (const std::exception& error) {
      FAIL("seed " << seed << ": " << error.what() << "\n" << to_text(graph.function));
    }
  }
  CHECK(share / count > 0.9);  // else the test says little
}

}  // namespace
}  // namespace kiln
