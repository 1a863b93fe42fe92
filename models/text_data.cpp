#include "models/text_data.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "runtime/atomic_file.h"

namespace kiln {
namespace {

constexpr std::uintmax_t kMostBytes = std::uintmax_t{64} << 20;
constexpr std::size_t kMostPieces = 20'000;  // an epoch of a long text goes over some of it

std::string text_of(const std::string& path) {
  if (path.empty()) return std::string(kDayBook);
  if (!std::filesystem::is_regular_file(path))
    throw Error(fmt::format("{}: expected a text file, found no such file", path));
  if (const std::uintmax_t size = std::filesystem::file_size(path); size > kMostBytes)
    throw Error(fmt::format("{}: expected at most 64 MiB of text, found {} bytes", path, size));
  return read_file(path);
}

/// Pieces of `length` bytes, one every `stride`.
Samples pieces_of(std::string_view text, std::size_t length, std::size_t stride) {
  std::vector<std::uint8_t> bytes;
  std::int64_t count = 0;
  for (std::size_t first = 0; first + length <= text.size(); first += stride, ++count)
    for (const char c : text.substr(first, length)) bytes.push_back(static_cast<std::uint8_t>(c));
  return {Array::of<std::uint8_t>({count, static_cast<std::int64_t>(length)}, std::span(bytes))};
}

class Bigrams {
 public:
  Bigrams(std::string_view counted, std::string_view all) {
    for (std::size_t i = 0; i + 1 < counted.size(); ++i) {
      ++pairs_[number(counted[i]) * 256 + number(counted[i + 1])];
      ++firsts_[number(counted[i])];
    }
    std::array<bool, 256> occurs{};
    for (const char c : all) occurs[number(c)] = true;
    distinct_ = static_cast<double>(std::count(occurs.begin(), occurs.end(), true));
  }
  /// The mean over what follows each byte of the pieces.
  double cross_entropy(const Array& pieces) const {
    const auto length = static_cast<std::size_t>(pieces.dims()[1]);
    const std::span<const std::uint8_t> bytes = pieces.data<std::uint8_t>();
    double total = 0, count = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (i % length == length - 1) continue;
      total -= std::log((pairs_[bytes[i] * std::size_t{256} + bytes[i + 1]] + 1.0) /
                        (firsts_[bytes[i]] + distinct_));
      ++count;
    }
    return total / count;
  }

 private:
  static std::size_t number(char c) { return static_cast<unsigned char>(c); }

  std::vector<std::uint32_t> pairs_ = std::vector<std::uint32_t>(std::size_t{256} * 256);
  std::array<std::uint32_t, 256> firsts_{};
  double distinct_ = 0;
};

}  // namespace

Dataset load_text(const std::string& path, std::int64_t block_size) {
  const std::string text = text_of(path);
  const auto block = static_cast<std::size_t>(block_size);
  const std::size_t least = 10 * (block + 2);
  if (text.size() < least)
    throw Error(fmt::format("{}: expected a text of at least {} characters, found {}", path, least,
                            text.size()));
  const std::string_view all = text, train = all.substr(0, text.size() - text.size() / 10),
                         held_out = all.substr(train.size());
  Dataset data;
  const std::size_t stride = std::max({block / 4, train.size() / kMostPieces, std::size_t{1}});
  data.train = {pieces_of(train, block + 1, stride)};
  data.validation = {pieces_of(held_out, block + 1, block)};
  data.required = Bigrams(train, all).cross_entropy(data.validation[0][0]);
  data.name = fmt::format(
      "{}, {} characters, the last {} held out, where a bigram model has "
      "{:.4f} nats a character",
      path.empty() ? "a harbour's day book" : path, text.size(), held_out.size(), data.required);
  return data;
}

}  // namespace kiln
