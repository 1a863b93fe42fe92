#include "runtime/compare_modes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "passes/error_bound.h"
#include "runtime/function_io.h"

namespace kiln {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr double kShareOfLargest = 1e-5;  // allowed where nothing better is known

/// How far each element of a float result may lie from the exact one.
Array bound_of_largest(const Array& reference) {
  double largest = 0;
  for (std::int64_t i = 0; i < reference.count(); ++i)
    if (std::isfinite(reference.as_double(i)))
      largest = std::max(largest, std::fabs(reference.as_double(i)));
  const double bound = is_float(reference.dtype()) ? kShareOfLargest * largest / 2 : 0;
  return Array::full(Type{DType::f64, reference.dims()}, bound);
}

double apart(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b) ? 0 : kInfinite;
  return a == b ? 0 : std::fabs(a - b);
}

/// Whether two elements are the same where doubles might not tell: 64-bit integers.
bool same_element(const Array& a, const Array& b, std::int64_t i) {
  if (a.dtype() != b.dtype()) return false;
  const auto size = static_cast<std::size_t>(size_of(a.dtype()));
  const auto at = static_cast<std::size_t>(i) * size;
  return std::ranges::equal(a.bytes().subspan(at, size), b.bytes().subspan(at, size));
}

}  // namespace

Distance distance_between(RunMode mode, const Array& got, const Array& reference,
                          const Array& bound, double sides) {
  Distance distance{.mode = mode, .same_bits = got.same_bits(reference)};
  if (distance.same_bits) return distance;
  for (std::int64_t i = 0; i < got.count(); ++i) {
    if (same_element(got, reference, i)) continue;
    double off = apart(got.as_double(i), reference.as_double(i));
    if (off == 0 && !is_float(got.dtype())) off = 1;  // lost in the conversion to a double
    const double allowed = sides * bound.as_double(i);
    distance.furthest = std::max(distance.furthest, off);
    if (off > 0 && allowed < kInfinite) distance.share = std::max(distance.share, off / allowed);
    if (!(off <= allowed) && distance.violation.empty())
      distance.violation = fmt::format("element {}: {} instead of {} ± {}", i, got.as_double(i),
                                       reference.as_double(i), allowed);
  }
  return distance;
}

bool ModeComparison::agree() const {
  for (const ResultComparison& result : results)
    for (const Distance& distance : result.distances)
      if (!distance.violation.empty()) return false;
  return true;
}

std::string ModeComparison::text() const {
  std::string text;
  if (!without_exact.empty())
    text += fmt::format("no exact mode ({}): modes may be {} of the largest element apart\n",
                        without_exact, kShareOfLargest);
  for (const ResultComparison& result : results) {
    text += fmt::format("{}: {}", result.name, result.type.str());
    if (result.promised < 1)
      text += fmt::format(", {:.1f} % of it without a bound", 100 * (1 - result.promised));
    text += "\n";
    for (const Distance& distance : result.distances) {
      std::string finding;
      if (distance.same_bits)
        finding = "same bits as the reference";
      else
        finding = fmt::format("at most {:.3g} from the reference, {:.3g} of the bound",
                              distance.furthest, distance.share);
      if (!distance.violation.empty()) finding += "; WRONG: " + distance.violation;
      text += fmt::format("  {:<9}  {}\n", name_of(distance.mode), finding);
    }
  }
  return text;
}

ModeComparison compare_modes(const Function& function, std::span<const Array> arguments) {
  ModeComparison comparison;
  comparison.reference = run_function(function, arguments, RunMode::reference);
  std::optional<std::vector<Bounded>> exact;
  try {
    exact = error_bounds(function, arguments);
  } catch (const Error& error) {
    comparison.without_exact = error.what();
  }
  const std::vector<Array> unfused = run_function(function, arguments, RunMode::unfused);
  const std::vector<Array> fused = run_function(function, arguments, RunMode::fused);

  for (std::size_t r = 0; r < comparison.reference.size(); ++r) {
    const Array& reference = comparison.reference[r];
    ResultComparison result{result_name(function, r), reference.type()};
    const Array bound = exact ? (*exact)[r].bound : bound_of_largest(reference);
    if (exact) {
      result.promised = promised((*exact)[r]);
      result.distances.push_back(
          distance_between(RunMode::exact, (*exact)[r].value, reference, bound, 1));
    }
    result.distances.push_back(distance_between(RunMode::unfused, unfused[r], reference, bound, 2));
    result.distances.push_back(distance_between(RunMode::fused, fused[r], reference, bound, 2));
    comparison.results.push_back(std::move(result));
  }
  return comparison;
}

}  // namespace kiln
