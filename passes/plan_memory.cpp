#include "passes/plan_memory.h"

#include <algorithm>

#include "ir/op.h"
#include "passes/cost.h"
#include "passes/interleave.h"
#include "passes/lower.h"
#include "passes/plan_block.h"

namespace kiln {
namespace {

constexpr double kSecondsPerThread = 10e-6;  // less is not worth waking a thread for

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

}  // namespace

StepBuilder::StepBuilder(const Function& fused, const VectorTarget& target)
    : target_(target), roles_(fused) {
  plan_.memory = roles_.around();
}

BufferRef StepBuilder::fresh(std::int64_t bytes) {
  intervals_.push_back({aligned(bytes), 0, -1, 0});
  tenants_.emplace_back();
  return {BufferRef::Kind::arena, static_cast<std::int64_t>(intervals_.size()) - 1, 0};
}

BufferRef StepBuilder::constant(const Node* node) {
  const auto [known, fresh] = constants_.try_emplace(node);
  if (fresh) {
    plan_.constants.push_back(definition(Op::constant).reference(*node, {})[0]);
    plan_.memory.constants += node->type().bytes();
    known->second = argument();
  }
  return known->second;
}

void StepBuilder::occupy(const BufferRef& place, Value value) {
  if (place.kind == BufferRef::Kind::arena)
    tenants_[static_cast<std::size_t>(place.index)].push_back({now_, value});
}

void StepBuilder::tick() {
  launch_at_.push_back(static_cast<int>(plan_.program.launches.size()));
  ++now_;
}

void StepBuilder::touch(const BufferRef& place) {
  if (place.kind != BufferRef::Kind::arena) return;
  Interval& interval = intervals_[static_cast<std::size_t>(place.index)];
  if (interval.first > interval.last) interval.first = now_;
  interval.last = now_;
}

StepKernel& StepBuilder::kernel_of(const Node& call) {
  const Region& body = call.regions()[0];
  const auto is_equal = [&](const auto& known) {
    const Region& other = known.first->regions()[0];
    return known.first->template attrs<CallAttrs>().kind == call.attrs<CallAttrs>().kind &&
           other.results == body.results && other.parameters == body.parameters;
  };
  auto& known = bodies_[body.results.empty() ? nullptr : body.results[0].node];
  const auto found = std::find_if(known.begin(), known.end(), is_equal);
  if (found != known.end()) return *found->second;
  known.emplace_back(&call, std::make_unique<StepKernel>(lower(call)));
  return *known.back().second;
}

/// Puts a kernel into the program, where there is none like it.
void StepBuilder::schedule(StepKernel& kernel) {
  loop::Kernel loops = vectorise(kernel.space, target_);
  const double seconds = seconds_on_one_thread(kernel.space);
  kernel.threads = std::clamp<std::int64_t>(static_cast<std::int64_t>(seconds / kSecondsPerThread),
                                            1, std::max<std::int64_t>(loops.chunks, 1));
  Program& program = plan_.program;
  interleave(loops);
  // The same loops over part of a buffer and over all of one are two kernels to `space_of`.
  const auto is_same = [&](int number) {
    const auto n = static_cast<std::size_t>(number);
    return std::equal(
               kernel.space.buffers.begin(), kernel.space.buffers.end(),
               plan_.spaces[n].buffers.begin(), plan_.spaces[n].buffers.end(),
               [](const space::Buffer& a, const space::Buffer& b) { return a.count == b.count; }) &&
           program.kernels[n].content() == loops.content();
  };
  // To print kernels takes time: only those of one size are compared.
  std::vector<int>& alike =
      kernels_[{loops.chunks, loops.registers.size(), loops.variables.size()}];
  const auto same = std::find_if(alike.begin(), alike.end(), is_same);
  if (same != alike.end()) {
    kernel.number = *same;
    return;
  }
  kernel.number = static_cast<int>(program.kernels.size());
  alike.push_back(kernel.number);
  program.kernels.push_back(std::move(loops));
  plan_.spaces.push_back(kernel.space);
}

void StepBuilder::launch(Steps& steps, StepKernel& kernel, std::string label,
                         std::vector<BufferRef> buffers) {
  for (const BufferRef& place : buffers) touch(place);
  tick();
  const bool writes = std::any_of(kernel.space.buffers.begin(), kernel.space.buffers.end(),
                                  [](const space::Buffer& b) { return b.output && b.count > 0; });
  if (!writes) return;  // only empty tensors
  if (kernel.number < 0) schedule(kernel);
  Program& program = plan_.program;
  steps.push_back({static_cast<int>(program.launches.size())});
  program.launches.push_back({kernel.number, std::move(buffers), kernel.threads, std::move(label)});
}

void StepBuilder::copy(Steps& steps, const Type& type, const BufferRef& from, const BufferRef& to) {
  const auto [kernel, fresh] = copies_.try_emplace({type.dtype, type.count()}, copy_kernel(type));
  launch(steps, kernel->second, "copy", {from, to});
}

void StepBuilder::resolve(BufferRef& ref) const {
  if (ref.kind != BufferRef::Kind::arena) return;
  ref = {BufferRef::Kind::arena, 0, intervals_[static_cast<std::size_t>(ref.index)].offset};
}

void StepBuilder::resolve(Steps& steps) const {
  for (Step& step : steps) {
    if (Loop* loop = std::get_if<Loop>(&step.is)) {
      resolve(loop->condition);
      if (!loop->trips) resolve(loop->holds);
      resolve(loop->body);
    } else if (Branches* node = std::get_if<Branches>(&step.is)) {
      resolve(node->index);
      for (Steps& branch : node->branches) resolve(branch);
    }
  }
}

void StepBuilder::report_peak(const Peak& peak) {
  const std::vector<Launch>& launches = plan_.program.launches;
  const auto launch_at = [&](int position) {
    return std::min(launch_at_[static_cast<std::size_t>(position)],
                    static_cast<int>(launches.size()) - 1);
  };
  const auto kernel_at = [&](int position) {
    return launches[static_cast<std::size_t>(launch_at(position))].label;
  };
  MemoryReport& report = plan_.memory;
  report.bound = peak.bytes;
  if (launches.empty()) return;
  report.peak_launch = launch_at(peak.position);
  report.peak_kernel = kernel_at(peak.position);
  for (std::size_t i = 0; i < intervals_.size(); ++i) {
    const Interval& interval = intervals_[i];
    if (interval.first > peak.position || interval.last < peak.position) continue;
    MemoryReport::Alive alive{"", Holds::scratch, interval.bytes, launch_at(interval.first),
                              launch_at(interval.last)};
    Tenant tenant{interval.first, {}};
    for (const Tenant& one : tenants_[i])
      if (one.position <= peak.position) tenant = one;
    if (tenant.value) {
      const Node& node = *tenant.value.node;
      alive.value = node.op() == Op::call ? node.attrs<CallAttrs>().name
                                          : std::string(definition(node.op()).name);
      if (node.types().size() > 1) alive.value += fmt::format("#{}", tenant.value.index);
      alive.value += ": " + tenant.value.type().str();
      alive.holds = roles_.of(tenant.value);
    } else {
      alive.value = kernel_at(tenant.position) + "'s own";
    }
    (alive.holds == Holds::activation ? report.activations
     : alive.holds == Holds::gradient ? report.gradients
                                      : report.scratch) += alive.bytes;
    report.alive.push_back(std::move(alive));
  }
  std::stable_sort(report.alive.begin(), report.alive.end(),
                   [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
}

StepPlan StepBuilder::finish(Steps steps) {
  plan_.memory.arena = plan_.program.arena_bytes = place(intervals_);
  if (const Peak peak = most_live(intervals_); peak.bytes > 0) report_peak(peak);
  for (Launch& launch : plan_.program.launches)
    for (BufferRef& ref : launch.buffers) resolve(ref);
  resolve(steps);
  plan_.program.steps = std::move(steps);
  return std::move(plan_);
}

StepPlan plan_step(const Function& fused, const VectorTarget& target) {
  StepBuilder step(fused, target);
  std::vector<BufferRef> arguments;
  std::map<int, int> aliased;  // result → argument
  for (std::size_t a = 0; a < fused.arguments.size(); ++a) {
    arguments.push_back(step.argument());
    if (fused.arguments[a].alias >= 0) aliased[fused.arguments[a].alias] = static_cast<int>(a);
  }
  std::vector<std::optional<BufferRef>> targets;
  for (int r = 0; r < static_cast<int>(fused.results.size()); ++r) {
    const auto alias = aliased.find(r);
    targets.emplace_back(alias == aliased.end()
                             ? step.argument()
                             : arguments[static_cast<std::size_t>(alias->second)]);
    step.plan().result_argument.push_back(static_cast<int>(targets.back()->index));
  }
  BlockPlanner block(step, fused.results, arguments, targets);
  Steps steps = block.emit();
  step.plan().memory.copies += block.copies();
  return step.finish(std::move(steps));
}

double StepPlan::contraction_flops() const {
  double flops = 0;
  for (const Launch& launch : program.launches) flops += space_of(launch).contraction_flops();
  return flops;
}

std::string StepPlan::memory_text() const { return memory.str() + program.str(); }

}  // namespace kiln
