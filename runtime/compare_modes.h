// The ways to run a function, compared on given arguments: what `kiln check` prints.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/run_function.h"

namespace kiln {

/// How far one result of one mode lies from the reference's.
struct Distance {
  RunMode mode = RunMode::fused;
  bool same_bits = false;
  double furthest = 0;  // the largest difference of an element
  double share = 0;     // the largest ratio of a difference to what rounding may account for there
  std::string violation = {};  // the first element that is further than that, in words; else empty
};

/// `bound` is how far each element of one side may be from the exact value, `sides` how many sides
/// may be off.
Distance distance_between(RunMode mode, const Array& got, const Array& reference,
                          const Array& bound, double sides);

struct ResultComparison {
  std::string name;
  Type type;
  double promised = 1;  // the share of elements that have a bound
  std::vector<Distance> distances = {};
};

struct ModeComparison {
  std::vector<ResultComparison> results;
  std::vector<Array> reference;  // all results of the reference
  std::string without_exact;     // why there is no exact mode to derive bounds from; else empty

  bool agree() const;
  std::string text() const;
};

/// Runs the function in all modes. A compiled mode may be as far from the reference as both may be
/// from the exact result (passes/error_bound.h); where there is no such result, 1e-5 of the
/// tensor's largest element.
ModeComparison compare_modes(const Function& function, std::span<const Array> arguments);

}  // namespace kiln
