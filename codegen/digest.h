// A short name for long content.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace kiln {

/// 128 bits that two different contents do not share (BLAKE3).
struct Digest {
  std::array<std::uint8_t, 16> bytes{};

  static Digest of(std::string_view content);
  /// Of content that comes in pieces: `pieces` gives them to the function it is called with.
  using Sink = std::function<void(std::string_view)>;
  static Digest of_pieces(const std::function<void(const Sink&)>& pieces);
  /// 32 hexadecimal digits.
  std::string hex() const;
  std::string_view view() const { return {reinterpret_cast<const char*>(bytes.data()), 16}; }
  auto operator<=>(const Digest&) const = default;
};

}  // namespace kiln
