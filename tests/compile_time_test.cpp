// What compiling costs: as much as there are different kernels, not as much as there are layers.
#include <algorithm>

#include "frontend/functions.h"
#include "frontend/gradient.h"
#include "passes/pipeline.h"
#include "passes/plan_memory.h"
#include "tests/catch.h"
#include "tests/support.h"

namespace kiln {

TEST_CASE("a_network_compiles_as_many_kernels_as_it_has_different_layers") {
  const auto kernels_of = [](int layers) {
    const Type square{DType::f32, {32, 32}};
    std::vector<Type> types(static_cast<std::size_t>(layers) + 1, square);
    Function function = trace(types, [&](const auto& in) {
      Tensor x = in[0];
      for (int i = 1; i <= layers; ++i) x = relu(matmul(x, in[static_cast<std::size_t>(i)]));
      std::vector<Tensor> results{mean(x * x)};
      const auto weights = std::vector<Tensor>(in.begin() + 1, in.end());
      for (const Tensor& g : grad(results[0], weights)) results.push_back(g);
      return results;
    });
    run_passes(function);
    const StepPlan plan = plan_step(function, {});
    CHECK(plan.spaces.size() == plan.program.kernels.size());
    CHECK(plan.program.launches.size() >= static_cast<std::size_t>(3 * layers - 1));
    return plan.program.kernels.size();
  };
  CHECK(kernels_of(64) == kernels_of(8));
}

TEST_CASE("rows_are_walked_by_a_loop_however_many_there_are") {
  // Statements of the kernels of a softmax and its gradient.
  const auto statements_of = [](std::int64_t rows) {
    const Type type{DType::f32, {rows, 49}};
    Function function = trace({type, type}, [](const auto& in) {
      const Tensor y = softmax(in[0], 1);
      return std::vector{y, grad(sum(y * in[1]), {in[0]})[0]};
    });
    run_passes(function);
    std::ptrdiff_t lines = 0;
    for (const loop::Kernel& kernel : plan_step(function, {}).program.kernels)
      lines += std::ranges::count(kernel.str(), '\n');
    return lines;
  };
  CHECK(statements_of(48) <= statements_of(16) + 8);
}

TEST_CASE("lanes_far_apart_are_read_by_a_loop") {
  // Of each row of one matrix with that of another: 16 rows at once, so each lane is read by
  // itself.
  const auto statements_of = [](std::int64_t width) {
    const Type type{DType::f32, {50, width}};
    Function function =
        trace({type, type}, [](const auto& in) { return std::vector{einsum("ij,ij->i", in)}; });
    run_passes(function);
    return std::ranges::count(plan_step(function, {}).program.kernels[0].str(), '\n');
  };
  CHECK(statements_of(96) == statements_of(48));
}

TEST_CASE("an_update_is_written_once_for_all_rows_of_a_product_s_tile") {
  // A weight's gradient, that ends in an update of a dozen operations.
  const auto statements_of = [](std::int64_t rows) {
    const Type weight{DType::f32, {rows, 32}};
    Function function =
        trace({{DType::f32, {64, rows}}, {DType::f32, {64, 32}}, weight, weight, weight},
              [](const auto& in) {
                const Tensor g = matmul(transpose(in[0], 0, 1), in[1]);
                const Tensor m = in[2] * 0.9 + g * 0.1;
                const Tensor v = in[3] * 0.999 + g * g * 0.001;
                return std::vector{in[4] - m / (sqrt(v) + 1e-8) * 0.001, m, v};
              });
    run_passes(function);
    const StepPlan plan = plan_step(function, {64, 32});
    REQUIRE(plan.program.kernels.size() == 1);
    return std::ranges::count(plan.program.kernels[0].str(), '\n');
  };
  // Beyond the product: per row a broadcast, four multiply-adds, two sums stored.
  CHECK(statements_of(8) - statements_of(4) <= 4 * 7);
}

}  // namespace kiln
