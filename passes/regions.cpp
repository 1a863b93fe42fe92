#include "passes/regions.h"

namespace kiln {

std::vector<Value> results_of(const Node* node) {
  std::vector<Value> results;
  for (std::size_t i = 0; i < node->types().size(); ++i)
    results.push_back({node, static_cast<int>(i)});
  return results;
}

std::vector<Value> remake(const Node* node, const std::vector<Value>& operands,
                          std::vector<Region> regions) {
  Graph& graph = node->graph();
  const Node* again =
      graph.make(node->op(), operands, node->attrs(), node->type(), std::move(regions));
  if (again != node)
    for (const Location& where : graph.locations(node)) graph.add_location(again, where);
  return results_of(again);
}

std::vector<int> drop_unused_parameters(Region& region, Graph& graph) {
  std::vector<bool> used(region.parameters.size());
  for (const Node* node : topological(region.results))
    if (node->op() == Op::parameter)
      used[static_cast<std::size_t>(node->attrs<ParameterAttrs>().index)] = true;
  Region less;
  std::vector<int> kept;
  std::vector<Value> again(used.size());
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) continue;
    again[i] = graph.parameter(static_cast<std::int64_t>(kept.size()), region.parameters[i]);
    kept.push_back(static_cast<int>(i));
    less.parameters.push_back(region.parameters[i]);
  }
  if (kept.size() == used.size()) return kept;
  less.results = rebuild(region.results, [&](const Node* node, const std::vector<Value>& operands) {
    if (node->op() != Op::parameter) return remake(node, operands);
    return std::vector{again[static_cast<std::size_t>(node->attrs<ParameterAttrs>().index)]};
  });
  region = std::move(less);
  return kept;
}

}  // namespace kiln
