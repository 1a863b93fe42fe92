// perceptron: a line (a plane, …) between two classes of points, found by mending its mistakes.
//
//   score = w · x      answer = +1 where score >= 0, else -1      a mistake:  w ← w + y x
//
// until a whole pass over the points makes no mistake (F. Rosenblatt, "The perceptron", 1958).
// A mistake turns w towards its point: the score of x grows by y |x|². If some w* with |w*| = 1 has
// y w* · x >= γ for every point, and |x| <= R, there are at most (R/γ)² mistakes from w = 0
// (A. Novikoff, "On convergence proofs on perceptrons", 1962) and finitely many from any start; so
// it ends whenever the points can be separated. When they cannot, the article's loop never ends:
// here it ends, and says so, after --epochs.
//
// Weights start at 1, a score of exactly 0 counts as +1, the points come one by one (--batch 1) in
// another order each pass (--no-shuffle: in their own). There is no bias: a constant feature 1
// stands for it. The points are those of --data FILE.safetensors, x f32[n, d] and y[n] of +1 and
// -1, or drawn on both sides of a line in the plane, none closer to it than 0.2.
#include <algorithm>
#include <cmath>

#include "models/model.h"
#include "runtime/random.h"
#include "runtime/safetensors.h"

namespace kiln {
namespace {

struct Network : Module {
  explicit Network(std::int64_t dimensions)
      : w(parameter("w", {1, dimensions}, Initializer::constant(1))) {}
  /// One score a row of x.
  Tensor operator()(const Tensor& x) const { return squeeze(matmul(x, transpose(w, 0, 1)), 1); }

  Parameter w;
};

/// Points of the plane, with a third feature 1.
Samples drawn_points(std::uint64_t seed) {
  constexpr std::int64_t kPoints = 80;
  constexpr float kMargin = 0.2F;
  Array x(Type{DType::f32, {kPoints, 3}}), y(Type{DType::f32, {kPoints}});
  Random random(seed, 1);
  for (std::size_t i = 0; i < kPoints;) {
    const float a = random.uniform(-4, 4), b = random.uniform(-4, 4);
    const float distance = 0.8F * a - 0.6F * b + 0.5F;
    if (std::fabs(distance) < kMargin) continue;
    std::ranges::copy(std::array{a, b, 1.0F}, x.data<float>().subspan(3 * i).begin());
    y.data<float>()[i++] = distance > 0 ? 1 : -1;
  }
  return {x, y};
}

Samples points_in(const std::string& path) {
  const NamedArrays tensors = load_safetensors(path).tensors;
  if (!tensors.contains("x") || !tensors.contains("y"))
    throw Error(fmt::format("{}: expected tensors x and y, found no such pair", path));
  const Array x = tensors.at("x"), y = tensors.at("y").converted(DType::f32);
  if (x.dtype() != DType::f32 || x.type().rank() != 2 || x.count() == 0)
    throw Error(fmt::format("{}: expected x to be f32[n, d], found {}", path, x.type().pretty()));
  if (y.dims() != Ints{x.dims()[0]})
    throw Error(fmt::format("{}: expected y[{}], a class for each of x, found {}", path,
                            x.dims()[0], y.type().pretty()));
  for (const float one : x.data<float>())
    if (!std::isfinite(one)) throw Error(fmt::format("{}: expected finite x, found {}", path, one));
  for (const float one : y.data<float>())
    if (std::fabs(one) != 1)
      throw Error(fmt::format("{}: expected classes +1 and -1 in y, found {}", path, one));
  return {x, y};
}

class Perceptron : public Learner {
 public:
  Module& module() override { return *network_; }

  /// 1 for each wrong answer of a batch, else 0.
  Tensor mistakes(const std::vector<Tensor>& batch) const {
    const Tensor score = (*network_)(batch[0]);
    const Tensor answer = where(score >= 0, ones_like(score), -1);
    return to(ne(answer, batch[1]), DType::f32);
  }
  Tensor loss(const std::vector<Tensor>& batch) override { return mean(mistakes(batch)); }
  Tensor step(const std::vector<Tensor>& batch, Optimizer& optimizer) override {
    const Tensor wrong = mistakes(batch);
    const Tensor correction = sum(unsqueeze(wrong * batch[1], 1) * batch[0], {0}, true);
    optimizer.update(module().parameters(), {-correction});
    return mean(wrong);
  }
  Metric metric() const override {
    return {.name = "error rate", .lower_is_better = true, .of_training = true};
  }
  std::unique_ptr<Optimizer> optimizer(double lr) const override {
    return std::make_unique<SGD>(SGDOptions{.lr = lr});
  }

  Dataset load(const TrainOptions& options) override {
    points_ = options.data.empty() ? drawn_points(options.seed) : points_in(options.data);
    const Type& type = points_[0].type();
    if (type.dims[1] != network_->w.type().dims[1])
      network_ = std::make_unique<Network>(type.dims[1]);
    return {fmt::format("{} points of {} features", type.dims[0], type.dims[1]),
            {points_},
            {points_},
            0};
  }
  std::vector<Type> batch_types(std::int64_t batch) const override {
    return {Type{DType::f32, {batch, network_->w.type().dims[1]}}, Type{DType::f32, {batch}}};
  }
  Defaults defaults() const override { return {.epochs = 200, .batch = 1, .lr = 1, .stop = 0}; }

  std::string line(const Epoch& epoch) const override {
    const double mistakes = epoch.loss * static_cast<double>(points_[0].dims()[0]);
    return fmt::format("epoch {}/{}  {:.0f} mistakes  w = [{:.6g}]", epoch.number, epoch.epochs,
                       mistakes, fmt::join(weights(), ", "));
  }
  std::string failure() const override {
    return "perceptron: there are mistakes after the last epoch: the points cannot be separated by "
           "a plane through the origin, or it takes more --epochs";
  }
  void show(const Dataset&, const TrainOptions&, Report& report) override {
    const auto features = static_cast<std::size_t>(points_[0].dims()[1]);
    const std::span<const float> x = std::as_const(points_[0]).data<float>();
    bool in_the_plane = features == 2 || features == 3;  // the third a constant
    for (std::size_t i = 2; features == 3 && i < x.size(); i += 3) in_the_plane &= x[i] == 1;
    if (in_the_plane) draw(x, std::as_const(points_[1]).data<float>(), features, report);
  }

 private:
  std::span<const float> weights() const {
    return std::as_const(value_of(network_->w.variable())).data<float>();
  }

  /// The points, and where the score is 0.
  void draw(std::span<const float> x, std::span<const float> y, std::size_t features,
            Report& report) const {
    std::array<Series, 2> points = {Series{.name = "y = +1", .style = Series::Style::points},
                                    Series{.name = "y = -1", .style = Series::Style::points}};
    std::array<LinePlot::Range, 2> box = {{{x[0], x[0]}, {x[1], x[1]}}};
    for (std::size_t i = 0; i < y.size(); ++i) {
      Series& series = points[y[i] > 0 ? 0 : 1];
      series.xs.push_back(x[features * i]);
      series.ys.push_back(x[features * i + 1]);
      for (const std::size_t k : {0, 1}) {
        const double at = x[features * i + k];
        box[k] = {std::min(box[k].first, at - 0.3), std::max(box[k].second, at + 0.3)};
      }
    }
    const std::span<const float> w = weights();
    Series line{.name = "w · x = 0"};
    const std::size_t along = std::fabs(w[1]) >= std::fabs(w[0]) ? 0 : 1;
    for (const double at : {box[along].first, box[along].second}) {
      const double there = -(w[along] * at + (features == 3 ? w[2] : 0)) / w[1 - along];
      line.xs.push_back(along == 0 ? at : there);
      line.ys.push_back(along == 0 ? there : at);
    }
    report.line_plot("line", {.title = "perceptron: two classes and the line between them",
                              .x_label = "x0",
                              .y_label = "x1",
                              .series = {points[0], points[1], line},
                              .x_range = box[0],
                              .y_range = box[1]});
  }

  std::unique_ptr<Network> network_ = std::make_unique<Network>(3);
  Samples points_;
};

const Registration kPerceptron{"perceptron", "a line between two classes, moved by its mistakes",
                               [] { return std::make_unique<Perceptron>(); }};

}  // namespace
}  // namespace kiln
