#include "ir/reference_functions.h"

#include <cmath>
#include <initializer_list>
#include <limits>
#include <numbers>

namespace kiln::reference {

using std::numbers::inv_sqrtpi_v, std::numbers::pi_v;

long double erf_inv(long double x) {
  using Limits = std::numeric_limits<long double>;
  const long double size = std::fabs(x);
  if (!(size < 1)) return size == 1 ? std::copysign(Limits::infinity(), x) : Limits::quiet_NaN();
  if (size < 1e-10L) return x / (2 * inv_sqrtpi_v<long double>);
  // Winitzki's approximation, good to 0.2 %, then Halley's iteration, on erfc where erf is near 1.
  const long double a = 0.147L;
  const long double log = std::log1p(-x * x);
  const long double b = 2 / (pi_v<long double> * a) + log / 2;
  long double y = std::sqrt(std::sqrt(b * b - log / a) - b);
  for (int i = 0; i < 4; ++i) {
    const long double error = size < 0.5L ? std::erf(y) - size : (1 - size) - std::erfc(y);
    const long double step = error / (2 * inv_sqrtpi_v<long double> * std::exp(-y * y));
    y -= step / (1 + y * step);
  }
  return std::copysign(y, x);
}

long double lgamma(long double x) {
  int sign = 0;
  return ::lgammal_r(x, &sign);
}

long double digamma(long double x) {
  if (x <= 0 && x == std::floor(x)) return std::numeric_limits<long double>::quiet_NaN();
  if (x < 0) {
    const long double off = pi_v<long double> * (x - std::nearbyint(x));
    return digamma(1 - x) - pi_v<long double> / std::tan(off);
  }
  long double sum = 0;
  for (; x < 20; x += 1) sum -= 1 / x;
  // log x - 1/(2x) - Σ B(2k) / (2k x^2k)
  const long double z = 1 / (x * x);
  long double tail = 0;
  for (const long double b : {-3617 / 8160.0L, 1 / 12.0L, -691 / 32760.0L, 1 / 132.0L, -1 / 240.0L,
                              1 / 252.0L, -1 / 120.0L, 1 / 12.0L})
    tail = tail * z + b;
  return sum + std::log(x) - 1 / (2 * x) - tail * z;
}

}  // namespace kiln::reference
