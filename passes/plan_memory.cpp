#include "passes/plan_memory.h"

#include <algorithm>
#include <map>
#include <set>

#include "ir/op.h"
#include "passes/lower.h"

namespace kiln {
namespace {

constexpr std::int64_t kAlignment = 64;

// The cost model: what one thread does in a second, roughly. It decides only how many threads share
// a kernel's chunks, never what they compute.
constexpr double kFlopsPerSecond = 5e10;
constexpr double kBytesPerSecond = 2e10;
constexpr double kSecondsPerThread = 10e-6;  // less is not worth waking a thread for

std::int64_t aligned(std::int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

/// The value whose memory this is: reshapes are free.
Value storage(Value value) {
  while (value.node->op() == Op::reshape) value = value.node->operand(0);
  return value;
}

/// Whether `output` of a kernel may lie where `inputs` (buffers of it) lie.
bool may_overwrite(const space::Kernel& kernel, int output, const std::vector<int>& inputs) {
  const auto is_input = [&](int buffer) {
    return std::find(inputs.begin(), inputs.end(), buffer) != inputs.end();
  };
  const space::Store* target = nullptr;
  for (const space::Store& store : kernel.stores)
    if (store.access.buffer == output) target = &store;
  if (target == nullptr) return false;  // a scatter, a sort
  // An expression is tainted when it needs the old value.
  std::vector<bool> tainted(kernel.exprs.size());
  for (std::size_t e = 0; e < kernel.exprs.size(); ++e) {
    const space::Expr& expr = kernel.exprs[e];
    if (expr.kind == space::Expr::Kind::load && is_input(expr.access.buffer)) {
      if (expr.access.strides != target->access.strides ||
          expr.access.offset != target->access.offset)
        return false;
      tainted[e] = true;
    }
    // Read somewhere else than at the point being written. (A dynamic_update_slice is safe where all
    // that lies outside the update stays as it is: then only the update needs to be stored.)
    for (const space::Source& source : expr.sources)
      if (source.kind == space::Source::Kind::memory && is_input(source.buffer)) return false;
    for (int operand : expr.operands)
      if (tainted[static_cast<std::size_t>(operand)]) tainted[e] = true;
  }
  const auto needs_old = [&](int expr) { return tainted[static_cast<std::size_t>(expr)]; };
  for (const space::Reduction& reduction : kernel.reductions)
    if (std::any_of(reduction.inputs.begin(), reduction.inputs.end(), needs_old) ||
        std::any_of(reduction.initial.begin(), reduction.initial.end(), needs_old))
      return false;
  // Stores of one level and domain share their loops, where all values come before any store.
  for (const space::Store& store : kernel.stores)
    if (needs_old(store.expr) && (store.dims != target->dims || store.level != target->level))
      return false;
  return true;
}

struct Interval {
  Value value;
  std::int64_t bytes;
  int first, last;  // launches, inclusive
  std::int64_t offset = 0;
};

std::int64_t most_live(const std::vector<Interval>& intervals, int launches) {
  std::int64_t most = 0;
  for (int at = 0; at < launches; ++at) {
    std::int64_t live = 0;
    for (const Interval& interval : intervals)
      if (interval.first <= at && at <= interval.last) live += interval.bytes;
    most = std::max(most, live);
  }
  return most;
}

/// Places intervals one after another in the given order, each into the tightest gap it fits.
std::int64_t best_fit(std::vector<Interval*> order) {
  std::int64_t arena = 0;
  std::vector<Interval*> placed;
  for (Interval* interval : order) {
    std::vector<const Interval*> rivals;
    for (const Interval* other : placed)
      if (other->first <= interval->last && interval->first <= other->last) rivals.push_back(other);
    std::sort(rivals.begin(), rivals.end(),
              [](const Interval* a, const Interval* b) { return a->offset < b->offset; });
    std::int64_t at = 0, best = -1, best_gap = 0;
    for (const Interval* rival : rivals) {
      const std::int64_t gap = rival->offset - at;
      if (gap >= interval->bytes && (best < 0 || gap < best_gap)) best = at, best_gap = gap;
      at = std::max(at, rival->offset + rival->bytes);
    }
    interval->offset = best >= 0 ? best : at;
    arena = std::max(arena, interval->offset + interval->bytes);
    placed.push_back(interval);
  }
  return arena;
}

std::int64_t place(std::vector<Interval>& intervals) {
  using Before = bool (*)(const Interval*, const Interval*);
  constexpr Before kOrders[] = {
      [](const Interval* a, const Interval* b) { return a->bytes > b->bytes; },
      [](const Interval* a, const Interval* b) { return a->first < b->first; },
      [](const Interval* a, const Interval* b) { return a->last - a->first > b->last - b->first; },
      [](const Interval* a, const Interval* b) {
        return a->bytes * (a->last - a->first + 1) > b->bytes * (b->last - b->first + 1);
      },
  };
  std::vector<Interval*> order;
  for (Interval& interval : intervals) order.push_back(&interval);
  std::int64_t best = -1;
  std::vector<std::int64_t> offsets;
  for (Before before : kOrders) {
    std::stable_sort(order.begin(), order.end(), before);
    const std::int64_t arena = best_fit(order);
    if (best >= 0 && arena >= best) continue;
    best = arena;
    offsets.clear();
    for (const Interval& interval : intervals) offsets.push_back(interval.offset);
  }
  for (std::size_t i = 0; i < intervals.size(); ++i) intervals[i].offset = offsets[i];
  return std::max<std::int64_t>(best, 0);
}

space::Kernel copy_kernel(const Type& type) {
  space::Kernel kernel;
  kernel.name = "copy";
  kernel.kind = "map";
  kernel.dims = {{type.count(), true}};
  kernel.buffers = {{type.dtype, type.count(), false}, {type.dtype, type.count(), true}};
  space::Expr load;
  load.kind = space::Expr::Kind::load;
  load.dtype = type.dtype;
  load.dims = 1;
  load.access = {0, 0, {1}};
  kernel.exprs = {load};
  kernel.stores = {{0, {1, 0, {1}}, 1, 0}};
  return kernel;
}

class Planner {
 public:
  Planner(const Function& function, const VectorTarget& target)
      : function_(function), target_(target) {}

  StepPlan run() {
    for (const Node* node : topological(function_.results)) {
      if (node->op() != Op::call) continue;
      number_[node] = static_cast<int>(calls_.size());
      calls_.push_back(node);
      spaces_.push_back(lower(*node));
    }
    before_.resize(calls_.size());
    for (std::size_t c = 0; c < calls_.size(); ++c)
      for (Value operand : calls_[c]->operands()) {
        const Value source = storage(operand);
        readers_[{source.node, source.index}].insert(static_cast<int>(c));
        if (source.node->op() == Op::call) before_[c].insert(number_.at(source.node));
      }
    place_results();
    schedule();
    place_temporaries();
    emit();
    return std::move(plan_);
  }

 private:
  using Key = std::pair<const Node*, int>;
  static Key key(Value value) { return {value.node, value.index}; }
  /// The name of a call's scratch buffer, which is no value: numbered as after its results.
  static Value scratch(const Node* call, std::size_t buffer) {
    return {call, static_cast<int>(buffer - call->operands().size())};
  }

  bool reaches(int from, int to) const {  // must `from` run after `to`?
    std::vector<int> stack{from};
    std::set<int> seen;
    while (!stack.empty()) {
      const int at = stack.back();
      stack.pop_back();
      if (at == to) return true;
      if (seen.insert(at).second)
        stack.insert(stack.end(), before_[static_cast<std::size_t>(at)].begin(),
                     before_[static_cast<std::size_t>(at)].end());
    }
    return false;
  }

  /// Tries to let a call's result take the place of an argument.
  bool update_in_place(Value result, int argument) {
    const int call = number_.at(result.node);
    const Value old = function_.argument(argument);
    std::vector<int> inputs;
    const auto& operands = result.node->operands();
    for (std::size_t i = 0; i < operands.size(); ++i)
      if (storage(operands[i]) == old) inputs.push_back(static_cast<int>(i));
    const int output = static_cast<int>(operands.size()) + result.index;
    if (!may_overwrite(spaces_[static_cast<std::size_t>(call)], output, inputs)) return false;
    const auto readers = readers_.find(key(old));
    if (readers != readers_.end()) {
      for (int reader : readers->second)
        if (reader != call && reaches(reader, call)) return false;
      for (int reader : readers->second)
        if (reader != call) before_[static_cast<std::size_t>(call)].insert(reader);
    }
    return true;
  }

  void place_results() {
    const int arguments = static_cast<int>(function_.arguments.size());
    for (int a = 0; a < arguments; ++a)
      place_[key(function_.argument(a))] = {BufferRef::Kind::argument, a, 0};
    std::map<int, int> aliased;  // result → argument
    for (int a = 0; a < arguments; ++a)
      if (function_.arguments[static_cast<std::size_t>(a)].alias >= 0)
        aliased[function_.arguments[static_cast<std::size_t>(a)].alias] = a;
    int next = arguments;
    for (int r = 0; r < static_cast<int>(function_.results.size()); ++r) {
      const Value value = storage(function_.results[static_cast<std::size_t>(r)]);
      internal_check(value.node->op() == Op::call, "every result is made by a kernel");
      const auto alias = aliased.find(r);
      if (alias == aliased.end()) {
        place_[key(value)] = {BufferRef::Kind::argument, next, 0};
        plan_.result_argument.push_back(next++);
      } else {
        plan_.result_argument.push_back(alias->second);
        if (update_in_place(value, alias->second))
          place_[key(value)] = {BufferRef::Kind::argument, alias->second, 0};
        else
          copies_.push_back({value, alias->second});
      }
    }
    argument_count_ = next;
  }

  void schedule() {
    std::vector<bool> done(calls_.size());
    const auto visit = [&](auto& self, int call) -> void {
      if (done[static_cast<std::size_t>(call)]) return;
      done[static_cast<std::size_t>(call)] = true;
      for (int earlier : before_[static_cast<std::size_t>(call)]) self(self, earlier);
      sequence_.push_back(call);
    };
    for (std::size_t c = 0; c < calls_.size(); ++c) visit(visit, static_cast<int>(c));
  }

  void place_temporaries() {
    const int launches = static_cast<int>(sequence_.size());
    std::vector<Interval> intervals;
    std::vector<int> position(calls_.size());
    for (int at = 0; at < launches; ++at)
      position[static_cast<std::size_t>(sequence_[static_cast<std::size_t>(at)])] = at;
    for (int call : sequence_) {
      const Node* node = calls_[static_cast<std::size_t>(call)];
      for (std::size_t i = 0; i < node->types().size(); ++i) {
        const Value value{node, static_cast<int>(i)};
        if (place_.contains(key(value))) continue;
        int last = position[static_cast<std::size_t>(call)];
        if (const auto readers = readers_.find(key(value)); readers != readers_.end())
          for (int reader : readers->second)
            last = std::max(last, position[static_cast<std::size_t>(reader)]);
        for (const auto& [copied, argument] : copies_)
          if (copied == value) last = launches;
        intervals.push_back({value, aligned(value.type().bytes()),
                             position[static_cast<std::size_t>(call)], last, 0});
      }
      const space::Kernel& space = spaces_[static_cast<std::size_t>(call)];
      for (std::size_t b = 0; b < space.buffers.size(); ++b)
        if (const space::Buffer& buffer = space.buffers[b]; buffer.scratch)
          intervals.push_back({scratch(node, b), aligned(buffer.count * size_of(buffer.dtype)),
                               position[static_cast<std::size_t>(call)],
                               position[static_cast<std::size_t>(call)], 0});
    }
    plan_.live_bytes = most_live(intervals, launches + 1);
    plan_.program.arena_bytes = place(intervals);
    for (const Interval& interval : intervals)
      place_[key(interval.value)] = {BufferRef::Kind::arena, 0, interval.offset};
  }

  BufferRef place_of(Value value) {
    const Value source = storage(value);
    const auto found = place_.find(key(source));
    if (found != place_.end()) return found->second;
    internal_check(source.node->op() == Op::constant, "an operand is in memory");
    plan_.constants.push_back(definition(Op::constant).reference(*source.node, {})[0]);
    const BufferRef ref{BufferRef::Kind::argument, argument_count_++, 0};
    place_[key(source)] = ref;
    return ref;
  }

  void launch(space::Kernel kernel, std::vector<BufferRef> buffers) {
    const bool writes = std::any_of(kernel.buffers.begin(), kernel.buffers.end(),
                                    [](const space::Buffer& b) { return b.output && b.count > 0; });
    if (!writes) return;  // only empty tensors
    loop::Kernel loops = vectorise(kernel, target_);
    const auto [slot, fresh] =
        kernels_.try_emplace(loops.content(), static_cast<int>(plan_.program.kernels.size()));
    const double seconds =
        kernel.flops() / kFlopsPerSecond + static_cast<double>(kernel.bytes()) / kBytesPerSecond;
    const std::int64_t threads =
        std::clamp<std::int64_t>(static_cast<std::int64_t>(seconds / kSecondsPerThread), 1,
                                 std::max<std::int64_t>(loops.chunks, 1));
    if (fresh) plan_.program.kernels.push_back(std::move(loops));
    plan_.program.launches.push_back({slot->second, std::move(buffers), threads, kernel.name});
    plan_.spaces.push_back(std::move(kernel));
  }

  void emit() {
    plan_.program.name = "step";
    for (int call : sequence_) {
      const Node* node = calls_[static_cast<std::size_t>(call)];
      std::vector<BufferRef> buffers;
      for (Value operand : node->operands()) buffers.push_back(place_of(operand));
      const space::Kernel& space = spaces_[static_cast<std::size_t>(call)];
      for (std::size_t i = 0; i + node->operands().size() < space.buffers.size(); ++i)
        buffers.push_back(place_of({node, static_cast<int>(i)}));
      launch(std::move(spaces_[static_cast<std::size_t>(call)]), std::move(buffers));
    }
    for (const auto& [value, argument] : copies_)
      launch(copy_kernel(value.type()),
             {place_of(value), {BufferRef::Kind::argument, argument, 0}});
    plan_.copies = static_cast<int>(copies_.size());
    plan_.program.argument_count = argument_count_;
  }

  const Function& function_;
  const VectorTarget target_;
  StepPlan plan_;
  std::vector<const Node*> calls_;
  std::vector<space::Kernel> spaces_;
  std::unordered_map<const Node*, int> number_;
  std::map<Key, std::set<int>> readers_;
  std::vector<std::set<int>> before_;  // calls that must run earlier
  std::map<Key, BufferRef> place_;
  std::vector<std::pair<Value, int>> copies_;
  std::vector<int> sequence_;
  std::map<std::string, int> kernels_;
  int argument_count_ = 0;
};

}  // namespace

StepPlan plan_step(const Function& fused, const VectorTarget& target) {
  return Planner(fused, target).run();
}

std::string StepPlan::memory_text(const Function& function) const {
  std::string text;
  std::int64_t inputs = 0, state = 0;
  for (const Argument& argument : function.arguments)
    (argument.alias >= 0 ? state : inputs) += argument.type.bytes();
  text += fmt::format(
      "arguments {} bytes, state updated in place {} bytes ({} copied), arena {} bytes, live at "
      "once {} bytes (gap {:.1f} %)\n",
      inputs, state, copies, program.arena_bytes, live_bytes,
      live_bytes == 0
          ? 0.0
          : 100.0 *
                (static_cast<double>(program.arena_bytes) / static_cast<double>(live_bytes) - 1));
  for (std::size_t l = 0; l < program.launches.size(); ++l) {
    const Launch& launch = program.launches[l];
    std::string buffers;
    for (const BufferRef& ref : launch.buffers)
      buffers +=
          fmt::format("{}{}", buffers.empty() ? "" : ", ",
                      ref.kind == BufferRef::Kind::argument ? fmt::format("arg{}", ref.index)
                                                            : fmt::format("arena+{}", ref.offset));
    text += fmt::format("launch {:3} {} ({}) chunks {} threads <= {}\n", l, launch.label, buffers,
                        program.kernels[static_cast<std::size_t>(launch.kernel)].chunks,
                        launch.threads);
  }
  return text;
}

}  // namespace kiln
