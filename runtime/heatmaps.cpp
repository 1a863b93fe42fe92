#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/gnuplot.h"
#include "runtime/plot.h"

namespace kiln {
namespace {

using gnuplot::kHeight;
using gnuplot::kWidth;

constexpr double kLetter = 8;  // about the width of a letter, in pixels

struct Box {
  double left, right, bottom, top;  // in pixels, y up
};

/// Where each panel lies, and the colour bar beside them.
class Layout {
 public:
  explicit Layout(const Heatmaps& plot)
      : columns_(std::min<int>(plot.columns, static_cast<int>(plot.panels.size()))),
        rows_((static_cast<int>(plot.panels.size()) + columns_ - 1) / columns_) {
    const bool titled =
        std::ranges::any_of(plot.panels, [](const Panel& p) { return !p.title.empty(); });
    const double x_ticks = !plot.show_ticks ? 0
                           : slanted(plot)  ? 10 + 5.5 * longest(plot.x_names)
                                            : 22;
    const double y_ticks =
        !plot.show_ticks ? 0 : 12 + kLetter * std::max(2.0, longest(plot.y_names));
    left_ = 20 + (plot.y_label.empty() ? 0 : 24) + y_ticks;
    bottom_ = 20 + (plot.x_label.empty() ? 0 : 24) + x_ticks;
    top_ = 15 + (plot.title.empty() ? 0 : 32) + (titled ? 22 : 0);
    gap_x_ = 12 + y_ticks;
    gap_y_ = 8 + x_ticks + (titled ? 24 : 0);
  }

  /// Whether the names under the columns are too long to stand side by side.
  static bool slanted(const Heatmaps& plot) { return longest(plot.x_names) > 3; }

  /// The place of panel `index`; cells are square unless that would leave most of it empty.
  Box panel(int index, double matrix_rows, double matrix_columns) const {
    const double slot_width = (kWidth - left_ - kRight - gap_x_ * (columns_ - 1)) / columns_;
    const double slot_height = (kHeight - top_ - bottom_ - gap_y_ * (rows_ - 1)) / rows_;
    double width = slot_width, height = slot_height;
    const double wanted = matrix_rows / matrix_columns;  // height by width
    if (wanted >= 0.25 && wanted <= 4) {
      width = std::min(slot_width, slot_height / wanted);
      height = width * wanted;
    }
    const int row = index / columns_, column = index % columns_;
    const double x = left_ + (slot_width + gap_x_) * column + (slot_width - width) / 2;
    const double y = kHeight - top_ - (slot_height + gap_y_) * row - (slot_height - height) / 2;
    return {x, x + width, y - height, y};
  }
  Box colour_bar() const {
    const double height = std::min(400.0, kHeight - top_ - bottom_);
    const double middle = (kHeight - top_ + bottom_) / 2;
    return {kWidth - kRight + 24, kWidth - kRight + 42, middle - height / 2, middle + height / 2};
  }
  bool in_first_column(int index) const { return index % columns_ == 0; }
  /// Whether nothing lies below.
  bool at_bottom(int index, int panels) const { return index + columns_ >= panels; }

 private:
  static double longest(const std::vector<std::string>& names) {
    std::size_t most = 0;
    for (const std::string& name : names) most = std::max(most, name.size());
    return static_cast<double>(most);
  }

  static constexpr double kRight = 110;  // for the colour bar and its numbers

  int columns_, rows_;
  double left_, bottom_, top_, gap_x_, gap_y_;
};

std::pair<double, double> value_range(const std::vector<Panel>& panels) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const Panel& panel : panels)
    for (std::int64_t i = 0; i < panel.values.count(); ++i)
      if (const double value = panel.values.as_double(i); std::isfinite(value)) {
        low = std::min(low, value);
        high = std::max(high, value);
      }
  if (low < high) return {low, high};
  if (low > high || low == 0) return {0, 1};  // no number at all, or only zeros
  return {std::min(low, 0.0), std::max(high, 0.0)};
}

/// Cell numbers at round distances, few enough to be told apart, or the names given for them.
std::string ticks(char axis, std::int64_t cells, double pixels, const Heatmaps& plot) {
  const std::vector<std::string>& names = axis == 'x' ? plot.x_names : plot.y_names;
  if (!plot.show_ticks) return fmt::format("unset {}tics\n", axis);
  if (!names.empty()) {
    std::string list;
    for (std::size_t i = 0; i < names.size(); ++i)
      list += fmt::format("{}{} {}", i == 0 ? "" : ", ", gnuplot::text(names[i]), i);
    const bool slanted = axis == 'x' && Layout::slanted(plot);
    return fmt::format("set {}tics {}scale 0 ({})\n", axis, slanted ? "rotate by 40 right " : "",
                       list);
  }
  const double most = std::max(1.0, pixels / 32);
  std::int64_t step = 1;
  for (std::int64_t decade = 1; static_cast<double>(cells) / static_cast<double>(step) > most;
       decade *= 10)
    for (const std::int64_t digit : {1, 2, 5})
      if (static_cast<double>(cells) / static_cast<double>(step) > most) step = digit * decade;
  return fmt::format("set {}tics 0,{} scale 0.5\n", axis, step);
}

std::string palette(Heatmaps::Palette palette) {
  if (palette == Heatmaps::Palette::grey) return "set palette gray\n";
  return "set palette defined (0 '#440154', 1 '#472d7b', 2 '#3b528b', 3 '#2c728e', 4 '#21918c', "
         "5 '#28ae80', 6 '#5ec962', 7 '#addc30', 8 '#fde725')\n";
}

/// A count is written whole, another number to three digits.
std::string cell_text(double value) {
  const bool is_count = value == std::floor(value) && std::fabs(value) < 1e5;
  return is_count ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value);
}

std::string panel_data(std::size_t index, const Heatmaps& plot, std::pair<double, double> range) {
  const Array& values = plot.panels[index].values;
  const std::int64_t rows = values.dims()[0], columns = values.dims()[1];
  std::string cells = fmt::format("$m{} << EOD\n", index);
  std::string labels = fmt::format("$t{} << EOD\n", index);
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      const double value = values.as_double(row * columns + column);
      cells += (column == 0 ? "" : " ") + gnuplot::number(value);
      const bool bright = value > range.first + 0.6 * (range.second - range.first);
      if (plot.show_values && std::isfinite(value))
        labels +=
            fmt::format("{} {} {} {}\n", column, row, cell_text(value), bright ? 0 : 0xffffff);
    }
    cells += "\n";
  }
  return cells + "EOD\n" + (plot.show_values ? labels + "EOD\n" : "");
}

std::string panel_script(std::size_t index, const Heatmaps& plot, const Layout& layout) {
  const Panel& panel = plot.panels[index];
  const std::int64_t rows = panel.values.dims()[0], columns = panel.values.dims()[1];
  const int place = static_cast<int>(index);
  const Box box = layout.panel(place, static_cast<double>(rows), static_cast<double>(columns));
  const bool bottom = layout.at_bottom(place, static_cast<int>(plot.panels.size()));
  std::string script = fmt::format(
      "set lmargin at screen {:.5f}\nset rmargin at screen {:.5f}\n"
      "set bmargin at screen {:.5f}\nset tmargin at screen {:.5f}\n"
      "set xrange [-0.5:{}.5]\nset yrange [{}.5:-0.5]\n"
      "set title {} offset 0,-0.7 font ',{}'\nset xlabel {}\nset ylabel {}\n",
      box.left / kWidth, box.right / kWidth, box.bottom / kHeight, box.top / kHeight, columns - 1,
      rows - 1, gnuplot::text(panel.title),
      kLetter * static_cast<double>(panel.title.size()) < box.right - box.left ? 12 : 9,
      gnuplot::text(bottom ? plot.x_label : ""),
      gnuplot::text(layout.in_first_column(place) ? plot.y_label : ""));
  script += ticks('x', columns, box.right - box.left, plot);
  script += ticks('y', rows, box.top - box.bottom, plot);
  script += fmt::format("plot $m{} matrix with image notitle", index);
  if (plot.show_values)
    script += fmt::format(", $t{} using 1:2:3:4 with labels textcolor rgb variable notitle", index);
  // One bar and one title for all panels: the first draws them.
  return script + (index == 0 ? "\nunset colorbox\nunset label\n" : "\n");
}

}  // namespace

PlotResult heatmaps(const std::string& path, const Heatmaps& plot) {
  if (plot.panels.empty() || plot.columns < 1)
    throw Error(fmt::format("{}: there is nothing to plot", path));
  std::string data = "panel\trow\tcolumn\tvalue\n";
  for (const Panel& panel : plot.panels) {
    const Type& type = panel.values.type();
    if (type.rank() != 2 || type.count() == 0)
      throw Error(fmt::format("{}: expected panel '{}' to be a matrix with elements, found {}",
                              path, panel.title, type.pretty()));
    for (std::int64_t i = 0; i < type.count(); ++i)
      data += fmt::format("{}\t{}\t{}\t{}\n", gnuplot::field(panel.title), i / type.dims[1],
                          i % type.dims[1], panel.values.as_double(i));
  }

  const Layout layout(plot);
  const std::pair<double, double> range = value_range(plot.panels);
  const Box bar = layout.colour_bar();
  std::string script = palette(plot.palette);
  script += fmt::format(
      "set cbrange [{}:{}]\nset format cb '%g'\nset cbtics scale 0.5\nset colorbox user origin "
      "{:.5f},{:.5f} size "
      "{:.5f},{:.5f}\n"
      "set label {} at screen 0.5,0.96 center font ',15'\nset border lc rgb '#666666'\n"
      "set tics textcolor rgb 'black'\n",
      gnuplot::number(range.first), gnuplot::number(range.second), bar.left / kWidth,
      bar.bottom / kHeight, (bar.right - bar.left) / kWidth, (bar.top - bar.bottom) / kHeight,
      gnuplot::text(plot.title));
  for (std::size_t i = 0; i < plot.panels.size(); ++i) script += panel_data(i, plot, range);
  script += "set multiplot\n";
  for (std::size_t i = 0; i < plot.panels.size(); ++i) script += panel_script(i, plot, layout);
  return gnuplot::draw(path, data, script + "unset multiplot\n");
}

}  // namespace kiln
