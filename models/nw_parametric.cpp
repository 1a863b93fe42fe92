// nw-parametric: Nadaraya-Watson regression that learns its kernel's width, one number w.
//
//   f(x) = Σᵢ softmaxᵢ(-((x - xᵢ) w)² / 2) yᵢ
//   loss = Σⱼ (f₋ⱼ(xⱼ) - yⱼ)² / 2,   f₋ⱼ being f without point j;   w ← w - 0.5 dloss/dw
//
// Each training point is predicted from the others ("leave one out"): with itself among the keys,
// w → ∞ would be perfect. The loss is summed, as MXNet's L2Loss with trainer.step(1) makes it, and
// printed before the epoch's update. From "Dive into Deep Learning", Attention Pooling:
// Nadaraya-Watson Kernel Regression.
//
// Two things there puzzle readers. The figures are of tests/golden's points.
//
// Training makes the prediction less smooth. That is what it learns: the slope at w = 0.5 is -19,
// so the first step goes to w = 10, where the kernel (1 / w) is about as narrow as the training
// points are apart: each prediction is a mean of very few noisy points. The loss falls from 24
// to 9.5 all the same, and is so flat there (slope 0.2) that the four further steps hardly widen
// the kernel again.
//
// Or training does nothing, and the prediction stays the flat line of nw-average. The loss depends
// on w² only, so at w = 0, where all weights are equal, its slope is 0 and descent never leaves.
// Near 0 the slope is c w, and a step multiplies w by 1 - c / 2: about 20 here, so that 0.05 gets
// away in two steps and 1e-8 does not in five. That article's framework draws the first w from
// U(-0.07, 0.07) and does not show which it was. Here w starts at 0.5; try --init 0.
#include "models/nadaraya_watson.h"
#include "runtime/checkpoint.h"

namespace kiln {
namespace {

/// x [n] → [n, n - 1]; row j is x without element j.
Tensor leave_one_out(const Tensor& x) {
  const std::int64_t n = x.size(0);
  return reshape(masked_select(expand(x, {n, n}), eq(eye(n), 0)), {n, n - 1});
}

struct Kernel : Module {
  Parameter w = parameter("w", {1}, Initializer::constant(0.5));

  Attended operator()(const Tensor& queries, const Tensor& keys, const Tensor& values) const {
    return kernel_pooling(queries, keys, values, w);
  }
};

/// One sample is a whole set of points.
class Parametric : public Learner {
 public:
  Module& module() override { return kernel_; }

  Tensor loss(const std::vector<Tensor>& batch) override {
    const Tensor x = flatten(batch[0]), y = flatten(batch[1]);
    const Tensor predicted = kernel_(x, leave_one_out(x), leave_one_out(y)).output;
    return sum(square(predicted - y) / 2);
  }
  Tensor score(const std::vector<Tensor>& batch) override {
    const Tensor x = flatten(batch[0]), y = flatten(batch[1]), x_test = flatten(batch[2]);
    return mse_loss(kernel_(x_test, x, y).output, flatten(batch[3]));
  }
  Metric metric() const override { return {"mse", true}; }

  std::unique_ptr<Optimizer> optimizer(double lr) const override {
    return std::make_unique<SGD>(SGDOptions{.lr = lr});
  }
  Dataset load(const TrainOptions& options) override {
    data_ = regression_data(options);
    const Array x = one_sample(data_.x_train), y = one_sample(data_.y_train);
    return {
        data_.name, {{x, y}}, {{x, y, one_sample(data_.x_test), one_sample(data_.y_truth)}}, 0.2};
  }
  std::vector<Type> batch_types(std::int64_t batch) const override {
    return std::vector<Type>(2, Type{DType::f32, {batch, kRegressionPoints}});
  }
  Defaults defaults() const override { return {.epochs = 5, .batch = 1, .lr = 0.5}; }

  std::string line(const Epoch& epoch) const override {
    return fmt::format("epoch {}, loss {:.6f}", epoch.number, epoch.loss);
  }
  void predict(const std::vector<std::string>& inputs, const TrainOptions& options,
               Report& report) override {
    if (!options.resume.empty()) load_checkpoint(options.resume, kernel_.state());
    const Predict output = [this](const Tensor& x, const Tensor& keys, const Tensor& values) {
      return kernel_(x, keys, values).output;
    };
    print_predictions(inputs, regression_data(options), output, report);
  }
  Outcome run(const TrainOptions& options, Report& report) override {
    if (options.explain) explain_batch_products(report);
    return Learner::run(options, report);
  }
  void show(const Dataset&, const TrainOptions&, Report& report) override {
    const double w = value_of(kernel_.w.variable()).item();
    report.print("w = {:.6f}\n", w);
    if (!report.draws()) return;
    auto predict = jit([this](const Tensor& x, const Tensor& keys, const Tensor& values) {
      const Attended trained = kernel_(x, keys, values);
      const Attended plain = kernel_pooling(x, keys, values, 1);
      return std::vector{trained.output, trained.weights, plain.weights};
    });
    const std::vector<Array> result = predict(data_.x_test, data_.x_train, data_.y_train);
    draw_fit(data_, result[0], report);
    draw_weights(
        {{fmt::format("trained, w = {:.3g}", w), result[1]}, {"nonparametric, w = 1", result[2]}},
        report);
  }

 private:
  static Array one_sample(const Array& values) { return values.reshaped({1, values.count()}); }

  Kernel kernel_;
  RegressionData data_;
};

const Registration kParametric{"nw-parametric", "regression by a kernel whose width is learned",
                               [] { return std::make_unique<Parametric>(); }};

}  // namespace
}  // namespace kiln
