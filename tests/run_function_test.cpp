// A function run in each mode; its arguments and results by name; checks judged.
#include <cmath>
#include <limits>

#include "ir/build.h"
#include "ir/parse.h"
#include "runtime/function_io.h"
#include "runtime/judge.h"
#include "runtime/run_function.h"
#include "tests/catch.h"
#include "tests/support.h"

namespace kiln {
namespace {

using namespace build;
using Catch::Matchers::ContainsSubstring;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

Function sum_and_tanh() {
  const Type type{DType::f32, {3}};
  return function_of({type, type}, [](const std::vector<Value>& in) {
    const Value sum = add(in[0], in[1]);
    return std::vector{sum, unary(Op::tanh, sum)};
  });
}

const std::vector<Array> kInputs = {Array::of<float>({3}, {1, 2, 3}),
                                    Array::of<float>({3}, {0.1f, 0, -3})};

Check check_of(Check::Kind kind, std::int64_t min_ulps = 0, std::int64_t max_ulps = 3) {
  Check check;
  check.kind = kind;
  check.min_ulps = min_ulps;
  check.max_ulps = max_ulps;
  return check;
}

std::string verdict(const Check& check, float got, float expected) {
  return judge(check, Array::scalar(got), Array::scalar(expected));
}

}  // namespace

TEST_CASE("a_function_runs_in_every_mode") {
  const Function function = sum_and_tanh();
  for (const RunMode mode : kRunModes) {
    INFO(name_of(mode));
    const std::vector<Array> results = run_function(function, kInputs, mode);
    REQUIRE(results.size() == 2);
    CHECK(results[0].dtype() == (mode == RunMode::exact ? DType::f64 : DType::f32));
    CHECK(results[0].as_double(0) == (mode == RunMode::exact ? 1 + double{0.1f} : double{1.1f}));
    CHECK(results[1].as_double(1) == Approx(std::tanh(2.0)));
    CHECK(run_mode_named(name_of(mode)) == mode);
  }
}

TEST_CASE("a_function_run_once_leaves_state_it_updates_in_place_as_it_was") {
  Function function = sum_and_tanh();
  function.arguments[1].alias = 0;
  for (const RunMode mode : kRunModes) {
    const std::vector<Array> inputs = {kInputs[0].clone(), kInputs[1].clone()};
    const std::vector<Array> results = run_function(function, inputs, mode);
    CHECK(results[0].as_double(1) == 2);
    CHECK(inputs[1].same_bits(kInputs[1]));
  }
}

TEST_CASE("a_mode_that_is_none_or_arguments_that_do_not_fit_are_refused_by_name") {
  CHECK_THROWS_WITH(run_mode_named("quick"),
                    "there is no mode 'quick': expected one of reference, exact, unfused, fused");
  const Function function = sum_and_tanh();
  CHECK_THROWS_WITH(run_function(function, std::span(kInputs).first(1), RunMode::fused),
                    "@main takes 2 arguments, found 1");
  const std::vector<Array> wide = {kInputs[0], kInputs[1].converted(DType::f64)};
  CHECK_THROWS_WITH(run_function(function, wide, RunMode::reference),
                    "@main: expected argument 1 to be tensor<3xf32>, found tensor<3xf64>");
}

TEST_CASE("arguments_are_found_by_name_and_results_named") {
  Function function = sum_and_tanh();
  function.arguments[0].name = "x";
  function.arguments[1].name = "";
  function.result_names = {"", "squashed"};
  const NamedArrays tensors = {{"x", kInputs[0]}, {"arg1", kInputs[1]}, {"other", kInputs[0]}};
  const std::vector<Array> found = arguments_from(tensors, function, "f.safetensors");
  REQUIRE(found.size() == 2);
  CHECK(found[1].same_bits(kInputs[1]));

  const NamedArrays named = named_results(function, kInputs);
  CHECK(named.contains("result0"));
  CHECK(named.contains("squashed"));
  function.result_names = {"same", "same"};
  CHECK_THROWS_WITH(named_results(function, kInputs),
                    ContainsSubstring("two results called 'same'"));

  CHECK_THROWS_WITH(arguments_from({{"y", kInputs[0]}}, function, "f.safetensors"),
                    "f.safetensors: expected a tensor for each argument of @main, found none for "
                    "'x' (tensor<3xf32>), 'arg1' (tensor<3xf32>); there is 'y'");
  CHECK_THROWS_WITH(
      arguments_from({{"x", Array::of<int>({2}, {1, 2})}, {"arg1", kInputs[1]}}, function, "f"),
      "f: expected 'x' to be tensor<3xf32> (found tensor<2xi32>)");
}

TEST_CASE("drawn_arguments_follow_from_the_seed") {
  const Function function =
      function_of({{DType::f32, {100}}, {DType::i32, {100}}, {DType::i1, {100}}},
                  [](const std::vector<Value>& in) { return in; });
  const std::vector<Array> drawn = drawn_arguments(function, 5),
                           again = drawn_arguments(function, 5);
  for (std::size_t i = 0; i < 3; ++i) CHECK(drawn[i].same_bits(again[i]));
  CHECK_FALSE(drawn[0].same_bits(drawn_arguments(function, 6)[0]));
  double low = 0, high = 0;
  for (std::int64_t i = 0; i < 100; ++i) {
    low = std::min(low, drawn[1].as_double(i));
    high = std::max(high, drawn[1].as_double(i));
    CHECK(std::fabs(drawn[0].as_double(i)) <= 1);
  }
  CHECK(low >= 0);
  CHECK(high == 9);
}

TEST_CASE("arrays_are_printed_as_people_write_them") {
  CHECK(array_text(Array::scalar(2.5f)) == "2.5");
  CHECK(array_text(Array::of<bool>({2}, {true, false})) == "[true, false]");
  CHECK(array_text(Array::of<float>({2, 2}, {1, 0.1f, -kInfinity, kNaN})) ==
        "[[1, 0.1],\n [-inf, nan]]");
  CHECK(array_text(Array::of<float>({2}, {1, 0.12345f}), 4) == "[1.0000, 0.1235]");
  CHECK(array_text(Array(Type{DType::f32, {2, 0}})) == "[[],\n []]");
  CHECK(array_text(Array::of<std::uint64_t>({1}, {~std::uint64_t{0}})) == "[18446744073709551615]");
  CHECK(array_text(Array::of<std::int8_t>({1}, {-7})) == "[-7]");
  CHECK(array_text(Array(Type{DType::i32, {2000, 2}})) ==
        "[[0, 0],\n [0, 0],\n [0, 0],\n …,\n [0, 0],\n [0, 0],\n [0, 0]]");
  CHECK(array_text(Array(Type{DType::i32, {2000}})) == "[0, 0, 0, …, 0, 0, 0]");
}

TEST_CASE("checks_accept_what_stablehlo_accepts") {
  const Check equal = check_of(Check::Kind::equal);
  CHECK(verdict(equal, 1, 1).empty());
  CHECK(verdict(equal, kNaN, kNaN).empty());
  CHECK(verdict(equal, -0.0f, 0).empty());
  CHECK_FALSE(verdict(equal, 1, std::nextafter(1.0f, 2.0f)).empty());
  CHECK(judge(equal, kInputs[0], kInputs[0]).empty());
  CHECK(judge(equal, kInputs[0], kInputs[1]) ==
        "element [0] of tensor<3xf32>: expected 0.1, found 1 (28521267 ulp apart); 3 of 3 elements "
        "differ so");
  CHECK_THAT(judge(equal, kInputs[0], Array::scalar(1.0f)),
             ContainsSubstring("expected tensor<f32>"));
  const Array big = Array::of<std::int64_t>({1}, {(std::int64_t{1} << 62) + 1});
  CHECK_FALSE(judge(equal, big, Array::of<std::int64_t>({1}, {std::int64_t{1} << 62})).empty());

  const Check close = check_of(Check::Kind::close);
  const auto after = [](float x, int steps) {
    while (steps-- > 0) x = std::nextafter(x, kInfinity);
    return x;
  };
  CHECK(verdict(close, after(1, 3), 1).empty());
  CHECK_FALSE(verdict(close, after(1, 4), 1).empty());
  CHECK(verdict(close, after(-1e-45f, 3), -1e-45f).empty());  // across zero
  CHECK(verdict(close, kNaN, kNaN).empty());
  CHECK_FALSE(verdict(close, kNaN, 1).empty());
  CHECK(verdict(close, kInfinity, kInfinity).empty());
  CHECK_FALSE(verdict(close, kInfinity, std::numeric_limits<float>::max()).empty());
  const Check between = check_of(Check::Kind::close, 1, 2);
  CHECK_FALSE(verdict(between, 1, 1).empty());
  CHECK(verdict(between, after(1, 2), 1).empty());

  const Check almost = check_of(Check::Kind::almost_equal);
  CHECK(verdict(almost, 100.0009f, 100).empty());
  CHECK_FALSE(verdict(almost, 1.0011f, 1).empty());
  CHECK(verdict(almost, kNaN, kNaN).empty());
  CHECK_FALSE(verdict(almost, kInfinity, 1).empty());
  CHECK(verdict(almost, -kInfinity, -kInfinity).empty());
}

}  // namespace kiln
