#include "tests/fuzz/shrink.h"

#include <algorithm>
#include <map>
#include <set>

#include "ir/interpret.h"
#include "ir/op.h"
#include "passes/pipeline.h"

namespace kiln::fuzz {
namespace {

bool is_leaf(Value value) { return traits(*value.node).leaf; }

/// The graph with these values replaced, in a graph of its own; arguments that nothing needs are
/// gone.
class Cutter {
 public:
  explicit Cutter(const RandomGraph& graph) : graph_(graph) {}

  void by_argument(Value value, const Array& content) {
    graph_.function.arguments.push_back(
        {value.type(), fmt::format("arg{}", graph_.function.arguments.size()), -1});
    graph_.inputs.push_back(content);
    replaced_[key(value)] =
        graph_.function.argument(static_cast<int>(graph_.function.arguments.size()) - 1);
  }
  void by_value(Value value, Value other) { replaced_[key(value)] = other; }
  void only_result(std::size_t index) {
    graph_.function.results = {graph_.function.results[index]};
    graph_.function.result_names.clear();
    for (Argument& argument : graph_.function.arguments)
      argument.alias = argument.alias == static_cast<int>(index) ? 0 : -1;
  }

  RandomGraph cut() {
    Function& f = graph_.function;
    f.results = replace(f.results);
    // What is aliased must stay; the others that nobody reads go.
    std::set<std::int64_t> used;
    for (const Node* node : topological(f.results))
      if (node->op() == Op::parameter) used.insert(node->attrs<ParameterAttrs>().index);
    RandomGraph smaller;
    std::map<std::int64_t, std::int64_t> moved;
    Function& g = smaller.function;
    g.graph = f.graph;
    for (std::size_t i = 0; i < f.arguments.size(); ++i) {
      if (f.arguments[i].alias < 0 && !used.contains(static_cast<std::int64_t>(i))) continue;
      moved[static_cast<std::int64_t>(i)] = static_cast<std::int64_t>(g.arguments.size());
      g.arguments.push_back(f.arguments[i]);
      g.arguments.back().name = fmt::format("arg{}", g.arguments.size() - 1);
      smaller.inputs.push_back(graph_.inputs[i]);
    }
    g.results = rebuild(
        f.results, [&](const Node* node, const std::vector<Value>& operands) -> std::vector<Value> {
          if (node->op() != Op::parameter) return remake(node, operands);
          return {g.graph->parameter(moved.at(node->attrs<ParameterAttrs>().index), node->type())};
        });
    dce(g);
    return smaller;
  }

 private:
  using Key = std::pair<const Node*, int>;
  static Key key(Value value) { return {value.node, value.index}; }

  std::vector<Value> replace(const std::vector<Value>& results) {
    std::map<const Node*, std::vector<Value>> done;
    const auto now = [&](Value v) {
      const auto found = replaced_.find(key(v));
      // What takes a value's place is made of older values, which stay as they are.
      return found != replaced_.end() ? found->second
                                      : done.at(v.node)[static_cast<std::size_t>(v.index)];
    };
    for (const Node* node : topological(results)) {
      std::vector<Value> operands;
      for (Value operand : node->operands()) operands.push_back(now(operand));
      done[node] = remake(node, operands);
    }
    std::vector<Value> again;
    for (Value v : results) again.push_back(now(v));
    return again;
  }

  RandomGraph graph_;
  std::map<Key, Value> replaced_;
};

/// What every value of the graph is.
std::map<std::pair<const Node*, int>, Array> values_of(const RandomGraph& graph) {
  Function all = graph.function;
  for (Argument& argument : all.arguments) argument.alias = -1;
  all.results.clear();
  all.result_names.clear();
  for (const Node* node : topological(graph.function.results))
    for (std::size_t i = 0; i < node->types().size(); ++i)
      all.results.push_back({node, static_cast<int>(i)});
  const std::vector<Array> arrays = interpret(all, graph.inputs);
  std::map<std::pair<const Node*, int>, Array> values;
  for (std::size_t i = 0; i < arrays.size(); ++i)
    values[{all.results[i].node, all.results[i].index}] = arrays[i];
  return values;
}

std::size_t ops_in(const RandomGraph& graph) {
  std::size_t ops = 0;
  for (const Node* node : topological(graph.function.results)) ops += traits(*node).leaf ? 0 : 1;
  return ops;
}

class Shrinker {
 public:
  Shrinker(RandomGraph graph, const Fails& fails) : graph_(std::move(graph)), fails_(fails) {}

  RandomGraph run() {
    one_result();
    for (bool smaller = true; smaller;) {
      const std::size_t before = ops_in(graph_);
      cut_below();
      bypass();
      smaller = ops_in(graph_) < before;
    }
    plain_inputs();
    return std::move(graph_);
  }

 private:
  /// Takes the candidate if it still fails. A candidate that cannot be made is none.
  template <class F>
  bool attempt(F&& make) {
    try {
      RandomGraph candidate = make();
      if (!fails_(candidate)) return false;
      graph_ = std::move(candidate);
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

  void one_result() {
    for (std::size_t i = 0; i < graph_.function.results.size(); ++i)
      if (attempt([&] {
            Cutter cutter(graph_);
            cutter.only_result(i);
            return cutter.cut();
          }))
        return;
  }

  /// Nodes become arguments that hold their values: half of the graph first, then ever fewer.
  void cut_below() {
    for (std::size_t share = 2;;) {
      std::vector<const Node*> inner;
      for (const Node* node : topological(graph_.function.results))
        if (!traits(*node).leaf) inner.push_back(node);
      const std::size_t chunk = std::max<std::size_t>(1, inner.size() / share);
      const auto values = values_of(graph_);
      bool smaller = false;
      for (std::size_t begin = 0; begin < inner.size() && !smaller; begin += chunk)
        smaller = attempt([&] {
          Cutter cutter(graph_);
          for (std::size_t i = begin; i < std::min(begin + chunk, inner.size()); ++i)
            for (std::size_t r = 0; r < inner[i]->types().size(); ++r) {
              const Value value{inner[i], static_cast<int>(r)};
              cutter.by_argument(value, values.at({value.node, value.index}));
            }
          return cutter.cut();
        });
      if (smaller) continue;
      if (chunk == 1) return;
      share *= 2;
    }
  }

  /// An op gives way to one of its operands, an argument to a zero.
  void bypass() {
    for (bool again = true; again;) {
      again = false;
      const auto order = topological(graph_.function.results);
      for (auto it = order.rbegin(); it != order.rend() && !again; ++it) {
        const Node* node = *it;
        if (node->types().size() != 1) continue;
        const Value value{node, 0};
        if (!is_leaf(value))
          for (Value operand : node->operands())
            if (!again && operand.type() == value.type())
              again = attempt([&] {
                Cutter cutter(graph_);
                cutter.by_value(value, operand);
                return cutter.cut();
              });
        if (!again && node->op() == Op::parameter && !is_aliased(node))
          again = attempt([&] {
            Cutter cutter(graph_);
            cutter.by_value(value, value.graph().splat(value.type(), 0));
            return cutter.cut();
          });
      }
    }
  }

  bool is_aliased(const Node* parameter) const {
    const auto index = static_cast<std::size_t>(parameter->attrs<ParameterAttrs>().index);
    return graph_.function.arguments[index].alias >= 0;
  }

  /// Inputs of ones, or of whole numbers, are easier to follow.
  void plain_inputs() {
    for (std::size_t i = 0; i < graph_.inputs.size(); ++i) {
      const Type type = graph_.inputs[i].type();
      const auto with = [&](Array array) {
        RandomGraph candidate = graph_;
        candidate.inputs[i] = std::move(array);
        return candidate;
      };
      if (attempt([&] { return with(Array::full(type, 1)); })) continue;
      attempt([&] {
        Array whole(type);
        visit_dtype(type.dtype, [&]<class T>(T) {
          std::size_t at = 0;
          for (T& x : whole.data<T>()) x = static_cast<T>(at++ % 7);
        });
        return with(std::move(whole));
      });
    }
  }

  RandomGraph graph_;
  const Fails& fails_;
};

}  // namespace

RandomGraph shrink(RandomGraph graph, const Fails& fails) {
  return Shrinker(std::move(graph), fails).run();
}

}  // namespace kiln::fuzz
