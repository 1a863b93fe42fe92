// The mode `exact`: every f32 as f64.
#include "passes/widen.h"

#include <bit>
#include <cmath>

#include "ir/build.h"
#include "ir/interpret.h"
#include "ir/op.h"
#include "tests/catch.h"
#include "tests/support.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;
using namespace build;

Value composite(Value x, const std::string& name, const std::vector<Value>& results) {
  return {x.graph().make(Op::composite, {x}, CallAttrs{name, ""}, std::nullopt,
                         {Region{{x.type()}, results}}),
          0};
}

}  // namespace

TEST_CASE("a_widened_function_keeps_its_constants_and_rounds_nothing_else", "[widen]") {
  const Type type{DType::f32, {3}};
  const Function function = function_of({type}, [&](const std::vector<Value>& in) {
    const Value tenth = like(in[0], 0.1);
    const Value back = convert(convert(multiply(in[0], tenth), DType::f64), DType::f32);
    return std::vector{back, reduce(back, Op::add, {0})};
  });
  const Function exact = widened(function);
  CHECK(exact.arguments[0].type == Type{DType::f64, {3}});
  CHECK(exact.arguments[0].name == function.arguments[0].name);
  REQUIRE(exact.graph != function.graph);
  for (const Node* node : topological(exact.results)) CHECK(node->op() != Op::convert);
  const auto results = interpret(exact, std::vector{Array::of<double>({3}, {1, 3, 7})});
  const double tenth = 0.1F;
  CHECK(results[0].same_bits(Array::of<double>({3}, {tenth, 3 * tenth, 7 * tenth})));
  CHECK(results[1].same_bits(Array::scalar<double>(tenth + 3 * tenth + 7 * tenth)));
}

TEST_CASE("regions_within_regions_are_widened_too", "[widen]") {
  const Type scalar{DType::f32, {}};
  const Function function = function_of({Type{DType::f32, {4}}}, [&](const auto& in) {
    Graph& graph = in[0].graph();
    const Value a = graph.parameter(0, scalar), b = graph.parameter(1, scalar);
    const Value inner = composite(a, "some.scale", {multiply(a, like(a, 0.1))});
    const Region region{{scalar, scalar}, {add(inner, b)}};
    return std::vector{Value{graph.make(Op::reduce, {in[0], graph.splat(scalar, 0)}, DimsAttrs{{0}},
                                        std::nullopt, {region}),
                             0}};
  });
  const double tenth = 0.1F;
  double sum = 0;
  for (const double x : {1, 2, 3, 4}) sum = sum * tenth + x;
  const auto results =
      interpret(widened(function), std::vector{Array::of<double>({4}, {1, 2, 3, 4})});
  CHECK(results[0].same_bits(Array::scalar<double>(sum)));
}

TEST_CASE("integers_and_what_they_decide_stay_as_they_are", "[widen]") {
  const Function function = function_of(
      {Type{DType::f64, {2}}, Type{DType::ui32, {2}}}, [](const std::vector<Value>& in) {
        const Value bits{
            in[1].graph().make(Op::bitcast_convert, {in[1]}, {}, Type{DType::f32, {2}}), 0};
        return std::vector{in[0], in[1], bits, convert(bits, DType::i32)};
      });
  const Function exact = widened(function);
  std::vector<Type> types;
  for (Value result : exact.results) types.push_back(result.type());
  CHECK(types == std::vector<Type>{
                     {DType::f64, {2}}, {DType::ui32, {2}}, {DType::f64, {2}}, {DType::i32, {2}}});
  const auto bits = Array::of<std::uint32_t>(
      {2}, {std::bit_cast<std::uint32_t>(0.1F), std::bit_cast<std::uint32_t>(-2.5F)});
  const auto results = interpret(exact, std::vector{Array::of<double>({2}, {1, 2}), bits});
  CHECK(results[2].same_bits(Array::of<double>({2}, {0.1F, -2.5})));
  CHECK(results[3].same_bits(Array::of<std::int32_t>({2}, {0, -2})));
}

TEST_CASE("the_bits_of_an_f32_have_no_meaning_in_f64", "[widen]") {
  const Function function = function_of({Type{DType::f32, {2}}}, [](const std::vector<Value>& in) {
    return std::vector{Value{in[0].graph().make(Op::bitcast_convert, {in[0]}, {},
                                                Type{DType::i32, {2}}, {}, {"bits.mlir", 3, 1}),
                             0}};
  });
  CHECK_THROWS_WITH(
      widened(function),
      ContainsSubstring("bits.mlir:3") && ContainsSubstring("bitcast_convert of f32[2] to i32[2]"));
}

}  // namespace kiln
