#include "passes/merge_loops.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "ir/op.h"
#include "passes/regions.h"

namespace kiln {
namespace {

template <class T>
bool begins_with(const std::vector<T>& list, const std::vector<T>& start) {
  return list.size() >= start.size() && std::equal(start.begin(), start.end(), list.begin());
}

/// Whether each result is what becomes of one operand: of a while, of a sort.
bool carries(const Node& node) {
  const Traits& t = traits(node);
  return (t.control || t.sequential) && node.operands().size() == node.types().size();
}

bool same_attributes(const Node& a, const Node& b) {
  const auto *left = std::get_if<SortAttrs>(&a.attrs()),
             *right = std::get_if<SortAttrs>(&b.attrs());
  return !left || !right || left->fields() == right->fields();
}

/// Whether `more` gives all that `node` does, and can be computed where `node` is.
bool extends(const Node& more, const Node& node) {
  if (more.op() != node.op() || more.types().size() <= node.types().size() ||
      !begins_with(more.operands(), node.operands()) || !same_attributes(more, node))
    return false;
  for (std::size_t i = node.operands().size(); i < more.operands().size(); ++i) {
    const Node& operand = *more.operands()[i].node;
    if (!traits(operand).leaf && operand.id() > node.id()) return false;
  }
  for (std::size_t r = 0; r < node.regions().size(); ++r) {
    const auto &results = more.regions()[r].results, &first = node.regions()[r].results;
    const bool goes_on = first.size() == node.types().size();  // a body's; a condition's do not
    if (goes_on ? !begins_with(results, first) : results != first) return false;
  }
  return true;
}

/// For each node, the one among the others that gives the most beside what it does.
std::map<const Node*, const Node*> extensions(std::span<const Node* const> order) {
  std::map<std::tuple<Op, const Node*, int, const Node*>, std::vector<const Node*>> families;
  for (const Node* node : order)
    if (carries(*node))
      families[{node->op(), node->operand(0).node, node->operand(0).index,
                node->regions()[0].results[0].node}]
          .push_back(node);
  std::map<const Node*, const Node*> found;
  for (const auto& [start, family] : families)
    for (const Node* node : family)
      for (const Node* other : family)
        if (extends(*other, *node)) {
          const Node*& most = found[node];
          if (!most || other->types().size() > most->types().size()) most = other;
        }
  return found;
}

std::vector<Value> merged(std::span<const Value> results) {
  const std::map<const Node*, const Node*> more = extensions(topological(results));
  std::map<const Node*, std::vector<Value>> done;
  const auto make = [&](const Node* node) {
    std::vector<Value> operands;
    for (Value operand : node->operands()) {
      const auto found = done.find(operand.node);
      // What is not done yet is a leaf: an operand that only the longer node has.
      operands.push_back(
          found == done.end() ? operand : found->second[static_cast<std::size_t>(operand.index)]);
    }
    return remake_inside(node, operands, merged);
  };
  for (const Node* node : topological(results)) {
    if (done.contains(node)) continue;
    const auto found = more.find(node);
    const Node* made = found == more.end() ? node : found->second;
    done[node] = done[made] = make(made);
  }
  std::vector<Value> values;
  for (Value result : results)
    values.push_back(done.at(result.node)[static_cast<std::size_t>(result.index)]);
  return values;
}

}  // namespace

void merge_loops(Function& function) { function.results = merged(function.results); }

}  // namespace kiln
