// digits: reads handwritten digits (or articles of clothing) with a perceptron of three layers.
//
//   h₁ = relu(W₁ x + b₁)   h₂ = relu(W₂ h₁ + b₂)   logits = W₃ h₂ + b₃      784 → 256 → 128 → 10
//   loss = -1/N Σᵢ log softmax(logitsᵢ)[labelᵢ],  minimised by Adam (Kingma and Ba, 2015)
//
// The images are those of --data DIR: four IDX files as MNIST has them (LeCun, Cortes and Burges)
// and Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017), plain or gzipped. Without --data they are
// drawn by models/draw_digits.
#include "models/draw_digits.h"
#include "models/image_data.h"
#include "models/model.h"

namespace kiln {
namespace {

constexpr int kDrawnTrain = 20000, kDrawnValidation = 5000;

struct Network : Module {
  Linear layer1{this, "layer1", 784, 256};
  Linear layer2{this, "layer2", 256, 128};
  Linear layer3{this, "layer3", 128, 10};

  Tensor operator()(const Tensor& images) const {
    const Tensor pixels = to(flatten(images, 1), DType::f32) / 255.0;
    return layer3(relu(layer2(relu(layer1(pixels)))));
  }
};

class Digits : public Learner {
 public:
  Module& module() override { return network_; }

  Tensor loss(const std::vector<Tensor>& batch) override {
    return cross_entropy(network_(batch[0]), batch[1]);
  }
  Tensor score(const std::vector<Tensor>& batch) override {
    const Tensor answer = argmax(network_(batch[0]), 1);
    return sum(to(eq(answer, to(batch[1], DType::i64)), DType::f32));
  }
  Metric metric() const override { return {"accuracy"}; }

  std::unique_ptr<Optimizer> optimizer(double lr) const override {
    return std::make_unique<Adam>(AdamOptions{.lr = lr});
  }
  std::vector<std::string> data_sets() const override { return with_installed_images({""}); }
  Dataset load(const TrainOptions& options) override {
    if (!options.data.empty()) return load_images(options.data, 28, 28, 10);
    // Validation comes from another seed: no drawing is in both.
    const DigitSet train = draw_digits(kDrawnTrain, 2 * options.seed);
    const DigitSet validation = draw_digits(kDrawnValidation, 2 * options.seed + 1);
    return {fmt::format("drawn digits, {} + {} images", kDrawnTrain, kDrawnValidation),
            {{train.images, train.labels}},
            {{validation.images, validation.labels}},
            0.97};
  }
  std::vector<Type> batch_types(std::int64_t batch) const override {
    return {Type{DType::ui8, {batch, 28, 28}}, Type{DType::i32, {batch}}};
  }
  Defaults defaults() const override {
    return {.epochs = 10, .batch = 64, .lr = 1e-3, .stop = 0.98};
  }

 private:
  Network network_;
};

const Registration kDigits{"digits", "a three-layer perceptron reads handwritten digits",
                           [] { return std::make_unique<Digits>(); }};

}  // namespace
}  // namespace kiln
