// Gradients of random graphs, in `exact`: what a central difference along a random direction says.
#include <cmath>

#include "frontend/gradient_function.h"
#include "ir/interpret.h"
#include "ir/op.h"
#include "ir/text.h"
#include "passes/widen.h"
#include "tests/catch.h"
#include "tests/random_graph.h"
#include "tests/support.h"

namespace kiln {
namespace {

bool has_composite(std::span<const Value> results) {
  return std::ranges::any_of(topological(results), [](const Node* node) {
    return node->op() == Op::composite ||
           std::ranges::any_of(node->regions(),
                               [](const Region& region) { return has_composite(region.results); });
  });
}

/// What can be differentiated of a random graph: its float results, in f64.
struct Differentiable {
  Function function, gradient;
  std::vector<Array> inputs, cotangents;

  static std::optional<Differentiable> of(const RandomGraph& graph) {
    Differentiable d;
    // Where a gradient is stopped it is not what differences say.
    if (has_composite(graph.function.results)) return std::nullopt;
    try {
      d.function = widened(graph.function);
      std::erase_if(d.function.results, [](Value y) { return y.type().dtype != DType::f64; });
      d.function.result_names.clear();
      for (Argument& argument : d.function.arguments) argument.alias = -1;
      d.gradient = gradient_of(d.function);
    } catch (const Error&) {
      return std::nullopt;
    }
    // Near a huge number there is none that a step leads to.
    for (const Array& input : graph.inputs)
      for (std::int64_t i = 0; i < input.count() && is_float(input.dtype()); ++i)
        if (!(std::fabs(input.as_double(i)) < 100)) return std::nullopt;
    for (const Array& input : graph.inputs)
      d.inputs.push_back(is_float(input.dtype()) ? input.converted(DType::f64) : input);
    for (std::size_t i = 0; i < d.function.results.size(); ++i)
      d.cotangents.push_back(random_array(d.function.results[i].type(), 50 + i, 0.5, 1.5));
    return d;
  }

  /// Σ results · cotangents, a distance along the directions away.
  long double objective(std::span<const Array> directions, double distance) const {
    std::vector<Array> at = inputs;
    for (std::size_t a = 0; a < at.size(); ++a) {
      if (at[a].dtype() != DType::f64) continue;
      at[a] = at[a].clone();
      for (std::int64_t i = 0; i < at[a].count(); ++i)
        at[a].data<double>()[static_cast<std::size_t>(i)] += distance * directions[a].as_double(i);
    }
    const std::vector<Array> results = interpret(function, at);
    long double sum = 0;
    for (std::size_t r = 0; r < results.size(); ++r)
      for (std::int64_t i = 0; i < results[r].count(); ++i)
        sum += static_cast<long double>(results[r].as_double(i)) * cotangents[r].as_double(i);
    return sum;
  }
};

/// What is wrong, in words; nothing where the function is not smooth there.
std::optional<std::string> judge(const Differentiable& d, std::uint64_t seed) {
  std::vector<Array> arguments = d.inputs, directions;
  arguments.insert(arguments.end(), d.cotangents.begin(), d.cotangents.end());
  const std::vector<Array> gradients = interpret(d.gradient, arguments);
  double slope = 0, size = 0;
  std::size_t next = 0;
  for (std::size_t a = 0; a < d.inputs.size(); ++a) {
    directions.push_back(random_array(d.inputs[a].type(), seed * 31 + a, -1, 1));
    if (d.inputs[a].dtype() != DType::f64) continue;
    for (std::int64_t i = 0; i < d.inputs[a].count(); ++i) {
      const double part = gradients[next].as_double(i) * directions[a].as_double(i);
      slope += part, size += std::fabs(part);
    }
    ++next;
  }
  constexpr double kStep = 1e-6;
  const long double here = d.objective(directions, 0), above = d.objective(directions, kStep),
                    below = d.objective(directions, -kStep);
  const auto forward = static_cast<double>((above - here) / kStep),
             backward = static_cast<double>((here - below) / kStep);
  const double scale = std::max(size, std::fabs(forward));
  const double noise = 1e-15 * std::fabs(static_cast<double>(here)) / kStep;
  const double tolerance = 1e-4 * scale + 100 * noise;
  if (!(std::fabs(forward - backward) <= tolerance)) return std::nullopt;
  if (std::fabs(slope - (forward + backward) / 2) <= tolerance) return "";
  return fmt::format("slope {} where differences say {} and {}", slope, forward, backward);
}

}  // namespace

TEST_CASE("gradients_of_random_graphs_are_what_differences_say") {
  int judged = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    // Every third graph has gradients of its own: then these are second derivatives.
    const RandomGraph graph = random_graph(
        seed, {.steps = 10, .elements = 60, .state = false, .gradients = seed % 3 == 0});
    const std::optional<Differentiable> d = Differentiable::of(graph);
    if (!d || d->function.results.empty()) continue;
    const std::optional<std::string> found = judge(*d, seed);
    if (!found) continue;
    ++judged;
    INFO("seed " << seed);
    CHECK(*found == "");
  }
  CHECK(judged > 500);
}

}  // namespace kiln
