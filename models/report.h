// What a model tells its user: lines on standard output, plots in a folder.
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

#include "runtime/plot.h"

namespace kiln {

/// A duration for people: "215.18 us", "4.270 ms", "1.14 s".
std::string time_text(double seconds);

class Report {
 public:
  /// Plots go to FOLDER/MODEL-name.FORMAT; none are drawn where the folder's name is empty.
  Report(std::string model, bool quiet, std::string folder = {}, std::string format = "png")
      : model_(std::move(model)),
        quiet_(quiet),
        folder_(std::move(folder)),
        format_(std::move(format)) {}

  const std::string& model() const { return model_; }
  bool quiet() const { return quiet_; }
  bool draws() const { return !folder_.empty(); }

  /// One or more whole lines; nothing when quiet.
  template <class... Arguments>
  void print(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    write(fmt::format(format, std::forward<Arguments>(arguments)...));
  }
  void line_plot(std::string_view name, const LinePlot& plot);
  void heatmaps(std::string_view name, const Heatmaps& plot);

 private:
  void write(const std::string& text);
  std::string path(std::string_view name) const;
  void written(const PlotResult& plot);

  std::string model_;
  bool quiet_;
  std::string folder_, format_;
};

}  // namespace kiln
