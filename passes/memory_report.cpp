#include "passes/memory_report.h"

#include <algorithm>
#include <set>

#include "ir/op.h"
#include "passes/overwrite.h"

namespace kiln {
namespace {

constexpr std::size_t kShown = 12;  // values alive at the peak

/// The operands that a result is computed of. Control flow: all of them.
std::vector<Value> sources(Value value) {
  const Node& node = *value.node;
  if (node.op() != Op::call) return node.operands();
  std::vector<Value> found;
  const Value result = node.regions()[0].results[static_cast<std::size_t>(value.index)];
  for (const Node* inner : topological(std::span(&result, 1)))
    if (inner->op() == Op::parameter)
      found.push_back(node.operand(static_cast<int>(inner->attrs<ParameterAttrs>().index)));
  return found;
}

}  // namespace

std::string_view name_of(Holds holds) {
  switch (holds) {
    case Holds::activation:
      return "activation";
    case Holds::gradient:
      return "gradient";
    case Holds::scratch:
      return "scratch";
  }
  return {};
}

Roles::Roles(const Function& fused) {
  std::vector<bool> is_state(fused.results.size());
  for (const Argument& argument : fused.arguments)
    if (argument.alias >= 0) is_state[static_cast<std::size_t>(argument.alias)] = true;

  std::set<std::pair<const Node*, int>> forward;
  std::vector<Value> stack;
  const auto by_id = [](const Node* a, const Node* b) { return a->id() < b->id(); };
  const auto needed = [&](Value value) {
    value = storage(value);
    if (forward.emplace(value.node, value.index).second) stack.push_back(value);
  };
  for (std::size_t r = 0; r < fused.results.size(); ++r) {
    if (is_state[r]) continue;
    around_.outputs += fused.results[r].type().bytes();
    needed(fused.results[r]);
  }
  while (!stack.empty()) {
    const Value value = stack.back();
    stack.pop_back();
    for (Value source : sources(value)) needed(source);
    // Another result of the kernel that is met on the way is of the forward part as well.
    if (value.node->op() != Op::call) continue;
    const std::vector<Value>& results = value.node->regions()[0].results;
    const std::vector<const Node*> inside =
        topological(std::span(&results[static_cast<std::size_t>(value.index)], 1));
    for (std::size_t i = 0; i < results.size(); ++i)
      if (std::binary_search(inside.begin(), inside.end(), results[i].node, by_id))
        needed({value.node, static_cast<int>(i)});
  }

  std::set<const Node*> read;  // arguments that the outputs depend on
  for (const auto& [node, index] : forward)
    if (node->op() == Op::parameter) read.insert(node);
  for (std::size_t a = 0; a < fused.arguments.size(); ++a) {
    const Argument& argument = fused.arguments[a];
    (argument.alias < 0                                        ? around_.inputs
     : read.contains(fused.argument(static_cast<int>(a)).node) ? around_.parameters
                                                               : around_.optimiser) +=
        argument.type.bytes();
  }

  const std::vector<const Node*> nodes = topological(fused.results);
  for (const Node* node : nodes)
    for (int i = 0; i < static_cast<int>(node->types().size()); ++i)
      holds_[node].push_back(forward.contains({node, i}) ? Holds::scratch : Holds::gradient);
  for (const Node* node : nodes) {
    if (node->op() != Op::call && !traits(*node).control) continue;
    for (int i = 0; i < static_cast<int>(node->types().size()); ++i) {
      if (forward.contains({node, i})) continue;
      for (Value source : sources({node, i})) {
        source = storage(source);
        if (forward.contains({source.node, source.index}))
          holds_[source.node][static_cast<std::size_t>(source.index)] = Holds::activation;
      }
    }
  }
}

Holds Roles::of(Value value) const {
  const auto found = holds_.find(value.node);
  return found == holds_.end() ? Holds::scratch
                               : found->second[static_cast<std::size_t>(value.index)];
}

std::int64_t MemoryReport::total() const {
  return inputs + parameters + optimiser + outputs + constants + arena;
}

double MemoryReport::gap() const {
  return bound == 0 ? 0.0 : static_cast<double>(arena) / static_cast<double>(bound) - 1;
}

std::string MemoryReport::str() const {
  const auto line = [](std::string_view name, std::int64_t bytes, std::string_view meaning) {
    return fmt::format("  {:<16}{:>14}  {}\n", name, bytes, meaning);
  };
  std::string text =
      fmt::format("a step takes {} bytes:\n", total()) +
      line("inputs", inputs, "arguments that are only read") +
      line("parameters", parameters, "state that the outputs depend on") +
      line("optimiser state", optimiser, "other state") +
      line("outputs", outputs, "results that are not state") + line("constants", constants, "") +
      line("arena", arena,
           fmt::format("{:.1f} % over the {} bytes that live at once", 100 * gap(), bound));
  if (copies > 0)
    text += fmt::format("{} value{} of state or of loops cannot be updated in place: copied\n",
                        copies, copies == 1 ? "" : "s");
  if (peak_launch < 0) return text;
  text += fmt::format("most lives at launch {}, {}:\n", peak_launch, peak_kernel) +
          line("activations", activations, "computed for the outputs, read again for gradients") +
          line("gradients", gradients, "computed for new state alone") +
          line("scratch", scratch, "the rest");
  const std::size_t shown = std::min(alive.size(), kShown);
  for (const Alive& one : std::span(alive).first(shown))
    text += fmt::format("  {:>14}  {} {}, launches {} to {}\n", one.bytes, name_of(one.holds),
                        one.value, one.first_launch, one.last_launch);
  if (shown < alive.size()) text += fmt::format("  and {} smaller\n", alive.size() - shown);
  return text;
}

}  // namespace kiln
