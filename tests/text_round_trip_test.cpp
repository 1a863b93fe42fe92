// What is printed reads as the same graph, whatever the graph.
//
// With KILN_KEEP_TEXTS=DIR in the environment the printed texts are kept there, for
// tests/jax/parse_check.py to show them to StableHLO's own parser.
#include <cstdlib>
#include <fstream>

#include "ir/op.h"
#include "ir/parse.h"
#include "ir/text.h"
#include "passes/pipeline.h"
#include "tests/catch.h"
#include "tests/random_graph.h"
#include "tests/support.h"
#include "tests/text_samples.h"

namespace kiln {
namespace {

Function read(const std::string& text) {
  ParsedModule module = parse_module(text, "printed.mlir");
  internal_check(module.functions.size() == 1, "one function was printed");
  return module.functions[0].function;
}

/// Where two texts begin to differ, with what stands around.
std::string first_difference(const std::string& a, const std::string& b) {
  const auto [left, right] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  const auto at = static_cast<std::size_t>(left - a.begin());
  const std::size_t begin = at < 200 ? 0 : at - 200;
  return a.substr(begin, 400) + "\n--- but\n" + b.substr(begin, 400);
}

void keep(const std::string& text) {
  static int number = 0;
  if (const char* folder = std::getenv("KILN_KEEP_TEXTS"))
    std::ofstream(fmt::format("{}/{:05}.mlir", folder, number++)) << text;
}

void check_round_trip(const Function& function, const TextOptions& options = {}) {
  const std::string text = to_text(function, options);
  keep(text);
  try {
    const Function again = read(text);
    const std::string printed = to_text(again, options);
    if (printed != text) FAIL(first_difference(text, printed));
    REQUIRE(again.arguments.size() == function.arguments.size());
    for (std::size_t i = 0; i < again.arguments.size(); ++i) {
      CHECK(again.arguments[i].name == function.arguments[i].name);
      CHECK(again.arguments[i].alias == function.arguments[i].alias);
    }
  } catch (const Error& error) {
    FAIL(error.what() << "\n" << text.substr(0, 4000));
  }
}

}  // namespace

TEST_CASE("what_is_printed_of_every_op_reads_as_the_same_graph") {
  for (int op = 0; op < kOpCount; ++op) {
    INFO(definition(static_cast<Op>(op)).name);
    const std::vector<Function> samples = text_samples(static_cast<Op>(op));
    CHECK(!samples.empty());
    for (const Function& sample : samples) check_round_trip(sample);
  }
}

TEST_CASE("what_is_printed_of_random_graphs_reads_as_the_same_graph") {
  for (std::uint64_t seed = 9000; seed < 9100; ++seed) {
    INFO("seed " << seed);
    Function function = random_graph(seed).function;
    check_round_trip(function);
    run_passes(function);
    check_round_trip(function);  // fused kernels
  }
}

TEST_CASE("names_places_and_state_read_as_they_were") {
  Function function =
      function_of({Type{DType::f32, {2}}, Type{DType::f32, {2}}}, [](const auto& x) {
        Graph& graph = x[0].graph();
        return std::vector{Value{
            graph.make(Op::negate, {x[0]}, {}, std::nullopt, {}, {"a \"net\".cpp", 12, 7}), 0}};
      });
  function.name = "a step";
  function.arguments[0].name = "layer1.\"weight\"\n\t\\ é";
  function.arguments[0].alias = 0;
  function.arguments[1].name = "";
  function.result_names = {"loss"};
  check_round_trip(function);
  check_round_trip(function, {.locations = true});
  CHECK(read(to_text(function)).name == "a step");
  CHECK(read(to_text(function)).result_names == function.result_names);
}

}  // namespace kiln
