#include "runtime/judge.h"

#include <bit>
#include <cmath>
#include <limits>

namespace kiln {
namespace {

/// How many floats lie from one to the other; -0 and 0 are one. As large as can be where only one
/// of them is finite, or one is NaN.
template <class T>
std::uint64_t ulps_apart(T a, T b) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
  if (!std::isfinite(a) || !std::isfinite(b)) return std::numeric_limits<std::uint64_t>::max();
  // Floats in their order, as integers.
  const auto place = [](T x) {
    const std::int64_t bits = std::bit_cast<Bits>(x);
    return bits >= 0 ? bits : std::int64_t{std::numeric_limits<Bits>::min()} - bits;
  };
  const std::int64_t p = place(a), q = place(b);
  return p > q ? static_cast<std::uint64_t>(p) - static_cast<std::uint64_t>(q)
               : static_cast<std::uint64_t>(q) - static_cast<std::uint64_t>(p);
}

template <class T>
bool accepted(const Check& check, T got, T expected) {
  if constexpr (std::is_floating_point_v<T>) {
    switch (check.kind) {
      case Check::Kind::equal:
        break;
      case Check::Kind::close: {
        const std::uint64_t ulps = ulps_apart(got, expected);
        return ulps >= static_cast<std::uint64_t>(check.min_ulps) &&
               ulps <= static_cast<std::uint64_t>(check.max_ulps);
      }
      case Check::Kind::almost_equal:
        if (got != expected && !(std::isnan(got) && std::isnan(expected)))
          return std::fabs(static_cast<double>(got) - static_cast<double>(expected)) <=
                 check.tolerance;
        break;
    }
    return got == expected || (std::isnan(got) && std::isnan(expected));
  } else {
    return got == expected;
  }
}

std::string place_text(const Ints& dims, std::size_t index) {
  Ints place(dims.size());
  auto rest = static_cast<std::int64_t>(index);
  for (std::size_t axis = dims.size(); axis-- > 0; rest /= dims[axis])
    place[axis] = rest % dims[axis];
  return fmt::format("[{}]", join(place, ", "));
}

std::string demand(const Check& check) {
  switch (check.kind) {
    case Check::Kind::equal:
      break;
    case Check::Kind::close:
      if (check.min_ulps > 0)
        return fmt::format("between {} and {} ulp from ", check.min_ulps, check.max_ulps);
      return fmt::format("within {} ulp of ", check.max_ulps);
    case Check::Kind::almost_equal:
      return fmt::format("within {} of ", check.tolerance);
  }
  return "";
}

}  // namespace

std::string judge(const Check& check, const Array& got, const Array& expected) {
  if (got.type() != expected.type())
    return fmt::format("expected {}, found {}", expected.type().str(), got.type().str());
  return visit_dtype(got.dtype(), [&]<class T>(T) -> std::string {
    const auto g = got.data<T>(), e = expected.data<T>();
    std::size_t refused = 0, first = 0;
    for (std::size_t i = g.size(); i-- > 0;) {
      if (accepted(check, g[i], e[i])) continue;
      first = i;
      ++refused;
    }
    if (refused == 0) return "";
    std::string apart;
    if constexpr (std::is_floating_point_v<T>) {
      const std::uint64_t ulps = ulps_apart(g[first], e[first]);
      if (ulps != std::numeric_limits<std::uint64_t>::max())
        apart = fmt::format(" ({} ulp apart)", ulps);
    }
    return fmt::format("element {} of {}: expected {}{}, found {}{}; {} of {} elements differ so",
                       place_text(got.dims(), first), got.type().str(), demand(check), e[first],
                       g[first], apart, refused, g.size());
  });
}

}  // namespace kiln
