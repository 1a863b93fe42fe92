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
  const Node* again = graph.make(node->op(), operands, node->attrs(), node->type(), regions);
  if (again != node) {
    // A copy: `make` may grow the table that holds the list.
    const std::vector<Location> places = graph.locations(node);
    for (const Location& where : places)
      graph.make(node->op(), operands, node->attrs(), node->type(), regions, where);
  }
  return results_of(again);
}

}  // namespace kiln
