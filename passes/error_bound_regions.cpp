// Bounds of reduce, reduce_window and scatter with regions of their own: every mode runs these in
// index order, so the analysis does, too, one step after the other.
#include <algorithm>
#include <map>
#include <optional>

#include "ir/interpret.h"
#include "ir/ops/window.h"
#include "ir/placement.h"
#include "ir/reference.h"
#include "passes/error_bound_parts.h"

namespace kiln::error_bound {
namespace {

/// So many are followed; of what takes longer nothing is promised.
constexpr std::size_t kMostSteps = 5000;

/// What is combined at once: accumulator `targets[i]` takes in element `sources[i]` of the inputs,
/// or the initial value where that is -1. No target occurs twice.
struct Step {
  std::vector<std::int64_t> targets, sources;
};

std::vector<Step> steps_of_reduce(const Node& node) {
  const Ints& axes = node.attrs<DimsAttrs>().dims;
  const Type& input = node.operand(0).type();
  const Ints all = row_major_strides(input.dims);
  Ints kept_strides, reduced, reduced_strides;
  for (std::size_t axis = 0; axis < input.dims.size(); ++axis)
    if (std::find(axes.begin(), axes.end(), static_cast<std::int64_t>(axis)) == axes.end()) {
      kept_strides.push_back(all[axis]);
    } else {
      reduced.push_back(input.dims[axis]);
      reduced_strides.push_back(all[axis]);
    }
  std::vector<Step> steps;
  reference::for_each_point(reduced, [&](const Ints& along) {
    if (steps.size() > kMostSteps) return;
    Step& step = steps.emplace_back();
    reference::for_each_point(node.type().dims, [&](const Ints& point) {
      step.targets.push_back(static_cast<std::int64_t>(step.targets.size()));
      step.sources.push_back(reference::offset_of(point, kept_strides) +
                             reference::offset_of(along, reduced_strides));
    });
  });
  return steps;
}

std::vector<Step> steps_of_windows(const Node& node) {
  const std::vector<window::Axis> axes = window::reduce_window_axes(node);
  const Ints strides = row_major_strides(node.operand(0).type().dims);
  std::vector<Step> steps;
  reference::for_each_point(node.attrs<WindowAttrs>().extents, [&](const Ints& inside) {
    if (steps.size() > kMostSteps) return;
    Step& step = steps.emplace_back();
    reference::for_each_point(node.type().dims, [&](const Ints& window) {
      std::int64_t source = 0;
      for (std::size_t axis = 0; axis < axes.size() && source >= 0; ++axis) {
        const auto element = axes[axis].element(window[axis], inside[axis]);
        source = element ? source + *element * strides[axis] : -1;
      }
      step.targets.push_back(static_cast<std::int64_t>(step.targets.size()));
      step.sources.push_back(source);
    });
  });
  return steps;
}

/// The first updates of all elements, then the second ones, …
std::vector<Step> steps_of_scatter(const Node& node, const Array& indices) {
  std::vector<Step> steps;
  std::map<std::int64_t, std::size_t> updates;  // how often each target was met
  std::int64_t source = -1;
  for (const std::int64_t target : Placement(node).targets(indices)) {
    ++source;
    if (target < 0) continue;
    const std::size_t round = updates[target]++;
    if (round == steps.size()) steps.emplace_back();
    steps[round].targets.push_back(target);
    steps[round].sources.push_back(source);
  }
  return steps;
}

/// These elements of `from`; `initial` (of rank 0) where the place is -1.
Array picked(const Array& from, const Array* initial, std::span<const std::int64_t> places) {
  Array chosen(Type{from.dtype(), {static_cast<std::int64_t>(places.size())}});
  for (std::size_t i = 0; i < places.size(); ++i)
    reference::copy_element(places[i] < 0 ? *initial : from, std::max<std::int64_t>(places[i], 0),
                            chosen, static_cast<std::int64_t>(i));
  return chosen;
}
Bounded picked(const Bounded& from, const Bounded* initial, std::span<const std::int64_t> places) {
  return {picked(from.value, initial ? &initial->value : nullptr, places),
          picked(from.bound, initial ? &initial->bound : nullptr, places)};
}

void put(const Array& from, std::span<const std::int64_t> places, Array& to) {
  for (std::size_t i = 0; i < places.size(); ++i)
    reference::copy_element(from, static_cast<std::int64_t>(i), to, places[i]);
}

/// Whether what the region gives is always one of its arguments, or a number that no rounding made.
bool only_chooses(const Region& region) {
  return std::ranges::all_of(topological(region.results), [](const Node* node) {
    switch (node->op()) {
      case Op::parameter:
      case Op::constant:
      case Op::compare:
      case Op::select:
      case Op::maximum:
      case Op::minimum:
        return true;
      default:
        return !is_float(node->type().dtype) && traits(*node).elementwise;
    }
  });
}

}  // namespace

void region_in_order(Wide& wide, const Node& node, std::span<const Bounded> operands,
                     std::vector<Bounded>& results) {
  const Region& region = node.regions()[0];
  if (std::ranges::all_of(operands, exact) && only_chooses(region)) return;
  const std::size_t n = results.size();
  const bool scatters = node.op() == Op::scatter;
  const std::vector<Step> steps = scatters ? steps_of_scatter(node, operands[n].value)
                                  : node.op() == Op::reduce ? steps_of_reduce(node)
                                                            : steps_of_windows(node);
  const auto give_up_all = [&] { std::ranges::for_each(results, give_up); };
  if (steps.size() > kMostSteps) return give_up_all();

  for (std::size_t i = 0; i < n; ++i)
    if (scatters) {
      results[i] = {operands[i].value.clone(), operands[i].bound.clone()};
    } else {
      results[i] = {results[i].value.clone(), Array(results[i].bound.type())};
      for (std::int64_t at = 0; at < results[i].value.count(); ++at) {
        reference::copy_element(operands[n + i].value, 0, results[i].value, at);
        reference::copy_element(operands[n + i].bound, 0, results[i].bound, at);
      }
    }
  std::map<std::size_t, Region> regions;  // by how many elements it combines at once
  for (const Step& step : steps) {
    const auto count = static_cast<std::int64_t>(step.targets.size());
    if (count == 0) continue;
    if (!regions.contains(step.targets.size())) {
      const std::optional<Region> made = on_arrays(wide.graph(), region, {count});
      if (!made) return give_up_all();
      regions[step.targets.size()] = *made;
    }
    std::vector<Bounded> arguments;
    for (const Bounded& result : results)
      arguments.push_back(picked(result, nullptr, step.targets));
    for (std::size_t i = 0; i < n; ++i)
      arguments.push_back(picked(operands[scatters ? n + 1 + i : i],
                                 scatters ? nullptr : &operands[n + i], step.sources));
    const std::vector<Bounded> next =
        analyse(wide, regions.at(step.targets.size()).results, std::move(arguments));
    for (std::size_t i = 0; i < n; ++i) {
      put(next[i].value, step.targets, results[i].value);
      put(next[i].bound, step.targets, results[i].bound);
    }
  }
}

}  // namespace kiln::error_bound
