// Graph passes go into the regions of control flow: a while's condition and body, a case's
// branches. (The regions of a reduce or a sort are what their op applies; passes leave them alone.)
//
//   std::vector<Value> simplified(std::span<const Value> results) {
//     return rebuild(results, [](const Node* node, const std::vector<Value>& operands) {
//       return remake_inside(node, operands, simplified); …
#pragma once

#include <span>
#include <vector>

#include "ir/graph.h"
#include "ir/op.h"

namespace kiln {

/// All results of a node, in order.
std::vector<Value> results_of(const Node* node);

/// The node again with other operands and regions (and its old locations).
std::vector<Value> remake(const Node* node, const std::vector<Value>& operands,
                          std::vector<Region> regions);

/// Leaves a region only those parameters that its results use, numbered anew; their old numbers.
std::vector<int> drop_unused_parameters(Region& region, Graph& graph);

/// The node again; if it is control flow, with `rewrite(results)` instead of each region's results.
template <class Rewrite>
std::vector<Value> remake_inside(const Node* node, const std::vector<Value>& operands,
                                 Rewrite&& rewrite) {
  if (!traits(*node).control) return remake(node, operands);
  std::vector<Region> regions = node->regions();
  for (Region& region : regions) region.results = rewrite(std::span<const Value>(region.results));
  return remake(node, operands, std::move(regions));
}

}  // namespace kiln
