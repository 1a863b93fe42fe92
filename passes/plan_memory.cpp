#include "passes/plan_memory.h"
#include "passes/interleave.h"

#include <algorithm>

#include "ir/op.h"
#include "passes/lower.h"
#include "passes/plan_block.h"

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

BufferRef StepBuilder::fresh(std::int64_t bytes) {
  intervals_.push_back({aligned(bytes), 0, -1, 0});
  return {BufferRef::Kind::arena, static_cast<std::int64_t>(intervals_.size()) - 1, 0};
}

BufferRef StepBuilder::constant(const Node* node) {
  const auto [known, fresh] = constants_.try_emplace(node);
  if (fresh) {
    plan_.constants.push_back(definition(Op::constant).reference(*node, {})[0]);
    known->second = argument();
  }
  return known->second;
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
  const double seconds = kernel.space.flops() / kFlopsPerSecond +
                         static_cast<double>(kernel.space.bytes()) / kBytesPerSecond;
  kernel.threads = std::clamp<std::int64_t>(static_cast<std::int64_t>(seconds / kSecondsPerThread),
                                            1, std::max<std::int64_t>(loops.chunks, 1));
  Program& program = plan_.program;
  const auto [slot, fresh] =
      kernels_.try_emplace(loops.content(), static_cast<int>(program.kernels.size()));
  kernel.number = slot->second;
  if (!fresh) return;
  interleave(loops);
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

StepPlan StepBuilder::finish(Steps steps) {
  plan_.live_bytes = most_live(intervals_);
  plan_.program.arena_bytes = place(intervals_);
  for (Launch& launch : plan_.program.launches)
    for (BufferRef& ref : launch.buffers) resolve(ref);
  resolve(steps);
  plan_.program.steps = std::move(steps);
  return std::move(plan_);
}

StepPlan plan_step(const Function& fused, const VectorTarget& target) {
  StepBuilder step(target);
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
  step.plan().copies += block.copies();
  return step.finish(std::move(steps));
}

double StepPlan::contraction_flops() const {
  double flops = 0;
  for (const Launch& launch : program.launches) flops += space_of(launch).contraction_flops();
  return flops;
}

std::string StepPlan::memory_text(const Function& function) const {
  std::int64_t inputs = 0, state = 0;
  for (const Argument& argument : function.arguments)
    (argument.alias >= 0 ? state : inputs) += argument.type.bytes();
  const double gap =
      live_bytes == 0
          ? 0.0
          : 100.0 *
                (static_cast<double>(program.arena_bytes) / static_cast<double>(live_bytes) - 1);
  return fmt::format(
             "arguments {} bytes, state updated in place {} bytes ({} copied), arena {} bytes, "
             "live at once {} bytes (gap {:.1f} %)\n",
             inputs, state, copies, program.arena_bytes, live_bytes, gap) +
         program.str();
}

}  // namespace kiln
