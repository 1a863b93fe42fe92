#include "passes/stream.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "ir/build.h"
#include "ir/contraction.h"
#include "ir/op.h"
#include "passes/axes.h"
#include "passes/lower.h"
#include "passes/regions.h"
#include "passes/stream_schedule.h"

namespace kiln {
namespace {

// A wide value is computed again by every kernel that needs it: contractions longer than this are
// too dear for that.
constexpr std::int64_t kLongestSum = 256;
constexpr std::size_t kMembers = 512;
constexpr int kMostStages = 4;  // each of which may compute all wide values again
// What is made element by element of at most a sixteenth of it is computed again rather than
// stored, where storing it would fill the second cache.
constexpr std::int64_t kSpread = 16;
constexpr std::int64_t kSpreadElements = 1 << 18;

bool contains(const Ints& axes, std::int64_t axis) {
  return std::find(axes.begin(), axes.end(), axis) != axes.end();
}

/// What a value is a view of, through index maps.
Value behind_views(Value value) {
  while (is_index_map(*value.node)) value = value.node->operand(0);
  return value;
}

bool is_splat(const Node& node) {
  return node.op() == Op::constant && node.attrs<ConstantAttrs>().value.count() == 1;
}

/// A contraction whose result is larger than what it is made of, and cheap enough to be made twice.
bool expands(const Node& node) {
  if (node.op() != Op::dot_general || !is_float(node.type().dtype) || rounds_products(node))
    return false;
  const auto& attrs = node.attrs<DotAttrs>();
  std::int64_t summed = 1;
  for (std::int64_t axis : attrs.lhs_contracting)
    summed *= node.operand(0).type().dims[static_cast<std::size_t>(axis)];
  return summed <= kLongestSum && attrs.lhs_contracting.size() == 1 &&
         node.type().count() >= node.operand(0).type().count() + node.operand(1).type().count();
}

/// A contraction along axes of extent 1.
bool is_outer_product(const Node& node) {
  if (node.op() != Op::dot_general || !is_float(node.type().dtype) || rounds_products(node))
    return false;
  const Ints& dims = node.operand(0).type().dims;
  return std::ranges::all_of(node.attrs<DotAttrs>().lhs_contracting, [&](std::int64_t axis) {
    return dims[static_cast<std::size_t>(axis)] == 1;
  });
}

/// The same element by element. The sum begins with 0, so that -0 is none of its results.
Value outer_product(const Node& node, const std::vector<Value>& operands) {
  const DotAttrs& attrs = node.attrs<DotAttrs>();
  const auto batches = static_cast<std::int64_t>(attrs.lhs_batch.size());
  std::int64_t next = batches;  // free axis of the result
  const auto spread = [&](Value operand, const Ints& batch, const Ints& contracting) {
    Ints dims, axes;
    for (std::int64_t axis = 0; axis < operand.type().rank(); ++axis) {
      if (contains(contracting, axis)) continue;
      dims.push_back(operand.type().dims[static_cast<std::size_t>(axis)]);
      const auto among = std::find(batch.begin(), batch.end(), axis);
      axes.push_back(among != batch.end() ? among - batch.begin() : next++);
    }
    return build::broadcast(build::reshape(operand, dims), node.type().dims, axes);
  };
  const Value a = spread(operands[0], attrs.lhs_batch, attrs.lhs_contracting);
  const Value b = spread(operands[1], attrs.rhs_batch, attrs.rhs_contracting);
  const Value product = build::multiply(a, b);
  return build::add(product, build::like(product, 0));
}

/// The results of one stretch of graph, with one stream after the other made a call.
class Streamer {
 public:
  Streamer(std::vector<Value> results, int& number)
      : results_(std::move(results)), number_(number) {}

  std::vector<Value> run() {
    std::unordered_set<const Node*> tried;
    for (bool found = true; found;) {
      found = false;
      look();
      for (const Node* node : nodes_) {
        if (!is_seed(*node) || !tried.insert(node).second) continue;
        if (find(*node)) {
          found = true;
          break;
        }
      }
    }
    return results_;
  }

 private:
  enum class Role : std::uint8_t {
    outside,  // of the stream
    wide,
    sink,
    row,  // made of sinks element by element, no larger than they are: computed where it is read
  };
  struct Fact {
    Role role = Role::outside;
    int stage = 0;      // of kernels that must have run before, or be running
    bool made = false;  // comes of a contraction or a sink of the stream, within it
  };

  void look() {
    nodes_ = topological(results_);
    users_.clear();
    constants_.clear();
    result_nodes_.clear();
    for (Value result : results_) result_nodes_.insert(result.node);
    for (const Node* node : nodes_) {
      bool constant = node->op() != Op::parameter;
      for (Value operand : node->operands()) {
        users_[operand.node].push_back(node);
        constant = constant && constants_.contains(operand.node);
      }
      if (constant) constants_.insert(node);
    }
  }

  // ---- what belongs to the stream

  bool is_seed(const Node& node) const {
    if (node.types().size() != 1 || traits(node).window) return false;
    return traits(node).reduction || node.op() == Op::dot_general;
  }

  bool find(const Node& seed) {
    for (const bool spread : {false, true}) {
      if (!spread && !traits(seed).reduction) continue;
      spread_ = spread;
      if (gather(seed) && divide() && rewrite()) return true;
    }
    return false;
  }

  /// What of a seed may be wide.
  static Value wide_operand(const Node& seed) {
    if (traits(seed).reduction) return seed.operand(0);
    const Value a = seed.operand(0), b = seed.operand(1);
    return a.type().count() >= b.type().count() ? a : b;
  }

  /// The wide values around what `seed` reduces, and their sinks. False: there is nothing to gain.
  bool gather(const Node& seed) {
    facts_.clear();
    seed_ = &seed;
    wide_count_ = wide_operand(seed).type().count();
    if (spread_ && wide_count_ < kSpreadElements) return false;
    bool sources = false, contracts = false;
    std::size_t members = 0;
    std::vector<Value> up{wide_operand(seed)};
    while (!up.empty()) {
      const Value value = up.back();
      const Node& node = *value.node;
      up.pop_back();
      if (value.type().count() != wide_count_ || facts_.contains(&node)) continue;
      if (is_index_map(node)) {
        up.push_back(node.operand(0));
        continue;
      }
      const bool source =
          traits(node).contraction && (spread_ ? is_outer_product(node) : expands(node));
      if (!source && !(traits(node).elementwise && node.types().size() == 1)) {
        // Of wide numbers that lie in memory, nothing is gained by computing others again.
        if (!constants_.contains(&node) && is_float(value.type().dtype)) return false;
        continue;
      }
      if (++members > kMembers) return false;
      facts_[&node].role = Role::wide;
      sources = sources || source;
      if (!source)
        for (Value operand : node.operands()) up.push_back(operand);
      // A mask, or a value that depends on nothing, may serve streams that have no more in common.
      if (!is_float(node.type().dtype) || constants_.contains(&node)) continue;
      std::vector<const Node*> views{&node};
      while (!views.empty()) {
        const Node* at = views.back();
        views.pop_back();
        for (const Node* user : users_[at]) {
          if (is_index_map(*user)) {
            if (user->type().count() == wide_count_) views.push_back(user);
          } else if (traits(*user).elementwise && user->types().size() == 1) {
            up.push_back({user, 0});
          } else if (is_sink(*user)) {
            if (spread_ && reuses(*user)) return false;
            facts_[user].role = Role::sink;
            contracts = contracts || traits(*user).contraction;
          }
        }
      }
    }
    if (!facts_.contains(&seed) || !(sources || contracts)) return false;
    return spread_ ? is_spread() : is_waited_for(seed);
  }

  /// Whether all wide numbers are made of much less, and are read within the stream alone: then
  /// they are made again where they are read, though no row waits for another.
  bool is_spread() {
    std::int64_t most = 0;
    for (const auto& [node, of] : facts_) {
      if (of.role != Role::wide) continue;
      for (Value operand : node->operands())
        if (const Value behind = behind_views(operand); role(behind.node) != Role::wide)
          most = std::max(most, is_splat(*behind.node) ? 0 : behind.type().count());
      if (!is_float(node->type().dtype)) continue;
      std::vector<const Node*> views{node};
      while (!views.empty()) {
        const Node* at = views.back();
        views.pop_back();
        if (result_nodes_.contains(at)) return false;
        for (const Node* user : users_[at]) {
          if (is_index_map(*user))
            views.push_back(user);
          else if (role(user) == Role::outside)
            return false;
        }
      }
    }
    return wide_count_ >= kSpread * most;
  }

  /// Whether a wide value depends on what sums up its row: else nothing forces it to wait.
  bool is_waited_for(const Node& seed) {
    std::vector<const Node*> todo{&seed};
    std::unordered_set<const Node*> seen;
    while (!todo.empty() && seen.size() < kMembers) {
      const Node* at = todo.back();
      todo.pop_back();
      if (!seen.insert(at).second) continue;
      for (const Node* user : users_[at]) {
        if (role(user) == Role::wide) return true;
        if (is_index_map(*user) ||
            (is_pointwise(*user) && user->type().count() <= seed.type().count()))
          todo.push_back(user);
      }
    }
    return false;
  }

  /// Reduces or contracts an axis of a wide operand.
  bool is_sink(const Node& node) const {
    if (node.types().size() != 1 || traits(node).window || node.type().count() >= wide_count_)
      return false;
    const auto is_wide = [&](int operand) {
      const Value value = behind_views(node.operand(operand));
      return value.type().count() == wide_count_ && role(value.node) == Role::wide;
    };
    if (traits(node).reduction) return is_wide(0);
    if (node.op() != Op::dot_general || !is_float(node.type().dtype)) return false;
    const auto& attrs = node.attrs<DotAttrs>();
    return !attrs.lhs_contracting.empty() && (is_wide(0) || is_wide(1));
  }

  /// Whether a product reads each wide value for several results: it is then better in memory.
  bool reuses(const Node& sink) const {
    if (!traits(sink).contraction) return false;
    const DotAttrs& attrs = sink.attrs<DotAttrs>();
    std::int64_t products = sink.type().count();
    for (std::int64_t axis : attrs.lhs_contracting)
      products *= sink.operand(0).type().dims[static_cast<std::size_t>(axis)];
    return products > wide_count_;
  }

  Role role(const Node* node) const {
    const auto found = facts_.find(node);
    return found == facts_.end() ? Role::outside : found->second.role;
  }
  const Fact& fact(Value value) { return facts_[behind_views(value).node]; }

  /// Stages: a kernel more for each time the way leaves the stream and comes back into it. False:
  /// they are too many.
  bool divide() {
    const std::int64_t rows = spread_ ? 0 : seed_->type().count();
    stages_ = 0;
    for (const Node* node : nodes_) {
      if (is_index_map(*node)) continue;
      int within = 0, after = 0;
      bool made = false;
      for (Value operand : node->operands()) {
        const Fact& of = fact(operand);
        within = std::max(within, of.stage);
        after = std::max(after, of.stage + (of.made ? 1 : 0));
        made = made || of.made;
      }
      Fact& mine = facts_[node];
      if (mine.role == Role::outside && made && is_pointwise(*node) && node->type().count() <= rows)
        mine.role = Role::row;
      if (mine.role == Role::outside) {
        mine.stage = after;
        continue;
      }
      mine.stage = within;
      mine.made = made || mine.role == Role::sink || traits(*node).contraction;
      stages_ = std::max(stages_, mine.stage + 1);
    }
    return stages_ <= kMostStages;
  }

  /// Element-wise, or a reduction along axes of extent 1.
  static bool is_pointwise(const Node& node) {
    if (node.types().size() != 1) return false;
    if (!traits(node).reduction || traits(node).window) return traits(node).elementwise;
    return node.type().count() == node.operand(0).type().count();
  }

  // ---- the kernels

  struct Kernel {
    std::set<int> members;         // ids: what its region computes
    std::map<int, Value> outputs;  // by the node's id
  };

  /// Whether a value is a kernel's, to be read from its result.
  bool is_kernels(const Node* node) {
    const Fact& of = facts_[node];
    return of.made && (of.role == Role::sink || of.role == Role::wide);
  }

  /// What has to exist outside, and what each kernel computes and gives.
  void demand() {
    kernels_.assign(static_cast<std::size_t>(stages_), {});
    live_.clear();
    std::vector<std::pair<Value, int>> todo;  // the kernel that asks, -1: none
    for (Value result : results_) todo.emplace_back(result, -1);
    while (!todo.empty()) {
      const auto [value, by] = todo.back();
      todo.pop_back();
      const Node* node = value.node;
      if (by >= 0 && is_inside(value, by)) {
        if (!kernels_[static_cast<std::size_t>(by)].members.insert(node->id()).second) continue;
        for (Value operand : node->operands()) todo.emplace_back(operand, by);
      } else if (is_kernels(node)) {
        const int stage = facts_[node].stage;
        if (kernels_[static_cast<std::size_t>(stage)].outputs.emplace(node->id(), value).second)
          todo.emplace_back(value, stage);
      } else if (live_.insert(node->id()).second) {
        for (Value operand : node->operands()) todo.emplace_back(operand, -1);
      }
    }
  }

  /// Whether kernel `stage` computes a value itself (or looks through a view at it).
  bool is_inside(Value value, int stage) {
    const Node& node = *value.node;
    if (is_splat(node) || node.op() == Op::iota || is_index_map(node)) return true;
    if (constants_.contains(&node) && traits(node).elementwise) return true;  // a causal mask
    const Fact& of = facts_[&node];
    if (of.role == Role::wide || of.role == Role::row) return true;
    return of.role == Role::sink && of.stage == stage;
  }

  bool rewrite() {
    demand();
    // Outside nodes that a stage's kernel may read, the kernel, what is made of its results.
    std::vector<std::tuple<int, int, int, const Node*>> order;
    for (const Node* node : nodes_) {
      if (!live_.contains(node->id())) continue;
      const Fact& of = fact({node, 0});
      order.emplace_back(of.stage, of.made ? 2 : 0, node->id(), node);
    }
    for (int stage = 0; stage < stages_; ++stage)
      if (!kernels_[static_cast<std::size_t>(stage)].outputs.empty())
        order.emplace_back(stage, 1, 0, nullptr);
    std::sort(order.begin(), order.end());
    outside_.clear();
    for (const auto& [stage, phase, id, node] : order) {
      if (node == nullptr) {
        if (!make_call(stage)) return false;
        continue;
      }
      std::vector<Value> operands;
      for (Value operand : node->operands()) operands.push_back(outside(operand));
      const std::vector<Value> again =
          operands == node->operands() ? results_of(node) : remake(node, operands);
      for (std::size_t i = 0; i < again.size(); ++i)
        outside_[{node, static_cast<int>(i)}] = again[i];
    }
    for (Value& result : results_) result = outside(result);
    return true;
  }

  Value outside(Value value) const { return outside_.at({value.node, value.index}); }

  bool make_call(int stage) {
    const Kernel& kernel = kernels_[static_cast<std::size_t>(stage)];
    graph_ = &results_[0].graph();
    region_ = {};
    operands_.clear();
    inside_.clear();
    entered_.clear();
    if (!find_axes(kernel)) return false;
    for (const Node* node : nodes_) {
      if (!kernel.members.contains(node->id())) continue;
      std::vector<Value> operands;
      for (std::size_t i = 0; i < node->operands().size(); ++i)
        operands.push_back(inside(*node, static_cast<int>(i)));
      inside_[node] = traits(*node).contraction && is_outer_product(*node)
                          ? outer_product(*node, operands)
                          : remake(node, operands)[0];
    }
    for (const auto& [id, value] : kernel.outputs)
      region_.results.push_back(inside_.at(value.node));
    const Node* call =
        graph_->make(Op::call, operands_, CallAttrs{fmt::format("stream_{}", number_), "stream"},
                     std::nullopt, {region_});
    if (!unifies(*call) || (!spread_ && !is_streamable(lower(*call)))) return false;
    ++number_;
    int result = 0;
    for (const auto& [id, value] : kernel.outputs)
      outside_[{value.node, value.index}] = {call, result++};
    return true;
  }

  static bool unifies(const Node& call) {
    Axes axes;
    for (const Node* node : topological(call.regions()[0].results))
      if (!traits(*node).leaf && !traits(*node).view && !axes.add(node)) return false;
    return true;
  }

  /// The operand as the kernel sees it.
  Value inside(const Node& node, int operand) {
    const Value value = node.operand(operand);
    if (traits(node).contraction && !spread_) {
      const int axis = read_along(node, operand);
      if (axis >= 0 && !lies_along(value, axis)) return enter_transposed(value, axis);
    }
    const auto made = inside_.find(value.node);
    return made != inside_.end() ? made->second : enter(value);
  }

  Value enter(Value value) {
    const Value there = outside(value);
    Value& slot = entered_[{there.node, there.index}];
    if (!slot) slot = parameter(there);
    return slot;
  }
  Value parameter(Value value) {
    const auto number = static_cast<std::int64_t>(operands_.size());
    region_.parameters.push_back(value.type());
    operands_.push_back(value);
    return graph_->parameter(number, value.type());
  }

  /// A copy with `axis` last enters, and is seen in the old order.
  Value enter_transposed(Value value, int axis) {
    Ints order, back(static_cast<std::size_t>(value.type().rank()));
    for (std::int64_t i = 0; i < value.type().rank(); ++i)
      if (i != axis) order.push_back(i);
    order.push_back(axis);
    for (std::size_t i = 0; i < order.size(); ++i)
      back[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
    const Value copy = build::transpose(outside_view(value), order);
    Value& slot = entered_[{copy.node, 0}];
    if (!slot) slot = parameter(copy);
    return build::transpose(slot, back);
  }

  /// The value with its views, made again over what is outside.
  Value outside_view(Value value) {
    if (!is_index_map(*value.node)) return outside(value);
    return remake(value.node, {outside_view(value.node->operand(0))})[0];
  }

  /// Whether neighbours along `axis` of a value from outside are neighbours in memory.
  static bool lies_along(Value value, int axis) {
    while (is_index_map(*value.node)) {
      std::vector<int> axes(static_cast<std::size_t>(value.type().rank()), Axes::kUnit);
      axes[static_cast<std::size_t>(axis)] = 0;
      axes = through_view(*value.node, axes);
      const auto seen = std::find(axes.begin(), axes.end(), 0);
      if (seen == axes.end()) return true;  // a broadcast: one element for all
      axis = static_cast<int>(seen - axes.begin());
      value = value.node->operand(0);
    }
    const Ints& dims = value.type().dims;
    return std::all_of(dims.begin() + axis + 1, dims.end(), [](std::int64_t n) { return n == 1; });
  }

  /// The axis of a contraction's operand that vectors should lie along (-1: none, or it is not read
  /// from memory): of two, the one that is no row's own.
  int read_along(const Node& node, int operand) {
    if (is_inside_made(node.operand(operand))) return -1;
    const auto& attrs = node.attrs<DotAttrs>();
    const Ints& batch = operand == 0 ? attrs.lhs_batch : attrs.rhs_batch;
    const Ints& summed = operand == 0 ? attrs.lhs_contracting : attrs.rhs_contracting;
    const Type& type = node.operand(operand).type();
    int axis = -1;
    for (std::int64_t i = 0; i < type.rank(); ++i)
      if (!contains(batch, i) && !contains(summed, i) &&
          type.dims[static_cast<std::size_t>(i)] > 1) {
        if (axis >= 0) return -1;
        axis = static_cast<int>(i);
      }
    if (axis < 0) return -1;
    if (role(&node) == Role::sink)
      return axis;  // the other operand is wide: read element by element
    const int dim = axes_.of_operand(&node, operand)[static_cast<std::size_t>(axis)];
    return std::find(streamed_.begin(), streamed_.end(), dim) != streamed_.end() ? axis : -1;
  }
  bool is_inside_made(Value value) const {
    const auto found = facts_.find(behind_views(value).node);
    return found != facts_.end() && found->second.role != Role::outside;
  }

  /// The axes of the kernel, and which of them the rows lie along.
  bool find_axes(const Kernel& kernel) {
    axes_ = {};
    streamed_.clear();
    for (const Node* node : nodes_)
      if (kernel.members.contains(node->id()) && !traits(*node).leaf && !traits(*node).view)
        if (!axes_.add(node)) return false;
    // Those the seed reduces, as the value behind its operand's views has them.
    if (spread_) return true;  // there is nothing that vectors would have to lie along
    Value wide = seed_->operand(0);
    std::vector<int> reduced(static_cast<std::size_t>(wide.type().rank()), Axes::kUnit);
    for (std::int64_t axis : seed_->attrs<DimsAttrs>().dims)
      reduced[static_cast<std::size_t>(axis)] = 0;
    for (; is_index_map(*wide.node); wide = wide.node->operand(0))
      reduced = through_view(*wide.node, reduced);
    if (!axes_.contains(wide.node)) return true;
    const std::vector<int> axes = axes_.of_result(wide.node);
    for (std::size_t i = 0; i < axes.size(); ++i)
      if (reduced[i] == 0) streamed_.push_back(axes[i]);
    return true;
  }

  std::vector<Value> results_;
  int& number_;
  std::vector<const Node*> nodes_;
  std::unordered_map<const Node*, std::vector<const Node*>> users_;
  std::unordered_set<const Node*> constants_;  // what depends on nothing

  std::unordered_set<const Node*> result_nodes_;

  // The stream at hand.
  const Node* seed_ = nullptr;
  bool spread_ = false;  // of values that are made element by element: see is_spread
  std::int64_t wide_count_ = 0;
  std::unordered_map<const Node*, Fact> facts_;
  int stages_ = 0;
  std::vector<Kernel> kernels_;
  std::unordered_set<int> live_;  // ids of what is computed outside
  std::map<std::pair<const Node*, int>, Value> outside_;

  // The kernel at hand.
  Graph* graph_ = nullptr;
  Region region_;
  std::vector<Value> operands_;
  std::unordered_map<const Node*, Value> inside_;
  std::map<std::pair<const Node*, int>, Value> entered_;
  Axes axes_;
  std::vector<int> streamed_;
};

std::vector<Value> streamed(std::span<const Value> results, int& number) {
  const std::vector<Value> inner =
      rebuild(results, [&](const Node* node, const std::vector<Value>& operands) {
        return remake_inside(node, operands, [&](std::span<const Value> region) {
          return streamed(region, number);
        });
      });
  return Streamer(inner, number).run();
}

}  // namespace

void stream(Function& function) {
  int number = 0;
  function.results = streamed(function.results, number);
}

}  // namespace kiln
