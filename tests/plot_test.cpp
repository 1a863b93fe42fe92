#include "runtime/plot.h"

#include <sys/stat.h>

#include <cmath>
#include <cstdlib>

#include "runtime/run_program.h"
#include "tests/catch.h"
#include "tests/temp_folder.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;

/// Another PATH for as long as it lives.
class Path {
 public:
  explicit Path(const std::string& path) : before_(::getenv("PATH")) {
    ::setenv("PATH", path.c_str(), 1);
  }
  ~Path() { ::setenv("PATH", before_.c_str(), 1); }
  Path(const Path&) = delete;
  Path& operator=(const Path&) = delete;

 private:
  std::string before_;
};

bool gnuplot_is_here() {
  const std::vector<std::string> command = {"gnuplot", "--version"};
  return run_program(command, "").succeeded();
}

/// A gnuplot of our own: this shell script.
std::string fake_gnuplot(const TempFolder& folder, const std::string& script) {
  const std::string program = folder.file("gnuplot", "#!/bin/sh\n" + script);
  ::chmod(program.c_str(), 0755);
  return folder.path();
}

LinePlot two_lines() {
  return {.title = "it's β_0",
          .x_label = "epoch",
          .y_label = "loss",
          .series = {
              {.name = "training\tloss", .xs = {0, 1, 2}, .ys = {1, 0.5, NAN}},
              {.name = "points", .xs = {0, 2}, .ys = {0.25, -1}, .style = Series::Style::points}}};
}

Heatmaps two_matrices() {
  return {.title = "weights",
          .x_label = "Keys",
          .y_label = "Queries",
          .panels = {{"a", Array::of<float>({2, 3}, {0, 1, 2, 3, NAN, 5})},
                     {"b", Array::of<std::int32_t>({1, 1}, {7})}},
          .columns = 2,
          .show_values = true,
          .x_names = {"c", "a", "t"}};
}

TEST_CASE("plot_writes_the_data_beside_the_picture", "[plot]") {
  const TempFolder folder;
  const PlotResult lines = line_plot(folder.file("new/folder/loss.png"), two_lines());
  CHECK(lines.data == folder.file("new/folder/loss.tsv"));
  CHECK(content_of(lines.data) ==
        "series\tx\ty\ntraining loss\t0\t1\ntraining loss\t1\t0.5\ntraining loss\t2\tnan\n"
        "points\t0\t0.25\npoints\t2\t-1\n");
  const PlotResult maps = heatmaps(folder.file("maps.svg"), two_matrices());
  CHECK(content_of(maps.data) ==
        "panel\trow\tcolumn\tvalue\na\t0\t0\t0\na\t0\t1\t1\na\t0\t2\t2\na\t1\t0\t3\na\t1\t1\tnan\n"
        "a\t1\t2\t5\nb\t0\t0\t7\n");
}

TEST_CASE("plot_draws_png_and_svg_by_the_name_of_the_file", "[plot]") {
  if (!gnuplot_is_here()) return;
  const TempFolder folder;
  for (const bool lines : {true, false}) {
    const auto draw = [&](const std::string& name) {
      const PlotResult result = lines ? line_plot(folder.file(name), two_lines())
                                      : heatmaps(folder.file(name), two_matrices());
      INFO(result.note.value_or(""));
      REQUIRE(result.image == folder.file(name));
      CHECK(result.written() == folder.file(name));
      CHECK_FALSE(result.note);
      return content_of(folder.file(name));
    };
    const std::string png = draw("x.png");
    CHECK(png.starts_with("\x89PNG"));
    CHECK(png.substr(18, 2) == "\x03\x20");  // 800 wide
    CHECK(png.substr(22, 2) == "\x02\x58");  // 600 high
    const std::string svg = draw("x.svg");
    CHECK_THAT(svg,
               ContainsSubstring("</svg>") && ContainsSubstring(lines ? "it's β_0" : "Queries"));
  }
  CHECK(folder.count() == 3);
}

TEST_CASE("plot_draws_an_axis_at_the_right_for_series_that_need_it", "[plot]") {
  if (!gnuplot_is_here()) return;
  const TempFolder folder;
  LinePlot plot = two_lines();
  plot.right_label = "accuracy";
  CHECK(content_of(*line_plot(folder.file("left.svg"), plot).image).find("accuracy") ==
        std::string::npos);
  plot.series[1].on_right = true;
  plot.right_range = {0, 1};
  CHECK_THAT(content_of(*line_plot(folder.file("both.svg"), plot).image),
             ContainsSubstring("accuracy"));
}

TEST_CASE("plot_draws_what_is_constant_empty_in_part_or_logarithmic", "[plot]") {
  if (!gnuplot_is_here()) return;
  const TempFolder folder;
  const LinePlot plot = {.title = "t",
                         .series = {{.name = "empty"}, {.name = "one", .xs = {1}, .ys = {2}}},
                         .x_range = {{0, 5}},
                         .log_y = true};
  CHECK(line_plot(folder.file("x.png"), plot).image);
  const LinePlot powers = {.title = "t",
                           .series = {{.name = "n^2", .xs = {1, 10, 100}, .ys = {1, 100, 10000}}},
                           .log_x = true,
                           .log_y = true};
  CHECK(line_plot(folder.file("x.png"), powers).image);
  for (const double value : {0.0, 0.1, -3.0}) {
    const Heatmaps constant = {.panels = {{"", Array::full(Type{DType::f64, {2, 40}}, value)}},
                               .palette = Heatmaps::Palette::grey,
                               .show_ticks = false};
    CHECK(heatmaps(folder.file("x.png"), constant).image);
  }
}

TEST_CASE("plot_names_gnuplot_where_it_is_missing_and_still_writes_the_data", "[plot]") {
  const TempFolder folder, empty;
  const Path path(empty.path());
  const PlotResult result = line_plot(folder.file("x.png"), two_lines());
  CHECK_FALSE(result.image);
  CHECK(result.written() == folder.file("x.tsv"));
  REQUIRE(result.note);
  CHECK_THAT(*result.note,
             ContainsSubstring("gnuplot is not installed (apt install gnuplot-nox)") &&
                 ContainsSubstring(folder.file("x.tsv")));
  CHECK(folder.count() == 1);
}

TEST_CASE("plot_tells_what_gnuplot_said_when_it_fails", "[plot]") {
  const TempFolder folder, programs;
  const Path path(fake_gnuplot(programs, "echo >&2\necho 'no such font' >&2\nexit 3\n"));
  const PlotResult result = heatmaps(folder.file("x.png"), two_matrices());
  CHECK_FALSE(result.image);
  REQUIRE(result.note);
  CHECK_THAT(*result.note, ContainsSubstring("gnuplot failed with status 3: no such font"));
  CHECK(folder.count() == 1);
}

TEST_CASE("plot_rejects_what_cannot_be_drawn_or_written", "[plot]") {
  const TempFolder folder;
  const std::string path = folder.file("x.png");
  CHECK_THROWS_WITH(line_plot(path, {}), ContainsSubstring("nothing to plot"));
  CHECK_THROWS_WITH(heatmaps(path, {}), ContainsSubstring("nothing to plot"));
  CHECK_THROWS_WITH(line_plot(path, {.series = {{.name = "s", .xs = {1, 2}, .ys = {1}}}}),
                    ContainsSubstring("series 's' has 2 xs but 1 ys"));
  CHECK_THROWS_WITH(heatmaps(path, {.panels = {{"p", Array(Type{DType::f32, {3}})}}}),
                    ContainsSubstring("panel 'p'") && ContainsSubstring("f32[3]"));
  CHECK_THROWS_WITH(line_plot(folder.file("x.tsv"), two_lines()),
                    ContainsSubstring(".png or .svg"));
  CHECK_THROWS_WITH(line_plot("/proc/nowhere/x.png", two_lines()),
                    ContainsSubstring("cannot write /proc/nowhere/x.tsv"));
}

TEST_CASE("run_program_passes_input_and_returns_output_errors_and_status", "[run_program]") {
  const std::vector<std::string> command = {"sh", "-c", "cat; echo \"$1\" >&2; exit 7", "sh",
                                            "a b;c"};
  const std::string input(300000, 'x');  // more than a pipe holds
  const ProgramResult result = run_program(command, input);
  CHECK(result.found);
  CHECK(result.status == 7);
  CHECK(result.output == input);
  CHECK(result.errors == "a b;c\n");
  CHECK(problem_of(result, "sh", "dash") == "sh failed with status 7: a b;c");
  const std::vector<std::string> killed = {"sh", "-c", "kill -9 $$"};
  CHECK(run_program(killed, "").status == 128 + 9);
  const std::vector<std::string> missing = {"no-such-program-of-kiln"};
  CHECK_FALSE(run_program(missing, "").found);
}

}  // namespace
}  // namespace kiln
