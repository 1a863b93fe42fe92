#include "passes/autodiff.h"

#include <utility>

#include "ir/build.h"
#include "ir/op.h"
#include "passes/activity.h"
#include "passes/loop_gradient.h"
#include "passes/region_gradient.h"

namespace kiln {
namespace {

bool is_zero(Value value) {
  if (value.node->op() != Op::constant) return false;
  const Array& array = value.node->attrs<ConstantAttrs>().value;
  return array.count() == 1 && array.as_double(0) == 0;
}

/// Whether this is an update of zeros: it is added to something by updating that.
bool adds_few(Value value) {
  const Node& node = *value.node;
  if (node.op() == Op::dynamic_update_slice) return is_zero(node.operand(0));
  return node.op() == Op::scatter && node.types().size() == 1 && is_zero(node.operand(0)) &&
         simple_combiner(node.regions()[0]) == Op::add;
}

/// to + update, touching no more than what the update touches: in a loop over the rows of a matrix
/// the cotangent of the matrix is built in time linear in its rows.
Value with_update(Value to, const Node& update) {
  if (update.op() == Op::scatter) {
    std::vector<Value> operands = update.operands();
    operands[0] = to;
    return remake(&update, operands)[0];
  }
  const Value few = update.operand(1);
  const auto starts = std::span(update.operands()).subspan(2);
  const Value here = build::dynamic_slice(to, starts, few.type().dims);
  return build::dynamic_update_slice(to, build::add(here, few), starts);
}

Value sum(Value a, Value b) {
  if (adds_few(b)) return with_update(a, *b.node);
  if (adds_few(a)) return with_update(b, *a.node);
  return build::add(a, b);
}

std::vector<Value> gradient_of(const Node& node, std::span<const Value> cotangents,
                               const Activity& active) {
  const OpDef& def = definition(node.op());
  if (def.gradient != differentiated_by_pass) return def.gradient(node, cotangents);
  std::vector<int> wrt;
  for (std::size_t i = 0; i < node.operands().size(); ++i)
    if (active(node.operands()[i])) wrt.push_back(static_cast<int>(i));
  if (def.traits.calls) return gradient_of_composite(node, cotangents, wrt);
  if (node.op() == Op::while_) return gradient_of_loop(node, cotangents, wrt);
  return gradient_of_case(node, cotangents, wrt);
}

}  // namespace

std::vector<Value> nonzero_gradients(std::span<const Value> outputs,
                                     std::span<const Value> cotangents,
                                     std::span<const Value> wrt) {
  internal_check(outputs.size() == cotangents.size(), "a cotangent for each output");
  const std::vector<const Node*> order = topological(outputs);
  const Activity active(order, wrt);

  std::unordered_map<const Node*, std::vector<Value>> pending;  // one cotangent per result
  const auto accumulate = [&](Value target, Value contribution) {
    if (!contribution || !active(target)) return;
    internal_check(contribution.type() == target.type(), "a cotangent has its value's type");
    auto& slots = pending[target.node];
    slots.resize(target.node->types().size());
    Value& slot = slots[static_cast<std::size_t>(target.index)];
    slot = slot ? sum(slot, contribution) : contribution;
  };
  for (std::size_t i = 0; i < outputs.size(); ++i) accumulate(outputs[i], cotangents[i]);

  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    const Node& node = **it;
    const auto found = pending.find(&node);
    if (found == pending.end() || !active.reaches(node)) continue;
    const std::vector<Value> slots = found->second;
    const std::vector<Value> contributions = gradient_of(node, slots, active);
    for (std::size_t i = 0; i < contributions.size(); ++i)
      accumulate(node.operands()[i], contributions[i]);
  }

  std::vector<Value> results;
  for (Value value : wrt) {
    const auto found = pending.find(value.node);
    results.push_back(
        found == pending.end() ? Value{} : found->second[static_cast<std::size_t>(value.index)]);
  }
  return results;
}

std::vector<Value> gradients(std::span<const Value> outputs, std::span<const Value> cotangents,
                             std::span<const Value> wrt) {
  std::vector<Value> results = nonzero_gradients(outputs, cotangents, wrt);
  for (std::size_t i = 0; i < wrt.size(); ++i)
    if (!results[i]) results[i] = build::like(wrt[i], 0);
  return results;
}

}  // namespace kiln
