#include <algorithm>
#include <set>

#include "ir/op.h"
#include "ir/text.h"

namespace kiln {
namespace {

/// What stands between the quotes of a string in Graphviz's language.
std::string escaped(std::string_view text) {
  std::string literal;
  for (const char c : text) {
    if (c == '"' || c == '\\') literal += '\\';
    literal += c;
  }
  return literal;
}

std::string kernel_label(const Node& call) {
  std::string members;
  int count = 0;
  for (const Node* node : topological(call.regions()[0].results)) {
    const Traits& t = traits(*node);
    if (t.leaf || t.view) continue;
    if (++count <= 8) members += fmt::format("\\n{}", definition(node->op()).name);
  }
  if (count > 8) members += fmt::format("\\n… {} more", count - 8);
  return fmt::format("{} ({}){}", call.attrs<CallAttrs>().name, call.attrs<CallAttrs>().kind,
                     members);
}

}  // namespace

std::string to_dot(const Function& function) {
  std::string text =
      "digraph kiln {\n  rankdir=TB;\n  node [fontname=\"Helvetica\", fontsize=10];\n"
      "  edge [fontname=\"Helvetica\", fontsize=8, color=\"#777777\"];\n";
  const auto order = topological(function.results);
  // Scalars and constants are drawn with each user rather than as hubs of a hundred edges.
  const auto hidden = [&](const Node* n) {
    return n->op() == Op::constant && std::none_of(function.results.begin(), function.results.end(),
                                                   [&](Value v) { return v.node == n; });
  };
  for (const Node* node : order) {
    if (hidden(node)) continue;
    std::string label, style;
    if (node->op() == Op::parameter) {
      const auto& argument =
          function.arguments[static_cast<std::size_t>(node->attrs<ParameterAttrs>().index)];
      label = fmt::format("{}\\n{}", escaped(argument.name), argument.type.pretty());
      style = "shape=ellipse, style=filled, fillcolor=\"#dbe9f6\"";
    } else if (node->op() == Op::call) {
      label = kernel_label(*node);
      style = "shape=box, style=\"filled,rounded\", fillcolor=\"#fde6c8\"";
    } else {
      label = fmt::format("{}\\n{}", definition(node->op()).name, node->type().pretty());
      style = traits(*node).view          ? "shape=box, style=filled, fillcolor=\"#eeeeee\""
              : traits(*node).contraction ? "shape=box, style=filled, fillcolor=\"#f6c9c9\""
                                          : "shape=box, style=filled, fillcolor=\"#ffffff\"";
    }
    text += fmt::format("  n{} [label=\"{}\", {}];\n", node->id(), label, style);
    std::set<std::pair<int, int>> drawn;
    for (Value operand : node->operands()) {
      if (hidden(operand.node) || !drawn.insert({operand.node->id(), operand.index}).second)
        continue;
      text += fmt::format("  n{} -> n{} [label=\"{}\"];\n", operand.node->id(), node->id(),
                          node->op() == Op::call ? operand.type().pretty() : "");
    }
  }
  for (std::size_t i = 0; i < function.results.size(); ++i) {
    const std::string name = i < function.result_names.size() && !function.result_names[i].empty()
                                 ? function.result_names[i]
                                 : fmt::format("result {}", i);
    text += fmt::format(
        "  r{0} [label=\"{1}\", shape=ellipse, style=filled, "
        "fillcolor=\"#d5efd5\"];\n  n{2} -> r{0};\n",
        i, escaped(name), function.results[i].node->id());
  }
  return text + "}\n";
}

}  // namespace kiln
