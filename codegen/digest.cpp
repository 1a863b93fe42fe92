#include "codegen/digest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <llvm/Support/BLAKE3.h>

namespace kiln {

Digest Digest::of(std::string_view content) {
  llvm::BLAKE3 hasher;
  hasher.update(llvm::StringRef(content.data(), content.size()));
  return {hasher.final<16>()};
}

std::string Digest::hex() const { return fmt::format("{:02x}", fmt::join(bytes, "")); }

}  // namespace kiln
