// What is known of signs, and the code that is shorter for it.
#include "passes/signs.h"

#include <cmath>
#include <limits>

#include "ir/op.h"
#include "passes/plan_memory.h"
#include "tests/catch.h"
#include "tests/support.h"

namespace kiln {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// The sign of the value an op of this kind makes, in the one kernel of a function.
Sign sign_of(Op op, const std::vector<Type>& types, const TensorBody& body) {
  Function function = trace(types, body);
  run_passes(function);
  const StepPlan plan = plan_step(function, {});
  REQUIRE(plan.spaces.size() == 1);
  const std::vector<Sign> known = signs(plan.spaces[0]);
  for (std::size_t e = 0; e < known.size(); ++e) {
    const space::Expr& expr = plan.spaces[0].exprs[e];
    if (expr.kind == space::Expr::Kind::apply && expr.node->op() == op) return known[e];
  }
  FAIL("no such operation");
  return {};
}

/// Rows that go wrong where an exponential is not guarded.
Array hard_rows() {
  return Array::of<float>({8, 4}, {kInfinity,  1,          2,          3,           //
                                   -kInfinity, 0,          1,          -1,          //
                                   -kInfinity, -kInfinity, -kInfinity, -kInfinity,  //
                                   kNan,       1,          2,          3,           //
                                   3e38f,      -3e38f,     0,          1,           //
                                   -3e38f,     -3e38f,     -3e38f,     3e38f,       //
                                   -0.f,       0,          -0.f,       0,           //
                                   88,         89,         90,         -104});
}

}  // namespace

TEST_CASE("what_is_shifted_by_its_maximum_is_not_positive") {
  const Type rows{DType::f32, {64, 10}};
  const auto softmax_of = [](const std::vector<Tensor>& in) {
    return std::vector{softmax(in[0], 1)};
  };
  CHECK(sign_of(Op::subtract, {rows}, softmax_of).not_positive);
  CHECK(sign_of(Op::exponential, {rows}, softmax_of).not_negative);
  CHECK(sign_of(Op::exponential, {rows}, softmax_of).at_most_one);
  CHECK_FALSE(sign_of(Op::exponential, {rows}, softmax_of).not_positive);
  // By another row's maximum, by a mean, by the maximum of something else: who knows.
  const auto shifted_by = [&](const TensorBody& by) {
    return sign_of(Op::subtract, {rows, rows}, [&](const std::vector<Tensor>& in) {
      return std::vector{exp(in[0] - by(in)[0])};
    });
  };
  CHECK_FALSE(
      shifted_by([](const auto& in) { return std::vector{amax(in[1], {1}, true)}; }).not_positive);
  CHECK_FALSE(
      shifted_by([](const auto& in) { return std::vector{amin(in[0], {1}, true)}; }).not_positive);
}

TEST_CASE("exponentials_that_are_not_clamped_from_above_have_the_same_special_values") {
  check(
      [](const std::vector<Tensor>& in) {
        return std::vector{softmax(in[0], 1), log_softmax(in[0], 1), exp(in[0]),
                           exp(in[0] - amax(in[0], {1}, true))};
      },
      {hard_rows()}, {.relative = 1e-6});
}

TEST_CASE("sums_of_what_is_chosen_leave_out_the_rest") {
  // What is not chosen is infinite or no number; zeros have either sign.
  const Array values = Array::of<float>(
      {3, 4}, {kInfinity, 1, kNan, 2, -0.f, kNan, -0.f, kInfinity, kNan, kNan, kNan, kNan});
  const Array chosen = Array::of<float>({3, 4}, {0, 1, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0});
  const Function function =
      trace(types_of(std::vector{values, chosen}), [](const std::vector<Tensor>& in) {
        const Tensor kept = where(in[1] > 0, in[0], 0);
        return std::vector{sum(kept, {1}), exp(in[1]) + kept, kept + in[1]};
      });
  check_modes(function, std::vector{values, chosen}, {.relative = 1e-6});
  const std::vector<Array> got = execute(function, std::vector{values, chosen});
  CHECK(got[0].same_bits(Array::of<float>({3}, {3, 0, 0})));
  CHECK(got[2].same_bits(Array::of<float>({3, 4}, {0, 2, 0, 3, 1, 0, 1, 0, 0, 0, 0, 0})));
}

TEST_CASE("short_rows_of_any_length_go_in_and_out_transposed") {
  for (std::int64_t columns = 1; columns <= 17; ++columns)
    for (const std::int64_t rows : {5, 16, 48, 53}) {
      INFO(rows << " x " << columns);
      const Type type{DType::f32, {rows, columns}};
      check([](const std::vector<Tensor>& in) { return std::vector{softmax(in[0], 1)}; },
            {random_array(type, static_cast<std::uint64_t>(columns))}, {.relative = 2e-6});
    }
}

}  // namespace kiln
