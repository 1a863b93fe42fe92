// StableHLO's text is read: what stands in it, what is wrong in it, what kiln has not.
#include "ir/parse.h"

#include "ir/interpret.h"
#include "ir/text.h"
#include "tests/catch.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;

Function parse(std::string_view text) {
  ParsedModule module = parse_module(text, "test.mlir");
  REQUIRE(module.functions.size() == 1);
  return module.functions[0].function;
}

/// What is said of a text that cannot be read; "" where it can.
std::string complaint(std::string_view text) {
  try {
    parse_modules(text, "test.mlir");
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

/// A statement in a function of these arguments that returns %r.
std::string around(const std::string& arguments, const std::string& statement,
                   const std::string& result) {
  return "func.func @main(" + arguments + ") -> " + result + " {\n" + statement +
         "\n  return %r : " + result + "\n}\n";
}

/// The text as kiln prints it, without its first and last lines.
std::string printed(std::string_view text) {
  const std::string all = to_text(parse(text));
  const auto begin = all.find("{\n", all.find("func.func")) + 2;
  return all.substr(begin, all.find("    return") - begin);
}

}  // namespace

TEST_CASE("pretty_and_generic_forms_are_the_same_op") {
  struct Case {
    const char *arguments, *result, *pretty, *generic;
  };
  const Case cases[] = {
      {"%a: tensor<2x3xf32>, %b: tensor<2x3xf32>", "tensor<2x3xf32>",
       "%r = stablehlo.add %a, %b : tensor<2x3xf32>",
       R"(%r = "stablehlo.add"(%a, %b) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>)"},
      {"%a: tensor<2x3xf32>, %b: tensor<2x3xf32>", "tensor<2x3xi1>",
       "%r = stablehlo.compare LT, %a, %b : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xi1>",
       R"(%r = "stablehlo.compare"(%a, %b) <{comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>}> : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xi1>)"},
      {"%a: tensor<2x3xf32>", "tensor<3x2xf32>",
       "%r = stablehlo.transpose %a, dims = [1, 0] : (tensor<2x3xf32>) -> tensor<3x2xf32>",
       R"(%r = "stablehlo.transpose"(%a) {permutation = dense<[1, 0]> : tensor<2xi64>} : (tensor<2x3xf32>) -> tensor<3x2xf32>)"},
      {"%a: tensor<4x6xf32>", "tensor<4x3xf32>",
       "%r = stablehlo.slice %a [0:4, 1:6:2] : (tensor<4x6xf32>) -> tensor<4x3xf32>",
       R"(%r = "stablehlo.slice"(%a) <{start_indices = array<i64: 0, 1>, limit_indices = array<i64: 4, 6>, strides = array<i64: 1, 2>}> : (tensor<4x6xf32>) -> tensor<4x3xf32>)"},
      {"%a: tensor<4x2x3xf32>, %b: tensor<4x3x5xf32>", "tensor<4x2x5xf32>",
       "%r = stablehlo.dot_general %a, %b, batching_dims = [0] x [0], contracting_dims = [2] x [1],"
       " precision = [DEFAULT, HIGHEST] : (tensor<4x2x3xf32>, tensor<4x3x5xf32>) -> "
       "tensor<4x2x5xf32>",
       R"(%r = "stablehlo.dot_general"(%a, %b) <{dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [0], rhs_batching_dimensions = [0], lhs_contracting_dimensions = [2], rhs_contracting_dimensions = [1]>, precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision HIGHEST>]}> : (tensor<4x2x3xf32>, tensor<4x3x5xf32>) -> tensor<4x2x5xf32>)"},
      {"%a: tensor<1x8x8x1xf32>, %b: tensor<3x3x1x2xf32>", "tensor<1x6x2x2xf32>",
       "%r = stablehlo.convolution(%a, %b) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], "
       "window = {stride = [1, 2], pad = [[1, 1], [0, 0]], rhs_dilate = [2, 2], reverse = [true, "
       "false]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : "
       "(tensor<1x8x8x1xf32>, tensor<3x3x1x2xf32>) -> tensor<1x6x2x2xf32>",
       R"(%r = "stablehlo.convolution"(%a, %b) {batch_group_count = 1 : i64, dimension_numbers = #stablehlo.conv<[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]>, feature_group_count = 1 : i64, padding = dense<[[1, 1], [0, 0]]> : tensor<2x2xi64>, rhs_dilation = array<i64: 2, 2>, window_reversal = array<i1: true, false>, window_strides = array<i64: 1, 2>} : (tensor<1x8x8x1xf32>, tensor<3x3x1x2xf32>) -> tensor<1x6x2x2xf32>)"},
      {"%a: tensor<4x6xf32>, %z: tensor<f32>", "tensor<6xf32>",
       "%r = stablehlo.reduce(%a init: %z) applies stablehlo.maximum across dimensions = [0] : "
       "(tensor<4x6xf32>, tensor<f32>) -> tensor<6xf32>",
       R"(%r = "stablehlo.reduce"(%a, %z) <{dimensions = array<i64: 0>}> ({
         ^bb0(%x: tensor<f32>, %y: tensor<f32>):
           %m = stablehlo.maximum %x, %y : tensor<f32>
           "stablehlo.return"(%m) : (tensor<f32>) -> ()
         }) : (tensor<4x6xf32>, tensor<f32>) -> tensor<6xf32>)"},
  };
  for (const Case& one : cases) {
    INFO(one.pretty);
    const std::string pretty = around(one.arguments, one.pretty, one.result);
    const std::string generic = around(one.arguments, one.generic, one.result);
    CHECK(to_text(parse(pretty)) == to_text(parse(generic)));
  }
}

TEST_CASE("reducers_pair_their_arguments") {
  const std::string text = around("%a: tensor<7xf32>, %i: tensor<7xi32>",
                                  R"(
    %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %zero = stablehlo.constant dense<0> : tensor<i32>
    %x:2 = stablehlo.reduce(%a init: %low), (%i init: %zero) across dimensions = [0] : (tensor<7xf32>, tensor<7xi32>, tensor<f32>, tensor<i32>) -> (tensor<f32>, tensor<i32>)
     reducer(%best: tensor<f32>, %e: tensor<f32>) (%at: tensor<i32>, %here: tensor<i32>)  {
      %better = stablehlo.compare GT, %e, %best,  FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>
      %v = stablehlo.select %better, %e, %best : tensor<i1>, tensor<f32>
      %p = stablehlo.select %better, %here, %at : tensor<i1>, tensor<i32>
      stablehlo.return %v, %p : tensor<f32>, tensor<i32>
    }
    %r = stablehlo.negate %x#1 : tensor<i32>)",
                                  "tensor<i32>");
  const std::vector<Array> results = interpret(
      parse(text), std::vector{Array::of<float>({7}, {1, 5, 2, 9, 3, 9, 0}),
                               Array::of<std::int32_t>({7}, {10, 11, 12, 13, 14, 15, 16})});
  CHECK(results[0].item() == -13);
}

TEST_CASE("a_while_carries_what_its_regions_use_and_keeps_constants_inside") {
  const std::string text = around("%n: tensor<i32>, %step: tensor<f32>", R"(
    %zero = stablehlo.constant dense<0> : tensor<i32>
    %one = stablehlo.constant dense<1> : tensor<i32>
    %start = stablehlo.constant dense<1.0> : tensor<f32>
    %x:2 = stablehlo.while(%i = %zero, %v = %start) : tensor<i32>, tensor<f32>
     cond {
      %more = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %more : tensor<i1>
    } do {
      %next = stablehlo.add %i, %one : tensor<i32>
      %w = stablehlo.multiply %v, %step : tensor<f32>
      stablehlo.return %next, %w : tensor<i32>, tensor<f32>
    }
    %r = stablehlo.negate %x#1 : tensor<f32>)",
                                  "tensor<f32>");
  const Function function = parse(text);
  const std::vector<Array> results =
      interpret(function, std::vector{Array::scalar<std::int32_t>(5), Array::scalar(2.0F)});
  CHECK(results[0].item() == -32);
  const Node& loop = *function.results[0].node->operand(0).node;
  CHECK(loop.operands().size() == 4);  // i, v, n, step; not one
}

TEST_CASE("calls_are_inlined") {
  const std::string text = R"(
    module @m attributes {mhlo.num_partitions = 1 : i32} {
      func.func public @main(%arg0: tensor<2xf32> {kiln.name = "x", mhlo.sharding = "{replicated}"}) -> (tensor<2xf32> {jax.result_info = ""}) {
        %0 = call @twice(%arg0) : (tensor<2xf32>) -> tensor<2xf32>
        %1 = func.call @twice(%0) : (tensor<2xf32>) -> tensor<2xf32>
        return %1 : tensor<2xf32>
      }
      func.func private @twice(%arg0: tensor<2xf32>) -> tensor<2xf32> {
        %0 = stablehlo.add %arg0, %arg0 : tensor<2xf32>
        return %0 : tensor<2xf32>
      }
    })";
  CHECK(printed(text) ==
        "    %0 = stablehlo.add %arg0, %arg0 : tensor<2xf32>\n"
        "    %1 = stablehlo.add %0, %0 : tensor<2xf32>\n");
  CHECK(parse(text).arguments[0].name == "x");
  const std::string recursive = R"(
    func.func @main(%a: tensor<f32>) -> tensor<f32> {
      %0 = call @f(%a) : (tensor<f32>) -> tensor<f32>
      return %0 : tensor<f32>
    }
    func.func private @f(%a: tensor<f32>) -> tensor<f32> {
      %0 = call @f(%a) : (tensor<f32>) -> tensor<f32>
      return %0 : tensor<f32>
    })";
  CHECK_THAT(complaint(recursive), ContainsSubstring("@f calling itself"));
}

TEST_CASE("a_module_in_generic_form_is_the_module") {
  const std::string text = R"(#loc3 = loc("net.py":7:9)
    "builtin.module"() <{sym_name = "m"}> ({
      "func.func"() <{arg_attrs = [{kiln.name = "x"}], function_type = (tensor<2xf32>) -> tensor<2xf32>, sym_name = "main", sym_visibility = "public"}> ({
      ^bb0(%arg0: tensor<2xf32>):
        %0:2 = "stablehlo.while"(%arg0, %arg0) ({
        ^bb0(%arg1: tensor<2xf32>, %arg2: tensor<2xf32>):
          %1 = "stablehlo.constant"() <{value = dense<false> : tensor<i1>}> : () -> tensor<i1>
          "stablehlo.return"(%1) : (tensor<i1>) -> ()
        }, {
        ^bb0(%arg1: tensor<2xf32>, %arg2: tensor<2xf32>):
          %1 = "stablehlo.add"(%arg1, %arg2) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32> loc(#loc7)
          "stablehlo.return"(%arg2, %1) : (tensor<2xf32>, tensor<2xf32>) -> ()
        }) : (tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) loc(#loc)
        "func.return"(%0#1) : (tensor<2xf32>) -> ()
      }) : () -> ()
    }) : () -> ()
    #loc = loc(unknown)
    #loc7 = loc("add"(#loc3)))";
  const Function function = parse(text);
  CHECK(function.arguments[0].name == "x");
  CHECK_THAT(to_text(function, {.locations = true}),
             ContainsSubstring("%arg1, %arg2 : tensor<2xf32> loc(\"net.py\":7:9)"));
}

TEST_CASE("literals_of_all_kinds_are_read") {
  const auto value = [](const std::string& literal, const std::string& type) {
    const Function function =
        parse("func.func @main() -> " + type + " {\n  %0 = stablehlo.constant dense<" + literal +
              "> : " + type + "\n  return %0 : " + type + "\n}\n");
    return interpret(function, {})[0];
  };
  const auto same = [](const Array& a, const Array& b) { return a.same_bits(b); };
  CHECK(same(value("[[1, -2], [3, 4]]", "tensor<2x2xi8>"),
             Array::of<std::int8_t>({2, 2}, {1, -2, 3, 4})));
  CHECK(same(value("7", "tensor<3xui64>"), Array::of<std::uint64_t>({3}, {7, 7, 7})));
  CHECK(same(value("[0xFF, 255]", "tensor<2xi8>"), Array::of<std::int8_t>({2}, {-1, -1})));
  CHECK(same(value("[1.5, -2.5e-1]", "tensor<2xf32>"), Array::of<float>({2}, {1.5F, -0.25F})));
  CHECK(same(value("0x3F800000", "tensor<f32>"), Array::scalar(1.0F)));
  CHECK(
      same(value("\"0x0000803F000000C0\"", "tensor<2xf32>"), Array::of<float>({2}, {1.0F, -2.0F})));
  CHECK(same(value("\"0x0000803F\"", "tensor<2xf32>"), Array::of<float>({2}, {1.0F, 1.0F})));
  CHECK(same(value("[true, false]", "tensor<2xi1>"), Array::of<bool>({2}, {true, false})));
  CHECK(same(value("\"0x0100\"", "tensor<2xi1>"), Array::of<bool>({2}, {true, false})));
  CHECK(same(value("\"0x05\"", "tensor<3xi1>"), Array::of<bool>({3}, {true, false, true})));
  CHECK(same(value("", "tensor<0x3xf64>"), Array(Type{DType::f64, {0, 3}})));
  CHECK(same(value("[[], []]", "tensor<2x0xf64>"), Array(Type{DType::f64, {2, 0}})));
}

TEST_CASE("a_reducer_may_use_constants_from_outside_and_nothing_else") {
  const auto text = [](const std::string& outside) {
    return around("%a: tensor<4xf32>, %z: tensor<f32>", R"(
      %two = stablehlo.constant dense<2.0> : tensor<f32>
      %four = stablehlo.add %two, %two : tensor<f32>
      %r = "stablehlo.reduce"(%a, %z) <{dimensions = array<i64: 0>}> ({
      ^bb0(%x: tensor<f32>, %y: tensor<f32>):
        %p = stablehlo.multiply %y, )" + outside + R"( : tensor<f32>
        %s = stablehlo.add %x, %p : tensor<f32>
        stablehlo.return %s : tensor<f32>
      }) : (tensor<4xf32>, tensor<f32>) -> tensor<f32>)",
                  "tensor<f32>");
  };
  CHECK(complaint(text("%four")).empty());
  CHECK_THAT(complaint(text("%z")),
             ContainsSubstring("value from outside in a region of stablehlo.reduce"));
}

TEST_CASE("errors_name_place_types_and_what_was_expected") {
  struct Case {
    const char *text, *expected;
  };
  const Case cases[] = {
      {"func.func @main(%a: tensor<2xf32>) -> tensor<2xf32> {\n"
       "  %0 = stablehlo.add %a, %b : tensor<2xf32>\n  return %0 : tensor<2xf32>\n}",
       "test.mlir:2:26: expected a value defined above, found %b\n"
       "    %0 = stablehlo.add %a, %b : tensor<2xf32>\n"
       "                           ^"},
      {"func.func @main(%a: tensor<2xf32>) -> tensor<3xf32> {\n"
       "  %0 = stablehlo.negate %a : tensor<3xf32>\n  return %0 : tensor<3xf32>\n}",
       "test.mlir:2:25: expected %a of the type stated, tensor<3xf32>, found tensor<2xf32>\n"
       "    %0 = stablehlo.negate %a : tensor<3xf32>\n"
       "                          ^"},
      {"func.func @main(%a: tensor<2xf32> -> tensor<3xf32> {",
       "test.mlir:1:35: expected ',' between arguments, found '->'\n"
       "  func.func @main(%a: tensor<2xf32> -> tensor<3xf32> {\n"
       "                                    ^"},
  };
  for (const Case& one : cases) CHECK(complaint(one.text) == one.expected);
}

TEST_CASE("all_that_is_not_supported_is_listed_with_its_lines") {
  const std::string text =
      "func.func @main(%a: tensor<2xbf16>) -> tensor<2xcomplex<f32>> {\n"
      "  %0 = stablehlo.fft %a, type = FFT, length = [9] : (tensor<2xbf16>) -> "
      "tensor<2xcomplex<f32>>\n"
      "  %1 = foo.bar (some) <odd> form\n"
      "  %2 = stablehlo.constant dense<1.0> : tensor<?xf32>\n"
      "  return %0 : tensor<2xcomplex<f32>>\n}";
  try {
    parse_module(text, "test.mlir");
    FAIL("read");
  } catch (const UnsupportedError& error) {
    std::vector<std::string> found;
    for (const auto& construct : error.constructs)
      found.push_back(fmt::format("{} {}", construct.where.line, construct.name));
    CHECK(found == std::vector<std::string>{"1 bf16", "1 complex<f32>", "2 stablehlo.fft", "2 bf16",
                                            "2 complex<f32>", "3 foo.bar", "4 dynamic shape",
                                            "5 complex<f32>"});
  }
}

TEST_CASE("what_no_function_runs_is_listed_too_and_each_kind_by_its_name") {
  const std::string text = R"(
    func.func @main(%a: tensor<4x!quant.uniform<i8:f32, 0.1:-30>>, %b: tensor<4xf32>, %c: tensor<*xf32>) -> tensor<4xf32> {
      %t = stablehlo.create_token : !stablehlo.token
      %0:2 = "stablehlo.infeed"(%t) <{infeed_config = "", layout = [[0]]}> : (!stablehlo.token) -> (tensor<4xf32>, !stablehlo.token)
      %1 = "stablehlo.all_reduce"(%b) <{replica_groups = dense<[[0, 1]]> : tensor<1x2xi64>}> ({
      ^bb0(%x: tensor<f32>, %y: tensor<f32>):
        %s = stablehlo.add %x, %y : tensor<f32>
        stablehlo.return %s : tensor<f32>
      }) : (tensor<4xf32>) -> tensor<4xf32>
      %n = stablehlo.constant dense<[4]> : tensor<1xi64>
      %z = stablehlo.constant dense<0.0> : tensor<f32>
      %2 = stablehlo.rng %z, %z, %n, distribution = UNIFORM : (tensor<f32>, tensor<f32>, tensor<1xi64>) -> tensor<4xf32>
      %3 = stablehlo.convert %b : (tensor<4xf32>) -> tensor<4xf16>
      %4 = stablehlo.custom_call @Sharding(%b) : (tensor<4xf32>) -> tensor<4xf32>
      %5 = stablehlo.add %2, %b : tensor<4xf32, #stablehlo.bounds<4>>
      return %1 : tensor<4xf32>
    }
    func.func private @never_called(%a: tensor<4xf32>) -> tensor<4xf32> {
      %0 = stablehlo.collective_permute %a : tensor<4xf32>
      return %0 : tensor<4xf32>
    })";
  CHECK(complaint(text) ==
        "test.mlir:2: !quant.uniform is not supported\n"
        "test.mlir:2: unranked tensor is not supported\n"
        "test.mlir:3: stablehlo.create_token is not supported\n"
        "test.mlir:3: !stablehlo.token is not supported\n"
        "test.mlir:4: stablehlo.infeed is not supported\n"
        "test.mlir:4: !stablehlo.token is not supported\n"
        "test.mlir:5: stablehlo.all_reduce is not supported\n"
        "test.mlir:12: stablehlo.rng is not supported\n"
        "test.mlir:13: f16 is not supported\n"
        "test.mlir:14: custom_call @Sharding is not supported\n"
        "test.mlir:15: tensor encoding is not supported\n"
        "test.mlir:19: stablehlo.collective_permute is not supported");
}

TEST_CASE("checks_of_test_files_are_results") {
  const ParsedModule module = parse_module(R"(
    func.func @main() -> tensor<2xf64> {
      %a = stablehlo.constant dense<[1.0, 2.0]> : tensor<2xf64>
      %b = stablehlo.negate %a : tensor<2xf64>
      stablehlo.custom_call @check.expect_close(%a, %b) {has_side_effect = true, max_ulp_difference = 7 : i64} : (tensor<2xf64>, tensor<2xf64>) -> ()
      check.expect_eq_const %b, dense<[-1.0, -2.0]> : tensor<2xf64>
      check.expect_almost_eq %a, %b, tolerance = 0.1 : tensor<2xf64>
      check.expect_almost_eq_const %a, dense<1.0> : tensor<2xf64> {tolerance = 0.2 : f64}
      func.return %b : tensor<2xf64>
    })");
  const ParsedFunction& main = *module.main();
  CHECK(main.outputs == 1);
  REQUIRE(main.checks.size() == 4);
  CHECK(main.function.results.size() == 9);
  CHECK(main.checks[0].kind == Check::Kind::close);
  CHECK(main.checks[0].max_ulps == 7);
  CHECK(main.checks[0].got == 1);
  CHECK(main.checks[0].expected == 2);
  CHECK(main.checks[0].where.line == 5);
  CHECK(main.checks[1].kind == Check::Kind::equal);
  CHECK(main.checks[2].tolerance == 0.1);
  CHECK(main.checks[3].kind == Check::Kind::almost_equal);
  CHECK(main.checks[3].tolerance == 0.2);
}

TEST_CASE("files_split_into_modules_and_keep_their_lines") {
  const std::string text =
      "func.func @a() -> tensor<f32> {\n"
      "  %0 = stablehlo.constant dense<1.0> : tensor<f32>\n  return %0 : tensor<f32>\n}\n"
      "// -----\n"
      "func.func @b() -> tensor<f32> {\n"
      "  %0 = stablehlo.constant dense<2.0> : tensor<f32>\n  return %0 : tensor<f32>\n}\n";
  const std::vector<ParsedModule> modules = parse_modules(text);
  REQUIRE(modules.size() == 2);
  CHECK(modules[0].functions[0].function.name == "a");
  CHECK(modules[1].functions[0].function.name == "b");
  CHECK_THAT(complaint(text + "oops"), ContainsSubstring("test.mlir:10: oops is not supported"));
}

}  // namespace kiln
