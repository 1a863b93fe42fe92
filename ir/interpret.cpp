#include "ir/interpret.h"

#include <algorithm>
#include <unordered_map>

#include "ir/op.h"
#include "ir/reference.h"

namespace kiln {

Interpreter::Interpreter(const Region& region) {
  std::unordered_map<const Node*, std::size_t> first;
  const auto slot = [&](Value value) {
    return first.at(value.node) + static_cast<std::size_t>(value.index);
  };
  for (const Node* node : topological(region.results)) {
    const std::size_t begin = slots_.size();
    first[node] = begin;
    slots_.resize(begin + node->types().size());
    if (node->op() == Op::parameter) {
      parameters_.emplace_back(begin,
                               static_cast<std::size_t>(node->attrs<ParameterAttrs>().index));
    } else if (node->operands().empty()) {
      const std::vector<Array> values = definition(node->op()).reference(*node, {});
      std::copy(values.begin(), values.end(), slots_.begin() + static_cast<std::ptrdiff_t>(begin));
    } else {
      steps_.push_back({node, {}, begin});
      for (Value operand : node->operands()) steps_.back().operands.push_back(slot(operand));
    }
  }
  for (Value result : region.results) results_.push_back(slot(result));
}

std::vector<Array> Interpreter::operator()(std::span<const Array> arguments) {
  for (const auto& [slot, argument] : parameters_) slots_[slot] = arguments[argument];
  std::vector<Array> operands;
  for (const Step& step : steps_) {
    operands.clear();
    for (std::size_t slot : step.operands) operands.push_back(slots_[slot]);
    std::vector<Array> values = definition(step.node->op()).reference(*step.node, operands);
    for (std::size_t i = 0; i < values.size(); ++i) slots_[step.first + i] = std::move(values[i]);
  }
  std::vector<Array> results;
  for (std::size_t slot : results_) results.push_back(slots_[slot]);
  return results;
}

std::vector<Array> interpret(const Region& region, std::span<const Array> arguments) {
  return Interpreter(region)(arguments);
}

std::vector<Array> interpret(const Function& function, std::span<const Array> arguments) {
  if (arguments.size() != function.arguments.size())
    throw Error(fmt::format("{} takes {} arguments, found {}", function.name,
                            function.arguments.size(), arguments.size()));
  Region region;
  region.results = function.results;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const Argument& argument = function.arguments[i];
    if (arguments[i].type() != argument.type)
      throw Error(fmt::format("{}: argument {} is {}, found {}", function.name, argument.name,
                              argument.type.pretty(), arguments[i].type().pretty()));
    region.parameters.push_back(argument.type);
  }
  return interpret(region, arguments);
}

std::optional<Region> on_arrays(Graph& graph, const Region& region, const Ints& dims) {
  const auto wide = [&](const Type& type) { return Type{type.dtype, dims}; };
  Region result;
  for (const Type& parameter : region.parameters) result.parameters.push_back(wide(parameter));
  std::unordered_map<const Node*, Value> done;
  for (const Node* node : topological(region.results)) {
    const bool leaf = node->op() == Op::parameter || node->op() == Op::constant;
    if ((!leaf && !traits(*node).elementwise) || node->type().rank() != 0) return std::nullopt;
    std::vector<Value> operands;
    for (Value operand : node->operands()) operands.push_back(done.at(operand.node));
    done[node] = {graph.make(node->op(), std::move(operands), node->attrs(), wide(node->type())),
                  0};
  }
  for (Value value : region.results) result.results.push_back(done.at(value.node));
  return result;
}

RegionMap::RegionMap(const Region& region, Ints dims) : dims_(std::move(dims)) {
  for (Value result : region.results) results_.push_back(result.type().dtype);
  const std::optional<Region> wide = on_arrays(graph_, region, dims_);
  scalar_ = !wide;
  interpreter_.emplace(wide ? *wide : region);
}

std::vector<Array> RegionMap::operator()(std::span<const Array> arguments) {
  if (!scalar_) return (*interpreter_)(arguments);
  std::vector<Array> results;
  for (DType dtype : results_) results.emplace_back(Type{dtype, dims_});
  std::vector<Array> elements(arguments.size());
  for (std::int64_t i = 0; i < element_count(dims_); ++i) {
    for (std::size_t a = 0; a < arguments.size(); ++a)
      elements[a] = reference::element(arguments[a], i);
    const std::vector<Array> values = (*interpreter_)(elements);
    for (std::size_t r = 0; r < results.size(); ++r)
      reference::copy_element(values[r], 0, results[r], i);
  }
  return results;
}

}  // namespace kiln
