// What is known of the signs of a kernel's values, whatever its inputs are.
//
//   e5 = reduced #0 = maximum of e3       e6 = subtract e3, e5      e6 is not positive
//   e7 = exponential e6                   e9 = reduced #1 = add of e7 from 0     both not negative
//
// A NaN may be either. Code is cheaper for it: an exponential whose argument is not positive cannot
// overflow and is at most one, and 0 + x is x where x is not -0.
#pragma once

#include <vector>

#include "ir/space.h"

namespace kiln {

struct Sign {
  bool not_negative = false;  // the sign bit is clear: not -0 either
  bool not_positive = false;  // <= 0
  bool at_most_one = false;   // <= 1
};

/// Of each expression.
std::vector<Sign> signs(const space::Kernel& kernel);

}  // namespace kiln
