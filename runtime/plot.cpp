#include "runtime/plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>

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

/// Where x counts something and is short, there are no ticks between its numbers.
std::string x_ticks(const LinePlot& plot) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const Series& series : plot.series)
    for (const double x : series.xs) {
      if (x != std::floor(x)) return "";
      low = std::min(low, x);
      high = std::max(high, x);
    }
  return high - low <= 10 && !plot.x_range ? "set xtics 1\n" : "";
}

std::string right_axis(const LinePlot& plot) {
  if (std::ranges::none_of(plot.series, &Series::on_right)) return "";
  return fmt::format("set border 11\nset y2tics\nset y2label {}\nset y2range {}\n",
                     gnuplot::text(plot.right_label), range(plot.right_range));
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
    curves += fmt::format("{} $s{} using 1:2 {} {} title {}", curves.empty() ? "" : ",", i,
                          series.on_right ? "axes x1y2" : "", style_of(series, i),
                          gnuplot::text(series.name));
  }
  return gnuplot::draw(
      path, data,
      blocks + fmt::format("set title {} font ',15'\nset xlabel {}\nset ylabel {}\n"
                           "set grid lc rgb '#dddddd' lt 1\nset border 3\n"
                           "set tics nomirror\nset key bmargin center horizontal\nset bmargin 6\n"
                           "set xrange {}\nset yrange {}\n{}{}{}{}plot{}\n",
                           gnuplot::text(plot.title), gnuplot::text(plot.x_label),
                           gnuplot::text(plot.y_label), range(plot.x_range), range(plot.y_range),
                           plot.log_x ? "set logscale x\n" : "",
                           plot.log_y ? "set logscale y\n" : "", x_ticks(plot), right_axis(plot),
                           curves));
}

}  // namespace kiln
