#include "codegen/emit.h"

#include <algorithm>

#include <fmt/format.h>

#include <llvm/IR/Function.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include "codegen/kernel_abi.h"
#include "ir/error.h"

namespace kiln::codegen {
namespace {

/// Nothing unwinds through generated code, but debuggers and profilers walk it. The widths make
/// LLVM use 512-bit registers on processors where it would prefer 256; preferring 512 with a legal
/// width below that costs half the speed.
void describe(llvm::Function& function, const Target& target) {
  function.setDoesNotThrow();
  function.setUWTableKind(llvm::UWTableKind::Default);
  function.addFnAttr("target-cpu", target.cpu);
  if (!target.features.empty()) function.addFnAttr("target-features", target.features);
  if (target.vector_bytes == 64) {
    function.addFnAttr("prefer-vector-width", "512");
    function.addFnAttr("min-legal-vector-width", "512");
  }
}

/// The numbers of the launches in some steps, control flow included.
void collect(std::span<const Step> steps, std::vector<std::size_t>& launches) {
  for (const Step& step : steps) {
    if (const int* launch = std::get_if<int>(&step.is)) {
      launches.push_back(static_cast<std::size_t>(*launch));
    } else if (const Loop* loop = std::get_if<Loop>(&step.is)) {
      collect(loop->condition, launches);
      collect(loop->body, launches);
    } else {
      for (const Steps& branch : std::get<Branches>(step.is).branches) collect(branch, launches);
    }
  }
}

/// The step. Compile time counts here: a deep network has thousands of launches, and an instruction
/// costs LLVM 5 µs. So the pointers that a launch passes are data: for every kGroup launches a loop
/// over a constant table puts base + offset into an array on the stack, and a launch is four
/// instructions, one of them a direct call. Launches of the same kernels again and again, a layer
/// after a layer, are a loop of such calls. Control flow is branches of the same function; the
/// pointers of a loop and all inside it are put there before it begins, so that a trip costs calls
/// and nothing else.
class StepEmitter {
 public:
  StepEmitter(const Program& program, const std::vector<llvm::Function*>& kernels,
              llvm::Function& step)
      : program_(program),
        kernels_(kernels),
        step_(step),
        b_(step.getContext()),
        slots_(program.launches.size()) {}

  void run() {
    llvm::Function* resolve = emit_resolve();
    b_.SetInsertPoint(new_block(step_, "entry"));
    // A group's launches each have a slot: where in the table their pointers begin.
    const std::vector<Group> groups = this->groups();
    std::vector<std::vector<std::uint64_t>> refs;
    std::size_t most = 1;
    for (const Group& group : groups) {
      refs.push_back(assign_slots(group.steps));
      most = std::max(most, refs.back().size() / 2 / group.times);
    }
    table_ = b_.CreateAlloca(b_.getPtrTy(), b_.getInt64(most), "table");
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const Group& group = groups[g];
      const std::size_t period = group.steps.size() / group.times;
      const std::size_t count = refs[g].size() / 2 / group.times;
      const auto round = [&](llvm::Value* trip) {
        if (count > 0) {
          llvm::Value* pairs = data(refs[g]);
          if (trip != nullptr)
            pairs =
                b_.CreateInBoundsGEP(llvm::ArrayType::get(b_.getInt64Ty(), 2 * count), pairs, trip);
          b_.CreateCall(resolve,
                        {pairs, table_, b_.getInt64(count), step_.getArg(0), step_.getArg(1)});
        }
        trip_ = trip;
        period_ = period;
        emit(group.steps.first(period));
        trip_ = nullptr;
      };
      if (group.times == 1) {
        continue_in("launch");
        round(nullptr);
      } else {
        counted(static_cast<std::int64_t>(group.times), round);
      }
    }
    if (program_.profile) profile(number(-1));
    b_.CreateRet(b_.getInt32(0));
  }

 private:
  static constexpr std::size_t kGroup = 32;
  static constexpr std::size_t kLongestPeriod = 16;  // of launches that repeat
  static constexpr std::size_t kWorthALoop = 8;      // launches that it saves

  /// Steps whose pointers are put into the table together; or the same launches `times` over, whose
  /// pointers are put there round by round.
  struct Group {
    std::span<const Step> steps;
    std::size_t times = 1;
  };

  // RuntimeTable's fields, in order.
  enum Field : unsigned { kParallelFor, kProfile, kContext };
  static_assert(sizeof(RuntimeTable) == 3 * sizeof(void*));

  /// Launches that repeat, runs of up to kGroup others; control flow is a group by itself.
  std::vector<Group> groups() const {
    std::vector<Group> groups;
    const std::span<const Step> steps = program_.steps;
    const auto is_launch = [&](std::size_t i) { return std::holds_alternative<int>(steps[i].is); };
    for (std::size_t first = 0; first < steps.size();) {
      Group group = repetition(steps.subspan(first));
      if (group.times == 1) {
        std::size_t last = first;
        while (last < steps.size() && last - first < kGroup && is_launch(last) &&
               (last == first || repetition(steps.subspan(last)).times == 1))
          ++last;
        group.steps = steps.subspan(first, std::max<std::size_t>(last - first, 1));
      }
      groups.push_back(group);
      first += group.steps.size();
    }
    return groups;
  }

  /// The launches that these steps begin with, if they repeat so that it is worth a loop.
  Group repetition(std::span<const Step> steps) const {
    const auto again = [&](std::size_t i, std::size_t period) {
      const int *now = std::get_if<int>(&steps[i].is),
                *later = std::get_if<int>(&steps[i + period].is);
      if (now == nullptr || later == nullptr || *later != *now + static_cast<int>(period))
        return false;
      const Launch& a = program_.launches[static_cast<std::size_t>(*now)];
      const Launch& b = program_.launches[static_cast<std::size_t>(*later)];
      return a.kernel == b.kernel && a.threads == b.threads;
    };
    Group best;
    std::size_t saved = kWorthALoop - 1;
    for (std::size_t period = 1; period <= kLongestPeriod && period < steps.size(); ++period) {
      std::size_t same = 0;
      while (same + period < steps.size() && again(same, period)) ++same;
      const std::size_t rounds = same / period;  // beside the first
      if (rounds * period <= saved) continue;
      saved = rounds * period;
      best = {steps.first(saved + period), rounds + 1};
    }
    return best;
  }

  /// For each pointer of a group: the argument's number, or -1 for the arena, and the offset.
  std::vector<std::uint64_t> assign_slots(std::span<const Step> group) {
    std::vector<std::size_t> launches;
    collect(group, launches);
    std::vector<std::uint64_t> refs;
    for (std::size_t launch : launches) {
      slots_[launch] = refs.size() / 2;
      for (const BufferRef& ref : program_.launches[launch].buffers) {
        const bool arena = ref.kind == BufferRef::Kind::arena;
        refs.push_back(arena ? ~std::uint64_t{0} : static_cast<std::uint64_t>(ref.index));
        refs.push_back(static_cast<std::uint64_t>(ref.offset));
      }
    }
    return refs;
  }

  // ---- control flow

  void emit(std::span<const Step> steps) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      // Instruction selection looks at whole blocks, and a long one is slow.
      if (i % kGroup == kGroup - 1) continue_in("launch");
      std::visit([&](const auto& is) { step(is); }, steps[i].is);
    }
  }

  void step(int number) {
    const auto index = static_cast<std::size_t>(number);
    if (program_.profile) profile(launch_number(number));
    launch(program_.launches[index],
           b_.CreateConstInBoundsGEP1_64(b_.getPtrTy(), table_, slots_[index]));
  }

  void step(const Loop& loop) {
    if (loop.trips) return counted(*loop.trips, [&](llvm::Value*) { emit(loop.body); });
    continue_in("condition");
    llvm::BasicBlock* condition = b_.GetInsertBlock();
    emit(loop.condition);
    llvm::Value* holds =
        b_.CreateICmpNE(b_.CreateLoad(b_.getInt8Ty(), pointer(loop.holds)), b_.getInt8(0));
    llvm::BasicBlock* body = new_block(step_, "body");
    llvm::BasicBlock* end = new_block(step_, "end");
    b_.CreateCondBr(holds, body, end);
    b_.SetInsertPoint(body);
    emit(loop.body);
    b_.CreateBr(condition);
    b_.SetInsertPoint(end);
  }

  template <class Body>
  void counted(std::int64_t trips, Body&& emit_body) {
    if (trips <= 0) return;
    llvm::BasicBlock* before = b_.GetInsertBlock();
    continue_in("body");
    llvm::BasicBlock* body = b_.GetInsertBlock();
    llvm::PHINode* trip = b_.CreatePHI(b_.getInt64Ty(), 2, "trip");
    trip->addIncoming(b_.getInt64(0), before);
    emit_body(trip);
    llvm::Value* next = b_.CreateAdd(trip, b_.getInt64(1));
    trip->addIncoming(next, b_.GetInsertBlock());
    llvm::BasicBlock* end = new_block(step_, "end");
    b_.CreateCondBr(b_.CreateICmpSLT(next, number(trips)), body, end);
    b_.SetInsertPoint(end);
  }

  void step(const Branches& node) {
    llvm::Value* index = b_.CreateAlignedLoad(b_.getInt32Ty(), pointer(node.index), llvm::Align(4));
    llvm::BasicBlock* end = new_block(step_, "end");
    llvm::BasicBlock* last = new_block(step_, "branch");
    llvm::SwitchInst* which =
        b_.CreateSwitch(index, last, static_cast<unsigned>(node.branches.size()));
    for (std::size_t i = 0; i < node.branches.size(); ++i) {
      llvm::BasicBlock* block = last;
      if (i + 1 < node.branches.size()) {
        block = new_block(step_, "branch");
        which->addCase(b_.getInt32(static_cast<std::uint32_t>(i)), block);
      }
      b_.SetInsertPoint(block);
      emit(node.branches[i]);
      b_.CreateBr(end);
    }
    b_.SetInsertPoint(end);
  }

  /// Goes on in a new block.
  void continue_in(const char* name) {
    llvm::BasicBlock* block = new_block(step_, name);
    b_.CreateBr(block);
    b_.SetInsertPoint(block);
  }

  llvm::Value* pointer(const BufferRef& ref) {
    llvm::Value* base = step_.getArg(1);
    if (ref.kind == BufferRef::Kind::argument)
      base = b_.CreateLoad(b_.getPtrTy(),
                           b_.CreateConstInBoundsGEP1_64(b_.getPtrTy(), step_.getArg(0),
                                                         static_cast<std::uint64_t>(ref.index)));
    return b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), base,
                                         static_cast<std::uint64_t>(ref.offset));
  }

  static llvm::BasicBlock* new_block(llvm::Function& function, const char* name) {
    return llvm::BasicBlock::Create(function.getContext(), name, &function);
  }

  llvm::Constant* data(const std::vector<std::uint64_t>& values) {
    llvm::Constant* array = llvm::ConstantDataArray::get(step_.getContext(), values);
    auto* global =
        new llvm::GlobalVariable(*step_.getParent(), array->getType(), /*isConstant=*/true,
                                 llvm::GlobalValue::PrivateLinkage, array, "refs");
    global->setAlignment(llvm::Align(8));
    return global;
  }

  /// void resolve(refs, table, count, arguments, arena): table[i] = base + offset, where the pair
  /// refs[i] is (argument's number or -1 for the arena, offset).
  llvm::Function* emit_resolve() {
    llvm::Type* p = b_.getPtrTy();
    llvm::Type* n = b_.getInt64Ty();
    auto* type = llvm::FunctionType::get(b_.getVoidTy(), {p, p, n, p, p}, false);
    llvm::Function* resolve = llvm::Function::Create(type, llvm::GlobalValue::InternalLinkage,
                                                     "kiln.resolve", step_.getParent());
    resolve->setAttributes(step_.getAttributes());
    llvm::Argument* arguments = resolve->getArg(3);
    llvm::BasicBlock* entry = new_block(*resolve, "entry");
    llvm::BasicBlock* body = new_block(*resolve, "body");
    llvm::BasicBlock* end = new_block(*resolve, "end");
    b_.SetInsertPoint(entry);
    llvm::Value* arena = b_.CreateAlloca(p);
    b_.CreateStore(resolve->getArg(4), arena);
    b_.CreateBr(body);
    b_.SetInsertPoint(body);
    llvm::PHINode* i = b_.CreatePHI(n, 2, "i");
    i->addIncoming(b_.getInt64(0), entry);
    llvm::Value* ref = b_.CreateInBoundsGEP(llvm::ArrayType::get(n, 2), resolve->getArg(0), i);
    llvm::Value* index = b_.CreateLoad(n, ref);
    llvm::Value* offset = b_.CreateLoad(n, b_.CreateConstInBoundsGEP1_64(n, ref, 1));
    llvm::Value* base = b_.CreateSelect(b_.CreateICmpSLT(index, b_.getInt64(0)), arena,
                                        b_.CreateGEP(p, arguments, index));
    b_.CreateStore(b_.CreateGEP(b_.getInt8Ty(), b_.CreateLoad(p, base), offset),
                   b_.CreateInBoundsGEP(p, resolve->getArg(1), i));
    llvm::Value* next = b_.CreateAdd(i, b_.getInt64(1));
    i->addIncoming(next, body);
    b_.CreateCondBr(b_.CreateICmpULT(next, resolve->getArg(2)), body, end);
    b_.SetInsertPoint(end);
    b_.CreateRetVoid();
    return resolve;
  }

  llvm::Value* runtime(Field field) {
    return b_.CreateLoad(b_.getPtrTy(),
                         b_.CreateConstInBoundsGEP1_64(b_.getPtrTy(), step_.getArg(2), field));
  }

  void launch(const Launch& launch, llvm::Value* pointers) {
    const auto kernel = static_cast<std::size_t>(launch.kernel);
    const loop::Kernel& source = program_.kernels.at(kernel);
    internal_check(launch.buffers.size() == static_cast<std::size_t>(source.parameter_count()),
                   fmt::format("launch {} of @{} gives {} buffers, not {}", launch.label,
                               source.name, launch.buffers.size(), source.parameter_count()));
    if (launch.threads <= 1) {
      b_.CreateCall(kernels_[kernel], {pointers, number(0), number(source.chunks)});
      return;
    }
    llvm::Type* p = b_.getPtrTy();
    llvm::Type* n = b_.getInt64Ty();
    b_.CreateCall(llvm::FunctionType::get(b_.getVoidTy(), {p, p, p, n, n}, false),
                  runtime(kParallelFor),
                  {runtime(kContext), kernels_[kernel], pointers, number(source.chunks),
                   number(launch.threads)})
        ->setDoesNotThrow();
  }

  /// In launches that repeat it depends on the round.
  llvm::Value* launch_number(int first) {
    if (trip_ == nullptr) return number(first);
    return b_.CreateAdd(b_.CreateMul(trip_, number(static_cast<std::int64_t>(period_))),
                        number(first));
  }

  void profile(llvm::Value* index) {
    b_.CreateCall(llvm::FunctionType::get(b_.getVoidTy(), {b_.getPtrTy(), b_.getInt64Ty()}, false),
                  runtime(kProfile), {runtime(kContext), index})
        ->setDoesNotThrow();
  }

  llvm::ConstantInt* number(std::int64_t value) {
    return b_.getInt64(static_cast<std::uint64_t>(value));
  }

  const Program& program_;
  const std::vector<llvm::Function*>& kernels_;
  llvm::Function& step_;
  llvm::IRBuilder<> b_;
  std::vector<std::size_t> slots_;  // of each launch, in the table
  llvm::Value* table_ = nullptr;
  llvm::Value* trip_ = nullptr;  // of launches that repeat, and how many there are in a round
  std::size_t period_ = 1;
};

std::unique_ptr<llvm::Module> new_module(const std::string& name, llvm::LLVMContext& context) {
  auto module = std::make_unique<llvm::Module>(name, context);
  module->setPICLevel(llvm::PICLevel::BigPIC);
  return module;
}

llvm::Function* declare_kernel(llvm::Module& module, const std::string& name, const Target& target,
                               llvm::GlobalValue::LinkageTypes linkage) {
  llvm::Type* p = llvm::PointerType::get(module.getContext(), 0);
  llvm::Type* n = llvm::Type::getInt64Ty(module.getContext());
  auto* type =
      llvm::FunctionType::get(llvm::Type::getVoidTy(module.getContext()), {p, n, n}, false);
  llvm::Function* function = llvm::Function::Create(type, linkage, name, module);
  describe(*function, target);
  return function;
}

void add_step(const Program& program, const std::vector<llvm::Function*>& kernels,
              const Target& target, llvm::Module& module) {
  llvm::Type* p = llvm::PointerType::get(module.getContext(), 0);
  auto* type =
      llvm::FunctionType::get(llvm::Type::getInt32Ty(module.getContext()), {p, p, p}, false);
  llvm::Function* step =
      llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, program.name, module);
  describe(*step, target);
  // Straight calls gain nothing from optimising, and this way they compile four times as fast.
  step->addFnAttr(llvm::Attribute::OptimizeNone);
  step->addFnAttr(llvm::Attribute::NoInline);
  StepEmitter(program, kernels, *step).run();
}

}  // namespace

std::unique_ptr<llvm::Module> emit_module(const Program& program, const Target& target,
                                          llvm::LLVMContext& context) {
  std::unique_ptr<llvm::Module> module = new_module(program.name, context);
  std::vector<llvm::Function*> kernels;
  for (std::size_t i = 0; i < program.kernels.size(); ++i) {
    const loop::Kernel& kernel = program.kernels[i];
    kernels.push_back(declare_kernel(*module, fmt::format("{}.{}", kernel.name, i), target,
                                     llvm::GlobalValue::InternalLinkage));
    emit_kernel(kernel, target, *kernels.back());
  }
  add_step(program, kernels, target, *module);
  return module;
}

std::unique_ptr<llvm::Module> emit_kernels(std::span<const NamedKernel> kernels,
                                           const Target& target, llvm::LLVMContext& context) {
  std::unique_ptr<llvm::Module> module = new_module("kernels", context);
  for (const auto& [name, kernel] : kernels) {
    llvm::Function* function =
        declare_kernel(*module, name, target, llvm::GlobalValue::ExternalLinkage);
    function->setDSOLocal(true);
    emit_kernel(*kernel, target, *function);
  }
  return module;
}

std::unique_ptr<llvm::Module> emit_step(const Program& program, std::span<const std::string> names,
                                        const Target& target, llvm::LLVMContext& context) {
  std::unique_ptr<llvm::Module> module = new_module(program.name, context);
  std::vector<llvm::Function*> kernels;
  for (const std::string& name : names) {
    llvm::Function* known = module->getFunction(name);  // two kernels may be the same
    kernels.push_back(known != nullptr ? known
                                       : declare_kernel(*module, name, target,
                                                        llvm::GlobalValue::ExternalLinkage));
  }
  add_step(program, kernels, target, *module);
  return module;
}

}  // namespace kiln::codegen
