#include "passes/rematerialise.h"

#include <algorithm>
#include <map>
#include <set>

#include "ir/op.h"
#include "passes/axes.h"
#include "passes/overwrite.h"
#include "passes/regions.h"

namespace kiln {
namespace {

constexpr int kCheapOps = 8;                // element-wise operations that are as good as a load
constexpr std::int64_t kWorthBytes = 4096;  // smaller values are not worth a thought
constexpr std::int64_t kTraffic = 4;        // reading so many times a value's bytes is no dearer
constexpr std::int64_t kSmall = 8;          // so many times smaller than another value
// Values of this size leave the second cache before they are read: storing one and reading it takes
// longer than an elementary function does.
constexpr std::int64_t kFarBytes = 1 << 20;

using Key = std::pair<const Node*, int>;
Key key(Value value) { return {value.node, value.index}; }
std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// A kernel while it changes. Its operands are values of the function as it was.
struct Body {
  Region region;
  std::vector<Value> operands;
  std::vector<bool> stored;  // of the call's results
  int position = 0;          // in the order of the function

  std::optional<int> number_of(Value operand) const {
    const auto found = std::find(operands.begin(), operands.end(), operand);
    if (found == operands.end()) return std::nullopt;
    return static_cast<int>(found - operands.begin());
  }
};

/// How a value of one kernel is computed of what is in memory outside it.
class Recipe {
 public:
  /// `dear`: elementary functions, too.
  Recipe(const Node* call, const Body& body, bool dear) : call_(call), body_(body), dear_(dear) {}

  /// Whether a result can be had cheaply.
  bool find(int result) {
    root_ = body_.region.results[at(result)];
    return visit(root_) && ops_ <= kCheapOps;
  }
  /// The outside values it is computed of.
  const std::vector<Value>& leaves() const { return leaves_; }

  /// The value in another kernel, where `leaf` gives the leaves.
  template <class F>
  Value build(F&& leaf) const {
    std::map<Key, Value> built;
    const auto make = [&](auto& self, Value inner) -> Value {
      if (const auto done = built.find(key(inner)); done != built.end()) return done->second;
      const Step& step = steps_.at(key(inner));
      Value value;
      if (step.leaf) {
        value = leaf(*step.leaf);
      } else {
        std::vector<Value> operands;
        for (Value operand : inner.node->operands())
          operands.push_back(operand == step.replaced ? leaf(step.by) : self(self, operand));
        value = remake(inner.node, operands)[at(inner.index)];
      }
      return built[key(inner)] = value;
    };
    return make(make, root_);
  }

 private:
  struct Step {
    std::optional<Value> leaf = {};  // an outside value
    Value replaced = {}, by = {};    // an operand that an outside value stands for
  };

  bool visit(Value inner) {
    if (steps_.contains(key(inner))) return true;
    const Node& node = *inner.node;
    const Traits& t = traits(node);
    if (node.op() == Op::parameter)
      return take(inner, body_.operands[at(node.attrs<ParameterAttrs>().index)]);
    if (inner != root_)
      if (const std::optional<Value> result = stored_result(inner)) return take(inner, *result);
    if (node.op() == Op::iota ||
        (node.op() == Op::constant && node.attrs<ConstantAttrs>().value.count() == 1)) {
      steps_[key(inner)] = {};
      return true;
    }
    const bool cheap = t.elementwise && (dear_ || !t.transcendental) && ++ops_ <= kCheapOps;
    if (!cheap && !is_index_map(node)) return false;
    const auto before = std::tuple(steps_, leaves_, ops_);
    if (std::ranges::all_of(node.operands(), [&](Value operand) { return visit(operand); })) {
      steps_[key(inner)] = {};
      return true;
    }
    std::tie(steps_, leaves_, ops_) = before;
    return node.op() == Op::compare && visit_selected(node);
  }

  /// p = compare(x, c) where what a select made of p, x and c is stored. Of select(p, c, x) with
  /// LE, GE or EQ: where p holds the result is c, which such a direction holds for; else it is x.
  /// Of select(p, x, c) with LT, GT or NE, for which c and c never hold, likewise.
  bool visit_selected(const Node& compare) {
    const Direction direction = compare.attrs<CompareAttrs>().direction;
    const bool reflexive =
        direction == Direction::LE || direction == Direction::GE || direction == Direction::EQ;
    const Value x = compare.operand(0), c = compare.operand(1);
    for (std::size_t r = 0; r < body_.region.results.size(); ++r) {
      const Node& select = *body_.region.results[r].node;
      if (!body_.stored[r] || select.op() != Op::select ||
          select.operand(0) != Value{&compare, 0} || select.operand(1) != (reflexive ? c : x) ||
          select.operand(2) != (reflexive ? x : c) || !visit(c))
        continue;
      const Value by{call_, static_cast<int>(r)};
      add_leaf(by);
      steps_[{&compare, 0}] = {.replaced = x, .by = by};
      return true;
    }
    return false;
  }

  std::optional<Value> stored_result(Value inner) const {
    for (std::size_t r = 0; r < body_.region.results.size(); ++r)
      if (body_.stored[r] && body_.region.results[r] == inner)
        return Value{call_, static_cast<int>(r)};
    return std::nullopt;
  }
  bool take(Value inner, Value leaf) {
    add_leaf(leaf);
    steps_[key(inner)] = {.leaf = leaf};
    return true;
  }
  void add_leaf(Value leaf) {
    if (std::find(leaves_.begin(), leaves_.end(), leaf) == leaves_.end()) leaves_.push_back(leaf);
  }

  const Node* call_;
  const Body& body_;
  const bool dear_;
  Value root_;
  std::map<Key, Step> steps_;
  std::vector<Value> leaves_;
  int ops_ = 0;
};

/// Whether a kernel sums nothing but products. The order of other sums follows from how all of
/// the kernel's memory lies, so their results stay as they are.
bool is_free_of_sums(const Node* call) {
  const std::string& kind = call->attrs<CallAttrs>().kind;
  return kind == "map" || kind == "contract";
}

/// Whether a kernel uses an operand element by element; a kernel of rows may sum it up.
bool reads_by_element(const Node* call, const Region& region, int operand) {
  std::set<const Node*> carries;  // views of the operand
  const bool rows = call->attrs<CallAttrs>().kind == "row";
  if (!rows && !is_free_of_sums(call)) return false;
  for (Value result : region.results)
    if (result.node->op() == Op::parameter) return false;
  for (const Node* node : topological(region.results)) {
    if (node->op() == Op::parameter && node->attrs<ParameterAttrs>().index == operand)
      carries.insert(node);
    for (Value read : node->operands()) {
      if (!carries.contains(read.node)) continue;
      const Traits& t = traits(*node);
      if (is_index_map(*node))
        carries.insert(node);
      else if (!t.elementwise && !(rows && t.reduction && !t.window))
        return false;
    }
  }
  return true;
}

/// Several large results of a kernel may be functions of one value of it that is none, as what the
/// gradient of gelu reads is of gelu's operand. Storing that one, and computing the others where
/// they are read, is less than storing them.
class Sources {
 public:
  explicit Sources(Function& function) : function_(function) {
    for (Value result : function.results) kept_.insert(key(storage(result)));
    for (const Node* node : topological(function.results))
      for (std::size_t i = 0; i < node->operands().size(); ++i)
        uses_[key(node->operands()[i])].emplace_back(node, static_cast<int>(i));
  }

  /// Makes such values results, which nobody reads yet; gives the kernels that have one.
  std::set<const Node*> expose() {
    std::set<const Node*> exposed;
    function_.results =
        rebuild(function_.results, [&](const Node* node, const std::vector<Value>& operands) {
          const Value source = node->op() == Op::call ? source_of(*node) : Value{};
          if (!source) return remake(node, operands);
          Region region = node->regions()[0];
          region.results.push_back(source);
          const Node* again = node->graph().make(Op::call, operands, node->attrs(), std::nullopt,
                                                 {std::move(region)});
          exposed.insert(again);
          std::vector<Value> results = results_of(again);
          results.pop_back();
          return results;
        });
    return exposed;
  }

 private:
  Value source_of(const Node& call) const {
    const std::vector<Value>& all = call.regions()[0].results;
    if (!is_free_of_sums(&call)) return {};
    std::vector<Value> results;  // of one type, that readers could compute
    for (std::size_t r = 0; r < all.size(); ++r)
      if (is_far(all[r].type()) && is_read_by_element({&call, static_cast<int>(r)}) &&
          (results.empty() || results[0].type() == all[r].type()))
        results.push_back(all[r]);
    if (results.size() < 2) return {};
    const std::vector<const Node*> nodes = topological(results);
    for (std::size_t i = nodes.size(); i-- > 0;) {
      const Value source{nodes[i], 0};
      if (traits(*nodes[i]).leaf || traits(*nodes[i]).view || nodes[i]->types().size() != 1 ||
          source.type() != results[0].type())
        continue;
      if (std::ranges::find(all, source) == all.end() && saves(source, results)) return source;
    }
    return {};
  }

  static bool is_far(const Type& type) { return is_float(type.dtype) && type.bytes() >= kFarBytes; }

  bool is_read_by_element(Value result) const {
    const auto uses = uses_.find(key(result));
    return uses != uses_.end() && !kept_.contains(key(result)) &&
           std::ranges::all_of(uses->second, [&](const auto& use) {
             return use.first->op() == Op::call &&
                    reads_by_element(use.first, use.first->regions()[0], use.second);
           });
  }

  /// Whether the results are functions of the source, none of them dearer than what it spares.
  static bool saves(Value source, const std::vector<Value>& results) {
    std::set<const Node*> steps;
    std::size_t transcendental = 0;
    const auto visit = [&](auto& self, Value value) -> bool {
      const Node& node = *value.node;
      if (value == source || !steps.insert(&node).second) return true;
      if (traits(node).leaf) return value.type().count() == 1 || node.op() != Op::parameter;
      if (traits(node).transcendental) ++transcendental;
      return (traits(node).elementwise || is_index_map(node)) &&
             std::ranges::all_of(node.operands(), [&](Value o) { return self(self, o); });
    };
    return std::ranges::all_of(results, [&](Value result) { return visit(visit, result); }) &&
           transcendental + 1 <= results.size() &&
           steps.size() <= static_cast<std::size_t>(2 * kCheapOps);
  }

  Function& function_;
  std::set<Key> kept_;
  std::map<Key, std::vector<std::pair<const Node*, int>>> uses_;
};

/// The points of a kernel's largest value, and those that are independent.
struct Volumes {
  std::int64_t largest, parallel;
  bool operator==(const Volumes&) const = default;
};

/// Nothing where the kernel's axes contradict.
std::optional<Volumes> find_volumes(const Region& region) {
  Axes axes;
  for (const Node* node : topological(region.results)) {
    const bool member =
        (!traits(*node).leaf && !traits(*node).view) ||
        std::ranges::any_of(region.results, [&](Value v) { return v.node == node; });
    if (member && !axes.add(node)) return std::nullopt;
  }
  return Volumes{axes.largest_volume(), axes.volume(axes.parallel())};
}

class Rematerialiser {
 public:
  /// `exposed`: kernels whose last result is a source (see Sources).
  Rematerialiser(Function& function, std::set<const Node*> exposed)
      : function_(function), graph_(*function.graph), exposed_(std::move(exposed)) {
    order_ = topological(function.results);
    for (const Node* node : order_) {
      const int position = static_cast<int>(positions_.size());
      positions_[node] = position;
      const bool reads = node->op() == Op::call || traits(*node).control;
      for (Value operand : node->operands()) {
        if (node->op() == Op::call) readers_[key(operand)].push_back(node);
        if (!reads) continue;
        int& last = last_read_[key(storage(operand))];
        last = std::max(last, position);
        ++reads_[key(storage(operand))];
      }
      if (node->op() == Op::call)
        bodies_[node] = {node->regions()[0], node->operands(),
                         std::vector<bool>(node->types().size(), true), position};
    }
    for (Value result : function.results) kept_.insert(key(storage(result)));
    for (const Argument& argument : function.arguments) is_state_.push_back(argument.alias >= 0);
  }

  void run() {
    for (const Node* node : order_)
      if (node->op() == Op::call)
        for (int r = 0; r < static_cast<int>(node->types().size()); ++r) consider({node, r});
    rebuild_all();
  }

 private:
  /// Lets readers compute the value, if that ends its life sooner.
  void consider(Value value) {
    const std::vector<const Node*>& readers = readers_[key(value)];
    if (value.type().bytes() < kWorthBytes || kept_.contains(key(value)) || readers.empty()) return;
    if (!is_free_of_sums(value.node)) return;
    const Body& maker = bodies_.at(value.node);
    Recipe recipe(value.node, maker, exposed_.contains(value.node));
    if (!recipe.find(value.index)) return;
    // Those that find it in memory: a reader before one of them may as well.
    int last_reader =
        reads_[key(value)] > static_cast<int>(readers.size()) ? last_read_[key(value)] : -1;
    std::vector<std::pair<const Node*, Body>> again;
    for (const Node* reader : readers) {
      if (std::optional<Body> changed = computing(reader, value, recipe))
        again.emplace_back(reader, std::move(*changed));
      else
        last_reader = std::max(last_reader, positions_.at(reader));
    }
    for (auto& [reader, body] : again) {
      if (positions_.at(reader) < last_reader) continue;
      for (Value leaf : recipe.leaves()) {
        if (!bodies_.at(reader).number_of(leaf)) {
          readers_[key(leaf)].push_back(reader);
          ++reads_[key(storage(leaf))];
        }
        int& last = last_read_[key(storage(leaf))];
        last = std::max(last, positions_.at(reader));
      }
      bodies_.at(reader) = std::move(body);
    }
    if (last_reader < 0) bodies_.at(value.node).stored[at(value.index)] = false;
  }

  /// The reader as it is when it computes the value; nothing where it cannot or should not.
  std::optional<Body> computing(const Node* reader, Value value, const Recipe& recipe) const {
    const Body& before = bodies_.at(reader);
    std::int64_t traffic = 0, lives_longer = 0;
    const bool rows = reader->attrs<CallAttrs>().kind == "row";
    for (Value leaf : recipe.leaves()) {
      // The order of a row's sums follows from how what it reads lies: as the value, or it is
      // small.
      if (rows && leaf.type() != value.type() &&
          leaf.type().bytes() * kSmall > value.type().bytes())
        return std::nullopt;
      if (before.number_of(leaf)) continue;
      traffic += leaf.type().bytes();
      const Value source = storage(leaf);
      const auto last = last_read_.find(key(source));
      if (source.node->op() == Op::parameter) {
        // An old value that is read longer could no longer be updated in place: it would be copied.
        if (is_state_[at(source.node->attrs<ParameterAttrs>().index)] &&
            source.type().bytes() * kSmall > value.type().bytes())
          return std::nullopt;
      } else if (source.node->op() != Op::constant && !kept_.contains(key(source)) &&
                 last != last_read_.end() && last->second < before.position) {
        lives_longer += leaf.type().bytes();
      }
    }
    const std::int64_t bytes = value.type().bytes();
    if (traffic > kTraffic * bytes || lives_longer * kTraffic > bytes) return std::nullopt;
    if (!reads_by_element(reader, before.region, *before.number_of(value))) return std::nullopt;

    Body after = before;
    const auto leaf = [&](Value outside) {
      std::optional<int> number = after.number_of(outside);
      if (!number) {
        number = static_cast<int>(after.operands.size());
        after.operands.push_back(outside);
        after.region.parameters.push_back(outside.type());
      }
      return graph_.parameter(*number, outside.type());
    };
    const Value computed = recipe.build(leaf);
    const Value parameter = graph_.parameter(*before.number_of(value), value.type());
    after.region.results =
        rebuild(before.region.results, [&](const Node* node, const std::vector<Value>& operands) {
          return node == parameter.node ? std::vector{computed} : remake(node, operands);
        });
    without_unused(after);
    if (after.number_of(value)) return std::nullopt;  // it reads it elsewhere, too
    // The same loops must do: no more points, and no fewer that are independent.
    const std::optional<Volumes>& is = volumes_of(after.region);
    if (!is || is != volumes_of(before.region)) return std::nullopt;
    return after;
  }

  /// Equal bodies are the same nodes: a network's layers are looked at once.
  const std::optional<Volumes>& volumes_of(const Region& region) const {
    std::vector<Key> results;
    for (Value result : region.results) results.push_back(key(result));
    const auto [known, fresh] = volumes_.try_emplace(std::move(results));
    if (fresh) known->second = find_volumes(region);
    return known->second;
  }

  void without_unused(Body& body) const {
    std::vector<Value> operands;
    for (const int number : drop_unused_parameters(body.region, graph_))
      operands.push_back(body.operands[at(number)]);
    body.operands = std::move(operands);
  }

  void rebuild_all() {
    forget_unread();
    std::map<Key, Value> now;
    for (const Node* node : order_) {
      if (node->op() != Op::call) {
        std::vector<Value> operands;
        for (Value operand : node->operands()) operands.push_back(now.at(key(operand)));
        const std::vector<Value> again = remake(node, operands);
        for (std::size_t i = 0; i < again.size(); ++i) now[{node, static_cast<int>(i)}] = again[i];
        continue;
      }
      Body body = bodies_.at(node);
      std::vector<Value> results;
      std::vector<int> numbers;
      for (std::size_t r = 0; r < body.stored.size(); ++r) {
        if (!body.stored[r]) continue;
        results.push_back(body.region.results[r]);
        numbers.push_back(static_cast<int>(r));
      }
      if (results.empty()) continue;
      body.region.results = std::move(results);
      without_unused(body);
      std::vector<Value> operands;
      for (Value operand : body.operands) operands.push_back(now.at(key(operand)));
      const Node* call =
          graph_.make(Op::call, operands, node->attrs(), std::nullopt, {body.region});
      for (std::size_t i = 0; i < numbers.size(); ++i)
        now[{node, numbers[i]}] = {call, static_cast<int>(i)};
    }
    for (Value& result : function_.results) result = now.at(key(result));
  }

  /// A source that nobody reads in the end is not stored.
  void forget_unread() {
    std::set<Key> read;
    for (const auto& [call, body] : bodies_)
      for (Value operand : body.operands) read.insert(key(operand));
    for (const Node* call : exposed_) {
      Body& body = bodies_.at(call);
      const int last = static_cast<int>(body.stored.size()) - 1;
      if (!read.contains({call, last})) body.stored[at(last)] = false;
    }
  }

  Function& function_;
  Graph& graph_;
  const std::set<const Node*> exposed_;
  std::vector<const Node*> order_;
  std::unordered_map<const Node*, int> positions_;
  std::unordered_map<const Node*, Body> bodies_;
  std::map<Key, std::vector<const Node*>> readers_;  // calls that have the very value as operand
  std::map<Key, int> last_read_, reads_;             // of storages: when last, how often
  std::set<Key> kept_;                               // results lie in memory of their own
  std::vector<bool> is_state_;                       // arguments
  mutable std::map<std::vector<Key>, std::optional<Volumes>> volumes_;  // by a body's results
};

}  // namespace

void rematerialise(Function& function) {
  std::set<const Node*> exposed = Sources(function).expose();
  Rematerialiser(function, std::move(exposed)).run();
}

}  // namespace kiln
