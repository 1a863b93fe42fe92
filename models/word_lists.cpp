#include "models/word_lists.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "runtime/random.h"

namespace kiln {
namespace {

constexpr std::size_t kMostWords = 20000;
constexpr std::size_t kShortest = 2;
constexpr std::uint64_t kValidationShare = 10;  // one in so many
constexpr double kRequired = 0.87, kRequiredOfCommonWords = 0.70;

/// One language's files, in the order of preference: a user's, and Debian's (wamerican, wspanish,
/// dict-freedict-fin-eng, wdutch, wpolish).
constexpr std::array<std::array<std::string_view, 2>, 5> kFiles{
    {{"english", "american-english"},
     {"spanish", "spanish"},
     {"finnish", "../dictd/freedict-fin-eng.index"},
     {"dutch", "dutch"},
     {"polish", "polish"}}};

/// Code points below this are two bytes of UTF-8, or one.
constexpr std::size_t kTwoBytes = 0x800;

/// The next code point below kTwoBytes, taken from the text; nothing where there is another.
std::optional<std::size_t> take_code_point(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text[0]);
  text.remove_prefix(1);
  if (first < 0x80) return first;
  if ((first & 0xe0) != 0xc0 || text.empty() || (static_cast<unsigned char>(text[0]) >> 6) != 2)
    return std::nullopt;
  const std::size_t point = (first & 0x1fU) << 6 | (static_cast<unsigned char>(text[0]) & 0x3fU);
  text.remove_prefix(1);
  return point;
}

/// By code point, the letter's number + 1; 0 is no letter.
std::array<std::uint8_t, kTwoBytes> numbers() {
  std::array<std::uint8_t, kTwoBytes> table{};
  std::string_view rest = kAlphabet;
  for (std::uint8_t number = 1; !rest.empty(); ++number) table[*take_code_point(rest)] = number;
  return table;
}

/// Nothing where the alphabet lacks a letter, or the word has too many.
std::optional<std::vector<std::uint8_t>> letters_if_word(std::string_view word,
                                                         std::size_t longest) {
  static const std::array<std::uint8_t, kTwoBytes> table = numbers();
  std::vector<std::uint8_t> letters;
  while (!word.empty()) {
    const std::optional<std::size_t> point = take_code_point(word);
    if (!point || table[*point] == 0 || letters.size() == longest) return std::nullopt;
    letters.push_back(static_cast<std::uint8_t>(table[*point] - 1));
  }
  return letters;
}

/// 64 bits that follow from the word alone: FNV-1a, its bits mixed.
std::uint64_t hash_of(std::string_view word) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : word) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return Random(hash).bits64();
}

/// Distinct words by their hash, the first kMostWords of them.
using Words = std::map<std::uint64_t, std::vector<std::uint8_t>>;

Words words_of(std::istream& lines) {
  Words words;
  for (std::string line; std::getline(lines, line);) {
    // In a dictd index the headword ends at a tab; from Windows a line ends in \r.
    const std::string_view word = std::string_view(line).substr(0, line.find_first_of("\t\r"));
    const std::uint64_t hash = hash_of(word);
    if (words.size() == kMostWords && hash >= words.rbegin()->first) continue;
    auto letters = letters_if_word(word, kLongestWord);
    if (!letters || letters->size() < kShortest) continue;
    words.emplace(hash, std::move(*letters));
    if (words.size() > kMostWords) words.erase(std::prev(words.end()));
  }
  return words;
}

std::optional<std::string> find_file(const std::string& folder, std::size_t language) {
  for (const std::string_view name : kFiles[language]) {
    const std::string path = fmt::format("{}/{}", folder, name);
    if (std::filesystem::is_regular_file(path)) return path;
  }
  return std::nullopt;
}

Words read_words(const std::string& folder, std::size_t language) {
  if (folder.empty()) {
    std::string lines(kCommonWords[language]);
    std::replace(lines.begin(), lines.end(), ' ', '\n');
    std::istringstream stream(lines);
    return words_of(stream);
  }
  const std::optional<std::string> path = find_file(folder, language);
  if (!path)
    throw Error(fmt::format("{}: expected a list of words called {}, found none", folder,
                            kFiles[language][0]));
  std::ifstream file(*path);
  if (!file) throw Error(fmt::format("{}: cannot be read", *path));
  Words words = words_of(file);
  if (words.empty())
    throw Error(fmt::format("{}: expected words of {} to {} letters of {}, one a line, found none",
                            *path, kShortest, kLongestWord, kAlphabet));
  return words;
}

/// Words of one length, with their languages.
struct Group {
  std::vector<std::uint8_t> letters;
  std::vector<std::int32_t> languages;
};
using Groups = std::map<std::size_t, Group>;

std::vector<Samples> samples_of(const Groups& groups) {
  std::vector<Samples> samples;
  for (const auto& [length, group] : groups) {
    const auto count = static_cast<std::int64_t>(group.languages.size());
    samples.push_back({Array::of<std::uint8_t>({count, static_cast<std::int64_t>(length)},
                                               std::span(group.letters)),
                       Array::of<std::int32_t>({count}, std::span(group.languages))});
  }
  return samples;
}

}  // namespace

std::vector<std::uint8_t> letters_of(std::string_view word, int longest) {
  auto letters = letters_if_word(word, static_cast<std::size_t>(longest));
  if (!letters || letters->empty())
    throw Error(
        fmt::format("'{}': expected a word of 1 to {} letters of {}", word, longest, kAlphabet));
  return *letters;
}

Dataset load_words(const std::string& folder) {
  if (!folder.empty() && !std::filesystem::is_directory(folder))
    throw Error(fmt::format(
        "{}: expected a folder with a list of words for each language, found no such folder",
        folder));
  std::array<Words, kLanguages.size()> words;
  std::size_t each = kMostWords;
  for (std::size_t language = 0; language < words.size(); ++language) {
    words[language] = read_words(folder, language);
    each = std::min(each, words[language].size());
  }
  Groups train, validation;
  std::size_t validated = 0;
  for (std::size_t language = 0; language < words.size(); ++language) {
    auto word = words[language].begin();
    for (std::size_t i = 0; i < each; ++i, ++word) {
      const auto& [hash, letters] = *word;
      const bool held_out = hash % kValidationShare == 0;
      validated += held_out;
      Group& group = (held_out ? validation : train)[letters.size()];
      group.letters.insert(group.letters.end(), letters.begin(), letters.end());
      group.languages.push_back(static_cast<std::int32_t>(language));
    }
  }
  const std::size_t all = each * words.size();
  if (validated == 0 || validated == all)
    throw Error(fmt::format("{}: expected words enough to hold some out, found {} of each language",
                            folder, each));
  return {fmt::format("{}, {} words of each of {} languages, {} + {}; {} letters: {}",
                      folder.empty() ? "common words" : folder, each, words.size(), all - validated,
                      validated, kAlphabetSize, kAlphabet),
          samples_of(train), samples_of(validation),
          folder.empty() ? kRequiredOfCommonWords : kRequired};
}

std::vector<std::string> with_installed_words(std::vector<std::string> data_sets) {
  const std::string folder = "/usr/share/dict";
  bool all = true;
  for (std::size_t language = 0; language < kLanguages.size(); ++language)
    all = all && find_file(folder, language);
  if (all) data_sets.push_back(folder);
  return data_sets;
}

}  // namespace kiln
