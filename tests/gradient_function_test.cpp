#include "frontend/gradient_function.h"

#include "ir/build.h"
#include "passes/pipeline.h"
#include "runtime/run_function.h"
#include "tests/catch.h"
#include "tests/support.h"

namespace kiln {
namespace {

using namespace build;
using Catch::Matchers::ContainsSubstring;

const Type kThree{DType::f32, {3}};

/// x · w, elementwise and summed, and a count that has no gradient.
Function product() {
  return function_of({kThree, {DType::i32, {}}, kThree}, [](const std::vector<Value>& in) {
    const Value y = multiply(in[0], in[2]);
    return std::vector{y, in[1], reduce(y, Op::add, {0})};
  });
}

}  // namespace

TEST_CASE("a_gradient_function_gives_results_then_gradients_and_takes_cotangents_of_tensors") {
  const Function gradient = gradient_function(product());
  REQUIRE(gradient.arguments.size() == 4);
  CHECK(gradient.arguments[3].type == kThree);
  const std::vector<Array> inputs = {
      Array::of<float>({3}, {1, 2, 3}), Array::scalar(std::int32_t{7}),
      Array::of<float>({3}, {4, 5, 6}), Array::of<float>({3}, {1, 10, 100})};
  const std::vector<Array> results = run_function(gradient, inputs, RunMode::fused);
  REQUIRE(results.size() == 5);
  CHECK(results[0].same_bits(Array::of<float>({3}, {4, 10, 18})));
  CHECK(results[1].item() == 7);
  CHECK(results[2].item() == 32);
  // The scalar's cotangent is 1, so every element counts once more.
  CHECK(results[3].same_bits(Array::of<float>({3}, {8, 55, 606})));
  CHECK(results[4].same_bits(Array::of<float>({3}, {2, 22, 303})));
}

TEST_CASE("a_gradient_function_is_of_the_arguments_chosen_and_of_fused_programs_too") {
  const int wrt[] = {2};
  Function function = product();
  run_passes(function);
  function.results.resize(1);
  const Function gradient = gradient_function(function, wrt);
  REQUIRE(gradient.results.size() == 2);
  const std::vector<Array> inputs = {
      Array::of<float>({3}, {1, 2, 3}), Array::scalar(std::int32_t{7}),
      Array::of<float>({3}, {4, 5, 6}), Array::of<float>({3}, {1, 10, 100})};
  const std::vector<Array> results = run_function(gradient, inputs, RunMode::fused);
  CHECK(results[1].same_bits(Array::of<float>({3}, {1, 20, 300})));
}

TEST_CASE("a_gradient_by_what_has_none_is_refused_by_name") {
  const auto by = [](int argument) {
    return gradient_function(product(), std::span(&argument, 1));
  };
  CHECK_THROWS_WITH(by(3), ContainsSubstring("one of its 3 arguments, found 3"));
  CHECK_THROWS_WITH(by(-1), ContainsSubstring("found -1"));
  CHECK_THROWS_WITH(by(1), ContainsSubstring("argument 1 to be of float type, found tensor<i32>"));
  const Type count{DType::i32, {}};
  CHECK_THROWS_WITH(gradient_function(function_of({count}, [](const auto& in) { return in; })),
                    ContainsSubstring("expected an argument of float type"));
  Function function = product();
  function.results = {function.results[1]};
  CHECK_THROWS_WITH(gradient_function(function), ContainsSubstring("expected a result of float"));
}

}  // namespace kiln
