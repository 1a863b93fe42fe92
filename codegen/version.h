// Who makes the code.
#pragma once

#include <string>

namespace kiln {

/// Kiln's version, a hash of the sources that decide what code is made of a program (ir, passes,
/// codegen, runtime), LLVM's version as loaded: equal text, equal code.
const std::string& compiler_version();

}  // namespace kiln
