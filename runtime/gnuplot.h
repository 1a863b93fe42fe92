// What the plots share: gnuplot's language, and running it.
#pragma once

#include <string>
#include <string_view>

#include "runtime/plot.h"

namespace kiln::gnuplot {

inline constexpr int kWidth = 800, kHeight = 600;  // of a picture, in pixels

/// A string in gnuplot's language.
std::string text(std::string_view text);
/// A number in gnuplot's language, which leaves out of the picture what is not finite.
std::string number(double value);
/// A name as one field of a tab-separated line.
std::string field(std::string name);

/// Writes `data` beside `path`, then has gnuplot draw `script` to it. See runtime/plot.h.
PlotResult draw(const std::string& path, std::string_view data, std::string_view script);

}  // namespace kiln::gnuplot
