// Kernels of rows and of columns: whatever the number of rows, results agree with the reference and
// have equal bits on every target with fused multiply-adds, for any number of threads.
#include <algorithm>

#include "frontend/gradient.h"
#include "passes/plan_memory.h"
#include "passes/transpose.h"
#include "runtime/settings.h"
#include "tests/catch.h"
#include "tests/random_array.h"
#include "tests/support.h"

namespace kiln {
namespace {

std::vector<Target> wide_targets() {
  std::vector<Target> targets;
  for (const char* name : {"x86-64-v3", "x86-64-v4", "native"}) {
    try {
      targets.push_back(Target::named(name));
    } catch (const Error& error) {
      WARN(error.what());
    }
  }
  return targets;
}

void check_everywhere(const TensorBody& body, const std::vector<Type>& types) {
  std::vector<Array> inputs;
  for (const Type& type : types) inputs.push_back(random_array(type, inputs.size() + 1));
  const Function function = trace(types, body);
  check_modes(function, inputs, {.relative = 1e-5});
  std::vector<Array> first;
  for (const Target& target : wide_targets())
    for (const int threads : {1, 2}) {
      settings().set_threads(threads);
      const std::vector<Array> results = execute(function, inputs, {}, target);
      settings().set_threads(2);
      if (first.empty()) first = results;
      for (std::size_t i = 0; i < results.size(); ++i) {
        INFO(target.cpu << ", " << threads << " threads, result " << i);
        CHECK(results[i].same_bits(first[i]));
      }
    }
}

const std::vector<Ints> kShapes{{7, 3},    {8, 16},     {40, 17},   {37, 130}, {128, 64}, {130, 65},
                                {257, 20}, {1009, 100}, {16, 1024}, {3, 5000}, {300, 300}};

}  // namespace

TEST_CASE("sums_down_columns_agree_for_any_number_of_rows_and_columns") {
  for (const Ints& dims : kShapes) {
    INFO(dims[0] << " x " << dims[1]);
    check_everywhere(
        [](const auto& in) {
          return std::vector{sum(in[0] * in[1], {0}), amax(in[0], {0}), softmax(in[1], 0)};
        },
        {{DType::f32, dims}, {DType::f32, dims}});
  }
}

TEST_CASE("copies_that_turn_memory_round_are_exact") {
  for (const Ints& dims : std::vector<Ints>{{3, 16, 16}, {2, 70, 90}, {1, 130, 64}, {2, 17, 200}}) {
    INFO(dims[1] << " x " << dims[2]);
    const Type type{DType::f32, dims};
    const TensorBody body = [](const std::vector<Tensor>& in) {
      return std::vector{transpose(in[0], 1, 2), permute(in[0], {2, 1, 0})};
    };
    Function function = trace({type}, body);
    run_passes(function);
    const StepPlan plan = plan_step(function, {});
    CHECK(std::ranges::any_of(plan.spaces, is_transposing));
    check_everywhere(body, {type});
  }
}

TEST_CASE("sums_of_the_same_terms_in_several_directions_agree") {
  for (const Ints& dims : std::vector<Ints>{{20, 30, 16}, {33, 21, 50}, {5, 200, 7}}) {
    INFO(dims[0] << " x " << dims[1] << " x " << dims[2]);
    check_everywhere(
        [](const auto& in) {
          const Tensor terms = sigmoid(in[0] * in[1]);
          return std::vector{sum(terms, {0}), sum(terms, {1}), sum(terms, {0, 1})};
        },
        {{DType::f32, dims}, {DType::f32, {dims[1], dims[2]}}});
  }
}

TEST_CASE("rows_agree_for_any_number_and_length_of_them") {
  for (const Ints& dims : kShapes) {
    INFO(dims[0] << " x " << dims[1]);
    check_everywhere(
        [](const auto& in) {
          const Tensor y = softmax(in[0], 1);
          return std::vector{y, grad(sum(y * in[1]), {in[0]})[0], log_softmax(in[0], 1)};
        },
        {{DType::f32, dims}, {DType::f32, dims}});
    check_everywhere(
        [](const auto& in) {
          return std::vector{sum(in[0], {1}), amin(in[0], {1}), sum(to(in[1], DType::i64), {1})};
        },
        {{DType::f64, dims}, {DType::i32, dims}});
  }
}

TEST_CASE("what_is_masked_is_zero_and_a_fully_masked_row_is_uniform") {
  const Type scores{DType::f32, {24, 40}}, lens{DType::i32, {24}};
  const Function function = trace(
      {scores, lens}, [](const auto& in) { return std::vector{masked_softmax(in[0], in[1])}; });
  std::vector<Array> inputs{random_array(scores, 1), Array(lens)};
  for (std::size_t i = 0; i < 24; ++i)
    inputs[1].data<std::int32_t>()[i] = static_cast<std::int32_t>(2 * i);
  check_modes(function, inputs, {.relative = 1e-6});
  for (const Target& target : wide_targets()) {
    const Array y = execute(function, inputs, {}, target)[0];
    for (std::size_t i = 0; i < 24; ++i)
      for (std::size_t j = 0; j < 40; ++j) {
        const float value = y.data<float>()[i * 40 + j];
        if (i == 0) CHECK(value == 1.0F / 40);
        if (i > 0 && j >= 2 * i) CHECK(value == 0);
      }
  }
}

}  // namespace kiln
