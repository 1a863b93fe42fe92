// Functions that <cmath> lacks, for reference cells: in long double, by other methods than
// ir/math.h uses, slow and plain.
#pragma once

namespace kiln::reference {

/// The inverse of erf: ±inf at ±1, NaN beyond.
long double erf_inv(long double x);
/// log |Γ(x)|; unlike std::lgamma it writes no global variable.
long double lgamma(long double x);
/// Γ'(x) / Γ(x): NaN at 0, -1, -2 … and -inf.
long double digamma(long double x);

}  // namespace kiln::reference
