#include "ir/ops/combiner.h"

#include <unordered_map>

#include "ir/build.h"

namespace kiln {
namespace {

bool is_parameter(Value value, std::size_t number) {
  return value.node->op() == Op::parameter &&
         value.node->attrs<ParameterAttrs>().index == static_cast<std::int64_t>(number);
}

}  // namespace

std::optional<Op> combiner_of(const Region& region, std::size_t i) {
  const std::size_t n = region.results.size();
  const Value result = region.results[i];
  if (is_parameter(result, n + i)) return Op::parameter;
  const Node& node = *result.node;
  if (node.operands().size() != 2 || !traits(node).elementwise) return std::nullopt;
  const bool forward = is_parameter(node.operand(0), i) && is_parameter(node.operand(1), n + i);
  const bool swapped = is_parameter(node.operand(0), n + i) && is_parameter(node.operand(1), i);
  if (forward || (swapped && traits(node).commutative)) return node.op();
  return std::nullopt;
}

std::optional<Region> with_place_of(const Region& region, std::size_t i, const Type& place) {
  Graph& graph = region.results[i].graph();
  const std::size_t n = region.results.size();
  Region wide;
  std::vector<Value> moved;  // the region's parameters, where they are now
  for (std::size_t p = 0; p < 2 * n; ++p) {
    if (p == n) wide.parameters.push_back(place);
    moved.push_back(
        graph.parameter(static_cast<std::int64_t>(wide.parameters.size()), region.parameters[p]));
    wide.parameters.push_back(region.parameters[p]);
  }
  wide.parameters.push_back(place);
  wide.results = inline_region(region, moved);

  const auto number = [](std::size_t p) { return static_cast<std::int64_t>(p); };
  std::unordered_map<const Node*, Value> places;
  places[moved[i].node] = graph.parameter(number(n), place);
  places[moved[n + i].node] = graph.parameter(number(2 * n + 1), place);
  const Value chosen = wide.results[i];
  for (const Node* node : topological(std::span(&chosen, 1))) {
    if (node->op() != Op::select) continue;
    const auto yes = places.find(node->operand(1).node), no = places.find(node->operand(2).node);
    if (yes != places.end() && no != places.end())
      places[node] = build::select(node->operand(0), yes->second, no->second);
  }
  const auto found = places.find(chosen.node);
  if (found == places.end()) return std::nullopt;
  wide.results.push_back(found->second);
  return wide;
}

}  // namespace kiln
