// Words of five languages, as samples for models/language: from files, or a few hundred of each
// that are kept here.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/model.h"

namespace kiln {

/// In the order of the classes.
inline constexpr std::array<std::string_view, 5> kLanguages{"English", "Spanish", "Finnish",
                                                            "Dutch", "Polish"};
/// The letters that words are made of, in the order of their numbers. They are the same whatever
/// the words, so that weights and word lists can be exchanged.
inline constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyzáéíóúüñäöåąćęłńśźżëïè";
inline constexpr int kAlphabetSize = 47;
/// Longer words are left out.
inline constexpr int kLongestWord = 14;

/// The numbers of a word's letters; throws Error, naming the word, where it is empty, longer than
/// `longest` letters or has a letter that is not in the alphabet.
std::vector<std::uint8_t> letters_of(std::string_view word, int longest);

/// Words of 2 to kLongestWord letters, grouped by length: letters ui8 [n, length] and languages
/// i32 [n]. Without a folder, the words kept here. In the folder each language has a file of its
/// name in lower case, one word a line, or the name that Debian's package gives it. Lines that are
/// no word of the alphabet (names, as they have capitals, and phrases) are left out. All languages
/// have equally many distinct words: as many as that with the fewest, at most 20000, chosen by a
/// hash. The hash also says which are for validation, about one in ten; so a word of two languages
/// is never in both parts.
Dataset load_words(const std::string& folder);

/// The data sets, and /usr/share/dict where all of Debian's packages are installed.
std::vector<std::string> with_installed_words(std::vector<std::string> data_sets);

/// A few hundred common words of each language, by spaces.
extern const std::array<std::string_view, 5> kCommonWords;

}  // namespace kiln
