#include "passes/region_gradient.h"

#include "ir/op.h"
#include "passes/autodiff.h"

namespace kiln {
namespace {

/// The numbers of the cotangents there are.
std::vector<int> present(std::span<const Value> cotangents) {
  std::vector<int> numbers;
  for (std::size_t i = 0; i < cotangents.size(); ++i)
    if (cotangents[i]) numbers.push_back(static_cast<int>(i));
  return numbers;
}

}  // namespace

std::vector<Value> pullback(Graph& graph, const Region& region, std::span<const int> results,
                            std::span<const int> wrt) {
  std::vector<Value> outputs, cotangents, parameters;
  auto next = static_cast<std::int64_t>(region.parameters.size());
  for (int result : results) {
    outputs.push_back(region.results[static_cast<std::size_t>(result)]);
    cotangents.push_back(graph.parameter(next++, outputs.back().type()));
  }
  for (int parameter : wrt)
    parameters.push_back(
        graph.parameter(parameter, region.parameters[static_cast<std::size_t>(parameter)]));
  return nonzero_gradients(outputs, cotangents, parameters);
}

std::vector<Value> gradient_of_case(const Node& node, std::span<const Value> cotangents,
                                    std::span<const int> wrt) {
  Graph& graph = node.graph();
  const std::vector<int> results = present(cotangents);
  std::vector<int> parameters;  // of the branches: the index is none
  for (int operand : wrt) parameters.push_back(operand - 1);

  std::vector<Value> operands = node.operands();
  for (int result : results) operands.push_back(cotangents[static_cast<std::size_t>(result)]);
  std::vector<Region> branches;
  std::vector<bool> zero(wrt.size(), true);  // in every branch
  for (const Region& branch : node.regions()) {
    Region& back = branches.emplace_back();
    for (Value operand : std::span(operands).subspan(1)) back.parameters.push_back(operand.type());
    back.results = pullback(graph, branch, results, parameters);
    for (std::size_t i = 0; i < wrt.size(); ++i) zero[i] = zero[i] && !back.results[i];
  }
  std::vector<int> kept;
  for (std::size_t i = 0; i < wrt.size(); ++i)
    if (!zero[i]) kept.push_back(static_cast<int>(i));
  std::vector<Value> gradients(node.operands().size());
  if (kept.empty()) return gradients;
  for (Region& back : branches) {
    std::vector<Value> all;
    for (int i : kept) {
      const auto at = static_cast<std::size_t>(i);
      const Type& type = node.operand(wrt[at]).type();
      all.push_back(back.results[at] ? back.results[at] : graph.splat(type, 0));
    }
    back.results = std::move(all);
  }
  const Node* back =
      graph.make(node.op(), std::move(operands), {}, std::nullopt, std::move(branches));
  for (std::size_t i = 0; i < kept.size(); ++i)
    gradients[static_cast<std::size_t>(wrt[static_cast<std::size_t>(kept[i])])] = {
        back, static_cast<int>(i)};
  return gradients;
}

std::vector<Value> gradient_of_composite(const Node& node, std::span<const Value> cotangents,
                                         std::span<const int> wrt) {
  Graph& graph = node.graph();
  std::vector<Value> gradients(node.operands().size()), arguments = node.operands();
  if (node.attrs<CallAttrs>().name == "kiln.stop_gradient") return gradients;
  if (node.regions().size() > 1) {
    for (std::size_t i = 0; i < cotangents.size(); ++i)
      arguments.push_back(cotangents[i] ? cotangents[i]
                                        : graph.splat(node.type(static_cast<int>(i)), 0));
    const std::vector<Value> own = inline_region(node.regions()[1], arguments);
    std::size_t next = 0;
    for (std::size_t i = 0; i < gradients.size(); ++i)
      if (is_float(node.operands()[i].type().dtype)) gradients[i] = own[next++];
    return gradients;
  }
  const std::vector<int> results = present(cotangents);
  for (int result : results) arguments.push_back(cotangents[static_cast<std::size_t>(result)]);
  const std::vector<Value> found = pullback(graph, node.regions()[0], results, wrt);
  Region back;
  std::vector<int> kept;
  for (std::size_t i = 0; i < wrt.size(); ++i) {
    if (!found[i]) continue;
    back.results.push_back(found[i]);
    kept.push_back(wrt[i]);
  }
  const std::vector<Value> inlined = inline_region(back, arguments);
  for (std::size_t i = 0; i < kept.size(); ++i)
    gradients[static_cast<std::size_t>(kept[i])] = inlined[i];
  return gradients;
}

}  // namespace kiln
