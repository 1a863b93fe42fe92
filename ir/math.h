// Elementary functions as loop IR: straight-line vector code on f32 or f64 of any number of lanes.
//
// No table, no call: range reduction, a minimax polynomial (fitted by ir/math_fit.py), selects for
// the special cases. Every operation is correctly rounded and fma is explicit, so all targets give
// the same bits. f32 goes through f64 where the bound says 0.51: all but exact, at half the speed.
// Special values are exact (infinities, NaN, signed zeros) and subnormals are kept, both as
// arguments and as results.
//
// The bounds are for round-to-nearest, in units of the last place of the result: f32 over all 2^32
// arguments (pow, atan2: a dense sample), f64 over samples. tests/math_test.cpp asserts them on a
// part.
#pragma once

#include "ir/loop.h"

namespace kiln::math {

//                                             f32      f64
loop::Val exp(loop::Val x);                 // 0.9 ulp  1.0 ulp
loop::Val expm1(loop::Val x);               // 1.3      1.5
loop::Val log(loop::Val x);                 // 0.9      1.0      log(±0) = -inf, NaN below
loop::Val log1p(loop::Val x);               // 1.5      1.5      log1p(-1) = -inf, NaN below
loop::Val logistic(loop::Val x);            // 1.5      1.6      1 / (1 + exp(-x))
loop::Val tanh(loop::Val x);                // 1.7      1.8
loop::Val erf(loop::Val x);                 // 1.0      1.2
loop::Val erfc(loop::Val x);                // 0.51     2.0      1 - erf(x), small ones as exact
loop::Val erf_inv(loop::Val x);             // 0.51     3.0      ±inf at ±1, NaN beyond
loop::Val lgamma(loop::Val x);              // 0.51     4.5 (1)  log |Γ(x)|, +inf at 0, -1, -2 …
loop::Val digamma(loop::Val x);             // 0.51     4.5 (2)  Γ'(x) / Γ(x), NaN at 0, -1, -2 …
loop::Val sin(loop::Val x);                 // 0.51     1.0      any argument, however large
loop::Val cos(loop::Val x);                 // 0.51     1.0
loop::Val tan(loop::Val x);                 // 0.51     1.0
loop::Val cbrt(loop::Val x);                // 0.51     0.6
loop::Val rsqrt(loop::Val x);               // 1.5      1.5      1 / sqrt(x), both correctly rounded
loop::Val pow(loop::Val x, loop::Val y);    // 0.51     1.2      special cases as C's
loop::Val atan2(loop::Val y, loop::Val x);  // 0.51     1.4      special cases as C's
// (1), (2): for x < 0 in units of the last place of the largest of the result, 1 and log |Γ(-x)|
// (|ψ(-x)|), which cancels near the zeros there. digamma(-inf) is NaN, lgamma(±inf) is +inf.

/// What is divided by many times, and its reciprocal.
struct Divisor {
  loop::Val value, reciprocal;
  loop::Val plain;            // scalars: some lane is too large or small, or not positive, or NaN
  loop::Val plain_below_one;  // … for dividends of [0, 1] or NaN
};
Divisor divisor(loop::Val b);
/// a / b as IEEE rounds it. `at_most_one`: a is of [0, 1] or NaN; then it may be off by one
/// subnormal number where a is below 2^-100.
loop::Val divide(loop::Val dividend, const Divisor& by, bool at_most_one);

}  // namespace kiln::math
