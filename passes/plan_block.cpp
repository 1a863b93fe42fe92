#include "passes/plan_block.h"

#include <algorithm>

#include "ir/op.h"
#include "passes/lower.h"
#include "passes/overwrite.h"
#include "passes/trip_count.h"

namespace kiln {
namespace {

std::size_t at(int i) { return static_cast<std::size_t>(i); }

bool is_maker(const Node& node) { return node.op() == Op::call || traits(node).control; }

/// Whether a while gives a carried value memory of its own: one that it does not change lies where
/// the operand lies.
bool changes(const Node& loop, int carried) { return !is_invariant(loop, carried); }

}  // namespace

BlockPlanner::BlockPlanner(StepBuilder& step, std::span<const Value> results,
                           std::vector<BufferRef> parameters,
                           std::span<const std::optional<BufferRef>> targets)
    : step_(step), results_(results.begin(), results.end()) {
  for (const Node* node : topological(results_)) {
    if (node->op() == Op::parameter) {
      parameters_.push_back({node, 0});
      place_[{node, 0}] = parameters[static_cast<std::size_t>(node->attrs<ParameterAttrs>().index)];
    }
    if (!is_maker(*node)) continue;
    number_[node] = static_cast<int>(makers_.size());
    makers_.push_back(node);
    kernels_.push_back(node->op() == Op::call ? &step_.kernel_of(*node) : nullptr);
  }
  before_.resize(makers_.size());
  for (std::size_t m = 0; m < makers_.size(); ++m)
    for (Value operand : makers_[m]->operands()) {
      const Value source = storage(operand);
      readers_[key(source)].insert(static_cast<int>(m));
      if (made_here(source)) before_[m].insert(number_.at(source.node));
    }
  for (std::size_t r = 0; r < results_.size(); ++r) {
    if (!targets[r]) continue;
    const Value value = storage(results_[r]);
    if (const auto placed = place_.find(key(value));
        placed != place_.end() && placed->second == *targets[r])
      continue;  // a parameter that stays as it is
    if (assign(value, *targets[r])) continue;
    copies_.emplace_back(value, *targets[r]);
    copied_.insert(key(value));
  }
  place_all();
  schedule();
}

bool BlockPlanner::reaches(int from, int to) const {  // must `from` run after `to`?
  std::vector<int> stack{from};
  std::set<int> seen;
  while (!stack.empty()) {
    const int now = stack.back();
    stack.pop_back();
    if (now == to) return true;
    if (seen.insert(now).second)
      stack.insert(stack.end(), before_[at(now)].begin(), before_[at(now)].end());
  }
  return false;
}

std::vector<int> BlockPlanner::positions(int maker, const std::vector<Value>& old) const {
  std::vector<int> found;
  const auto& operands = makers_[at(maker)]->operands();
  for (std::size_t i = 0; i < operands.size(); ++i)
    if (std::find(old.begin(), old.end(), storage(operands[i])) != old.end())
      found.push_back(static_cast<int>(i));
  return found;
}

bool BlockPlanner::may_lie_over(int maker, int result, const std::vector<int>& positions) const {
  if (positions.empty()) return true;
  const Node& node = *makers_[at(maker)];
  if (node.op() == Op::call)
    return may_overwrite(kernels_[at(maker)]->space,
                         static_cast<int>(node.operands().size()) + result, positions);
  // A branch has the old value as a parameter, and is asked itself.
  if (node.op() == Op::case_)
    return std::find(positions.begin(), positions.end(), 0) == positions.end();
  // A loop begins with the old value where it lies; others that begin with it have copies.
  return std::find(positions.begin(), positions.end(), result) != positions.end() &&
         std::all_of(positions.begin(), positions.end(),
                     [&](int position) { return changes(node, position); });
}

bool BlockPlanner::can_wait(int maker, const std::vector<Value>& old) const {
  for (Value value : old)
    if (const auto readers = readers_.find(key(value)); readers != readers_.end())
      for (int reader : readers->second)
        if (reader != maker && reaches(reader, maker)) return false;
  return true;
}

void BlockPlanner::wait(int maker, const std::vector<Value>& old) {
  for (Value value : old)
    if (const auto readers = readers_.find(key(value)); readers != readers_.end())
      for (int reader : readers->second)
        if (reader != maker) before_[at(maker)].insert(reader);
}

/// Lets a value lie at a place, which may hold old values of parameters until then.
bool BlockPlanner::assign(Value value, const BufferRef& place) {
  if (!made_here(value) || place_.contains(key(value))) return false;
  std::vector<Value> old;
  for (Value parameter : parameters_)
    if (place_.at(key(parameter)) == place) old.push_back(parameter);
  const int maker = number_.at(value.node);
  if (!may_lie_over(maker, value.index, positions(maker, old)) || !can_wait(maker, old))
    return false;
  wait(maker, old);
  place_[key(value)] = place;
  return true;
}

/// Lets what the value is an update of lie in its place already, if nobody needs that later.
void BlockPlanner::take_over(Value value) {
  Value source = updated(value);
  if (!source) return;
  source = storage(source);
  const int maker = number_.at(value.node);
  if (copied_.contains(key(source)) || source.type().bytes() != value.type().bytes()) return;
  if (!may_lie_over(maker, value.index, positions(maker, {source})) || !can_wait(maker, {source}) ||
      !assign(source, place_.at(key(value))))
    return;
  wait(maker, {source});
}

void BlockPlanner::place_all() {
  for (auto maker = makers_.rbegin(); maker != makers_.rend(); ++maker)
    for (int i = 0; i < static_cast<int>((*maker)->types().size()); ++i) {
      const Value value{*maker, i};
      if (storage(value) != value) continue;
      if (!place_.contains(key(value))) place_[key(value)] = step_.fresh(value.type().bytes());
      take_over(value);
    }
}

void BlockPlanner::schedule() {
  std::vector<bool> done(makers_.size());
  const auto visit = [&](auto& self, int maker) -> void {
    if (done[at(maker)]) return;
    done[at(maker)] = true;
    for (int earlier : before_[at(maker)]) self(self, earlier);
    sequence_.push_back(maker);
  };
  for (std::size_t m = 0; m < makers_.size(); ++m) visit(visit, static_cast<int>(m));
}

BufferRef BlockPlanner::place_of(Value value) {
  const Value source = storage(value);
  if (const auto found = place_.find(key(source)); found != place_.end()) return found->second;
  internal_check(source.node->op() == Op::constant, "an operand is in memory");
  return step_.constant(source.node);
}

Steps BlockPlanner::emit() {
  Steps steps;
  for (int maker : sequence_) emit(steps, maker);
  for (const auto& [value, target] : copies_)
    step_.copy(steps, value.type(), place_of(value), target);
  return steps;
}

void BlockPlanner::emit(Steps& steps, int maker) {
  const Node& node = *makers_[at(maker)];
  if (node.op() == Op::call)
    emit_call(steps, maker);
  else if (node.op() == Op::while_)
    emit_while(steps, node);
  else
    emit_case(steps, node);
}

void BlockPlanner::emit_call(Steps& steps, int maker) {
  const Node& node = *makers_[at(maker)];
  StepKernel* kernel = kernels_[at(maker)];
  const space::Kernel& space = kernel->space;
  const std::size_t operands = node.operands().size(), results = node.types().size();
  std::vector<BufferRef> buffers;
  for (Value operand : node.operands()) buffers.push_back(place_of(operand));
  for (std::size_t i = 0; i < results; ++i)
    buffers.push_back(place_.at({&node, static_cast<int>(i)}));
  for (std::size_t b = operands + results; b < space.buffers.size(); ++b)
    buffers.push_back(step_.fresh(space.buffers[b].count * size_of(space.buffers[b].dtype)));
  if (space.sequential != nullptr && traits(*space.sequential).updates) {
    bool in_place = true;
    for (std::size_t i = 0; i < results; ++i) {
      const Value source = updated({&node, static_cast<int>(i)});
      if (!source || place_of(source) != buffers[operands + i]) in_place = false;
    }
    if (in_place) {
      if (!kernel->in_place) {
        kernel->in_place = std::make_unique<StepKernel>(space);
        kernel->in_place->space.in_place = true;
      }
      kernel = kernel->in_place.get();
    }
  }
  if (is_copy(space) && buffers[at(space.exprs[0].access.buffer)] == buffers.back()) return;
  step_.launch(steps, *kernel, node.attrs<CallAttrs>().name, std::move(buffers));
}

void BlockPlanner::emit_while(Steps& steps, const Node& loop) {
  const int count = static_cast<int>(loop.operands().size());
  std::vector<BufferRef> carried;
  std::vector<std::optional<BufferRef>> targets;
  for (int i = 0; i < count; ++i) {
    const bool own = changes(loop, i);
    carried.push_back(own ? place_.at({&loop, i}) : place_of(loop.operand(i)));
    targets.push_back(own ? std::optional(carried.back()) : std::nullopt);
  }
  // None of these copies writes where another one reads: may_lie_over saw to it.
  for (int i = 0; i < count; ++i) {
    if (!targets[at(i)]) continue;
    const BufferRef from = place_of(loop.operand(i));
    if (from == carried[at(i)]) continue;
    step_.copy(steps, loop.type(i), from, carried[at(i)]);
    ++step_.plan().copies;
  }
  const auto hold = [&] {
    step_.tick();
    for (const BufferRef& place : carried) step_.touch(place);
  };
  hold();
  Loop made;
  if (const auto counter = trip_counter(loop)) {
    made.trips = counter->trips;
  } else {
    const Region& condition = loop.regions()[0];
    const std::optional<BufferRef> anywhere;
    BlockPlanner planner(step_, condition.results, carried, {&anywhere, 1});
    made.condition = planner.emit();
    made.holds = planner.place_of(condition.results[0]);
    step_.tick();
    step_.touch(made.holds);
  }
  BlockPlanner body(step_, loop.regions()[1].results, carried, targets);
  made.body = body.emit();
  step_.plan().copies += body.copies();
  hold();
  step_.tick();
  steps.push_back({std::move(made)});
}

void BlockPlanner::emit_case(Steps& steps, const Node& node) {
  std::vector<BufferRef> operands;
  for (std::size_t i = 1; i < node.operands().size(); ++i)
    operands.push_back(place_of(node.operands()[i]));
  std::vector<std::optional<BufferRef>> targets;
  for (int i = 0; i < static_cast<int>(node.types().size()); ++i)
    targets.emplace_back(place_.at({&node, i}));
  Branches made;
  made.index = place_of(node.operand(0));
  const auto hold = [&] {
    step_.tick();
    step_.touch(made.index);
    for (const BufferRef& place : operands) step_.touch(place);
    for (const auto& place : targets) step_.touch(*place);
  };
  hold();
  for (const Region& region : node.regions()) {
    BlockPlanner branch(step_, region.results, operands, targets);
    made.branches.push_back(branch.emit());
    step_.plan().copies += branch.copies();
  }
  hold();
  step_.tick();
  steps.push_back({std::move(made)});
}

}  // namespace kiln
