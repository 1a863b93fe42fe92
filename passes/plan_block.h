// The plan of one list of results over parameters (a function, a branch, a loop's body): an order
// for its kernels and a place for every value. Used by passes/plan_memory alone.
//
//   before:  while(%i = 0, %ys = %zeros) … do { …; return %i + 1, call @update_3(%ys, %y, %i) }
//   after:   launch zeros_0(arena+0)             %zeros and %ys share one place,
//            loop … launch update_3(arena+0, …)  so the update is written into it and nothing
//            copied
//
// Places are decided from the results back to what they are made of. A result has the place its
// block is asked to leave it in; where that is a parameter's (state, a carried value), its maker
// must not write before the old value's last reader ran. Then each value that is an update of
// another (dynamic_update_slice, scatter, a loop's result of what it began with) tries to take that
// one's place over. What cannot is copied: before a loop, or at a block's end. Then the order is
// chosen (passes/schedule), and with it which values are written over ones that die there.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "passes/arena.h"
#include "passes/dependencies.h"
#include "passes/plan_memory.h"
#include "passes/schedule.h"

namespace kiln {

/// A kernel of a step, as each of its launches finds it.
struct StepKernel {
  explicit StepKernel(space::Kernel kernel) : space(std::move(kernel)) {}

  space::Kernel space;
  int number = -1;           // in Program::kernels; -1 until it is launched
  std::int64_t threads = 1;  // as many as its work pays for
  /// The same where its operands lie in its results already, once it is launched so.
  std::unique_ptr<StepKernel> in_place;
};

/// What the blocks of one step share: the plan as it grows. Places in the arena are numbers of
/// intervals (BufferRef::index) until all intervals are known.
class StepBuilder {
 public:
  StepBuilder(const Function& fused, const VectorTarget& target);

  StepPlan& plan() { return plan_; }

  /// A place in the arena.
  BufferRef fresh(std::int64_t bytes);
  /// How much an interval of the arena takes, by its number.
  std::int64_t bytes(std::int64_t interval) const {
    return intervals_[static_cast<std::size_t>(interval)].bytes;
  }
  /// A further argument of the step.
  BufferRef argument() { return {BufferRef::Kind::argument, plan_.program.argument_count++, 0}; }
  /// A constant's place.
  BufferRef constant(const Node* node);
  /// From now on the value (none: a kernel's own) lies there; for the report.
  void occupy(const BufferRef& place, Value value);
  /// What lies there lives now.
  void touch(const BufferRef& place);
  /// Time goes by.
  void tick();
  /// The kernel that a call is. Equal bodies are the same nodes, so a kernel that a network has in
  /// every layer is lowered, scheduled and compiled once.
  StepKernel& kernel_of(const Node& call);
  /// A launch, with its buffers touched; none where it would write nothing.
  void launch(Steps& steps, StepKernel& kernel, std::string label, std::vector<BufferRef> buffers);
  void copy(Steps& steps, const Type& type, const BufferRef& from, const BufferRef& to);

  /// Once all is emitted: offsets for the intervals.
  StepPlan finish(Steps steps);

 private:
  void schedule(StepKernel& kernel);
  void resolve(BufferRef& ref) const;
  void resolve(Steps& steps) const;
  void report_peak(const Peak& peak);

  struct Tenant {
    int position;
    Value value;
  };
  const VectorTarget target_;
  StepPlan plan_;
  std::vector<Interval> intervals_;           // first > last: not touched yet
  std::vector<std::vector<Tenant>> tenants_;  // of each interval, one after another
  int now_ = 0;
  std::vector<int> launch_at_;  // the launch of each position in time, or the next one
  const Roles roles_;
  /// The kernels by the first result of their bodies.
  std::unordered_map<const Node*, std::vector<std::pair<const Node*, std::unique_ptr<StepKernel>>>>
      bodies_;
  std::map<std::pair<DType, std::int64_t>, StepKernel> copies_;  // by type and length
  std::map<std::tuple<std::int64_t, std::size_t, std::size_t>, std::vector<int>>
      kernels_;  // of the program, by their size
  std::map<const Node*, BufferRef> constants_;
};

class BlockPlanner {
 public:
  /// `parameters`: where they lie. Each result whose target is set is left there; one target may be
  /// the place of parameters, whose old values are then gone.
  BlockPlanner(StepBuilder& step, std::span<const Value> results, std::vector<BufferRef> parameters,
               std::span<const std::optional<BufferRef>> targets);

  /// The block's steps, in an order that can run.
  Steps emit();
  /// Where a value lies, once emitted.
  BufferRef place_of(Value value);
  /// Results that had to be copied to their targets.
  int copies() const { return static_cast<int>(copies_.size()); }

 private:
  using Key = std::pair<const Node*, int>;
  static Key key(Value value) { return {value.node, value.index}; }

  bool made_here(Value value) const { return number_.contains(value.node); }
  /// The positions among a maker's operands of values that lie in (`old`).
  std::vector<int> positions(int maker, const std::vector<Value>& old) const;
  bool may_lie_over(int maker, int result, const std::vector<int>& positions) const;
  /// Whether every reader of these values but `maker` can run before it; then they must.
  bool can_wait(int maker, const std::vector<Value>& old) const;
  void wait(int maker, const std::vector<Value>& old);

  bool assign(Value value, const BufferRef& place);
  void take_over(Value value);
  void place_all();
  void choose_order();
  std::vector<Overlay> overlays(int maker, const std::map<std::int64_t, int>& piece_at) const;
  /// The memory a kernel needs for itself.
  std::span<const space::Buffer> scratch(int maker) const;
  void emit(Steps& steps, int maker);
  void emit_call(Steps& steps, int maker);
  void emit_while(Steps& steps, const Node& loop);
  void emit_case(Steps& steps, const Node& node);

  StepBuilder& step_;
  std::vector<Value> results_;
  std::vector<const Node*> makers_;  // calls and control flow, operands before users
  std::unordered_map<const Node*, int> number_;
  std::vector<StepKernel*> kernels_;                 // of makers that are calls
  std::map<Key, std::vector<int>> readers_;          // of storages
  Dependencies dependencies_{0};                     // of makers
  std::map<Key, BufferRef> place_;                   // of storages
  std::multimap<BufferRef, Value> parameters_at_;    // those that are used, by where they lie
  std::set<std::int64_t> own_;                       // intervals of the arena made for this block
  std::set<Key> copied_;                             // sources of copies_
  std::vector<std::pair<Value, BufferRef>> copies_;  // at the end
  std::vector<int> sequence_;
};

}  // namespace kiln
