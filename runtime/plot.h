// Plots, drawn by gnuplot run as a program.
//
// A plot's data are always written beside it, under its name with .tsv (tab-separated, one header
// line). The picture is PNG, 800 x 600, or SVG where the path ends in .svg.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ir/array.h"

namespace kiln {

/// What came of a plot. Where gnuplot is missing or fails, the data are there and the note says, in
/// one line for the user, what is not, and why.
struct PlotResult {
  std::string data = {};                  ///< the .tsv file
  std::optional<std::string> image = {};  ///< the picture, if it was drawn
  std::optional<std::string> note = {};

  /// The file to tell the user of: the picture, else the data.
  const std::string& written() const { return image ? *image : data; }
};

struct Series {
  enum class Style { line, points, line_points };

  std::string name = {};  ///< in the legend; empty keeps it out of there
  std::vector<double> xs = {};
  std::vector<double> ys = {};  ///< as many as xs; NaN and infinities are left out of the picture
  Style style = Style::line;
  bool on_right = false;  ///< its ys belong to the axis at the right
};

struct LinePlot {
  using Range = std::pair<double, double>;

  std::string title = {};
  std::string x_label = {};
  std::string y_label = {};
  std::string right_label = {};  ///< of the axis at the right, which is there if a series needs it
  std::vector<Series> series = {};
  std::optional<Range> x_range = {};  ///< chosen from the data where not given
  std::optional<Range> y_range = {};
  std::optional<Range> right_range = {};
  bool log_x = false;
  bool log_y = false;
};

/// One matrix, drawn as an image with its first row at the top.
struct Panel {
  std::string title = {};
  Array values = {};  ///< [rows, columns] of any type; NaN stays blank
};

/// Matrices in rows of `columns` panels under one colour bar: attention weights, a confusion
/// matrix, a sheet of images.
struct Heatmaps {
  enum class Palette { viridis, grey };

  std::string title = {};
  std::string x_label = {};  ///< of the matrices' columns
  std::string y_label = {};  ///< of the matrices' rows
  std::vector<Panel> panels = {};
  int columns = 1;
  Palette palette = Palette::viridis;
  bool show_ticks = true;
  bool show_values = false;               ///< each element's number is written into its cell
  std::vector<std::string> x_names = {};  ///< in place of column numbers
  std::vector<std::string> y_names = {};  ///< in place of row numbers
};

/// Both draw `path`, which ends in .png or .svg, and write its data. A folder that is missing is
/// made. Throw Error when a file cannot be written, when the path ends otherwise, or when there is
/// nothing to draw: no series or panels, xs and ys of unequal length, a panel that is no matrix or
/// has no elements.
PlotResult line_plot(const std::string& path, const LinePlot& plot);
PlotResult heatmaps(const std::string& path, const Heatmaps& plot);

}  // namespace kiln
