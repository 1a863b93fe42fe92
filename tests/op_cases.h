// Ways of using each op of the table that is not element-wise: layouts and edge shapes (nothing,
// one, a prime, one less and one more than a vector) for data of any dtype.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace kiln {

struct OpCase {
  std::string label;
  std::vector<Array> inputs;
  std::function<std::vector<Value>(std::span<const Value>)> make;
};

/// The op's cases with data of this dtype; none where it does not take it. Floats are such that
/// sums and products are exact, in whatever order: all modes must give equal bits.
std::vector<OpCase> cases_of(Op op, DType dtype);

}  // namespace kiln
