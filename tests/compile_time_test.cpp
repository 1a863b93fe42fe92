// What compiling costs: as much as there are different kernels, not as much as there are layers.
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

}  // namespace kiln
