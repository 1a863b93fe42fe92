// Hand-made kernels compiled and run: what the tests of code generation share.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "codegen/jit.h"
#include "ir/loop.h"

namespace kiln {

/// A program of one launch whose arguments are the kernel's parameters.
inline Program program_of(loop::Kernel kernel) {
  loop::verify(kernel);
  Program program;
  Launch launch;
  for (int i = 0; i < kernel.parameter_count(); ++i)
    launch.buffers.push_back({BufferRef::Kind::argument, i, 0});
  launch.label = kernel.name;
  program.argument_count = kernel.parameter_count();
  program.kernels.push_back(std::move(kernel));
  program.add(std::move(launch));
  return program;
}

/// A kernel called `name` that `body` fills in.
inline loop::Kernel kernel_of(const std::string& name,
                              const std::function<void(loop::Builder&)>& body) {
  loop::Kernel kernel;
  kernel.name = name;
  loop::Builder builder(kernel);
  body(builder);
  return kernel;
}

inline void run(const Program& program, const Target& target, std::vector<void*> arguments) {
  const CompiledProgram compiled = CompiledProgram::compile(program, target);
  compiled.entry()(arguments.data(), nullptr, nullptr);
}

/// The targets to compare: the plainest, AVX2 where this machine has it, and this machine.
inline std::vector<Target> test_targets() {
  std::vector<Target> targets;
  for (const char* name : {"x86-64", "x86-64-v3", "native"}) {
    try {
      targets.push_back(Target::named(name));
    } catch (const Error&) {
      continue;  // an older machine
    }
  }
  return targets;
}

}  // namespace kiln
