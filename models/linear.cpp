// linear: recovers the coefficients of y = 7 x0 + 8 x1 + 3 from four samples.
//
//   ŷ = x m + b       loss = 1/n Σᵢ (ŷᵢ - yᵢ)²       m, b ← m, b - lr ∂loss/∂(m, b)
//
// on x = (0,0), (0,1), (1,0), (1,1), all four in each step: the smallest training there is.
//
// The article warns that parameters which start at 0 predict 0 for every input, so that training is
// of no effect. The first half is true, the second does not follow: what moves a parameter is not
// the prediction but the slope of the loss, -2/n [x 1]ᵀ y = (-14, -14.5, -21) at zero. More
// generally, the loss is a quadratic form whose matrix 2/n [x 1]ᵀ [x 1] has the eigenvalues
// (7 ± √33)/4 and 1/2: all positive, so there is one minimum and every start reaches it when
// lr < 2 / 3.186 = 0.628. `--init 0` shows it. A start at zero is hopeless where a layer is hidden:
// its slope is a product with the weights of the next, so both stay zero (`kiln train sin --init 0`
// learns nothing but its last bias).
#include "models/model.h"

namespace kiln {
namespace {

struct Network : Module {
  Parameter m = parameter("m", {2, 1}, Initializer::normal(0, 1));
  Parameter b = parameter("b", {1}, Initializer::normal(0, 1));

  Tensor operator()(const Tensor& x) const { return matmul(x, m) + b; }
};

class LinearRegression : public Learner {
 public:
  Module& module() override { return network_; }

  Tensor loss(const std::vector<Tensor>& batch) override {
    return mse_loss(network_(batch[0]), batch[1]);
  }
  Metric metric() const override {
    return {.name = "loss", .lower_is_better = true, .of_training = true};
  }
  std::unique_ptr<Optimizer> optimizer(double lr) const override {
    return std::make_unique<SGD>(SGDOptions{.lr = lr});
  }

  Dataset load(const TrainOptions& options) override {
    if (!options.data.empty()) throw Error("linear: expected no --data: it has four samples");
    const Samples samples = {Array::of<float>({4, 2}, {0, 0, 0, 1, 1, 0, 1, 1}),
                             Array::of<float>({4, 1}, {3, 11, 10, 18})};
    return {"4 samples of 7 x0 + 8 x1 + 3", {samples}, {samples}, kGoal};
  }
  std::vector<Type> batch_types(std::int64_t batch) const override {
    return {Type{DType::f32, {batch, 2}}, Type{DType::f32, {batch, 1}}};
  }
  Defaults defaults() const override {
    return {.epochs = 200, .batch = 4, .lr = 0.5, .stop = kGoal};
  }

  std::string line(const Epoch& epoch) const override {
    return fmt::format("epoch {}/{}  loss {:.6g}  {}", epoch.number, epoch.epochs, epoch.loss,
                       formula());
  }
  void show(const Dataset&, const TrainOptions&, Report& report) override {
    report.print("recovered: y = {}\n", formula());
  }

 private:
  // The coefficients are differences of at most two errors, each at most the root of 4 losses.
  static constexpr double kGoal = 1e-8;

  std::string formula() const {
    const Array &m = value_of(network_.m.variable()), &b = value_of(network_.b.variable());
    return fmt::format("{:.4f} x0 + {:.4f} x1 + {:.4f}", m.as_double(0), m.as_double(1), b.item());
  }

  Network network_;
};

const Registration kLinear{"linear", "recovers 7 x0 + 8 x1 + 3 from four samples",
                           [] { return std::make_unique<LinearRegression>(); }};

}  // namespace
}  // namespace kiln
