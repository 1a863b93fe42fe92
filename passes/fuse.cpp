#include "passes/fuse.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <unordered_set>

#include "ir/build.h"
#include "ir/op.h"
#include "passes/axes.h"
#include "passes/overwrite.h"
#include "passes/pipeline.h"
#include "passes/regions.h"
#include "passes/trip_count.h"

namespace kiln {
namespace {

// Limits of rule (3), in elements. A row's temporaries live on the stack of a thread and should
// stay in its L1 or L2 cache.
constexpr std::int64_t kRowElements = 16384;
constexpr std::int64_t kFewPoints = 16;  // fewer parallel points than this are as good as none
constexpr std::size_t kMembers = 512;    // of a kernel: finding more takes time squared
constexpr std::int64_t kSerialElements = 4096;  // what one thread may do on its own

/// Control flow, and kernels that earlier passes have made: they find their operands in memory.
bool runs_regions(const Node& node) { return traits(node).control || traits(node).calls; }
bool computes(const Node& node) { return !traits(node).leaf && !traits(node).view; }

struct Group {
  Axes axes;
  std::string kind = "map";
  std::set<int> inputs;  // groups it reads from
  int first_id = 0, last_id = 0;
  bool live = true;
  const Node* alone = nullptr;  // control flow, or an op that nothing joins
};

/// What is fused: a function's results or a region's, and how they lie in memory.
struct Scope {
  Graph& graph;
  std::vector<Value>& results;
  /// For each result the parameter whose place it is to take (-1: none is known, -2: any).
  std::vector<int> takes;
  static constexpr int kNone = -1, kAny = -2;
  bool condition = false;  // the only result is looked at, not stored
};

class Fuser {
 public:
  /// `number` counts the kernels of the whole function.
  Fuser(Scope scope, bool alone, int& number)
      : scope_(std::move(scope)), results_(scope_.results), alone_(alone), number_(number) {}

  void run() {
    materialise_operands();
    materialise_plain_results();
    order_ = topological(results_);
    for (Value result : results_) result_nodes_.insert(result.node);
    find_updates();
    for (const Node* node : order_)
      for (Value operand : node->operands()) users_[operand.node].push_back(node);
    materialise_below_reshapes();
    for (const Node* node : order_)
      if (computes(*node) || forced_.contains(node)) place(node);
    emit();
  }

 private:
  /// A copy that is a kernel of its own.
  Value copy_of(Value value) {
    Ints identity(value.type().dims.size());
    std::iota(identity.begin(), identity.end(), 0);
    // Equal copies would be one node; a chain of identities keeps them apart.
    do value = build::transpose(value, identity);
    while (!forced_.insert(value.node).second);
    return value;
  }

  /// What runs regions finds its operands in memory, and a loop what it changes in memory that is
  /// not a constant's.
  void materialise_operands() {
    results_ = rebuild(results_, [&](const Node* node, const std::vector<Value>& operands) {
      if (!runs_regions(*node)) return remake(node, operands);
      std::vector<Value> stored = operands;
      for (std::size_t i = 0; i < stored.size(); ++i) {
        const Node& source = *storage(stored[i]).node;
        const bool changed = node->op() == Op::while_ && !is_invariant(*node, static_cast<int>(i));
        const bool plain =
            source.op() == Op::parameter || (source.op() == Op::constant && !changed);
        if (plain || computes(source)) continue;
        // A kernel only reads: one copy serves all.
        if (traits(*node).calls && is_index_map(*stored[i].node))
          forced_.insert(stored[i].node);
        else
          stored[i] = copy_of(stored[i]);
      }
      return remake(node, stored);
    });
  }

  /// Results must be written by some kernel: an argument or a view that is returned is copied by an
  /// identity transposition, and a value returned twice as well. What a loop passes through is not.
  void materialise_plain_results() {
    std::set<std::pair<const Node*, int>> seen;
    for (std::size_t r = 0; r < results_.size(); ++r) {
      Value& result = results_[r];
      const Value source = storage(result);
      const bool parameter = result.node->op() == Op::parameter;
      if (parameter && (scope_.condition || is_parameter(result, scope_.takes[r]))) continue;
      const bool plain = !computes(*source.node);
      const bool again = !seen.insert({source.node, source.index}).second;
      if (!plain && !again) continue;
      if (again || traits(*source.node).leaf || result.node != source.node)
        result = copy_of(result);
      else
        forced_.insert(result.node);
    }
  }

  static bool is_parameter(Value value, int number) {
    return value.node->op() == Op::parameter && value.node->attrs<ParameterAttrs>().index == number;
  }

  /// An update of what lies where its result is to lie is a kernel of its own, as it can be done in
  /// place (passes/plan_block); joined to others it would be all of the value.
  void find_updates() {
    for (std::size_t r = 0; r < results_.size(); ++r) {
      std::vector<const Node*> chain;
      Value value = storage(results_[r]);
      for (; value; value = storage(value)) {
        const Node& node = *value.node;
        if (node.op() == Op::parameter) break;
        if (traits(node).updates) {
          chain.push_back(&node);
          value = node.operand(value.index);
        } else {
          value = traits(node).control ? updated(value) : Value{};
          if (!value) break;
        }
      }
      if (value && (scope_.takes[r] == Scope::kAny || is_parameter(value, scope_.takes[r])))
        updates_.insert(chain.begin(), chain.end());
    }
  }

  /// A reshape that is no index map reads memory in row-major order: a view below it is copied.
  void materialise_below_reshapes() {
    for (const Node* node : order_) {
      if (node->op() != Op::reshape || is_unit_reshape(*node)) continue;
      Value below = node->operand(0);
      while (below.node->op() == Op::reshape) below = below.node->operand(0);
      if (traits(*below.node).view || below.node->op() == Op::iota) forced_.insert(below.node);
    }
  }

  /// The members behind an operand, looking through index maps.
  const Node* member_behind(Value value) const {
    while (!group_of_.contains(value.node) && is_index_map(*value.node))
      value = value.node->operand(0);
    return value.node;
  }

  /// The group that must have run before `value` is in memory or -1.
  int producer(Value value) const {
    while (!group_of_.contains(value.node) && traits(*value.node).view)
      value = value.node->operand(0);
    const auto found = group_of_.find(value.node);
    return found == group_of_.end() ? -1 : found->second;
  }

  bool depends(int group, int on) const {
    std::vector<int> stack{group};
    std::set<int> seen;
    while (!stack.empty()) {
      const int at = stack.back();
      stack.pop_back();
      if (at == on) return true;
      if (!seen.insert(at).second) continue;
      for (int input : groups_[static_cast<std::size_t>(at)].inputs)
        if (groups_[static_cast<std::size_t>(input)].last_id >
                groups_[static_cast<std::size_t>(on)].first_id ||
            input == on)
          stack.push_back(input);
    }
    return false;
  }

  /// Every use of the group's members lies in the group or is `node`.
  bool streams_into(const Group& group, const Node* node) const {
    for (const Node* member : group.axes.members()) {
      if (is_result(member)) return false;
      std::vector<const Node*> stack{member};
      while (!stack.empty()) {
        const Node* at = stack.back();
        stack.pop_back();
        const auto users = users_.find(at);
        if (users == users_.end()) continue;
        for (const Node* user : users->second) {
          if (user == node || group.axes.contains(user)) continue;
          if (!is_index_map(*user) || is_result(user)) return false;
          stack.push_back(user);
        }
      }
    }
    return true;
  }

  bool is_result(const Node* node) const { return result_nodes_.contains(node); }

  /// What runs regions; scatter, sort and updates, which are kernels without an iteration space.
  bool stays_alone(const Node* node) const {
    return runs_regions(*node) || traits(*node).sequential || updates_.contains(node);
  }
  static bool has_indexed(const Group& group) {
    const auto& members = group.axes.members();
    return std::any_of(members.begin(), members.end(),
                       [](const Node* member) { return traits(*member).indexed; });
  }

  /// Rule (3). `before` is what the node joins, `after` has it.
  bool worthwhile(const Group& group, const Axes& after, const Node* node) const {
    const Axes& before = group.axes;
    const std::int64_t points_before = before.volume(before.parallel());
    const std::int64_t points = after.volume(after.parallel());
    const std::int64_t domain = after.largest_volume(), row = after.row_volume();
    const Traits& t = traits(*node);
    if (group.kind == "contract")
      return t.elementwise && domain == before.largest_volume() && points == points_before;
    if (!t.reduction) {
      if (points < points_before) return false;
      return points < kFewPoints ? domain <= kSerialElements : row <= kRowElements;
    }
    if (points == points_before) return row <= kRowElements;
    // A reduction turns points into rows. Members that are needed elsewhere are stored row by row.
    if (points >= kFewPoints) return row <= kRowElements || streams_into(group, node);
    return domain <= kSerialElements || (group.kind == "map" && streams_into(group, node));
  }

  bool try_join(int index, const Node* node) {
    Group& group = groups_[static_cast<std::size_t>(index)];
    if (group.axes.members().size() >= kMembers) return false;
    if (traits(*node).contraction || reads_memory(*node) || forced_.contains(node) ||
        stays_alone(node))
      return false;
    if (group.alone != nullptr) return false;
    if (group.kind == "contract" && traits(*node).reduction) return false;
    for (Value operand : node->operands()) {
      const int other = producer(operand);
      if (other == -1) continue;
      if (other != index) {
        if (depends(other, index)) return false;
      } else if (!group.axes.contains(member_behind(operand))) {
        return false;  // behind a reshape: it must be in memory first
      }
    }
    Axes axes = group.axes;
    if (!axes.add(node) || !worthwhile(group, axes, node)) return false;
    group.axes = std::move(axes);
    if (traits(*node).reduction) group.kind = "row";
    return true;
  }

  /// Takes a second group into the first, where their axes unify and no cycle arises.
  void try_merge(int into, int from) {
    Group &a = groups_[static_cast<std::size_t>(into)],
          &b = groups_[static_cast<std::size_t>(from)];
    if (a.alone != nullptr || b.alone != nullptr) return;
    if (a.axes.members().size() + b.axes.members().size() > kMembers) return;
    if (a.kind == "contract" && (b.kind != "map" || has_indexed(b))) return;
    if (b.kind == "contract") return;
    for (const auto& [x, y] : {std::pair(into, from), std::pair(from, into)})
      for (int input : groups_[static_cast<std::size_t>(x)].inputs)
        if (input != y && depends(input, y)) return;
    std::vector<const Node*> members = a.axes.members();
    members.insert(members.end(), b.axes.members().begin(), b.axes.members().end());
    std::sort(members.begin(), members.end(),
              [](const Node* x, const Node* y) { return x->id() < y->id(); });
    Axes axes;
    for (const Node* member : members) {
      if (!axes.add(member)) return;
      for (Value operand : member->operands()) {
        const int made_by = producer(operand);
        if (made_by != into && made_by != from) continue;
        if (reads_memory(*member) || !axes.contains(member_behind(operand))) return;
      }
    }
    const std::int64_t points = axes.volume(axes.parallel());
    if (a.kind == "contract") {
      if (axes.largest_volume() != a.axes.largest_volume() ||
          axes.parallel().size() != a.axes.parallel().size())
        return;
    } else if (points < kFewPoints ? axes.largest_volume() > kSerialElements
                                   : axes.row_volume() > kRowElements) {
      return;
    }
    a.axes = std::move(axes);
    if (b.kind == "row" && a.kind == "map") a.kind = "row";
    a.inputs.insert(b.inputs.begin(), b.inputs.end());
    a.inputs.erase(into);
    a.inputs.erase(from);
    a.first_id = std::min(a.first_id, b.first_id);
    a.last_id = std::max(a.last_id, b.last_id);
    b.live = false;
    for (const Node* member : b.axes.members()) group_of_[member] = into;
    for (Group& group : groups_)
      if (group.inputs.erase(from) != 0) group.inputs.insert(into);
  }

  void place(const Node* node) {
    int home = -1;
    std::vector<int> candidates;
    if (!alone_) {
      for (Value operand : node->operands()) {
        const int group = producer(operand);
        if (group != -1 &&
            std::find(candidates.begin(), candidates.end(), group) == candidates.end())
          candidates.push_back(group);
      }
      // The kernel with the most points first: its work is the one worth not repeating.
      std::stable_sort(candidates.begin(), candidates.end(), [&](int a, int b) {
        return groups_[static_cast<std::size_t>(a)].axes.largest_volume() >
               groups_[static_cast<std::size_t>(b)].axes.largest_volume();
      });
      for (int candidate : candidates)
        if (home == -1 && try_join(candidate, node)) home = candidate;
    }
    if (home == -1) {
      home = static_cast<int>(groups_.size());
      Group group;
      const Traits& t = traits(*node);
      if (stays_alone(node)) group.alone = node;
      internal_check(runs_regions(*node) || group.axes.add(node),
                     fmt::format("{} can be a kernel", summary_of(*node)));
      group.kind = runs_regions(*node) || t.sequential ? std::string(definition(node->op()).name)
                   : group.alone                       ? "update"
                   : t.contraction                     ? "contract"
                   : t.reduction                       ? "row"
                                                       : "map";
      group.first_id = node->id();
      groups_.push_back(std::move(group));
    }
    group_of_[node] = home;
    Group& group = groups_[static_cast<std::size_t>(home)];
    group.first_id = std::min(group.first_id, node->id());
    group.last_id = std::max(group.last_id, node->id());
    for (Value operand : node->operands()) {
      const int input = producer(operand);
      if (input != -1 && input != home) group.inputs.insert(input);
    }
    for (int candidate : candidates)
      if (candidate != home && groups_[static_cast<std::size_t>(candidate)].live)
        try_merge(home, candidate);
  }

  static std::string summary_of(const Node& node) {
    return std::string(definition(node.op()).name);
  }

  // ---- from groups to calls

  void emit() {
    // Members whose value leaves the group.
    std::map<int, std::vector<Value>> outputs;
    const auto leaves = [&](Value value) {
      const auto found = group_of_.find(value.node);
      if (found == group_of_.end()) return;
      auto& list = outputs[found->second];
      if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
    };
    std::vector<int> sequence;  // groups in an order that respects their inputs
    std::set<int> done;
    for (const Node* node : order_) {
      const auto found = group_of_.find(node);
      if (found == group_of_.end()) continue;
      schedule(found->second, sequence, done);
      if (traits(*node).sequential)  // its elements depend on each other: all of it is computed
        for (std::size_t i = 0; i < node->types().size(); ++i) leaves({node, static_cast<int>(i)});
    }
    for (const Node* node : order_)
      for (Value operand : node->operands()) {
        Value base = operand;
        while (!group_of_.contains(base.node) && traits(*base.node).view)
          base = base.node->operand(0);
        const auto mine = group_of_.find(node), other = group_of_.find(base.node);
        // Views are free: what counts is where their users are, so a view's own edge is skipped
        // unless it is a reshape, which reads memory.
        const bool reads_memory =
            mine != group_of_.end() || (node->op() == Op::reshape && !is_unit_reshape(*node));
        if (other != group_of_.end() && reads_memory &&
            (mine == group_of_.end() || mine->second != other->second))
          leaves(base);
      }
    for (Value result : results_) {
      Value base = result;
      while (!group_of_.contains(base.node) && traits(*base.node).view)
        base = base.node->operand(0);
      leaves(base);
    }
    for (int index : sequence) {
      const Node* alone = groups_[static_cast<std::size_t>(index)].alone;
      if (alone != nullptr && runs_regions(*alone))
        emit_control(*alone);
      else
        emit_group(index, outputs[index]);
    }
    for (Value& result : results_) result = in_memory(result);
  }

  void emit_control(const Node& node) {
    std::vector<Value> operands;
    for (Value operand : node.operands()) operands.push_back(in_memory(operand));
    std::vector<Region> regions = node.regions();
    for (std::size_t i = 0; i < regions.size() && traits(node).control; ++i) {
      std::vector<Value>& results = regions[i].results;
      std::vector<int> takes(results.size(), Scope::kAny);
      const bool loop = node.op() == Op::while_;
      if (loop) std::iota(takes.begin(), takes.end(), 0);
      Fuser({scope_.graph, results, std::move(takes), loop && i == 0}, alone_, number_).run();
    }
    const std::vector<Value> again = remake(&node, operands, std::move(regions));
    for (std::size_t i = 0; i < again.size(); ++i)
      emitted_[{&node, static_cast<int>(i)}] = again[i];
  }

  void schedule(int index, std::vector<int>& sequence, std::set<int>& done) {
    if (!done.insert(index).second) return;
    for (int input : groups_[static_cast<std::size_t>(index)].inputs)
      schedule(input, sequence, done);
    sequence.push_back(index);
  }

  /// The value outside kernels: a call's result, an argument, a constant, or a view of those.
  Value in_memory(Value value) {
    const auto made = emitted_.find({value.node, value.index});
    if (made != emitted_.end()) return made->second;
    std::vector<Value> operands;
    for (Value operand : value.node->operands()) operands.push_back(in_memory(operand));
    const Value again = remake(value.node, operands)[static_cast<std::size_t>(value.index)];
    emitted_[{value.node, value.index}] = again;
    return again;
  }

  void emit_group(int index, const std::vector<Value>& outputs) {
    const Group& group = groups_[static_cast<std::size_t>(index)];
    Region region;
    std::vector<Value> operands;
    std::map<std::pair<const Node*, int>, Value> inside;
    const auto enter = [&](Value value) {  // a value the kernel reads from memory
      Value& slot = inside[{value.node, value.index}];
      if (!slot) {
        slot = scope_.graph.parameter(static_cast<std::int64_t>(operands.size()), value.type());
        region.parameters.push_back(value.type());
        operands.push_back(in_memory(value));
      }
      return slot;
    };
    const auto body = [&](auto& self, Value value) -> Value {
      const auto made = inside.find({value.node, value.index});
      if (made != inside.end()) return made->second;
      const Node& node = *value.node;
      const bool splat =
          node.op() == Op::constant && node.attrs<ConstantAttrs>().value.count() == 1;
      const bool here = group.axes.contains(&node) || splat || node.op() == Op::iota ||
                        (is_index_map(node) && !group_of_.contains(&node));
      if (!here) return enter(value);
      std::vector<Value> again;
      for (Value operand : node.operands()) again.push_back(self(self, operand));
      const auto results = remake(&node, again);
      for (std::size_t i = 0; i < results.size(); ++i)
        inside[{value.node, static_cast<int>(i)}] = results[i];
      return results[static_cast<std::size_t>(value.index)];
    };
    for (Value output : outputs) region.results.push_back(body(body, output));
    const Node* call = scope_.graph.make(
        Op::call, operands, CallAttrs{fmt::format("{}_{}", group.kind, number_++), group.kind},
        std::nullopt, {region});
    for (std::size_t i = 0; i < outputs.size(); ++i)
      emitted_[{outputs[i].node, outputs[i].index}] = {call, static_cast<int>(i)};
  }

  Scope scope_;
  std::vector<Value>& results_;
  const bool alone_;
  int& number_;
  std::vector<const Node*> order_;
  std::unordered_map<const Node*, std::vector<const Node*>> users_;
  std::unordered_set<const Node*> result_nodes_;
  std::set<const Node*> forced_;   // views that are kernels of their own
  std::set<const Node*> updates_;  // dynamic_update_slices that are
  std::vector<Group> groups_;
  std::unordered_map<const Node*, int> group_of_;
  std::map<std::pair<const Node*, int>, Value> emitted_;
};

}  // namespace

namespace {

void fuse(Function& function, bool alone) {
  inline_but_streams(function);
  std::vector<int> takes(function.results.size(), Scope::kNone);
  for (std::size_t a = 0; a < function.arguments.size(); ++a)
    if (const int result = function.arguments[a].alias; result >= 0)
      takes[static_cast<std::size_t>(result)] = static_cast<int>(a);
  int number = 0;
  Fuser({*function.graph, function.results, std::move(takes)}, alone, number).run();
}

}  // namespace

void fuse(Function& function) { fuse(function, false); }
void fuse_alone(Function& function) { fuse(function, true); }

}  // namespace kiln
