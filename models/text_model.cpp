#include "models/text_model.h"

#include <algorithm>
#include <set>

#include "runtime/random.h"
#include "runtime/safetensors.h"

namespace kiln {
namespace {

constexpr std::size_t kWritten = 300;  // characters

}  // namespace

Array vocabulary_of(const std::vector<std::span<const std::uint8_t>>& texts) {
  std::set<std::uint8_t> found;
  for (const std::span<const std::uint8_t> text : texts) found.insert(text.begin(), text.end());
  const std::vector<std::uint8_t> bytes(found.begin(), found.end());
  return Array::of<std::uint8_t>({static_cast<std::int64_t>(bytes.size())}, std::span(bytes));
}

Array vocabulary_in(const std::string& path) {
  const NamedArrays tensors = load_safetensors(path).tensors;
  const auto found = tensors.find("vocabulary");
  if (found == tensors.end() || found->second.dtype() != DType::ui8 ||
      found->second.type().rank() != 1 || found->second.count() == 0)
    throw Error(fmt::format("{}: expected a tensor 'vocabulary' ui8[n], found none", path));
  const std::span<const std::uint8_t> bytes = std::as_const(found->second).data<std::uint8_t>();
  if (std::ranges::adjacent_find(bytes, std::greater_equal<>()) != bytes.end())
    throw Error(fmt::format("{}: expected the bytes of 'vocabulary' to ascend", path));
  return found->second;
}

void check_known(std::span<const std::uint8_t> text, const Array& vocabulary,
                 const std::string& where) {
  for (const std::uint8_t byte : text)
    if (!std::ranges::binary_search(vocabulary.data<std::uint8_t>(), byte))
      throw Error(
          fmt::format("{}: expected characters of the text that was learned from, found "
                      "the byte {} ('{}')",
                      where, byte, name_of(static_cast<char>(byte))));
}

std::string continued(const std::string& prompt, const Array& vocabulary, std::int64_t block_size,
                      const NextChances& chances, std::uint64_t seed) {
  Random random(seed);
  std::string text = prompt;
  while (text.size() < prompt.size() + kWritten) {
    const std::size_t seen = std::min(text.size(), static_cast<std::size_t>(block_size));
    Array window(Type{DType::ui8, {1, block_size}});
    std::ranges::copy(bytes_in(text).last(seen), window.data<std::uint8_t>().begin());
    const Array last = Array::of<std::int64_t>({1}, {static_cast<std::int64_t>(seen) - 1});
    const Array next = chances(window, last);
    const std::span<const float> all = next.data<float>();
    std::size_t number = 0;
    for (float left = random.uniform() - all[0]; left >= 0 && number + 1 < all.size();)
      left -= all[++number];
    text += static_cast<char>(vocabulary.data<std::uint8_t>()[number]);
  }
  return text;
}

void draw_looks(const std::string& text, const Array& weights, Report& report) {
  Heatmaps plot{
      .title = report.model() + ": weights", .x_label = "looked at", .y_label = "character"};
  for (const char c : text) plot.x_names.push_back(name_of(c));
  plot.y_names = plot.x_names;
  const auto length = static_cast<std::int64_t>(text.size());
  const std::int64_t heads = weights.count() / (length * length);
  plot.columns = heads > 1 ? 2 : 1;
  for (std::int64_t head = 0; head < heads; ++head) {
    Array panel(Type{DType::f32, {length, length}});
    const std::size_t size = panel.bytes().size();
    std::ranges::copy(weights.bytes().subspan(static_cast<std::size_t>(head) * size, size),
                      panel.bytes().begin());
    plot.panels.push_back({heads > 1 ? fmt::format("head {}", head + 1) : "", panel});
  }
  report.heatmaps("weights", plot);
}

std::string name_of(char c) {
  if (c == ' ') return "·";
  if (c == '\n') return "↵";
  const auto byte = static_cast<unsigned char>(c);
  return byte > 0x20 && byte < 0x7f ? std::string(1, c) : fmt::format("{:02x}", byte);
}

}  // namespace kiln
