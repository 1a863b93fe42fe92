// How far an honest result may lie from the true one, derived rather than guessed.
//
// The function is evaluated once more with its floats in f64. Beside each value runs a bound of the
// error that an evaluation in the declared types may have made up to there: an element-wise op is
// evaluated at the corners of its operands' bounds and adds its own rounding; sums and products add
// what any order of them may lose; what only moves elements moves their bounds. Where a rounding
// could flip a decision (a comparison, a floor, an order, an index), the bound says so, and an
// infinite bound means that nothing is promised (an overflow of f32, say). See Higham, Accuracy and
// Stability of Numerical Algorithms (2002), chapter 3, for such running error analyses.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace kiln {

struct Bounded {
  Array value;  // floats in f64
  Array bound;  // f64, of the same shape; for integers, too
};
/// What each result is in exact arithmetic, nearly, and how far the function's own may be off.
std::vector<Bounded> error_bounds(const Function& function, std::span<const Array> inputs);

/// Where `got` lies further from the value than the bound allows, in words; empty where nowhere.
std::string violation(const Array& got, const Bounded& expected);
/// The share of elements whose bound says something.
double promised(const Bounded& expected);

}  // namespace kiln
