#include "codegen/version.h"

#include <fmt/format.h>

#include <llvm-c/Core.h>

#include <source_hash.h>  // written by codegen/source_hash.cmake when kiln is built

namespace kiln {

const std::string& compiler_version() {
  static const std::string version = [] {
    unsigned major = 0, minor = 0, patch = 0;
    LLVMGetVersion(&major, &minor, &patch);
    return fmt::format("kiln {} {} LLVM {}.{}.{}", KILN_VERSION, kSourceHash, major, minor, patch);
  }();
  return version;
}

}  // namespace kiln
