// How digits are written: the pen strokes that draw_digits distorts.
#pragma once

#include <span>
#include <vector>

namespace kiln {

/// In a box of width and height 1, x to the right and y down.
struct PenPoint {
  float x = 0, y = 0;
  bool corner = false;  ///< the pen turns here; elsewhere it goes through smoothly
};

using PenStroke = std::vector<PenPoint>;

/// One way of writing a digit.
struct Glyph {
  float weight;  ///< how often it is taken, relative to the digit's other glyphs
  std::vector<PenStroke> strokes;
};

/// All ways of writing `digit`, 0 … 9.
std::span<const Glyph> glyphs_of(int digit);

}  // namespace kiln
