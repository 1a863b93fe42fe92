#include "models/report.h"

#include <cstdio>

namespace kiln {

std::string time_text(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.2f} us", 1e6 * seconds);
  if (seconds < 0.1) return fmt::format("{:.3f} ms", 1e3 * seconds);
  return fmt::format("{:.2f} s", seconds);
}

void Report::write(const std::string& text) {
  if (quiet_) return;
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

std::string Report::path(std::string_view name) const {
  return fmt::format("{}/{}-{}.{}", folder_, model_, name, format_);
}

void Report::written(const PlotResult& plot) {
  if (plot.note) fmt::print(stderr, "{}\n", *plot.note);
  print("drawn: {}\n", plot.written());
}

void Report::line_plot(std::string_view name, const LinePlot& plot) {
  if (draws()) written(kiln::line_plot(path(name), plot));
}

void Report::heatmaps(std::string_view name, const Heatmaps& plot) {
  if (draws()) written(kiln::heatmaps(path(name), plot));
}

}  // namespace kiln
