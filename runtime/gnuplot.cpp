#include "runtime/gnuplot.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <vector>

#include "runtime/atomic_file.h"
#include "runtime/run_program.h"

namespace kiln::gnuplot {
namespace {

std::string terminal(const std::filesystem::path& path) {
  if (path.extension() == ".svg")
    return fmt::format(
        "set terminal svg standalone size {},{} noenhanced font 'sans,13' "
        "background '#ffffff'\n",
        kWidth, kHeight);
  // A gnuplot without cairo still draws, less finely.
  return fmt::format(
      "if (strstrt(GPVAL_TERMINALS, ' pngcairo ') > 0) {{\n"
      "  set terminal pngcairo size {0},{1} noenhanced font 'sans,12'\n"
      "}} else {{\n"
      "  set terminal png size {0},{1} noenhanced\n"
      "}}\n",
      kWidth, kHeight);
}

/// Viewers blur the few pixels of an image when they enlarge it, unless told not to.
void keep_cells_sharp(std::string& svg) {
  constexpr std::string_view tag = "<image ";
  constexpr std::string_view style = "style='image-rendering:pixelated' ";
  for (std::size_t at = svg.find(tag); at != std::string::npos; at = svg.find(tag, at + 1))
    svg.insert(at + tag.size(), style);
}

}  // namespace

std::string text(std::string_view text) {
  std::string result = "'";  // nothing but the quote itself is special in single quotes
  for (const char c : text) {
    if (c == '\'') result += '\'';
    result += c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
  }
  return result + "'";
}

std::string field(std::string name) {
  std::ranges::replace_if(name, [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
  return name;
}

std::string number(double value) {
  return std::isfinite(value) ? fmt::format("{:.9g}", value) : "NaN";
}

PlotResult draw(const std::string& path, std::string_view data, std::string_view script) {
  const std::filesystem::path image(path);
  if (image.extension() != ".png" && image.extension() != ".svg")
    throw Error(fmt::format("cannot draw {}: expected a name that ends in .png or .svg", path));
  if (image.has_parent_path()) {
    std::error_code ignored;  // writing into it will tell
    std::filesystem::create_directories(image.parent_path(), ignored);
  }
  PlotResult result;
  result.data = std::filesystem::path(image).replace_extension(".tsv").string();
  write_file(result.data, data);

  const std::vector<std::string> command = {"gnuplot", "-d", "-"};
  ProgramResult run =
      run_program(command, fmt::format("set encoding utf8\n{}{}", terminal(image), script));
  if (run.succeeded() && !run.output.empty()) {
    if (image.extension() == ".svg") keep_cells_sharp(run.output);
    write_file(path, run.output);
    result.image = path;
  } else {
    result.note = fmt::format("{} was not drawn: {}; its data are in {}", path,
                              problem_of(run, "gnuplot", "gnuplot-nox"), result.data);
  }
  return result;
}

}  // namespace kiln::gnuplot
