#include "passes/plan_block.h"

#include <algorithm>

#include "ir/op.h"
#include "passes/lower.h"
#include "passes/overwrite.h"
#include "passes/trip_count.h"

namespace kiln {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

bool is_maker(const Node& node) { return node.op() == Op::call || traits(node).control; }

/// Whether a while gives a carried value memory of its own: one that it does not change lies where
/// the operand lies.
bool changes(const Node& loop, int carried) { return !is_invariant(loop, carried); }

/// Whether a kernel writes rows that end within a vector. In place, the next row's first load would
/// overlap the masked store just before it, and wait until that has left for the cache: twice the
/// time, measured for rows of ten.
bool rows_end_within_vectors(const space::Kernel& kernel, int buffer) {
  for (const space::Store& store : kernel.stores) {
    if (store.access.buffer != buffer) continue;
    for (std::size_t d = 0; d < kernel.dims.size(); ++d)
      if (store.access.strides[d] == 1)
        return kernel.dims[d].extent % loop::kLanes != 0 &&
               kernel.dims[d].extent < kernel.buffers[static_cast<std::size_t>(buffer)].count;
  }
  return false;
}

}  // namespace

BlockPlanner::BlockPlanner(StepBuilder& step, std::span<const Value> results,
                           std::vector<BufferRef> parameters,
                           std::span<const std::optional<BufferRef>> targets)
    : step_(step), results_(results.begin(), results.end()) {
  for (const Node* node : topological(results_)) {
    if (node->op() == Op::parameter) {
      const BufferRef& place = parameters[at(node->attrs<ParameterAttrs>().index)];
      place_[{node, 0}] = place;
      parameters_at_.emplace(place, Value{node, 0});
    }
    if (!is_maker(*node)) continue;
    number_[node] = static_cast<int>(makers_.size());
    makers_.push_back(node);
    kernels_.push_back(node->op() == Op::call ? &step_.kernel_of(*node) : nullptr);
  }
  dependencies_ = Dependencies(static_cast<int>(makers_.size()));
  for (int m = 0; m < static_cast<int>(makers_.size()); ++m)
    for (Value operand : makers_[at(m)]->operands()) {
      const Value source = storage(operand);
      std::vector<int>& readers = readers_[key(source)];
      if (readers.empty() || readers.back() != m) readers.push_back(m);
      if (made_here(source)) dependencies_.add(number_.at(source.node), m);
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
  choose_order();
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
        if (reader != maker && dependencies_.follows(reader, maker)) return false;
  return true;
}

void BlockPlanner::wait(int maker, const std::vector<Value>& old) {
  for (Value value : old)
    if (const auto readers = readers_.find(key(value)); readers != readers_.end())
      for (int reader : readers->second)
        if (reader != maker) dependencies_.add(reader, maker);
}

/// Lets a value lie at a place, which may hold old values of parameters until then.
bool BlockPlanner::assign(Value value, const BufferRef& place) {
  if (!made_here(value) || place_.contains(key(value))) return false;
  std::vector<Value> old;
  for (auto [it, end] = parameters_at_.equal_range(place); it != end; ++it)
    old.push_back(it->second);
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
      if (!place_.contains(key(value))) {
        const BufferRef place = step_.fresh(value.type().bytes());
        place_[key(value)] = place;
        own_.insert(place.index);
      }
      take_over(value);
    }
}

/// The pieces of memory that a maker of results here may write over, as far as the kernel says.
std::vector<Overlay> BlockPlanner::overlays(int maker,
                                            const std::map<std::int64_t, int>& piece_at) const {
  const Node& node = *makers_[at(maker)];
  if (node.op() != Op::call) return {};
  const auto piece_of = [&](Value value) {
    const auto place = place_.find(key(storage(value)));
    if (place == place_.end() || place->second.kind != BufferRef::Kind::arena) return -1;
    const auto piece = piece_at.find(place->second.index);
    return piece == piece_at.end() ? -1 : piece->second;
  };
  std::vector<Overlay> found;
  for (int r = 0; r < static_cast<int>(node.types().size()); ++r) {
    const int fresh = piece_of({&node, r});
    if (fresh < 0 || rows_end_within_vectors(kernels_[at(maker)]->space,
                                             static_cast<int>(node.operands().size()) + r))
      continue;
    for (Value operand : node.operands()) {
      const int old = piece_of(operand);
      const Type &from = operand.type(), &to = node.type(r);
      if (old < 0 || old == fresh || from.bytes() != to.bytes() ||
          size_of(from.dtype) != size_of(to.dtype))
        continue;
      std::vector<int> there;
      for (std::size_t i = 0; i < node.operands().size(); ++i)
        if (piece_of(node.operands()[i]) == old) there.push_back(static_cast<int>(i));
      if (may_lie_over(maker, r, there)) found.push_back({fresh, old});
    }
  }
  return found;
}

void BlockPlanner::choose_order() {
  std::vector<Piece> pieces;
  std::vector<std::int64_t> intervals;
  std::map<std::int64_t, int> piece_at;
  for (const std::int64_t interval : own_) {
    piece_at[interval] = static_cast<int>(pieces.size());
    intervals.push_back(interval);
    pieces.push_back({step_.bytes(interval), false});
  }
  std::vector<Touched> jobs(makers_.size());
  const auto touch = [&](std::size_t job, Value value) {
    const auto place = place_.find(key(storage(value)));
    if (place == place_.end() || place->second.kind != BufferRef::Kind::arena) return;
    const auto piece = piece_at.find(place->second.index);
    if (piece == piece_at.end()) return;
    std::vector<int>& touched = jobs[job].pieces;
    if (std::find(touched.begin(), touched.end(), piece->second) == touched.end())
      touched.push_back(piece->second);
  };
  for (std::size_t m = 0; m < makers_.size(); ++m) {
    for (Value operand : makers_[m]->operands()) touch(m, operand);
    for (std::size_t r = 0; r < makers_[m]->types().size(); ++r)
      touch(m, {makers_[m], static_cast<int>(r)});
    jobs[m].overlays = overlays(static_cast<int>(m), piece_at);
    for (const space::Buffer& buffer : scratch(static_cast<int>(m))) {
      jobs[m].pieces.push_back(static_cast<int>(pieces.size()));
      pieces.push_back({aligned(buffer.count * size_of(buffer.dtype)), false});
    }
  }
  const auto keep = [&](const BufferRef& place) {
    if (place.kind != BufferRef::Kind::arena) return;
    if (const auto piece = piece_at.find(place.index); piece != piece_at.end())
      pieces[at(piece->second)].kept = true;
  };
  for (const auto& [value, target] : copies_) keep(place_of(value));
  for (Value result : results_) keep(place_of(result));
  Schedule best = schedule(dependencies_, jobs, pieces);
  sequence_ = std::move(best.order);
  for (auto& [value, place] : place_)
    if (place.kind == BufferRef::Kind::arena)
      if (const auto piece = piece_at.find(place.index); piece != piece_at.end())
        place.index = intervals[at(best.lies_in[at(piece->second)])];
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

std::span<const space::Buffer> BlockPlanner::scratch(int maker) const {
  const Node& node = *makers_[at(maker)];
  if (node.op() != Op::call) return {};
  return std::span(kernels_[at(maker)]->space.buffers)
      .subspan(node.operands().size() + node.types().size());
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
  for (const space::Buffer& buffer : scratch(maker))
    buffers.push_back(step_.fresh(buffer.count * size_of(buffer.dtype)));
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
  for (std::size_t b = operands; b < buffers.size(); ++b)
    step_.occupy(buffers[b],
                 b < operands + results ? Value{&node, static_cast<int>(b - operands)} : Value{});
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
    ++step_.plan().memory.copies;
  }
  for (int i = 0; i < count; ++i)
    if (targets[at(i)]) step_.occupy(carried[at(i)], {&loop, i});
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
  step_.plan().memory.copies += body.copies();
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
  for (std::size_t i = 0; i < targets.size(); ++i)
    step_.occupy(*targets[i], {&node, static_cast<int>(i)});
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
    step_.plan().memory.copies += branch.copies();
  }
  hold();
  step_.tick();
  steps.push_back({std::move(made)});
}

}  // namespace kiln
