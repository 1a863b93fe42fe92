#include "runtime/compare_modes.h"

#include <cmath>

#include "ir/build.h"
#include "tests/catch.h"
#include "tests/support.h"

namespace kiln {
namespace {

using namespace build;
using Catch::Matchers::ContainsSubstring;

}  // namespace

TEST_CASE("modes_that_agree_are_reported_with_their_distance_and_its_bound") {
  const Type type{DType::f32, {40, 30}};
  Function function = function_of({type, type}, [&](const std::vector<Value>& in) {
    DotAttrs rows;
    rows.lhs_contracting = rows.rhs_contracting = {1};
    return std::vector{dot_general(unary(Op::tanh, in[0]), in[1], rows), multiply(in[0], in[1])};
  });
  function.result_names = {"scores", ""};
  const std::vector<Array> inputs = {random_array(type, 1), random_array(type, 2)};
  const ModeComparison comparison = compare_modes(function, inputs);
  CHECK(comparison.agree());
  REQUIRE(comparison.results.size() == 2);
  CHECK(comparison.results[0].name == "scores");
  CHECK(comparison.results[1].name == "result1");
  for (const ResultComparison& result : comparison.results) {
    CHECK(result.promised == 1);
    REQUIRE(result.distances.size() == 3);
    const Distance& exact = result.distances[0];
    CHECK(exact.mode == RunMode::exact);
    CHECK(exact.furthest > 0);
    CHECK(exact.share > 0);
    CHECK(exact.share <= 1);
  }
  CHECK(comparison.results[1].distances[2].same_bits);
  CHECK_THAT(comparison.text(), ContainsSubstring("scores: tensor<40x40xf32>"));
  CHECK_THAT(comparison.text(), ContainsSubstring("fused      same bits as the reference"));
}

TEST_CASE("a_result_further_than_its_bound_is_a_disagreement") {
  ModeComparison comparison;
  comparison.results.push_back({"y", {DType::f32, {2}}, 1, {{.mode = RunMode::fused}}});
  CHECK(comparison.agree());
  comparison.results[0].distances[0].violation = "element 1: 3 instead of 2 ± 0.1";
  CHECK_FALSE(comparison.agree());
  CHECK_THAT(comparison.text(), ContainsSubstring("WRONG: element 1: 3 instead of 2"));
}

TEST_CASE("distances_are_judged_element_by_element") {
  const Array bound = Array::of<double>({3}, {0.5, 0.5, 0});
  const Array reference = Array::of<float>({3}, {1, 2, 3});
  const auto of = [&](const Array& got) {
    return distance_between(RunMode::fused, got, reference, bound, 2);
  };
  CHECK(of(reference).same_bits);
  CHECK(of(Array::of<float>({3}, {1.5f, 2, 3})).violation.empty());
  CHECK(of(Array::of<float>({3}, {1.5f, 2, 3})).share == 0.5);
  CHECK(of(Array::of<float>({3}, {1, 3.5f, 3})).violation == "element 1: 3.5 instead of 2 ± 1");
  CHECK_FALSE(of(Array::of<float>({3}, {1, 2, 3.0001f})).violation.empty());
  CHECK_FALSE(of(Array::of<float>({3}, {1, 2, std::nanf("")})).violation.empty());

  // 64-bit integers that are one double.
  const Array a = Array::of<std::int64_t>({1}, {std::int64_t{1} << 60});
  const Array b = Array::of<std::int64_t>({1}, {(std::int64_t{1} << 60) + 1});
  CHECK_FALSE(distance_between(RunMode::fused, a, b, Array::scalar(0.0).reshaped({1}), 2)
                  .violation.empty());
}

}  // namespace kiln
