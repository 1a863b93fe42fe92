#include "passes/fit_memory.h"

#include <algorithm>
#include <map>
#include <set>

#include "ir/op.h"
#include "passes/arena.h"
#include "passes/cost.h"
#include "passes/lower.h"
#include "passes/overwrite.h"
#include "passes/regions.h"

namespace kiln {
namespace {

constexpr int kPriceLevels = 4;  // how dear a byte may be, tried from the cheapest
constexpr int kHalvings = 6;     // of how much is computed again, to find the least that will do

using Key = std::pair<const Node*, int>;
Key key(Value value) { return {value.node, value.index}; }

/// The value whose memory a reshape gives another shape.
Value below_reshapes(Value value) {
  while (value.node->op() == Op::reshape) value = value.node->operand(0);
  return value;
}

/// What a function would be if values that wait over its peak were made a second time after it.
class Recomputation {
 public:
  struct Candidate {
    Value value;
    std::int64_t bytes;
    double seconds;  // to make it again
    double price() const { return seconds / static_cast<double>(bytes); }
  };
  using Chosen = std::set<Key>;

  explicit Recomputation(const Function& fused) : function_(fused), graph_(*fused.graph) {
    for (const Node* node : topological(fused.results)) {
      positions_[node] = static_cast<int>(nodes_.size());
      nodes_.push_back(node);
    }
    find_lives();
    find_peak();
    for (auto& [value, life] : lives_)
      if (value.first->op() == Op::call && !life.fixed && life.waits_over(peak_))
        candidates_.push_back({{value.first, value.second}, life.bytes, seconds_of(value.first)});
    std::sort(candidates_.begin(), candidates_.end(), [&](const auto& a, const auto& b) {
      return std::pair(positions_.at(a.value.node), a.value.index) <
             std::pair(positions_.at(b.value.node), b.value.index);
    });
  }

  /// In the order in which they are made.
  const std::vector<Candidate>& candidates() const { return candidates_; }

  /// The function in which what comes after the peak reads copies of the chosen values, and what it
  /// costs in seconds.
  std::pair<Function, double> apply(const Chosen& chosen) const;

 private:
  struct Life {
    std::int64_t bytes = 0;
    std::vector<int> touched;  // positions
    bool fixed = false;        // an argument's memory, or read as what it is through control flow
    bool waits_over(int peak) const {
      return touched.front() < peak && touched.back() > peak &&
             !std::binary_search(touched.begin(), touched.end(), peak);
    }
  };

  bool is_maker(const Node* node) const { return node->op() == Op::call || traits(*node).control; }

  void find_lives() {
    for (const Node* node : nodes_) {
      if (!is_maker(node)) continue;
      const int position = positions_.at(node);
      for (Value operand : node->operands()) {
        const Value source = storage(operand);
        const auto life = lives_.find(key(source));
        if (life == lives_.end()) continue;
        if (life->second.touched.back() != position) life->second.touched.push_back(position);
        if (below_reshapes(operand) != source) life->second.fixed = true;
      }
      for (int i = 0; i < static_cast<int>(node->types().size()); ++i)
        if (storage({node, i}) == Value{node, i})
          lives_[{node, i}] = {aligned(node->type(i).bytes()), {position}};
    }
    for (Value result : function_.results)
      if (const auto life = lives_.find(key(storage(result))); life != lives_.end())
        life->second.fixed = true;
  }

  void find_peak() {
    std::vector<Interval> intervals;
    for (const auto& [value, life] : lives_)
      intervals.push_back({life.bytes, life.touched.front(), life.touched.back()});
    peak_ = most_live(intervals).position;
  }

  double seconds_of(const Node* call) const {
    const auto [known, fresh] = seconds_.try_emplace(call->regions()[0].results[0].node);
    if (fresh) known->second = seconds_on_one_thread(lower(*call));
    return known->second;
  }

  const Function& function_;
  Graph& graph_;
  std::vector<const Node*> nodes_;
  std::unordered_map<const Node*, int> positions_;
  std::map<Key, Life> lives_;  // of what makers make
  int peak_ = 0;
  std::vector<Candidate> candidates_;
  mutable std::unordered_map<const Node*, double> seconds_;  // by the first result of a body
};

/// A call's body less the results that are not made again.
struct Copy {
  std::set<int> results;
  Region region = {};
  std::vector<Value> operands = {};
};

std::pair<Function, double> Recomputation::apply(const Chosen& chosen) const {
  std::map<const Node*, Copy> again;
  for (const auto& [node, index] : chosen) again[node].results.insert(index);
  // From the last to the first: what copies are made of waits as well, or is made again, too.
  for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node) {
    const auto found = again.find(*node);
    if (found == again.end()) continue;
    Copy& copy = found->second;
    // Part of a kernel is another kernel: the order of its sums may follow from the rest of it, and
    // what sorts or scatters makes all of its results at once.
    if (const std::string& kind = (*node)->attrs<CallAttrs>().kind;
        kind != "map" && kind != "contract")
      for (int i = 0; i < static_cast<int>((*node)->types().size()); ++i) copy.results.insert(i);
    copy.region.parameters = (*node)->regions()[0].parameters;
    for (const int index : copy.results)
      copy.region.results.push_back((*node)->regions()[0].results[static_cast<std::size_t>(index)]);
    for (const int number : drop_unused_parameters(copy.region, graph_)) {
      copy.operands.push_back((*node)->operand(number));
      const Value source = below_reshapes(copy.operands.back());
      const auto life = lives_.find(key(source));
      if (life == lives_.end() || life->second.fixed || source.node->op() != Op::call) continue;
      if (life->second.touched.back() <= peak_) again[source.node].results.insert(source.index);
    }
  }

  double seconds = 0;
  std::map<Key, Value> now, copies;
  const auto is_made_again = [&](Value value) {
    const auto found = again.find(value.node);
    return found != again.end() && found->second.results.contains(value.index);
  };
  /// A value as a late reader finds it, its copy made already.
  const auto late = [&](Value value) {
    std::vector<const Node*> reshapes;
    const Value source = below_reshapes(value);
    if (!is_made_again(source)) return now.at(key(value));
    for (const Node* node = value.node; node != source.node; node = node->operand(0).node)
      reshapes.push_back(node);
    Value copy = copies.at(key(source));
    for (auto node = reshapes.rbegin(); node != reshapes.rend(); ++node)
      copy = remake(*node, {copy})[0];
    return copy;
  };
  /// Makes a copy, and first those that it is made of.
  const auto make = [&](const Node* wanted) {
    std::vector<const Node*> stack{wanted};
    while (!stack.empty()) {
      const Node* node = stack.back();
      const Copy& copy = again.at(node);
      const std::size_t waiting = stack.size();
      for (Value operand : copy.operands)
        if (const Value source = below_reshapes(operand);
            is_made_again(source) && !copies.contains(key(source)))
          stack.push_back(source.node);
      if (stack.size() > waiting) continue;
      stack.pop_back();
      if (copies.contains({node, *copy.results.begin()})) continue;
      std::vector<Value> operands;
      for (Value operand : copy.operands) operands.push_back(late(operand));
      CallAttrs attrs = node->attrs<CallAttrs>();
      attrs.name += "_again";
      const Node* made = graph_.make(Op::call, operands, attrs, std::nullopt, {copy.region});
      int next = 0;
      for (const int index : copy.results) copies[{node, index}] = {made, next++};
      seconds += seconds_of(node);
    }
  };
  for (const Node* node : nodes_) {
    const bool reads_copies = is_maker(node) && positions_.at(node) > peak_;
    std::vector<Value> operands;
    for (Value operand : node->operands()) {
      if (const Value source = below_reshapes(operand); reads_copies && is_made_again(source))
        make(source.node);
      operands.push_back(reads_copies ? late(operand) : now.at(key(operand)));
    }
    const std::vector<Value> made = remake(node, operands);
    for (std::size_t i = 0; i < made.size(); ++i) now[{node, static_cast<int>(i)}] = made[i];
  }
  Function changed = function_;
  for (Value& result : changed.results) result = now.at(key(result));
  return {std::move(changed), seconds};
}

/// Throws: `least` is the smallest plan there is.
[[noreturn]] void refuse(const MemoryReport& least, std::int64_t max_bytes) {
  std::string most;
  if (!least.alive.empty())
    most =
        fmt::format("; of what lives at launch {}, {}, most is {} of {} bytes", least.peak_launch,
                    least.peak_kernel, least.alive[0].value, least.alive[0].bytes);
  throw Error(
      fmt::format("a step may take {} bytes, but needs {} even where values are computed again: "
                  "inputs {}, parameters {}, optimiser state "
                  "{}, outputs {}, constants {}, arena {}{}",
                  max_bytes, least.total(), least.inputs, least.parameters, least.optimiser,
                  least.outputs, least.constants, least.arena, most));
}

/// The search for the values to make again.
class Fitter {
 public:
  Fitter(Function& fused, const VectorTarget& target, std::int64_t max_bytes, StepPlan plan)
      : fused_(fused),
        target_(target),
        max_bytes_(max_bytes),
        original_(fused),
        recomputation_(original_),
        least_(plan.memory) {}

  StepPlan run() {
    std::vector<double> prices;
    std::int64_t largest = 1;
    for (const auto& candidate : recomputation_.candidates()) {
      all_bytes_ += candidate.bytes;
      largest = std::max(largest, candidate.bytes);
      prices.push_back(candidate.price());
    }
    std::sort(prices.begin(), prices.end());
    double tried = -1;
    for (int level = 1; level <= kPriceLevels && !prices.empty() && !best_; ++level) {
      const double price =
          prices[(prices.size() - 1) * static_cast<std::size_t>(level) / kPriceLevels];
      if (price == tried) continue;
      tried = price;
      // Longer runs between values that are kept: less memory at the peak, more while a run is made
      // again, and more work.
      for (std::int64_t run = largest; run < 2 * all_bytes_ && !best_; run *= 2)
        if (try_with(price, run, all_bytes_)) spare_work(price, run);
    }
    if (!best_) refuse(least_, max_bytes_);
    fused_ = std::move(best_->function);
    return std::move(best_->plan);
  }

 private:
  struct Found {
    Function function;
    StepPlan plan;
    double seconds;
  };

  /// At most `enough` bytes, of values that are cheap enough, in runs between ones that are kept.
  Recomputation::Chosen choose(double price, std::int64_t run, std::int64_t enough) const {
    Recomputation::Chosen chosen;
    std::int64_t in_run = 0, saved = 0;
    for (const auto& candidate : recomputation_.candidates()) {
      if (saved >= enough) break;
      if (candidate.price() > price) continue;
      if (in_run + candidate.bytes > run) {
        in_run = 0;  // this one is kept
        continue;
      }
      in_run += candidate.bytes;
      saved += candidate.bytes;
      chosen.insert(key(candidate.value));
    }
    return chosen;
  }

  bool try_with(double price, std::int64_t run, std::int64_t enough) {
    auto [function, seconds] = recomputation_.apply(choose(price, run, enough));
    StepPlan plan = plan_step(function, target_);
    if (plan.memory.total() < least_.total()) least_ = plan.memory;
    if (plan.memory.total() > max_bytes_) return false;
    if (!best_ || seconds < best_->seconds) best_ = {std::move(function), std::move(plan), seconds};
    return true;
  }

  /// Finds how little of it will do.
  void spare_work(double price, std::int64_t run) {
    std::int64_t low = 0, high = all_bytes_;
    for (int i = 0; i < kHalvings; ++i) {
      const std::int64_t middle = low + (high - low) / 2;
      (try_with(price, run, middle) ? high : low) = middle;
    }
  }

  Function& fused_;
  const VectorTarget target_;
  const std::int64_t max_bytes_;
  const Function original_;
  const Recomputation recomputation_;
  std::int64_t all_bytes_ = 0;
  MemoryReport least_;
  std::optional<Found> best_;
};

}  // namespace

StepPlan plan_within(Function& fused, const VectorTarget& target, std::int64_t max_bytes) {
  StepPlan plan = plan_step(fused, target);
  if (max_bytes <= 0 || plan.memory.total() <= max_bytes) return plan;
  return Fitter(fused, target, max_bytes, std::move(plan)).run();
}

}  // namespace kiln
