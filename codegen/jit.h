// A program compiled to machine code in this process. LLVM stays behind this wall.
//
//   CompiledProgram step = CompiledProgram::compile(program, Target::host());
//   step.entry()(arguments, arena, &runtime);
//
// Safe to call from several threads at once.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "codegen/kernel_abi.h"
#include "codegen/target.h"
#include "ir/program.h"

namespace kiln {

/// Where compiling a program spent its time.
struct CompileTimes {
  double emit_ms = 0;     // loop IR → LLVM IR
  double codegen_ms = 0;  // LLVM IR → object
  double link_ms = 0;     // object → memory that can run
};

/// An object file (ELF, position-independent) that defines one function: the step, under the
/// program's name. It needs nothing but libm.
struct ObjectCode {
  std::vector<char> bytes;
  CompileTimes times;
};

ObjectCode compile_object(const Program& program, const Target& target);

/// The program as LLVM IR, and as assembly.
std::string llvm_text(const Program& program, const Target& target);
std::string asm_text(const Program& program, const Target& target);

/// Machine code that can run; it lives as long as this does.
class CompiledProgram {
 public:
  /// A kernel that another living program has, equal in content and made for an equal target, is
  /// that program's, unless `reuse` is off: it is not compiled again.
  static CompiledProgram compile(const Program& program, const Target& target, bool reuse = true);
  /// From an object that compile_object made for a target this machine can run; `name` is its
  /// program's name. Throws Error when it is not such an object.
  static CompiledProgram link(const ObjectCode& object, const std::string& name);

  CompiledProgram(CompiledProgram&&) noexcept;
  CompiledProgram& operator=(CompiledProgram&&) noexcept;
  ~CompiledProgram();

  /// The floating-point control word must be the default one on every thread that runs it.
  StepFn* entry() const;
  std::size_t object_bytes() const;
  /// How many of its kernels other programs had.
  std::size_t reused_kernels() const;
  const CompileTimes& times() const;

 private:
  struct Impl;
  explicit CompiledProgram(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace kiln
