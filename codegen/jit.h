// A program compiled to machine code in this process. LLVM stays behind this wall.
//
//   CompiledProgram step = CompiledProgram::compile(program, Target::host());
//   step.entry()(arguments, arena, &runtime);
//
// Safe to call from several threads at once.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/code_cache.h"
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
  /// Compiles the kernels that `cache` does not have, and adds them to it.
  static CompiledProgram compile(const Program& program, const Target& target, CodeCache& cache);
  /// Compiles all of it.
  static CompiledProgram compile(const Program& program, const Target& target);
  /// From an object that compile_object made for a target this machine can run; `name` is its
  /// program's name. Throws Error when it is not such an object.
  static CompiledProgram link(const ObjectCode& object, const std::string& name);

  /// The program without its kernels, which are named, as bytes: what `restore` reads.
  std::string image() const;
  /// The program again, in another process perhaps; nothing where `cache` lacks one of its kernels.
  /// Throws Error when the bytes are no image. Adds to `use`.
  static std::optional<CompiledProgram> restore(std::string_view image, CodeCache& cache,
                                                CacheUse& use);

  CompiledProgram(CompiledProgram&&) noexcept;
  CompiledProgram& operator=(CompiledProgram&&) noexcept;
  ~CompiledProgram();

  /// The floating-point control word must be the default one on every thread that runs it.
  StepFn* entry() const;
  std::size_t object_bytes() const;
  /// How many of its kernels the cache had.
  const CacheUse& cache_use() const;
  const CompileTimes& times() const;

 private:
  struct Impl;
  explicit CompiledProgram(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace kiln
