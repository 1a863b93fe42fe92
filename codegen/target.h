// The processor that code is made for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// A processor by LLVM's names, and what lowering wants to know of it. Two targets that compare
/// equal get the same code.
struct Target {
  std::string cpu;            // "znver4", "x86-64-v3"
  std::string features;       // "+avx2,-avx512f,…": what differs from the cpu's own
  int vector_bytes = 16;      // of the widest register
  int vector_registers = 16;  // of that width

  /// The processor that runs this program.
  static const Target& host();
  /// "native", or a processor's name: x86-64, x86-64-v2, x86-64-v3, x86-64-v4, znver4,
  /// skylake-avx512, … Throws Error where there is no such name or this machine cannot run code for
  /// it.
  static Target named(std::string_view name);
  /// All names that `named` knows, whether this machine can run them or not.
  static std::vector<std::string> known();

  /// What decides the code made for it, as text.
  std::string key() const;

  bool operator==(const Target&) const = default;
};

/// How many processors this process may run on: fewer than the machine has under taskset.
int usable_processors();

}  // namespace kiln
