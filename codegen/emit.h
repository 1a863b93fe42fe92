// From a program to an LLVM module: what the files emit*.cpp share. Only codegen includes this;
// LLVM's types are named here but never defined, so that its headers stay inside the .cpp files.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "codegen/target.h"
#include "ir/loop.h"
#include "ir/program.h"

namespace llvm {
class Function;
class IRBuilderBase;
class LLVMContext;
class Module;
class Type;
class Value;
}  // namespace llvm

namespace kiln::codegen {

/// The whole program as one module: a kernel is an internal function, the step, named
/// Program::name, the one external one. The caller sets triple and data layout.
std::unique_ptr<llvm::Module> emit_module(const Program& program, const Target& target,
                                          llvm::LLVMContext& context);

/// A kernel and what it is called.
struct NamedKernel {
  std::string name;
  const loop::Kernel* kernel = nullptr;
};
/// A module of external functions.
std::unique_ptr<llvm::Module> emit_kernels(std::span<const NamedKernel> kernels,
                                           const Target& target, llvm::LLVMContext& context);
/// A module of the step alone; the kernels it launches, called `names`, are elsewhere.
std::unique_ptr<llvm::Module> emit_step(const Program& program, std::span<const std::string> names,
                                        const Target& target, llvm::LLVMContext& context);

/// Fills in a kernel's body; the function has KernelFn's type.
void emit_kernel(const loop::Kernel& kernel, const Target& target, llvm::Function& function);

/// A register's type: <lanes x T>, or T for one lane; i1 is i1.
llvm::Type* llvm_type(llvm::LLVMContext& context, loop::VType type);

/// One pure operation. `operand` is the first argument's type (the result's where there is none);
/// `index` is the value of an Opcode::index's affine expression.
llvm::Value* emit_let(llvm::IRBuilderBase& builder, const Target& target, const loop::Let& let,
                      loop::VType result, loop::VType operand,
                      std::span<llvm::Value* const> arguments, llvm::Value* index);

/// Where the lanes of a load or a store lie: `stride` elements apart from a pointer on, each moved
/// by its `offsets` (a vector of i64 elements, or null); those not active, or not in the `mask` (i1
/// of as many lanes, or null), are not touched: what has to go somewhere goes to `nowhere`, 8 bytes
/// that are zero before a load.
struct LaneAddresses {
  std::int64_t stride = 1;
  int active = 1;
  llvm::Value* offsets = nullptr;
  llvm::Value* mask = nullptr;
  llvm::Value* nowhere = nullptr;
};
/// The lanes of a vector; those not touched are zero.
llvm::Value* emit_load(llvm::IRBuilderBase& builder, const Target& target, loop::VType type,
                       llvm::Value* pointer, const LaneAddresses& lanes);
/// Lanes stored to one place are so in their order.
void emit_store(llvm::IRBuilderBase& builder, const Target& target, loop::VType type,
                llvm::Value* value, llvm::Value* pointer, const LaneAddresses& lanes);
void emit_transpose(llvm::IRBuilderBase& builder, const Target& target,
                    const loop::TransposeTile& tile, llvm::Value* source, llvm::Value* destination);

}  // namespace kiln::codegen
