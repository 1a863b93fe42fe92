// What `./dev fuzz` has found, each as small as it was when found, under a name that says what was
// wrong.
#include "ir/build.h"
#include "ir/build_control.h"
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

}  // namespace
}  // namespace kiln
