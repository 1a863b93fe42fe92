#include "passes/pipeline.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "ir/op.h"
#include "passes/carried.h"
#include "passes/fuse.h"
#include "passes/merge_loops.h"
#include "passes/regions.h"
#include "passes/rematerialise.h"
#include "passes/simplify.h"
#include "passes/stream.h"

namespace kiln {
namespace {

// Larger constants stay expressions: they would only swell the graph.
constexpr std::int64_t kMaxFoldedElements = 1024;

constexpr std::array kFused = {
    Pass{"inline_composites", inline_composites},
    Pass{"merge_loops", merge_loops},
    Pass{"simplify", simplify},
    Pass{"fold", fold},
    Pass{"cse", cse},
    Pass{"dce", dce},
    Pass{"stream", stream},
    Pass{"fuse", fuse},
    Pass{"rematerialise", rematerialise},
};
constexpr std::array kUnfused = {
    Pass{"inline_composites", inline_composites},
    Pass{"merge_loops", merge_loops},
    Pass{"simplify", simplify},
    Pass{"fold", fold},
    Pass{"cse", cse},
    Pass{"dce", dce},
    Pass{"fuse_alone", fuse_alone},
};

/// Checks functions of one pipeline, one after the other. A node never changes, so what is known to
/// be well formed stays so: a pass is asked for what it made only.
class Verifier {
 public:
  /// Returns how many nodes the function has, those in regions not counted.
  int check(const Function& function) {
    if (graph_ != function.graph) {
      graph_ = function.graph;
      known_.clear();
    }
    known_.resize(static_cast<std::size_t>(graph_->size()));
    const auto& results = function.results;
    for (Value result : results) {
      internal_check(&result.graph() == graph_.get(), "a result belongs to the function's graph");
      internal_check(result.index < static_cast<int>(result.node->types().size()),
                     "a result exists");
    }
    std::vector<Type> parameters;
    std::vector<bool> aliased(results.size());
    for (const Argument& argument : function.arguments) {
      parameters.push_back(argument.type);
      if (argument.alias < 0) continue;
      const auto result = static_cast<std::size_t>(argument.alias);
      internal_check(result < results.size(), "an aliased result exists");
      internal_check(!aliased[result], "a result is aliased to one argument");
      internal_check(results[result].type() == argument.type,
                     "an aliased result has its argument's type");
      aliased[result] = true;
    }
    return check(results, parameters);
  }

 private:
  int check(std::span<const Value> results, std::span<const Type> parameters) {
    const std::vector<const Node*> nodes = topological(results);
    for (const Node* node : nodes) {
      if (node->op() == Op::parameter) {  // right or wrong as the case may be
        const auto index = static_cast<std::size_t>(node->attrs<ParameterAttrs>().index);
        internal_check(index < parameters.size() && parameters[index] == node->type(),
                       "a region uses the parameters it has");
        continue;
      }
      if (known_[static_cast<std::size_t>(node->id())]) continue;
      for (Value operand : node->operands())
        internal_check(operand.node->id() < node->id(), "operands come before their users");
      const std::optional<Type> asked = node->type();
      const std::vector<Type> types = infer_types(
          definition(node->op()),
          InferContext{node->operands(), node->attrs(), asked, node->regions(), {}, node->graph()});
      internal_check(types == node->types(), "a node has the types its shape rule infers");
      for (const Region& region : node->regions()) check(region.results, region.parameters);
      known_[static_cast<std::size_t>(node->id())] = true;
    }
    return static_cast<int>(nodes.size());
  }

  std::shared_ptr<Graph> graph_;
  std::vector<bool> known_;  // by a node's id
};

}  // namespace

std::span<const Pass> graph_passes(Mode mode) {
  if (mode == Mode::fused) return kFused;
  return kUnfused;
}

std::string pass_names(Mode mode) {
  std::string names;
  for (const Pass& pass : graph_passes(mode))
    names += (names.empty() ? "" : ", ") + std::string(pass.name);
  return names;
}

std::vector<PassReport> run_passes(Function& function, const PipelineOptions& options) {
  const auto passes = graph_passes(options.mode);
  for (const std::string& name : options.disabled)
    if (std::none_of(passes.begin(), passes.end(), [&](const Pass& p) { return p.name == name; }))
      throw Error(
          fmt::format("there is no pass '{}'; the passes are {}", name, pass_names(options.mode)));
  Verifier verifier;
  int nodes = verifier.check(function);
  std::vector<PassReport> reports;
  for (const Pass& pass : passes) {
    // Fusing, too, may be left out, though without kernels nothing runs.
    if (options.disabled.contains(pass.name)) continue;
    PassReport report{pass.name, 0, nodes, 0};
    const auto start = std::chrono::steady_clock::now();
    pass.run(function);
    report.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    report.nodes_after = nodes = verifier.check(function);
    reports.push_back(report);
    if (options.after) options.after(pass.name, function);
  }
  return reports;
}

namespace {

std::vector<Value> inlined(std::span<const Value> results, bool streams) {
  const auto within = [&](std::span<const Value> values) { return inlined(values, streams); };
  return rebuild(results, [&](const Node* node, const std::vector<Value>& operands) {
    if (!traits(*node).calls) return remake_inside(node, operands, within);
    if (!streams && node->attrs<CallAttrs>().kind == "stream") return remake(node, operands);
    Region region = node->regions()[0];
    region.results = within(region.results);
    return inline_region(region, operands);
  });
}

/// Whether evaluating a node of few elements is soon done: not if its windows hold many, nor if its
/// region may run forever.
bool is_soon_done(const Node& node) {
  if (const auto* window = attrs_if<WindowAttrs>(node.attrs())) {
    std::int64_t elements = 1;
    for (const std::int64_t extent : window->extents) {
      elements *= std::min(extent, kMaxFoldedElements + 1);
      if (elements > kMaxFoldedElements) return false;
    }
  }
  return std::ranges::all_of(node.regions(), [](const Region& region) {
    return std::ranges::all_of(topological(region.results), [](const Node* inner) {
      return !traits(*inner).control && is_soon_done(*inner);
    });
  });
}

std::vector<Value> folded(std::span<const Value> results) {
  return rebuild(results, [](const Node* node, const std::vector<Value>& operands) {
    std::vector<Value> again = remake_inside(node, operands, folded);
    const Node& made = *again[0].node;
    const Traits& t = traits(made);
    if (t.leaf || t.calls || t.control || made.types().size() != 1) return again;
    bool splats = true;
    for (Value operand : operands) {
      if (operand.node->op() != Op::constant) return again;
      splats = splats && operand.node->attrs<ConstantAttrs>().value.count() == 1;
    }
    Graph& graph = made.graph();
    if (t.elementwise && splats) {
      // One element stands for all: fold over scalars.
      std::vector<Array> values;
      std::vector<Value> scalars;
      for (Value operand : operands) {
        values.push_back(operand.node->attrs<ConstantAttrs>().value);
        scalars.push_back(graph.constant(values.back()));
      }
      const Node* scalar =
          graph.make(made.op(), scalars, made.attrs(), Type{made.type().dtype, {}});
      const Array value = definition(made.op()).reference(*scalar, values)[0];
      return std::vector{Value{graph.make(Op::constant, {}, ConstantAttrs{value}, made.type()), 0}};
    }
    if (made.type().count() > kMaxFoldedElements || !is_soon_done(made)) return again;
    std::vector<Array> values;
    for (Value operand : operands) {
      if (operand.type().count() > kMaxFoldedElements) return again;
      values.push_back(definition(Op::constant).reference(*operand.node, {})[0]);
    }
    return std::vector{graph.constant(definition(made.op()).reference(made, values)[0])};
  });
}

std::vector<Value> ordered(std::span<const Value> results) {
  return rebuild(results, [](const Node* node, const std::vector<Value>& operands) {
    if (!traits(*node).commutative) return remake_inside(node, operands, ordered);
    std::vector<Value> sorted = operands;
    std::stable_sort(sorted.begin(), sorted.end(), [](Value a, Value b) {
      return std::pair(a.node->id(), a.index) < std::pair(b.node->id(), b.index);
    });
    return remake(node, sorted);
  });
}

/// Copies values and the regions below them into another graph.
class Copier {
 public:
  Copier(const Graph& from, Graph& to) : from_(from), to_(to) {}

  /// In the order of the old graph, so that ids keep their order.
  std::vector<Value> operator()(std::span<const Value> values) {
    for (const Node* node : topological(values)) copy(node);
    std::vector<Value> copies;
    for (Value value : values) copies.push_back({done_.at(value.node), value.index});
    return copies;
  }

 private:
  void copy(const Node* node) {
    if (done_.contains(node)) return;
    std::vector<Value> operands;
    for (Value operand : node->operands())
      operands.push_back({done_.at(operand.node), operand.index});
    std::vector<Region> regions;
    for (const Region& region : node->regions())
      regions.push_back({region.parameters, (*this)(region.results)});
    const Node* again =
        to_.make(node->op(), std::move(operands), node->attrs(), node->type(), std::move(regions));
    for (const Location& where : from_.locations(node)) to_.add_location(again, where);
    done_[node] = again;
  }

  const Graph& from_;
  Graph& to_;
  std::unordered_map<const Node*, const Node*> done_;
};

}  // namespace

void inline_composites(Function& function) { function.results = inlined(function.results, true); }
void inline_but_streams(Function& function) { function.results = inlined(function.results, false); }
void fold(Function& function) { function.results = folded(function.results); }
void cse(Function& function) { function.results = ordered(function.results); }

void dce(Function& function) {
  auto graph = std::make_shared<Graph>();
  function.results = Copier(*function.graph, *graph)(without_dead_carried(function.results));
  function.graph = std::move(graph);
}

void verify(const Function& function) { Verifier().check(function); }

}  // namespace kiln
