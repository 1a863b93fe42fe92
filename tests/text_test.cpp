// The printed graph is StableHLO's text, as its own tools print it.
#include "ir/text.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <regex>
#include <set>
#include <sstream>

#include "frontend/gradient.h"
#include "ir/build.h"
#include "ir/op.h"
#include "passes/pipeline.h"
#include "tests/catch.h"
#include "tests/random_graph.h"
#include "tests/support.h"

namespace kiln {
namespace {

using namespace build;
using Catch::Matchers::ContainsSubstring;

/// How a value's statement is printed, without its name: "stablehlo.add %arg0, %arg1 :
/// tensor<2xf32>".
std::string statement(const std::vector<Type>& types,
                      const std::function<Value(const std::vector<Value>&)>& f) {
  const Function function =
      function_of(types, [&](const std::vector<Value>& x) { return std::vector{f(x)}; });
  std::istringstream lines(to_text(function));
  std::string line, last;
  while (std::getline(lines, line))
    if (const auto at = line.find(" = "); at != std::string::npos && line.starts_with("    %"))
      last = line.substr(at + 3);
  return last;
}

Value make(Op op, const std::vector<Value>& operands) {
  return {operands[0].graph().make(op, operands), 0};
}

}  // namespace

TEST_CASE("each_op_prints_in_stablehlos_pretty_form") {
  const Type f{DType::f32, {2, 3}}, g{DType::f32, {3, 5}}, p{DType::i1, {2, 3}},
      i{DType::i32, {2, 3}}, u{DType::ui8, {2, 3}}, b{DType::f32, {4, 2, 3}},
      c{DType::f32, {4, 3, 5}};
  using X = const std::vector<Value>&;
  struct Case {
    std::vector<Type> types;
    std::function<Value(X)> f;
    const char* text;
  };
  const std::vector<Case> cases = {
      {{f, f}, [](X x) { return add(x[0], x[1]); }, "stablehlo.add %arg0, %arg1 : tensor<2x3xf32>"},
      {{f},
       [](X x) { return unary(Op::exponential_minus_one, x[0]); },
       "stablehlo.exponential_minus_one %arg0 : tensor<2x3xf32>"},
      {{f},
       [](X x) { return unary(Op::erf, x[0]); },
       "chlo.erf %arg0 : tensor<2x3xf32> -> tensor<2x3xf32>"},
      {{p, p},
       [](X x) { return binary(Op::and_, x[0], x[1]); },
       "stablehlo.and %arg0, %arg1 : tensor<2x3xi1>"},
      {{p}, [](X x) { return unary(Op::not_, x[0]); }, "stablehlo.not %arg0 : tensor<2x3xi1>"},
      {{i, i},
       [](X x) { return binary(Op::xor_, x[0], x[1]); },
       "stablehlo.xor %arg0, %arg1 : tensor<2x3xi32>"},
      {{f},
       [](X x) { return unary(Op::is_finite, x[0]); },
       "stablehlo.is_finite %arg0 : (tensor<2x3xf32>) -> tensor<2x3xi1>"},
      {{f},
       [](X x) { return convert(x[0], DType::ui8); },
       "stablehlo.convert %arg0 : (tensor<2x3xf32>) -> tensor<2x3xui8>"},
      {{f, f},
       [](X x) { return compare(x[0], x[1], Direction::LE); },
       "stablehlo.compare LE, %arg0, %arg1, FLOAT : (tensor<2x3xf32>, tensor<2x3xf32>) -> "
       "tensor<2x3xi1>"},
      {{i, i},
       [](X x) { return compare(x[0], x[1], Direction::NE); },
       "stablehlo.compare NE, %arg0, %arg1, SIGNED : (tensor<2x3xi32>, tensor<2x3xi32>) -> "
       "tensor<2x3xi1>"},
      {{u, u},
       [](X x) { return compare(x[0], x[1], Direction::GT); },
       "stablehlo.compare GT, %arg0, %arg1, UNSIGNED : (tensor<2x3xui8>, tensor<2x3xui8>) -> "
       "tensor<2x3xi1>"},
      {{p, f, f},
       [](X x) { return select(x[0], x[1], x[2]); },
       "stablehlo.select %arg0, %arg1, %arg2 : tensor<2x3xi1>, tensor<2x3xf32>"},
      {{f},
       [](X x) { return broadcast(x[0], {2, 4, 3}, {0, 2}); },
       "stablehlo.broadcast_in_dim %arg0, dims = [0, 2] : (tensor<2x3xf32>) -> tensor<2x4x3xf32>"},
      {{f},
       [](X x) { return reshape(x[0], {6}); },
       "stablehlo.reshape %arg0 : (tensor<2x3xf32>) -> tensor<6xf32>"},
      {{f},
       [](X x) { return transpose(x[0], {1, 0}); },
       "stablehlo.transpose %arg0, dims = [1, 0] : (tensor<2x3xf32>) -> tensor<3x2xf32>"},
      {{f, g},
       [](X x) { return dot_general(x[0], x[1], {{}, {}, {1}, {0}}); },
       "stablehlo.dot_general %arg0, %arg1, contracting_dims = [1] x [0] : (tensor<2x3xf32>, "
       "tensor<3x5xf32>) -> "
       "tensor<2x5xf32>"},
      {{b, c},
       [](X x) { return dot_general(x[0], x[1], {{0}, {0}, {2}, {1}}); },
       "stablehlo.dot_general %arg0, %arg1, batching_dims = [0] x [0], contracting_dims = [2] x "
       "[1] : "
       "(tensor<4x2x3xf32>, tensor<4x3x5xf32>) -> tensor<4x2x5xf32>"},
      {{f},
       [](X x) { return reduce(x[0], Op::maximum, {0, 1}); },
       "stablehlo.reduce(%arg0 init: %0) applies stablehlo.maximum across dimensions = [0, 1] : "
       "(tensor<2x3xf32>, "
       "tensor<f32>) -> tensor<f32>"},
      {{f},
       [](X x) { return iota(x[0].graph(), {DType::i64, {2, 3}}, 1); },
       "stablehlo.iota dim = 1 : tensor<2x3xi64>"},
  };
  for (const Case& one : cases) CHECK(statement(one.types, one.f) == one.text);
}

TEST_CASE("each_elementwise_op_prints_under_its_own_name") {
  for (int n = 0; n < kOpCount; ++n) {
    const OpDef& def = definition(static_cast<Op>(n));
    if (!def.traits.elementwise || def.op == Op::compare || def.op == Op::select ||
        def.op == Op::convert || def.op == Op::bitcast_convert)
      continue;
    for (const DType dtype : {DType::f32, DType::i32}) {
      const Type type{dtype, {2}};
      std::string text;
      try {
        text = statement(std::vector(static_cast<std::size_t>(def.arity), type),
                         [&](const auto& x) { return make(def.op, x); });
      } catch (const Error&) {
        continue;
      }
      CHECK_THAT(text, ContainsSubstring(fmt::format("{} %arg0", def.name)));
    }
  }
}

TEST_CASE("constants_print_the_shortest_digits_that_read_back_and_hex_where_there_are_none") {
  const auto constant = [](const Array& array) {
    const std::string text = statement({Type{DType::f32, {}}},
                                       [&](const auto& x) { return x[0].graph().constant(array); });
    return text.substr(std::string("stablehlo.constant ").size());
  };
  const float inf = std::numeric_limits<float>::infinity();
  CHECK(constant(Array::scalar(1.0F)) == "dense<1.000000e+00> : tensor<f32>");
  CHECK(constant(Array::scalar(-0.0F)) == "dense<-0.000000e+00> : tensor<f32>");
  CHECK(constant(Array::scalar(0.1F)) == "dense<1.000000e-01> : tensor<f32>");
  CHECK(constant(Array::scalar(0.1)) == "dense<1.000000e-01> : tensor<f64>");
  CHECK(constant(Array::scalar(1.0F / 3)) == "dense<3.33333343e-01> : tensor<f32>");
  CHECK(constant(Array::scalar(1.0 / 3)) == "dense<3.3333333333333331e-01> : tensor<f64>");
  CHECK(constant(Array::scalar(inf)) == "dense<0x7F800000> : tensor<f32>");
  CHECK(constant(Array::scalar(-static_cast<double>(inf))) ==
        "dense<0xFFF0000000000000> : tensor<f64>");
  CHECK(constant(Array::scalar(std::numeric_limits<double>::denorm_min())) ==
        "dense<4.940656e-324> : tensor<f64>");
  CHECK(constant(Array::scalar(std::numeric_limits<float>::denorm_min())) ==
        "dense<1.401298e-45> : tensor<f32>");
  CHECK(constant(Array::scalar(std::uint64_t{18446744073709551615U})) ==
        "dense<18446744073709551615> : tensor<ui64>");
  CHECK(constant(Array::scalar(std::int8_t{-5})) == "dense<-5> : tensor<i8>");
  CHECK(constant(Array::scalar(true)) == "dense<true> : tensor<i1>");
  CHECK(constant(Array::of<std::int32_t>({2, 2}, {1, 2, 3, 4})) ==
        "dense<[[1, 2], [3, 4]]> : tensor<2x2xi32>");
  CHECK(constant(Array::of<std::int32_t>({2, 2}, {7, 7, 7, 7})) == "dense<7> : tensor<2x2xi32>");
  CHECK(constant(Array::of<float>({0, 3}, {})) == "dense<> : tensor<0x3xf32>");
  Array many(Type{DType::i16, {65}});
  many.data<std::int16_t>()[1] = 0x0102;
  CHECK(constant(many).starts_with("dense<\"0x00000201"));
  CHECK(constant(many).ends_with("\"> : tensor<65xi16>"));
  Array bits(Type{DType::i1, {65}});
  bits.data<bool>()[64] = true;  // MLIR packs the bits of hexadecimal booleans: these are listed
  CHECK(constant(bits).starts_with("dense<[false, false"));
}

TEST_CASE("every_finite_float_prints_as_digits_that_read_back") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Array values = special_values(dtype);
    const std::string text = statement(
        {Type{DType::f32, {}}}, [&](const auto& x) { return x[0].graph().constant(values); });
    std::istringstream list(text.substr(text.find('[') + 1));
    for (std::int64_t i = 0; i < values.count(); ++i) {
      std::string element;
      std::getline(list >> std::ws, element, i + 1 < values.count() ? ',' : ']');
      const double value = values.as_double(i);
      if (!std::isfinite(value)) {
        CHECK(element.starts_with("0x"));
        continue;
      }
      const double read = dtype == DType::f32 ? std::strtof(element.c_str(), nullptr)
                                              : std::strtod(element.c_str(), nullptr);
      if (read != value) CHECK(element == fmt::format("{}", value));
    }
  }
}

TEST_CASE("arguments_carry_names_and_aliases_and_results_carry_names") {
  Function function =
      function_of({Type{DType::f32, {2}}, Type{DType::f32, {2}}},
                  [](const auto& x) { return std::vector{add(x[0], x[1]), negate(x[0])}; });
  function.name = "step";
  function.arguments[0].name = "layer1.weight";
  function.arguments[0].alias = 1;
  function.arguments[1].name = "";
  function.result_names = {"loss", "layer1.weight"};
  CHECK(to_text(function) ==
        "module @step {\n"
        "  func.func public @step(%arg0: tensor<2xf32> {kiln.name = \"layer1.weight\", "
        "tf.aliasing_output = 1 : i32}, "
        "%arg1: tensor<2xf32>) -> (tensor<2xf32> {kiln.name = \"loss\"}, tensor<2xf32> {kiln.name "
        "= \"layer1.weight\"}) {\n"
        "    %0 = stablehlo.add %arg0, %arg1 : tensor<2xf32>\n"
        "    %1 = stablehlo.negate %arg0 : tensor<2xf32>\n"
        "    return %0, %1 : tensor<2xf32>, tensor<2xf32>\n"
        "  }\n"
        "}\n");
}

TEST_CASE("locations_follow_each_statement_when_asked_for") {
  const Function function = function_of({Type{DType::f32, {2}}}, [](const auto& x) {
    return std::vector{negate(unary(Op::tanh, x[0], {"net.cpp", 12, 7}))};
  });
  CHECK_THAT(to_text(function, {.locations = true}),
             ContainsSubstring("%0 = stablehlo.tanh %arg0 : tensor<2xf32> loc(\"net.cpp\":12:7)\n"
                               "    %1 = stablehlo.negate %0 : tensor<2xf32>\n"));
  CHECK_THAT(to_text(function), !ContainsSubstring("loc("));
}

TEST_CASE("a_region_pairs_its_arguments_and_takes_no_name_that_it_sees") {
  const Type scalar{DType::f32, {}}, number{DType::i32, {}};
  const Function function =
      function_of({scalar, number, Type{DType::f32, {7}}, Type{DType::i32, {7}}},
                  [&](const std::vector<Value>& x) {
                    Graph& graph = x[0].graph();
                    const Value best = graph.parameter(0, scalar), at = graph.parameter(1, number);
                    const Value e = graph.parameter(2, scalar), here = graph.parameter(3, number);
                    const Value better = compare(e, best, Direction::GT);
                    const Region region{{scalar, number, scalar, number},
                                        {select(better, e, best), select(better, here, at)}};
                    const Value negated = negate(x[0]);
                    const Node* both = graph.make(Op::reduce, {x[2], x[3], negated, x[1]},
                                                  DimsAttrs{{0}}, std::nullopt, {region});
                    return std::vector{add({both, 0}, x[0]), Value{both, 1}};
                  });
  CHECK_THAT(
      to_text(function),
      ContainsSubstring(
          "    %0 = stablehlo.negate %arg0 : tensor<f32>\n"
          "    %1:2 = stablehlo.reduce(%arg2 init: %0), (%arg3 init: %arg1) across dimensions = "
          "[0] : "
          "(tensor<7xf32>, tensor<7xi32>, tensor<f32>, tensor<i32>) -> (tensor<f32>, tensor<i32>)\n"
          "     reducer(%arg4: tensor<f32>, %arg6: tensor<f32>) (%arg5: tensor<i32>, %arg7: "
          "tensor<i32>) {\n"
          "      %2 = stablehlo.compare GT, %arg6, %arg4, FLOAT : (tensor<f32>, tensor<f32>) -> "
          "tensor<i1>\n"
          "      %3 = stablehlo.select %2, %arg6, %arg4 : tensor<i1>, tensor<f32>\n"
          "      %4 = stablehlo.select %2, %arg7, %arg5 : tensor<i1>, tensor<i32>\n"
          "      stablehlo.return %3, %4 : tensor<f32>, tensor<i32>\n"
          "    }\n"
          "    %2 = stablehlo.add %1#0, %arg0 : tensor<f32>\n"
          "    return %2, %1#1 : tensor<f32>, tensor<i32>\n"));
}

TEST_CASE("composites_of_one_name_and_different_types_call_different_functions") {
  const Function function =
      trace({Type{DType::f32, {2}}, Type{DType::f32, {3}}}, [](const auto& x) {
        return std::vector{stop_gradient(x[0]), stop_gradient(x[1]), stop_gradient(x[0] * 2.0)};
      });
  const std::string text = to_text(function);
  CHECK_THAT(text,
             ContainsSubstring("stablehlo.composite \"kiln.stop_gradient\" %arg0 {decomposition = "
                               "@kiln_stop_gradient.impl} : (tensor<2xf32>) -> tensor<2xf32>"));
  CHECK_THAT(
      text,
      ContainsSubstring(
          "func.func private @kiln_stop_gradient.impl(%arg0: tensor<2xf32>) -> (tensor<2xf32>)"));
  CHECK_THAT(text, ContainsSubstring("%arg1 {decomposition = @kiln_stop_gradient.impl_1}"));
  CHECK_THAT(
      text,
      ContainsSubstring(
          "func.func private @kiln_stop_gradient.impl_1(%arg0: tensor<3xf32>) -> (tensor<3xf32>)"));
  CHECK_THAT(text, !ContainsSubstring("impl_2"));
}

TEST_CASE("a_fused_kernel_is_a_called_private_function") {
  Function function = trace({Type{DType::f32, {2, 3}}},
                            [](const auto& x) { return std::vector{tanh(x[0]) * 2.0}; });
  run_passes(function);
  CHECK_THAT(
      to_text(function),
      ContainsSubstring(
          "    %0 = call @map_0(%arg0) : (tensor<2x3xf32>) -> tensor<2x3xf32>\n"
          "    return %0 : tensor<2x3xf32>\n"
          "  }\n"
          "  func.func private @map_0(%arg0: tensor<2x3xf32>) -> (tensor<2x3xf32>) attributes "
          "{kiln.kernel = \"map\"} {\n"));
}

TEST_CASE("graphviz_draws_the_graph") {
  Function function = trace({Type{DType::f32, {8, 5}}, Type{DType::i32, {8}}}, [](const auto& x) {
    const Tensor loss = cross_entropy(x[0], x[1]);
    return std::vector{loss, grad(loss, {x[0]})[0], full({2}, 3)};
  });
  function.arguments[0].name = "a \"quoted\" \\ name";
  const std::filesystem::path folder = std::filesystem::temp_directory_path();
  for (const bool after : {false, true}) {
    if (after) run_passes(function);
    const std::string dot = to_dot(function);
    CHECK_THAT(dot, ContainsSubstring("digraph kiln {") && ContainsSubstring("output1"));
    if (std::system("command -v dot >/dev/null 2>&1") != 0) continue;
    const auto file = folder / fmt::format("kiln_text_test_{}.dot", std::hash<std::string>()(dot));
    std::ofstream(file) << dot;
    CHECK(std::system(fmt::format("dot -Tsvg '{}' -o /dev/null", file.string()).c_str()) == 0);
    std::filesystem::remove(file);
  }
}

TEST_CASE("a_summary_names_op_and_type") {
  Graph graph;
  CHECK(summary(*add(graph.parameter(0, {DType::f32, {64, 10}}),
                     graph.parameter(1, {DType::f32, {64, 10}}))
                     .node) == "add f32[64, 10]");
}

}  // namespace kiln
