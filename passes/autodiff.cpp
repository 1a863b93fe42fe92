#include "passes/autodiff.h"

#include <algorithm>
#include <unordered_set>

#include "ir/build.h"
#include "ir/op.h"

namespace kiln {

std::vector<Value> gradients(std::span<const Value> outputs, std::span<const Value> cotangents,
                             std::span<const Value> wrt) {
  internal_check(outputs.size() == cotangents.size(), "a cotangent for each output");
  const std::vector<const Node*> order = topological(outputs);

  std::unordered_set<const Node*> active;  // depends on a float value of wrt
  for (Value value : wrt) active.insert(value.node);
  for (const Node* node : order)
    for (Value operand : node->operands())
      if (active.contains(operand.node)) active.insert(node);

  std::unordered_map<const Node*, std::vector<Value>> pending;  // one cotangent per result
  const auto accumulate = [&](Value target, Value contribution) {
    if (!contribution || !active.contains(target.node) || !is_float(target.type().dtype)) return;
    internal_check(contribution.type() == target.type(), "a cotangent has its value's type");
    auto& slots = pending[target.node];
    slots.resize(target.node->types().size());
    Value& slot = slots[static_cast<std::size_t>(target.index)];
    slot = slot ? build::add(slot, contribution) : contribution;
  };
  for (std::size_t i = 0; i < outputs.size(); ++i) accumulate(outputs[i], cotangents[i]);

  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    const Node* node = *it;
    const auto found = pending.find(node);
    if (found == pending.end()) continue;
    const bool inner = std::any_of(node->operands().begin(), node->operands().end(),
                                   [&](Value v) { return active.contains(v.node); });
    if (!inner) continue;
    const std::vector<Value> slots = found->second;
    std::vector<Value> contributions;
    if (slots.size() == 1 ||
        std::all_of(slots.begin(), slots.end(), [](Value v) { return bool(v); }))
      contributions = definition(node->op()).gradient(*node, slots);
    else {
      // A result nobody used has cotangent zero.
      std::vector<Value> filled = slots;
      for (std::size_t i = 0; i < filled.size(); ++i)
        if (!filled[i]) filled[i] = node->graph().splat(node->type(static_cast<int>(i)), 0);
      contributions = definition(node->op()).gradient(*node, filled);
    }
    for (std::size_t i = 0; i < contributions.size(); ++i)
      accumulate(node->operand(static_cast<int>(i)), contributions[i]);
  }

  std::vector<Value> results;
  for (Value value : wrt) {
    const auto found = pending.find(value.node);
    const Value slot = found == pending.end() || found->second.empty()
                           ? Value{}
                           : found->second[static_cast<std::size_t>(value.index)];
    results.push_back(slot ? slot : value.graph().splat(value.type(), 0));
  }
  return results;
}

}  // namespace kiln
