// What the models that guess a text's next character share: their symbols, writing on, a picture.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/report.h"
#include "runtime/kiln.h"

namespace kiln {

/// A text's bytes.
inline std::span<const std::uint8_t> bytes_in(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// The bytes that occur in the texts, ascending: a vocabulary, ui8 [n].
Array vocabulary_of(const std::vector<std::span<const std::uint8_t>>& texts);
/// The one that a checkpoint holds under that name; throws Error where it holds none.
Array vocabulary_in(const std::string& path);
/// Throws Error where a byte is not in the vocabulary; `where` says of what it is.
void check_known(std::span<const std::uint8_t> text, const Array& vocabulary,
                 const std::string& where);

/// Of a text ui8 [1, block_size] that ends at place `last`, and has anything after it: the
/// probabilities of what is next, f32 [1, n].
using NextChances = std::function<Array(const Array& text, const Array& last)>;
/// The prompt, which is not empty, and a few lines after it, each byte drawn from what the ones
/// before it, block_size at most, make likely.
std::string continued(const std::string& prompt, const Array& vocabulary, std::int64_t block_size,
                      const NextChances& chances, std::uint64_t seed);

/// Draws what each character of a text looks at: weights [T, T] or, of several heads, [heads, T,
/// T].
void draw_looks(const std::string& text, const Array& weights, Report& report);
/// A byte as people can read it in a table or along an axis.
std::string name_of(char c);

}  // namespace kiln
