// Values written one after another as bytes, and read back by who does not trust them.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/error.h"

namespace kiln {

/// Appends values. Lists and texts are preceded by their length, so what is written one way can be
/// read one way only.
class ByteWriter {
 public:
  void put(std::int64_t value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void put(std::string_view text) {
    put(static_cast<std::int64_t>(text.size()));
    bytes_ += text;
  }
  void put(std::span<const std::int64_t> values) {
    put(static_cast<std::int64_t>(values.size()));
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  }
  void put(std::span<const std::byte> bytes) {
    put(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }
  /// Bytes of a known number, without a length.
  void raw(std::span<const std::uint8_t> bytes) {
    bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  std::string_view bytes() const { return bytes_; }
  void clear() { bytes_.clear(); }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// Reads what a ByteWriter wrote. Every method throws Error where the bytes end too early or a
/// length cannot be; what a value means is for the caller to check.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : left_(bytes) {}

  std::int64_t number() {
    std::int64_t value = 0;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  /// A number of [low, high].
  std::int64_t number(std::int64_t low, std::int64_t high) {
    const std::int64_t value = number();
    if (value < low || value > high)
      throw Error(fmt::format("expected a number from {} to {}, found {}", low, high, value));
    return value;
  }
  /// The length of a list whose elements take at least `bytes` each.
  std::size_t length(std::size_t bytes) {
    return static_cast<std::size_t>(number(0, static_cast<std::int64_t>(left_.size() / bytes)));
  }
  std::string_view text() { return take(length(1)); }
  std::vector<std::int64_t> numbers() {
    std::vector<std::int64_t> values(length(sizeof(std::int64_t)));
    for (std::int64_t& value : values) value = number();
    return values;
  }
  void raw(std::span<std::uint8_t> bytes) {
    std::memcpy(bytes.data(), take(bytes.size()).data(), bytes.size());
  }
  void end() const {
    if (!left_.empty()) throw Error(fmt::format("{} bytes too many", left_.size()));
  }

 private:
  std::string_view take(std::size_t bytes) {
    if (bytes > left_.size())
      throw Error(fmt::format("expected {} more bytes, found {}", bytes, left_.size()));
    const std::string_view taken = left_.substr(0, bytes);
    left_.remove_prefix(bytes);
    return taken;
  }

  std::string_view left_;
};

}  // namespace kiln
