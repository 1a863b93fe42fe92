#include "ir/build_control.h"

#include <algorithm>
#include <map>
#include <set>

#include "ir/build.h"
#include "ir/op.h"

namespace kiln::build {
namespace {

// Far above the number of parameters anything has.
constexpr std::int64_t kFirstPlaceholder = std::int64_t{1} << 40;

using Key = std::pair<const Node*, int>;
Key key(Value value) { return {value.node, value.index}; }

std::vector<Value> first_results(const Node* node, std::size_t count) {
  std::vector<Value> results;
  for (std::size_t i = 0; i < count; ++i) results.push_back({node, static_cast<int>(i)});
  return results;
}

std::vector<Type> types_of(std::span<const Value> values) {
  std::vector<Type> types;
  for (Value value : values) types.push_back(value.type());
  return types;
}

/// The nodes that values need, up to values of a frontier: operands before users.
template <class IsFrontier>
std::vector<const Node*> above(std::span<const Value> values, IsFrontier&& is_frontier) {
  std::vector<const Node*> order, stack;
  std::set<const Node*> seen;
  const auto visit = [&](Value value) {
    if (!is_frontier(value) && seen.insert(value.node).second) stack.push_back(value.node);
  };
  for (Value value : values) visit(value);
  while (!stack.empty()) {
    const Node* node = stack.back();
    stack.pop_back();
    order.push_back(node);
    std::for_each(node->operands().begin(), node->operands().end(), visit);
  }
  std::sort(order.begin(), order.end(),
            [](const Node* a, const Node* b) { return a->id() < b->id(); });
  return order;
}

/// Whether nodes depend on any parameter, remembered.
class Dependence {
 public:
  bool operator()(const Node* node) {
    const auto is_known = [&](Value value) { return known_.contains(value.node); };
    for (const Node* at : above(std::vector{Value{node, 0}}, is_known)) {
      const auto& operands = at->operands();
      known_[at] = at->op() == Op::parameter ||
                   std::any_of(operands.begin(), operands.end(),
                               [&](Value operand) { return known_.at(operand.node); });
    }
    return known_.at(node);
  }

 private:
  std::map<const Node*, bool> known_;
};

}  // namespace

std::vector<Value> placeholders(Graph& graph, std::span<const Type> types) {
  // Every call makes nodes, so the graph's size is a number that no earlier call began with or
  // reached.
  const std::int64_t first = kFirstPlaceholder + graph.size();
  std::vector<Value> values;
  for (std::size_t i = 0; i < types.size(); ++i)
    values.push_back(graph.parameter(first + static_cast<std::int64_t>(i), types[i]));
  return values;
}

Region close(const OpenRegion& open, std::span<const Value> captures) {
  Region region;
  if (open.results.empty()) return {types_of(open.parameters), {}};
  Graph& graph = open.results[0].graph();
  std::map<Key, Value> inside;
  const auto enter = [&](Value value) {
    const auto index = static_cast<std::int64_t>(region.parameters.size());
    region.parameters.push_back(value.type());
    inside.try_emplace(key(value), graph.parameter(index, value.type()));
  };
  std::for_each(open.parameters.begin(), open.parameters.end(), enter);
  std::for_each(captures.begin(), captures.end(), enter);

  const auto is_replaced = [&](Value value) { return inside.contains(key(value)); };
  for (const Node* node : above(open.results, is_replaced)) {
    internal_check(node->op() != Op::parameter, "a region's parameters have placeholders");
    std::vector<Value> operands;
    for (Value operand : node->operands()) operands.push_back(inside.at(key(operand)));
    const std::vector<Value> again = remake(node, operands);
    for (std::size_t i = 0; i < again.size(); ++i)
      inside.try_emplace({node, static_cast<int>(i)}, again[i]);
  }
  for (Value result : open.results) region.results.push_back(inside.at(key(result)));
  return region;
}

std::vector<Value> captures_of(std::span<const OpenRegion> regions, int begin) {
  std::vector<Value> captures;
  std::set<Key> known;
  Dependence depends;
  for (const OpenRegion& region : regions) {
    std::set<const Node*> own;
    for (Value parameter : region.parameters) own.insert(parameter.node);
    const auto is_outside = [&](Value value) {
      const Node* node = value.node;
      if (own.contains(node)) return false;
      return node->op() == Op::parameter || (node->id() < begin && depends(node));
    };
    const auto consider = [&](Value value) {
      if (is_outside(value) && known.insert(key(value)).second) captures.push_back(value);
    };
    for (const Node* node : above(region.results, is_outside))
      std::for_each(node->operands().begin(), node->operands().end(), consider);
    std::for_each(region.results.begin(), region.results.end(), consider);
  }
  return captures;
}

std::vector<Value> while_(std::vector<Value> carried, const ConditionFn& condition,
                          const CarriedFn& body, const Location& where) {
  if (carried.empty()) throw Error(where, "while: expected at least one carried value, found none");
  Graph& graph = carried[0].graph();
  const std::size_t count = carried.size();
  const std::vector<Value> values = placeholders(graph, types_of(carried));
  const int begin = graph.size();
  OpenRegion regions[] = {{values, {condition(values)}}, {values, body(values)}};
  const std::vector<Value> captures = captures_of(regions, begin);
  regions[1].results.insert(regions[1].results.end(), captures.begin(), captures.end());
  carried.insert(carried.end(), captures.begin(), captures.end());
  std::vector<Region> closed;
  for (const OpenRegion& region : regions) closed.push_back(close(region, captures));
  return first_results(
      graph.make(Op::while_, std::move(carried), {}, std::nullopt, std::move(closed), where),
      count);
}

std::vector<Value> case_(Value index, std::span<const BranchFn> branches, const Location& where) {
  if (branches.empty()) throw Error(where, "case: expected at least one branch, found none");
  Graph& graph = index.graph();
  const int begin = graph.size();
  std::vector<OpenRegion> regions;
  for (const BranchFn& branch : branches) regions.push_back({{}, branch()});
  const std::vector<Value> captures = captures_of(regions, begin);
  std::vector<Value> operands = {index};
  operands.insert(operands.end(), captures.begin(), captures.end());
  std::vector<Region> closed;
  for (const OpenRegion& region : regions) closed.push_back(close(region, captures));
  return first_results(
      graph.make(Op::case_, std::move(operands), {}, std::nullopt, std::move(closed), where),
      regions[0].results.size());
}

std::vector<Value> if_(Value condition, const BranchFn& yes, const BranchFn& no,
                       const Location& where) {
  const BranchFn branches[] = {no, yes};
  return case_(convert(condition, DType::i32, where), branches, where);
}

std::vector<Value> counted(Graph& graph, std::int64_t trips, std::vector<Value> carried,
                           const CountedFn& body, const Location& where) {
  const auto number = [&](std::int64_t value) { return graph.constant(Array::scalar(value)); };
  carried.insert(carried.begin(), number(0));
  std::vector<Value> last = while_(
      std::move(carried),
      [&](std::span<const Value> values) {
        return compare(values[0], number(trips), Direction::LT);
      },
      [&](std::span<const Value> values) {
        std::vector<Value> next = body(values[0], values.subspan(1));
        next.insert(next.begin(), add(values[0], number(1)));
        return next;
      },
      where);
  last.erase(last.begin());
  return last;
}

}  // namespace kiln::build
