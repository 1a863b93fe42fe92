// The drawn digits are a task worth training on, and the model that is trained on them learns it.
#include "models/draw_digits.h"
#include "models/train.h"
#include "runtime/data_loader.h"
#include "tests/catch.h"

namespace kiln {
namespace {

constexpr int kTrain = 20000, kValidation = 5000, kEpochs = 12;

/// Softmax regression: 784-10 and nothing between.
struct LinearModel : Module {
  Linear layer{this, "layer", 784, 10};
  Tensor operator()(const Tensor& images) const {
    return layer(to(flatten(images, 1), DType::f32) / 255.0);
  }
};

}  // namespace

TEST_CASE("a_linear_model_stays_at_0_93_on_drawn_digits") {
  const DigitSet train = draw_digits(kTrain, 0), validation = draw_digits(kValidation, 1);
  LinearModel net;
  Adam adam;
  auto step = jit([&](const Tensor& x, const Tensor& y) {
    auto [loss, grads] = value_and_grad([&] { return cross_entropy(net(x), y); }, net.parameters());
    adam.update(net.parameters(), grads);
    return loss;
  });
  auto right = jit([&](const Tensor& x, const Tensor& y) {
    return sum(to(eq(argmax(net(x), 1), to(y, DType::i64)), DType::f32));
  });
  DataLoader loader({train.images, train.labels}, 64);
  double best = 0;
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    loader.begin_epoch(epoch);
    for (std::int64_t i = 0; i < loader.batches(); ++i) step.run(loader.batch(i));
    best = std::max(best, right(validation.images, validation.labels).item() / kValidation);
  }
  CHECK(best <= 0.93);
  CHECK(best >= 0.80);  // it did learn what a linear model can
}

TEST_CASE("digits_reaches_0_98_on_drawn_digits") {
  TrainOptions options;
  options.quiet = true;
  const Outcome result = train("digits", *find_model("digits").make(), options);
  CHECK(result.value >= 0.98);
  CHECK(result.reached());
  CHECK(result.seconds < 10);
}

}  // namespace kiln
