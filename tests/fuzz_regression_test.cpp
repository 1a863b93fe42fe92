// What `./dev fuzz` has found, each as small as it was when found, under a name that says what was
// wrong.
#include <cmath>
#include <limits>

#include "ir/build.h"
#include "ir/build_control.h"
#include "ir/interpret.h"
#include "ir/parse.h"
#include "ir/text.h"
#include "passes/error_bound.h"
#include "tests/catch.h"
#include "tests/support.h"

namespace kiln {
namespace {

using Values = std::vector<Value>;
using Span = std::span<const Value>;

TEST_CASE("a_region_may_use_one_result_of_a_node_of_several") {
  const Function function = function_of({{DType::f32, {5}}}, [](const Values& x) {
    const auto [sorted, places] = build::sort_with_permutation(x[0], 0);
    const Values last = build::counted(x[0].graph(), 3, {x[0]}, [&, used = sorted](Value, Span v) {
      return Values{build::add(v[0], used)};
    });
    return Values{last[0]};
  });
  check_modes(function, std::vector{random_array({DType::f32, {5}}, 1)});
}

TEST_CASE("a_case_may_have_an_operand_that_no_branch_uses") {
  const Function function = function_of({{DType::i32, {}}, {DType::f32, {4}}}, [](const Values& x) {
    Graph& graph = x[0].graph();
    const Type type = x[1].type();
    const std::vector<Type> parameters{type, type};
    const Value used = graph.parameter(1, type);
    const Node* chosen =
        graph.make(Op::case_, {x[0], build::add(x[1], x[1]), x[1]}, {}, std::nullopt,
                   {Region{parameters, {used}}, Region{parameters, {build::negate(used)}}});
    return Values{{chosen, 0}};
  });
  const std::vector<Array> inputs{Array::scalar<std::int32_t>(1),
                                  random_array({DType::f32, {4}}, 2)};
  check_modes(function, inputs);
  const Function again = parse_module(to_text(function)).functions[0].function;
  CHECK(interpret(again, inputs)[0].same_bits(interpret(function, inputs)[0]));
}

TEST_CASE("parts_of_a_product_may_overflow_or_underflow_while_the_whole_does_not") {
  const Function function = function_of({{DType::f32, {4}}}, [](const Values& x) {
    return Values{build::reduce(x[0], Op::multiply, {0})};
  });
  const auto bounded = [&](const std::vector<float>& values) {
    const std::vector<Array> inputs{Array::of<float>({4}, std::span(values))};
    const Bounded result = error_bounds(function, inputs)[0];
    CHECK(violation(interpret(function, inputs)[0], result).empty());
    return result.bound.as_double(0);
  };
  CHECK(std::isinf(bounded({1e30F, 1e30F, 1e-30F, 1})));
  CHECK(bounded({1e-30F, 1e-30F, 1e30F, 1e30F}) >= 1);
  CHECK(bounded({1e-10F, 3, 1e10F, 1}) < 1e-5);
}

TEST_CASE("the_bits_of_a_nan_are_not_promised") {
  const Function function = function_of({{DType::f32, {2}}}, [](const Values& x) {
    return Values{{x[0].graph().make(Op::bitcast_convert, {x[0]}, {}, Type{DType::ui32, {2}}), 0}};
  });
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Bounded bits = error_bounds(function, std::vector{Array::of<float>({2}, {nan, 1})})[0];
  CHECK(std::isinf(bits.bound.as_double(0)));
  CHECK(bits.bound.as_double(1) == 0);
}

}  // namespace
}  // namespace kiln
