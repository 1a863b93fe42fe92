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

Digest Digest::of_pieces(const std::function<void(const Sink&)>& pieces) {
  llvm::BLAKE3 hasher;
  pieces(
      [&](std::string_view piece) { hasher.update(llvm::StringRef(piece.data(), piece.size())); });
  return {hasher.final<16>()};
}

std::string Digest::hex() const { return fmt::format("{:02x}", fmt::join(bytes, "")); }

}  // namespace kiln
