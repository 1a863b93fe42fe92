#include "passes/loop_gradient.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "ir/build.h"
#include "ir/build_control.h"
#include "ir/op.h"
#include "passes/activity.h"
#include "passes/region_gradient.h"
#include "passes/trip_count.h"

namespace kiln {
namespace {

using namespace build;

const Region& body_of(const Node& loop) { return loop.regions()[1]; }

Value parameter_of(const Node& loop, int carried) {
  return loop.graph().parameter(carried, loop.type(carried));
}

/// The carried values that depend on operands `wrt`, in whatever iteration.
std::vector<bool> reached(const Node& loop, std::span<const int> wrt) {
  const std::vector<const Node*> body = topological(body_of(loop).results);
  std::vector<bool> varies(loop.types().size());
  for (int carried : wrt) varies[static_cast<std::size_t>(carried)] = true;
  for (bool grown = true; grown;) {
    grown = false;
    std::vector<Value> sources;
    for (std::size_t i = 0; i < varies.size(); ++i)
      if (varies[i]) sources.push_back(parameter_of(loop, static_cast<int>(i)));
    const Activity active(body, sources);
    for (std::size_t i = 0; i < varies.size(); ++i)
      if (!varies[i] && active(body_of(loop).results[i])) varies[i] = grown = true;
  }
  return varies;
}

/// The carried values that results with a cotangent depend on, in whatever iteration.
std::vector<bool> needed(const Node& loop, std::span<const Value> cotangents) {
  std::vector<bool> used(loop.types().size());
  for (std::size_t i = 0; i < used.size(); ++i) used[i] = static_cast<bool>(cotangents[i]);
  for (bool grown = true; grown;) {
    grown = false;
    std::vector<Value> results;
    for (std::size_t i = 0; i < used.size(); ++i)
      if (used[i]) results.push_back(body_of(loop).results[i]);
    for (const Node* node : topological(results)) {
      if (node->op() != Op::parameter || !is_float(node->type().dtype)) continue;
      const auto carried = static_cast<std::size_t>(node->attrs<ParameterAttrs>().index);
      if (!used[carried]) used[carried] = grown = true;
    }
  }
  return used;
}

using Key = std::pair<const Node*, int>;
Key key(Value value) { return {value.node, value.index}; }

/// What the derivative of one iteration needs of the iteration itself. The derivative is in terms
/// of the body's parameters and of cotangents, the parameters after those.
struct Residuals {
  std::vector<Value> kept;     // of each iteration
  std::vector<Value> hoisted;  // the same in each, and not cheap
};

class ResidualFinder {
 public:
  ResidualFinder(const Node& loop, int counter) : loop_(loop), counter_(counter) {}

  Residuals operator()(std::span<const Value> derivative) {
    for (const Node* node : topological(derivative)) {
      const Kind kind = kinds_[node] = kind_of(*node);
      for (Value operand : node->operands()) {
        if (kind == Kind::backward) require(operand);
        if ((kind != Kind::invariant || cheap(*node)) &&
            kinds_.at(operand.node) == Kind::invariant && !cheap(*operand.node))
          put(found_.hoisted, operand);
      }
    }
    for (Value value : derivative) {
      require(value);
      if (kinds_.at(value.node) == Kind::invariant && !cheap(*value.node))
        put(found_.hoisted, value);
    }
    return found_;
  }

 private:
  enum class Kind : std::uint8_t {
    invariant,
    counted,  // cheap to compute from what is invariant and the counter
    varying,
    backward  // depends on a cotangent
  };

  static bool cheap(const Node& node) {
    const Traits& t = traits(node);
    return t.leaf || t.view || t.indexed || (t.elementwise && !t.transcendental);
  }

  Kind kind_of(const Node& node) const {
    if (node.op() == Op::parameter) {
      const auto index = static_cast<int>(node.attrs<ParameterAttrs>().index);
      if (index >= static_cast<int>(loop_.types().size())) return Kind::backward;
      if (index == counter_) return Kind::counted;
      return is_invariant(loop_, index) ? Kind::invariant : Kind::varying;
    }
    Kind kind = Kind::invariant;
    for (Value operand : node.operands()) kind = std::max(kind, kinds_.at(operand.node));
    return kind == Kind::counted && !cheap(node) ? Kind::varying : kind;
  }

  void put(std::vector<Value>& values, Value value) {
    if (seen_.insert(key(value)).second) values.push_back(value);
  }

  void require(Value value) {
    if (kinds_.at(value.node) != Kind::varying) return;
    for (auto source = source_of(value); source; source = source_of(value)) value = *source;
    put(found_.kept, value);
  }

  /// The one varying operand of a cheap op, where it is no larger than the result.
  std::optional<Value> source_of(Value value) const {
    if (!cheap(*value.node)) return std::nullopt;
    std::optional<Value> source;
    for (Value operand : value.node->operands()) {
      if (kinds_.at(operand.node) != Kind::varying || operand == source) continue;
      if (source) return std::nullopt;
      source = operand;
    }
    const auto bytes = [](const Type& type) { return type.count() * size_of(type.dtype); };
    return source && bytes(source->type()) <= bytes(value.type()) ? source : std::nullopt;
  }

  const Node& loop_;
  const int counter_;
  std::unordered_map<const Node*, Kind> kinds_;
  std::set<Key> seen_;
  Residuals found_;
};

Value number(Graph& graph, std::int64_t value) { return graph.constant(Array::scalar(value)); }

/// Row `index` of a stack of values, and the stack with that row replaced.
std::vector<Value> row_starts(Value index, const Type& row) {
  std::vector<Value> starts(row.dims.size() + 1, number(index.graph(), 0));
  starts[0] = index;
  return starts;
}
Ints row_dims(const Type& row) {
  Ints dims = row.dims;
  dims.insert(dims.begin(), 1);
  return dims;
}
Value row_of(Value stack, Value index, const Type& row) {
  return reshape(dynamic_slice(stack, row_starts(index, row), row_dims(row)), row.dims);
}
Value with_row(Value stack, Value index, Value row) {
  return dynamic_update_slice(stack, reshape(row, row_dims(row.type())),
                              row_starts(index, row.type()));
}

/// The loop with stacks of `kept`, one row an iteration, after its own carried values.
const Node* keeping(const Node& loop, const TripCounter& counter, std::span<const Value> kept) {
  Graph& graph = loop.graph();
  std::vector<Value> operands = loop.operands();
  Region condition = loop.regions()[0], body = loop.regions()[1];
  Value iteration = parameter_of(loop, counter.carried);
  if (iteration.type().dtype != DType::i64) iteration = convert(iteration, DType::i64);
  if (counter.start != 0) iteration = subtract(iteration, number(graph, counter.start));
  if (counter.step != 1) iteration = divide(iteration, number(graph, counter.step));
  for (Value value : kept) {
    Type stack = value.type();
    stack.dims.insert(stack.dims.begin(), counter.trips);
    const auto next = static_cast<std::int64_t>(operands.size());
    operands.push_back(graph.splat(stack, 0));
    condition.parameters.push_back(stack);
    body.parameters.push_back(stack);
    body.results.push_back(with_row(graph.parameter(next, stack), iteration, value));
  }
  return graph.make(loop.op(), std::move(operands), loop.attrs(), std::nullopt, {condition, body});
}

[[noreturn]] void refuse(const Node& loop) {
  const auto& places = loop.graph().locations(&loop);
  throw Error(places.empty() ? Location{} : places.front(),
              fmt::format("{} is differentiable only where its number of iterations is static: an "
                          "integer that starts at a constant, to which the body adds a constant, "
                          "and a condition that compares it with a constant",
                          definition(loop.op()).name));
}

}  // namespace

std::vector<Value> gradient_of_loop(const Node& loop, std::span<const Value> cotangents,
                                    std::span<const int> wrt) {
  Graph& graph = loop.graph();
  const int carried_count = static_cast<int>(loop.types().size());
  const std::vector<bool> varies = reached(loop, wrt), used = needed(loop, cotangents);
  std::vector<int> active;
  for (int i = 0; i < carried_count; ++i)
    if (varies[static_cast<std::size_t>(i)] && used[static_cast<std::size_t>(i)])
      active.push_back(i);
  std::vector<Value> gradients(loop.operands().size());
  if (active.empty()) return gradients;

  const std::optional<TripCounter> counter = trip_counter(loop);
  if (!counter) refuse(loop);
  std::vector<Value> initial;
  for (int i : active) {
    const Value ct = cotangents[static_cast<std::size_t>(i)];
    initial.push_back(ct ? ct : graph.splat(loop.type(i), 0));
  }
  const auto give = [&](const std::vector<Value>& values) {
    for (std::size_t a = 0; a < active.size(); ++a)
      gradients[static_cast<std::size_t>(active[a])] = values[a];
    return gradients;
  };
  if (counter->trips == 0) return give(initial);

  std::vector<Value> derivative = pullback(graph, body_of(loop), active, active);
  for (std::size_t a = 0; a < active.size(); ++a)
    if (!derivative[a]) derivative[a] = graph.splat(loop.type(active[a]), 0);
  const Residuals residuals = ResidualFinder(loop, counter->carried)(derivative);
  const Node* forward = residuals.kept.empty() ? &loop : keeping(loop, *counter, residuals.kept);
  const std::vector<Value> hoisted =
      inline_region({body_of(loop).parameters, residuals.hoisted}, loop.operands());

  return give(counted(graph, counter->trips, initial, [&](Value t, std::span<const Value> carried) {
    const Value iteration = subtract(number(graph, counter->trips - 1), t);
    Substitutes inside;
    for (std::size_t i = 0; i < hoisted.size(); ++i) inside[key(residuals.hoisted[i])] = hoisted[i];
    for (int i = 0; i < carried_count; ++i)
      if (is_invariant(loop, i)) inside[key(parameter_of(loop, i))] = loop.operand(i);
    for (std::size_t a = 0; a < active.size(); ++a)
      inside[{graph.parameter(carried_count + static_cast<std::int64_t>(a), carried[a].type()).node,
              0}] = carried[a];
    Value count = iteration;
    if (counter->step != 1) count = multiply(count, number(graph, counter->step));
    if (counter->start != 0) count = add(count, number(graph, counter->start));
    const Value counting = parameter_of(loop, counter->carried);
    if (counting.type() != count.type()) count = convert(count, counting.type().dtype);
    inside[key(counting)] = count;
    for (std::size_t i = 0; i < residuals.kept.size(); ++i)
      inside[key(residuals.kept[i])] = row_of({forward, carried_count + static_cast<int>(i)},
                                              iteration, residuals.kept[i].type());
    return substituted(derivative, std::move(inside));
  }));
}

}  // namespace kiln
