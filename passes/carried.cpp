#include "passes/carried.h"

#include <algorithm>
#include <unordered_map>

#include "passes/regions.h"
#include "passes/trip_count.h"

namespace kiln {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

std::optional<std::size_t> parameter_number(Value value) {
  if (value.node->op() != Op::parameter) return std::nullopt;
  return at(value.node->attrs<ParameterAttrs>().index);
}

/// Known without computing, in any region.
bool is_constant_leaf(Value value) {
  return traits(*value.node).leaf && value.node->op() != Op::parameter;
}

/// The region with the parameters that `kept` names, renumbered; others are what `instead` says,
/// which may be nothing for those it does not use.
Region with_parameters(Region region, const std::vector<bool>& kept,
                       const std::vector<Value>& instead, Graph& graph) {
  std::vector<Type> types;
  std::vector<Value> arguments = instead;
  for (std::size_t i = 0; i < region.parameters.size(); ++i) {
    if (!kept[i]) continue;
    arguments[i] = graph.parameter(static_cast<std::int64_t>(types.size()), region.parameters[i]);
    types.push_back(region.parameters[i]);
  }
  region.results = inline_region(region, arguments);
  region.parameters = std::move(types);
  return region;
}

std::vector<Value> filtered(const std::vector<Value>& values, const std::vector<bool>& kept) {
  std::vector<Value> rest;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (kept[i]) rest.push_back(values[i]);
  return rest;
}

/// Results by their old numbers: those kept are a new node's, in order, others as `otherwise` says.
std::vector<Value> spread(const Node* node, const std::vector<bool>& kept,
                          std::vector<Value> otherwise) {
  int next = 0;
  for (std::size_t i = 0; i < kept.size(); ++i)
    if (kept[i]) otherwise[i] = {node, next++};
  return otherwise;
}

// ---- rules of simplify

LessCarried less_while(const Node& loop) {
  const std::size_t count = loop.operands().size();
  if (const auto counter = trip_counter(loop); counter && counter->trips == 0)
    return {nullptr, loop.operands()};
  LessCarried less{&loop, results_of(&loop)};
  std::vector<bool> kept(count, true);
  std::vector<Value> inside(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_invariant(loop, static_cast<int>(i))) continue;
    kept[i] = !is_constant_leaf(loop.operands()[i]);
    inside[i] = loop.operands()[i];
  }
  const auto some = std::count(kept.begin(), kept.end(), true);
  // One carried value must be left (of a loop that runs never or for ever).
  if (some != 0 && static_cast<std::size_t>(some) != count) {
    std::vector<Region> regions;
    for (const Region& region : loop.regions())
      regions.push_back(with_parameters(region, kept, inside, loop.graph()));
    regions[1].results = filtered(regions[1].results, kept);
    less.node = remake(&loop, filtered(loop.operands(), kept), std::move(regions))[0].node;
    less.results = spread(less.node, kept, inside);
  }
  for (std::size_t i = 0; i < count; ++i)
    if (inside[i]) less.results[i] = inside[i];
  return less;
}

LessCarried less_case(const Node& node) {
  const std::vector<Value> operands(node.operands().begin() + 1, node.operands().end());
  const auto& branches = node.regions();
  const Node& index = *node.operand(0).node;
  if (index.op() == Op::constant) {
    const std::int64_t last = static_cast<std::int64_t>(branches.size()) - 1;
    const std::int64_t named = index.attrs<ConstantAttrs>().value.data<std::int32_t>()[0];
    return {nullptr,
            inline_region(branches[at(named < 0 ? last : std::min(named, last))], operands)};
  }
  LessCarried less{&node, {}};
  std::vector<bool> kept(operands.size());
  std::vector<Value> inside(operands.size());
  for (std::size_t i = 0; i < operands.size(); ++i) {
    kept[i] = !is_constant_leaf(operands[i]);
    if (!kept[i]) inside[i] = operands[i];
  }
  if (std::find(kept.begin(), kept.end(), false) != kept.end()) {
    std::vector<Region> regions;
    for (const Region& branch : branches)
      regions.push_back(with_parameters(branch, kept, inside, node.graph()));
    std::vector<Value> less_operands = filtered(operands, kept);
    less_operands.insert(less_operands.begin(), node.operand(0));
    less.node = remake(&node, less_operands, std::move(regions))[0].node;
  }
  less.results = results_of(less.node);
  for (std::size_t r = 0; r < less.results.size(); ++r) {
    const auto passed = parameter_number(branches[0].results[r]);
    if (passed && std::all_of(branches.begin(), branches.end(), [&](const Region& branch) {
          return parameter_number(branch.results[r]) == passed;
        }))
      less.results[r] = operands[*passed];
  }
  return less;
}

// ---- dce's part

using Set = std::vector<bool>;

void unite(Set& into, const Set& other) {
  for (std::size_t i = 0; i < into.size(); ++i)
    if (other[i]) into[i] = true;
}

std::vector<Set> parameters_needed(const Region& region);

/// The carried values on which those in `needed` depend, the condition's included.
Set closure(const Set& condition, const std::vector<Set>& body, Set needed) {
  unite(needed, condition);
  for (bool grown = true; grown;) {
    grown = false;
    for (std::size_t i = 0; i < needed.size(); ++i) {
      if (!needed[i]) continue;
      const Set before = needed;
      unite(needed, body[i]);
      grown = grown || needed != before;
    }
  }
  return needed;
}

/// The operands that some results of a node need.
class OperandsNeeded {
 public:
  explicit OperandsNeeded(const Node& node) : node_(node) {
    if (traits(node).control)
      for (const Region& region : node.regions()) regions_.push_back(parameters_needed(region));
  }

  Set operator()(const Set& results) const {
    const std::size_t operands = node_.operands().size();
    if (!traits(node_).control) return Set(operands, true);
    if (node_.op() == Op::while_) return closure(regions_[0][0], regions_[1], results);
    Set needed(operands);
    needed[0] = true;
    for (const std::vector<Set>& branch : regions_)
      for (std::size_t r = 0; r < results.size(); ++r)
        for (std::size_t i = 1; results[r] && i < operands; ++i)
          if (branch[r][i - 1]) needed[i] = true;
    return needed;
  }

 private:
  const Node& node_;
  std::vector<std::vector<Set>> regions_;
};

/// For each result of a region the parameters it depends on.
std::vector<Set> parameters_needed(const Region& region) {
  std::unordered_map<const Node*, std::vector<Set>> of;
  for (const Node* node : topological(region.results)) {
    const std::size_t count = node->types().size();
    std::vector<Set> sets(traits(*node).control ? count : 1, Set(region.parameters.size()));
    if (const auto number = parameter_number({node, 0})) sets[0][*number] = true;
    const OperandsNeeded needed(*node);
    for (std::size_t r = 0; r < sets.size(); ++r) {
      Set result(count);
      result[r] = true;
      const Set operands = needed(result);
      for (std::size_t i = 0; i < operands.size(); ++i) {
        if (!operands[i]) continue;
        const Value operand = node->operands()[i];
        const auto& below = of.at(operand.node);
        unite(sets[r], below[below.size() == 1 ? 0 : at(operand.index)]);
      }
    }
    of[node] = std::move(sets);
  }
  std::vector<Set> needed;
  for (Value result : region.results) {
    const auto& sets = of.at(result.node);
    needed.push_back(sets[sets.size() == 1 ? 0 : at(result.index)]);
  }
  return needed;
}

/// The node with these results, and of its operands those they need; its regions likewise.
std::vector<Value> shrunk(const Node& node, const std::vector<Value>& operands, const Set& results,
                          const Set& needed) {
  const bool loop = node.op() == Op::while_;
  const Set kept = loop ? needed : results;  // a while's results are its carried values
  const Set parameters = loop ? needed : Set(needed.begin() + 1, needed.end());
  std::vector<Region> regions = node.regions();
  for (std::size_t i = 0; i < regions.size(); ++i) {
    if (!loop || i == 1) regions[i].results = filtered(regions[i].results, kept);
    regions[i].results = without_dead_carried(regions[i].results);
    regions[i] = with_parameters(std::move(regions[i]), parameters,
                                 std::vector<Value>(parameters.size()), node.graph());
  }
  const Node* less = remake(&node, filtered(operands, needed), std::move(regions))[0].node;
  return spread(less, kept, std::vector<Value>(results.size()));
}

}  // namespace

LessCarried with_less_carried(const Node& control) {
  return control.op() == Op::while_ ? less_while(control) : less_case(control);
}

std::vector<Value> without_dead_carried(std::span<const Value> results) {
  struct Use {
    Set results, operands;
  };
  std::unordered_map<const Node*, Use> uses;
  const auto mark = [&](Value value) {
    Set& used = uses[value.node].results;
    used.resize(value.node->types().size());
    used[at(value.index)] = true;
  };
  std::for_each(results.begin(), results.end(), mark);
  const std::vector<const Node*> order = topological(results);
  for (auto node = order.rbegin(); node != order.rend(); ++node) {
    const auto used = uses.find(*node);
    if (used == uses.end()) continue;
    used->second.operands = OperandsNeeded(**node)(used->second.results);
    const Set operands = used->second.operands;  // a copy: marking may move the table
    for (std::size_t i = 0; i < operands.size(); ++i)
      if (operands[i]) mark((*node)->operands()[i]);
  }
  return rebuild(results, [&](const Node* node, const std::vector<Value>& operands) {
    const auto used = uses.find(node);
    // Only dropped values would use it.
    if (used == uses.end()) return std::vector<Value>(node->types().size());
    if (!traits(*node).control) return remake(node, operands);
    return shrunk(*node, operands, used->second.results, used->second.operands);
  });
}

}  // namespace kiln
