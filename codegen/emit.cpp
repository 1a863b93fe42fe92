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

/// The step. Compile time counts here: a deep network has thousands of launches, and an instruction
/// costs LLVM 5 µs. So the pointers that a launch passes are data: for every kGroup launches a loop
/// over a constant table puts base + offset into an array on the stack, and a launch is four
/// instructions, one of them a direct call.
class StepEmitter {
 public:
  StepEmitter(const Program& program, const std::vector<llvm::Function*>& kernels,
              llvm::Function& step)
      : program_(program), kernels_(kernels), step_(step), b_(step.getContext()) {}

  void run() {
    llvm::Function* resolve = emit_resolve();
    b_.SetInsertPoint(new_block(step_, "entry"));
    std::size_t most = 1;
    for_groups([&](std::size_t first, std::size_t last) {
      std::size_t count = 0;
      for (std::size_t i = first; i < last; ++i) count += program_.launches[i].buffers.size();
      most = std::max(most, count);
    });
    llvm::Value* table = b_.CreateAlloca(b_.getPtrTy(), b_.getInt64(most), "table");
    for_groups([&](std::size_t first, std::size_t last) {
      // A block each: instruction selection looks at whole blocks, and a long one is slow.
      llvm::BasicBlock* block = new_block(step_, "launch");
      b_.CreateBr(block);
      b_.SetInsertPoint(block);
      std::vector<std::uint64_t> refs;
      for (std::size_t i = first; i < last; ++i)
        for (const BufferRef& ref : program_.launches[i].buffers) {
          const bool arena = ref.kind == BufferRef::Kind::arena;
          refs.push_back(arena ? ~std::uint64_t{0} : static_cast<std::uint64_t>(ref.index));
          refs.push_back(static_cast<std::uint64_t>(ref.offset));
        }
      if (!refs.empty())
        b_.CreateCall(resolve, {data(refs), table, b_.getInt64(refs.size() / 2), step_.getArg(0),
                                step_.getArg(1)});
      std::size_t at = 0;
      for (std::size_t i = first; i < last; ++i) {
        if (program_.profile) profile(static_cast<std::int64_t>(i));
        launch(program_.launches[i], b_.CreateConstInBoundsGEP1_64(b_.getPtrTy(), table, at));
        at += program_.launches[i].buffers.size();
      }
    });
    if (program_.profile) profile(-1);
    b_.CreateRet(b_.getInt32(0));
  }

 private:
  static constexpr std::size_t kGroup = 32;

  // RuntimeTable's fields, in order.
  enum Field : unsigned { kParallelFor, kProfile, kContext };
  static_assert(sizeof(RuntimeTable) == 3 * sizeof(void*));

  template <class F>
  void for_groups(F&& group) {
    const std::size_t count = program_.launches.size();
    for (std::size_t first = 0; first < count; first += kGroup)
      group(first, std::min(first + kGroup, count));
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

  void profile(std::int64_t index) {
    b_.CreateCall(llvm::FunctionType::get(b_.getVoidTy(), {b_.getPtrTy(), b_.getInt64Ty()}, false),
                  runtime(kProfile), {runtime(kContext), number(index)})
        ->setDoesNotThrow();
  }

  llvm::ConstantInt* number(std::int64_t value) {
    return b_.getInt64(static_cast<std::uint64_t>(value));
  }

  const Program& program_;
  const std::vector<llvm::Function*>& kernels_;
  llvm::Function& step_;
  llvm::IRBuilder<> b_;
};

}  // namespace

std::unique_ptr<llvm::Module> emit_module(const Program& program, const Target& target,
                                          llvm::LLVMContext& context) {
  auto module = std::make_unique<llvm::Module>(program.name, context);
  module->setPICLevel(llvm::PICLevel::BigPIC);
  llvm::Type* p = llvm::PointerType::get(context, 0);
  llvm::Type* n = llvm::Type::getInt64Ty(context);
  auto* kernel_type = llvm::FunctionType::get(llvm::Type::getVoidTy(context), {p, n, n}, false);
  auto* step_type = llvm::FunctionType::get(llvm::Type::getInt32Ty(context), {p, p, p}, false);

  std::vector<llvm::Function*> kernels;
  for (std::size_t i = 0; i < program.kernels.size(); ++i) {
    const loop::Kernel& kernel = program.kernels[i];
    llvm::Function* function =
        llvm::Function::Create(kernel_type, llvm::GlobalValue::InternalLinkage,
                               fmt::format("{}.{}", kernel.name, i), module.get());
    describe(*function, target);
    emit_kernel(kernel, target, *function);
    kernels.push_back(function);
  }
  llvm::Function* step = llvm::Function::Create(step_type, llvm::GlobalValue::ExternalLinkage,
                                                program.name, module.get());
  describe(*step, target);
  // Straight calls gain nothing from optimising, and this way they compile four times as fast.
  step->addFnAttr(llvm::Attribute::OptimizeNone);
  step->addFnAttr(llvm::Attribute::NoInline);
  StepEmitter(program, kernels, *step).run();
  return module;
}

}  // namespace kiln::codegen
