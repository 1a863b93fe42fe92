// A short name for long content.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace kiln {

/// 128 bits that two different contents do not share (BLAKE3).
struct Digest {
  std::array<std::uint8_t, 16> bytes{};

  static Digest of(std::string_view content);
  /// 32 hexadecimal digits.
  std::string hex() const;
  std::string_view view() const { return {reinterpret_cast<const char*>(bytes.data()), 16}; }
  auto operator<=>(const Digest&) const = default;
};

}  // namespace kiln
