#include "runtime/plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "runtime/gnuplot.h"

namespace kiln {
namespace {

// Told apart by the colour-blind too: Okabe and Ito's, darkest first.
constexpr std::array kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                 "#e69f00", "#56b4e9", "#000000"};

std::string range(const std::optional<LinePlot::Range>& range) {
  return range
             ? fmt::format("[{}:{}]", gnuplot::number(range->first), gnuplot::number(range->second))
             : "[*:*]";
}

/// A number of epochs, say, has nothing between 1 and 2 to be marked.
bool counts_few(const std::vector<Series>& all) {
  double low = 0, high = 0;
  for (const Series& series : all)
    for (const double x : series.xs) {
      if (x != std::floor(x)) return false;
      low = std::min(low, x);
      high = std::max(high, x);
    }
  return high - low <= 10;
}

std::string style_of(const Series& series, std::size_t index) {
  const char* colour = kColours[index % kColours.size()];
  switch (series.style) {
    case Series::Style::line:
      return fmt::format("with lines lw 2 lc rgb '{}'", colour);
    case Series::Style::points:
      return fmt::format("with points pt 7 ps 0.9 lc rgb '{}'", colour);
    case Series::Style::line_points:
      return fmt::format("with linespoints lw 2 pt 7 ps 0.9 lc rgb '{}'", colour);
  }
  std::abort();
}

}  // namespace

PlotResult line_plot(const std::string& path, const LinePlot& plot) {
  if (plot.series.empty()) throw Error(fmt::format("{}: there is nothing to plot", path));
  std::string data = "series\tx\ty\n", blocks, curves;
  for (std::size_t i = 0; i < plot.series.size(); ++i) {
    const Series& series = plot.series[i];
    if (series.xs.size() != series.ys.size())
      throw Error(fmt::format("{}: series '{}' has {} xs but {} ys", path, series.name,
                              series.xs.size(), series.ys.size()));
    blocks += fmt::format("$s{} << EOD\n", i);
    for (std::size_t k = 0; k < series.xs.size(); ++k) {
      data += fmt::format("{}\t{}\t{}\n", gnuplot::field(series.name), series.xs[k], series.ys[k]);
      blocks += gnuplot::number(series.xs[k]) + " " + gnuplot::number(series.ys[k]) + "\n";
    }
    blocks += "EOD\n";
    if (series.xs.empty()) continue;  // gnuplot takes an empty block for an error
    curves += fmt::format("{} $s{} using 1:2 {} title {}", curves.empty() ? "" : ",", i,
                          style_of(series, i), gnuplot::text(series.name));
  }
  return gnuplot::draw(
      path, data,
      blocks + fmt::format("set title {} font ',15'\nset xlabel {}\nset ylabel {}\n"
                           "set grid lc rgb '#dddddd' lt 1\nset border 3\n"
                           "set tics nomirror\nset key bmargin center horizontal\nset bmargin 6\n"
                           "set xrange {}\nset yrange {}\n{}{}plot{}\n",
                           gnuplot::text(plot.title), gnuplot::text(plot.x_label),
                           gnuplot::text(plot.y_label), range(plot.x_range), range(plot.y_range),
                           plot.log_y ? "set logscale y\n" : "",
                           counts_few(plot.series) ? "set xtics 1\n" : "", curves));
}

}  // namespace kiln
