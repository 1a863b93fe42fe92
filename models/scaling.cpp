#include "models/scaling.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>

#include <nlohmann/json.hpp>

#include "models/report.h"
#include "models/temporary_folder.h"
#include "models/workload_families.h"
#include "runtime/plot.h"

namespace kiln {
namespace {

constexpr double kWarmSeconds = 20e-3;    // of steps before the first that counts
constexpr double kTimedSeconds = 200e-3;  // of steps, at least kBlocks
constexpr std::size_t kBlocks = 5;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Layers with relu between them.
struct Stack : Module {
  explicit Stack(const std::vector<std::int64_t>& widths) {
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
      layers.push_back(
          std::make_unique<Linear>(this, fmt::format("layer{}", i + 1), widths[i], widths[i + 1]));
      // As He et al. draw them, so that a thousand layers neither blow values up nor wear them down
      // to denormals, which take many times as long.
      Array& weight = value_of(parameters()[2 * i].variable());
      for (float& element : weight.data<float>()) element *= std::sqrt(6.0F);
    }
  }
  Tensor operator()(Tensor x) const {
    for (std::size_t i = 0; i < layers.size(); ++i)
      x = i + 1 < layers.size() ? relu((*layers[i])(x)) : (*layers[i])(x);
    return x;
  }
  std::vector<std::unique_ptr<Linear>> layers;
};

PreparedWork stack(const std::vector<std::int64_t>& widths, std::int64_t batch) {
  return training<Stack>(
      std::make_shared<Stack>(widths), SGD(),
      [](const Stack& net, const std::vector<Tensor>& in) { return mse_loss(net(in[0]), in[1]); },
      {{"x", uniform_array({batch, widths.front()}, 1)},
       {"y", uniform_array({batch, widths.back()}, 2)}});
}

struct Attending : Module {
  Tensor operator()(const Tensor& x) const { return attention(x).output; }
  CausalSelfAttention attention{this, "attention", 64};
};

PreparedWork attending(std::int64_t length) {
  return training<Attending>(
      std::make_shared<Attending>(), SGD(),
      [](const Attending& net, const std::vector<Tensor>& in) { return mean(square(net(in[0]))); },
      {{"x", uniform_array({1, length, 64}, 1)}});
}

struct Family {
  std::string grows, what;
  std::vector<std::int64_t> sizes;
  PreparedWork (*make)(std::int64_t size);
};

const std::vector<Family>& families() {
  static const std::vector<Family> all{
      {"depth",
       "layers of 128x128 with relu, batch 64, SGD",
       {1, 4, 16, 64, 256, 1024},
       [](std::int64_t depth) {
         return stack(std::vector<std::int64_t>(static_cast<std::size_t>(depth) + 1, 128), 64);
       }},
      {"width",
       "three square layers with relu, batch 64, SGD",
       {32, 64, 128, 256, 512, 1024, 2048},
       [](std::int64_t width) { return stack({width, width, width, width}, 64); }},
      {"batch",
       "784-256-128-10 with relu, SGD",
       {1, 4, 16, 64, 256, 1024, 4096},
       [](std::int64_t batch) { return stack({784, 256, 128, 10}, batch); }},
      {"length",
       "causal self-attention of 64 channels, SGD",
       {64, 128, 256, 512, 1024, 2048, 4096},
       attending},
  };
  return all;
}

struct Point {
  std::int64_t size = 0;
  double compile = 0, cached = 0, step = 0;  // seconds
  std::int64_t memory = 0, arena = 0;        // bytes: of the whole step, and of its arena
};

/// The time of a step: the median of some blocks.
double step_seconds(Compiled& step, std::span<const Array* const> inputs) {
  const auto warm = std::chrono::steady_clock::now();
  std::size_t steps = 0;
  for (; steps == 0 || seconds_since(warm) < kWarmSeconds; ++steps) step(inputs);
  const double one = seconds_since(warm) / static_cast<double>(steps);
  const auto in_block =
      static_cast<std::size_t>(std::max(1.0, kTimedSeconds / static_cast<double>(kBlocks) / one));
  std::vector<double> blocks;
  for (std::size_t block = 0; block < kBlocks; ++block) {
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < in_block; ++i) step(inputs);
    blocks.push_back(seconds_since(start) / static_cast<double>(in_block));
  }
  std::ranges::sort(blocks);
  return blocks[kBlocks / 2];
}

Point measured(const Family& family, std::int64_t size) {
  const PreparedWork work = family.make(size);
  const TemporaryFolder folder;
  std::unique_ptr<Compiled> step;
  const auto ready = [&] {
    step.reset();
    settings().set_code_cache(std::make_shared<CodeCache>(ObjectStore(folder.path())));
    const auto start = std::chrono::steady_clock::now();
    step = std::make_unique<Compiled>(work.trace(), Mode::fused, settings().target);
    return seconds_since(start);
  };
  Point point{.size = size};
  point.compile = ready();
  point.memory = step->executable().memory().total();
  point.arena = step->executable().memory().arena;
  point.cached = std::min(ready(), ready());
  settings().set_code_cache(nullptr);
  const std::vector<const Array*> inputs = work.input_arrays();
  point.step = step_seconds(*step, inputs);
  return point;
}

/// y ~ size^exponent between two points.
double exponent(double y0, double y1, const Point& a, const Point& b) {
  return std::log(y1 / y0) / std::log(static_cast<double>(b.size) / static_cast<double>(a.size));
}

void draw(const Family& family, const std::vector<Point>& points, const std::string& folder) {
  std::vector<double> sizes;
  for (const Point& point : points) sizes.push_back(static_cast<double>(point.size));
  LinePlot plot{.title = fmt::format("{}: {}", family.grows, family.what),
                .x_label = family.grows,
                .y_label = "ms, MB",
                .log_x = true,
                .log_y = true};
  const auto add = [&](const char* name, auto&& of) {
    std::vector<double> values;
    for (const Point& point : points) values.push_back(of(point));
    plot.series.push_back(
        {.name = name, .xs = sizes, .ys = values, .style = Series::Style::line_points});
  };
  add("compile, ms", [](const Point& p) { return 1e3 * p.compile; });
  add("ready from the cache, ms", [](const Point& p) { return 1e3 * p.cached; });
  add("step, ms", [](const Point& p) { return 1e3 * p.step; });
  add("memory, MB", [](const Point& p) { return 1e-6 * static_cast<double>(p.memory); });
  const PlotResult drawn = line_plot(fmt::format("{}/{}.svg", folder, family.grows), plot);
  if (drawn.note) fmt::print(stderr, "{}\n", *drawn.note);
  fmt::print("drawn: {}\n", drawn.written());
}

}  // namespace

void bench_scaling(const std::string& json, const std::string& plots) {
  std::ofstream file;
  if (!json.empty()) {
    file.open(json);
    if (!file) throw Error(fmt::format("{}: cannot be written", json));
  }
  measured(families()[0], 1);  // LLVM starts
  fmt::print("{} thread{}\n", settings().pool().threads(),
             settings().pool().threads() == 1 ? "" : "s");
  for (const Family& family : families()) {
    fmt::print("\n{:<8} of {}\n{:>8} {:>12} {:>12} {:>12} {:>14} {:>14}\n", family.grows,
               family.what, family.grows, "compile", "cached", "step", "memory", "of it arena");
    std::vector<Point> points;
    for (const std::int64_t size : family.sizes) {
      points.push_back(measured(family, size));
      const Point& point = points.back();
      fmt::print("{:>8} {:>12} {:>12} {:>12} {:>14} {:>14}\n", size, time_text(point.compile),
                 time_text(point.cached), time_text(point.step), point.memory, point.arena);
      std::fflush(stdout);
      if (file.is_open())
        file << nlohmann::json{{"grows", family.grows},
                               {"size", size},
                               {"compile_seconds", point.compile},
                               {"warm_seconds", point.cached},
                               {"seconds", point.step},
                               {"memory_bytes", point.memory},
                               {"arena_bytes", point.arena}}
                    .dump()
             << std::endl;
    }
    const Point &a = points[points.size() - 2], &b = points.back();
    fmt::print("exponent {:>12.2f} {:>12.2f} {:>12.2f} {:>14.2f} {:>14.2f}\n",
               exponent(a.compile, b.compile, a, b), exponent(a.cached, b.cached, a, b),
               exponent(a.step, b.step, a, b),
               exponent(static_cast<double>(a.memory), static_cast<double>(b.memory), a, b),
               exponent(static_cast<double>(a.arena), static_cast<double>(b.arena), a, b));
    if (!plots.empty()) draw(family, points, plots);
  }
}

}  // namespace kiln
