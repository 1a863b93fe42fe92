#include "models/digit_glyphs.h"

#include <array>
#include <charconv>
#include <string_view>

namespace kiln {
namespace {

// Pen movements through points of a box 100 wide and 100 high, x to the right, y down. Strokes are
// separated by '|'; the pen goes through a stroke's points smoothly, except at those with a '!',
// which are corners.

struct GlyphText {
  int digit;
  float weight;
  std::string_view strokes;
};

constexpr std::array kGlyphs = std::to_array<GlyphText>({
    // An oval, closed or with an overshooting end; drawn from the right; a narrow one.
    {0, 3, "50,0 27,14 20,48 30,86 50,100 72,86 80,50 72,13 50,0"},
    {0, 2, "62,6 40,2 22,28 20,64 36,96 60,96 78,68 78,30 62,4 44,10"},
    {0, 1, "70,14 52,1 34,20 27,58 36,92 54,99 68,76 74,40 68,10 60,2"},
    // A bare stroke; with a flag; with a flag and a foot.
    {1, 3, "50,0 50,50 50,100"},
    {1, 3, "36,28 45,16 54,0! 53,50 52,100"},
    {1, 1, "36,26 45,15 53,0! 52,50 52,100 | 30,100 74,99"},
    // An arch and a flat foot; a looped foot; an angular one.
    {2, 3, "24,24 34,5 56,0 74,18 68,42 44,72 20,99! 50,98 82,99"},
    {2, 2, "24,20 40,2 62,4 72,24 60,54 36,88 22,98 18,86 32,82 54,94 84,96"},
    {2, 1, "22,8 50,2 78,6! 56,46 22,98! 52,96 80,98"},
    // Two bowls with a cusp; a flat top; bowls that meet in a small loop.
    {3, 3, "24,14 44,0 68,8 70,30 42,47! 72,56 78,80 54,100 22,90"},
    {3, 2, "24,2! 50,2 76,2! 60,24 46,42! 72,52 78,78 54,100 22,92"},
    {3, 1, "26,8 52,0 70,18 56,42 38,48 42,40 60,50 76,72 58,98 22,92"},
    // Open; closed; open with a round corner.
    {4, 3, "26,2 22,30 20,58! 50,58 84,56 | 66,18 64,60 62,100"},
    {4, 2, "64,100 65,50 66,0! 42,32 16,66! 50,66 88,64"},
    {4, 2, "24,2 22,36 34,54 58,48 72,6! 68,50 64,100"},
    // Bar, back and bowl; in one go, with a round shoulder.
    {5, 3, "32,2 29,24 28,44! 50,37 74,52 74,82 50,100 22,92 | 32,2 54,2 80,0"},
    {5, 2, "78,2 54,3 34,4! 30,24 28,44! 56,38 78,60 70,90 44,100 20,90"},
    {5, 1, "76,8 50,2 32,20 42,42 66,56 72,80 50,100 22,92"},
    // A curved back; a straight one; a large loop.
    {6, 3, "70,4 46,18 28,48 24,78 44,100 68,92 74,70 56,54 34,62 26,78"},
    {6, 2, "56,0 40,34 26,70 40,98 64,96 72,74 54,60 30,76"},
    {6, 1, "74,14 52,2 30,30 22,66 38,98 64,96 78,66 60,44 36,50 26,70"},
    // Plain; with a bar through the stem; with a serif and a curved stem.
    {7, 3, "16,4 50,3 84,2! 60,44 42,100"},
    {7, 2, "18,4 50,3 82,2! 60,44 44,100 | 34,52 54,50 74,49"},
    {7, 2, "16,22 18,5! 50,5 84,4! 60,36 50,66 46,100"},
    // One figure of eight; two rings; one with an open top.
    {8, 3, "68,12 48,0 28,14 34,36 52,48 72,66 70,90 50,100 28,90 28,66 50,48 68,32 70,14"},
    {8, 2, "50,0 30,12 32,36 50,46 70,34 70,12 50,0 | 50,46 26,60 26,90 50,100 76,90 74,60 50,46"},
    {8, 1, "76,8 50,2 32,18 44,40 66,62 66,90 46,100 28,86 36,62 60,40 78,12"},
    // A ring on a straight stem; with a curved tail; drawn in one go.
    {9, 3, "72,24 54,2 30,14 28,40 46,52 66,40 72,20! 70,60 66,100"},
    {9, 2, "72,26 56,2 32,12 26,36 42,50 64,42 72,22! 74,60 60,96 28,92"},
    {9, 1, "66,10 42,2 26,24 36,48 60,42 70,16 70,50 52,100"},
});

std::vector<PenStroke> parse(std::string_view text) {
  std::vector<PenStroke> strokes(1);
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    if (*at == '|') strokes.emplace_back();
    if (*at == '|' || *at == ' ') {
      ++at;
      continue;
    }
    int x = 0, y = 0;
    at = std::from_chars(at, end, x).ptr + 1;  // past the comma
    at = std::from_chars(at, end, y).ptr;
    const bool corner = at != end && *at == '!';
    if (corner) ++at;
    strokes.back().push_back({x / 100.0f, y / 100.0f, corner});
  }
  return strokes;
}

}  // namespace

std::span<const Glyph> glyphs_of(int digit) {
  static const auto table = [] {
    std::array<std::vector<Glyph>, 10> glyphs;
    for (const GlyphText& glyph : kGlyphs)
      glyphs[static_cast<std::size_t>(glyph.digit)].push_back({glyph.weight, parse(glyph.strokes)});
    return glyphs;
  }();
  return table[static_cast<std::size_t>(digit)];
}

}  // namespace kiln
