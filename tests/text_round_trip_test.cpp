// What is printed reads as the same graph, whatever the graph; hostile text is an error.
//
// With KILN_KEEP_TEXTS=DIR in the environment the printed texts are kept there, for
// tests/jax/parse_check.py to show them to StableHLO's own parser.
#include <cstdlib>
#include <fstream>

#include "ir/op.h"
#include "ir/parse.h"
#include "ir/parse_lexer.h"
#include "ir/text.h"
#include "passes/pipeline.h"
#include "runtime/random.h"
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

/// The texts that hostile ones are made of: all ops, short.
std::vector<std::string> seeds() {
  std::vector<std::string> texts;
  for (int op = 0; op < kOpCount; ++op) {
    const std::vector<Function> samples = text_samples(static_cast<Op>(op));
    for (const std::size_t pick : {std::size_t{0}, samples.size() / 2})
      if (const std::string text = to_text(samples[pick], {.locations = true}); text.size() < 3000)
        texts.push_back(text);
  }
  texts.push_back(R"(#a = dense<[1, 0]> : tensor<2xi64>
#loc3 = loc("f.py":3:4)
module @jit_f attributes {mhlo.num_replicas = 1 : i32} {
  // a comment
  func.func public @main(%arg0: tensor<2x3xf32> {jax.arg = [1, "a\22", @f, unit, affine_map<(d0) -> (d0)>]} loc("x"(#loc3))) -> (tensor<3x2xf32> {jax.result_info = ""}) {
    %0 = "stablehlo.transpose"(%arg0) <{permutation = #a}> : (tensor<2x3xf32>) -> tensor<3x2xf32> loc(fused["a", #loc3])
    %1, %2 = "stablehlo.sort"(%0, %0) ({
    ^bb0(%a: tensor<f32>, %b: tensor<f32>, %c: tensor<f32>, %d: tensor<f32>):
      %x = stablehlo.compare LT, %a, %b, TOTALORDER : (tensor<f32>, tensor<f32>) -> tensor<i1>
      stablehlo.return %x : tensor<i1>
    }) {dimension = -1 : i64, is_stable = true} : (tensor<3x2xf32>, tensor<3x2xf32>) -> (tensor<3x2xf32>, tensor<3x2xf32>)
    check.expect_eq_const %2, dense<[[0x7FC00000, 1.0], [-2.5e3, 0.0], [1.0, 1.0]]> : tensor<3x2xf32>
    stablehlo.custom_call @check.expect_close(%1, %2) {has_side_effect = true} : (tensor<3x2xf32>, tensor<3x2xf32>) -> ()
    %3 = call @g(%2) : (tensor<3x2xf32>) -> tensor<3x2xf32>
    return %3 : tensor<3x2xf32>
  }
  func.func private @g(%arg0: tensor<3x2xf32>) -> tensor<3x2xf32> {
    %0 = stablehlo.convert %arg0 : (tensor<3x2xf32>) -> tensor<3x2xbf16>
    %1 = stablehlo.convert %0 : (tensor<3x2xbf16>) -> tensor<3x2xf32>
    return %1 : tensor<3x2xf32>
  }
}
)");
  return texts;
}

/// Reads it, or says in an Error why not. Whatever else is thrown fails the test.
bool reads(const std::string& text) {
  try {
    for (const ParsedModule& module : parse_modules(text, "hostile.mlir"))
      for (const ParsedFunction& function : module.functions) to_text(function.function);
    return true;
  } catch (const Error&) {
    return false;
  } catch (const std::exception& error) {
    FAIL(error.what() << "\n" << text.substr(0, 4000));
  }
  return false;
}

std::vector<parsing::Token> tokens_of(const std::string& text) {
  const parsing::Source source(text, "");
  parsing::Lexer lexer(source, 0, text.size());
  std::vector<parsing::Token> tokens;
  while (!lexer.token().is(parsing::TokenKind::end)) tokens.push_back(lexer.take());
  return tokens;
}

std::string repeated(std::string_view part, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += part;
  return text;
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

TEST_CASE("a_text_cut_anywhere_is_an_error") {
  for (const std::string& text : seeds()) {
    CHECK_NOTHROW(reads(text));
    for (const parsing::Token& token : tokens_of(text)) {
      const std::string cut = text.substr(0, token.offset);
      const bool closed = cut.find_last_not_of(" \n") == std::string::npos ||
                          cut.find("func.func") == std::string::npos;
      if (reads(cut) && !closed) FAIL("read, though cut:\n" << cut);
    }
  }
}

TEST_CASE("a_text_with_words_lost_doubled_or_swapped_is_read_or_an_error") {
  Random random(31, 0);
  const auto below = [&](std::size_t n) {
    return static_cast<std::size_t>(random.uniform(0.0F, 0.999999F) * static_cast<float>(n));
  };
  const char* words[] = {"(",
                         ")",
                         "{",
                         "}",
                         "<",
                         ">",
                         "[",
                         "]",
                         ":",
                         ",",
                         "->",
                         "-1",
                         "x",
                         "%arg0",
                         "99999999999999999999",
                         "?",
                         "#",
                         "loc(",
                         "dense",
                         "\"a\"",
                         "tensor<1x2xf32>",
                         "tensor<i1>",
                         "64",
                         "0",
                         "1.5",
                         "true",
                         "@f",
                         "%0#7",
                         "stablehlo.add",
                         "2147483648"};
  const std::vector<std::string> texts = seeds();
  int read = 0, count = 0;
  for (const std::string& text : texts) {
    const std::vector<parsing::Token> tokens = tokens_of(text);
    for (int round = 0; round < 60; ++round) {
      const parsing::Token& one = tokens[below(tokens.size())];
      const parsing::Token& other = tokens[below(tokens.size())];
      std::string changed = text;
      switch (below(4)) {
        case 0:
          changed.erase(one.offset, one.length);
          break;
        case 1:
          changed.insert(one.offset, text.substr(one.offset, one.length) + " ");
          break;
        case 2:
          changed.replace(one.offset, one.length, text.substr(other.offset, other.length));
          break;
        default:
          changed.replace(one.offset, one.length, words[below(std::size(words))]);
      }
      read += reads(changed);
      ++count;
    }
  }
  CHECK(read < count);
  CHECK(read > 0);
}

TEST_CASE("bytes_that_are_no_text_are_an_error") {
  Random random(32, 0);
  for (int round = 0; round < 200; ++round) {
    std::string bytes = round % 2 == 0 ? "" : "func.func @f() -> tensor<f32> {";
    for (int i = 0; i < 200; ++i) bytes += static_cast<char>(random.uniform(0.0F, 255.9F));
    CHECK(!reads(bytes));
  }
}

TEST_CASE("deep_nesting_is_an_error") {
  const int deep = 100000;
  const std::string head = "func.func @main() -> tensor<f32> {\n";
  CHECK(!reads(head + "%0 = \"stablehlo.add\"() {a = " + repeated("[", deep)));
  CHECK(!reads(head + "%0 = \"stablehlo.add\"() {a = " + repeated("{b = ", deep)));
  CHECK(!reads(head + repeated("%0 = \"stablehlo.case\"(%1) ({\n", deep)));
  CHECK(!reads(head + repeated("stablehlo.while() cond {\n", deep)));
  CHECK(!reads(head + repeated("foo.bar {\n", deep)));
  CHECK(!reads(head + "%0 = foo.bar : " + repeated("tuple<", deep)));
  CHECK(!reads(head + "%0 = stablehlo.add : " + repeated("(", deep)));
  CHECK(!reads(head + "%0 = stablehlo.constant dense<" + repeated("[", deep)));
  CHECK(!reads(repeated("module {\n", deep)));
  CHECK(!reads("#loc = " + repeated("loc(callsite(", deep)));
  CHECK(!reads("#a = " + repeated("#stablehlo.x<a = ", deep)));
  // Calls nest as deep as their functions do.
  std::string chain;
  for (int i = 0; i < 1000; ++i)
    chain += fmt::format(
        "func.func private @f{}(%a: tensor<f32>) -> tensor<f32> {{\n"
        "%0 = call @f{}(%a) : (tensor<f32>) -> tensor<f32>\n return %0 : tensor<f32>\n}}\n",
        i, i + 1);
  CHECK(!reads(chain + "func.func private @f1000(%a: tensor<f32>) -> tensor<f32> {\n"
                       "return %a : tensor<f32>\n}\n"));
}

TEST_CASE("huge_sizes_are_an_error_or_take_no_memory") {
  const auto constant = [](const std::string& value, const std::string& type) {
    return "func.func @main() -> " + type + " {\n  %0 = stablehlo.constant dense<" + value +
           "> : " + type + "\n  return %0 : " + type + "\n}\n";
  };
  CHECK(!reads(constant("0.0", "tensor<1000000000000xf32>")));
  CHECK(!reads(constant("0.0", "tensor<100000x100000xf32>")));
  CHECK(!reads(constant("0.0", "tensor<99999999999999999999999xf32>")));
  CHECK(!reads(constant("0.0", "tensor<" + repeated("1x", 1000) + "f32>")));
  CHECK(reads(constant("0.0", "tensor<2000000000xf32>")));  // a splat is one element
  CHECK(!reads(constant("[0.0]", "tensor<2000000000xf32>")));
  CHECK(!reads(constant("\"0x00\"", "tensor<2000000000xf32>")));
  CHECK(!reads(constant("", "tensor<2000000000xf32>")));
  CHECK(!reads(constant("[]", "tensor<1000000x0xf32>")));
  CHECK(!reads(constant("300", "tensor<i8>")));
  CHECK(!reads(constant("-1", "tensor<ui8>")));
  CHECK(!reads(constant("18446744073709551616", "tensor<ui64>")));
  CHECK(!reads(constant("-9223372036854775809", "tensor<i64>")));
  CHECK(reads(constant("-9223372036854775808", "tensor<i64>")));
  CHECK(reads(constant("18446744073709551615", "tensor<ui64>")));
  CHECK(!reads(constant("1.0e999", "tensor<f64>")));
  CHECK(!reads(constant("0x1FFFFFFFF", "tensor<f32>")));
  // Calls that double at each level.
  std::string doubling =
      "func.func private @f0(%a: tensor<f32>) -> tensor<f32> {\n"
      "return %a : tensor<f32>\n}\n";
  for (int i = 1; i < 40; ++i)
    doubling += fmt::format(
        "func.func {0} @f{1}(%a: tensor<f32>) -> tensor<f32> {{\n"
        "%0 = call @f{2}(%a) : (tensor<f32>) -> tensor<f32>\n"
        "%1 = call @f{2}(%0) : (tensor<f32>) -> tensor<f32>\n return %1 : tensor<f32>\n}}\n",
        i == 39 ? "public" : "private", i, i - 1);
  CHECK(!reads(doubling));
}

}  // namespace kiln
