// digits-conv: reads digits by one small convolution, written by hand, and a perceptron.
//
//   c = k ∗ image, 28 x 28 by 3 x 3 → 26 x 26      (models/convolve.h)
//   h₁ = relu(W₁ c + b₁)   h₂ = relu(W₂ h₁ + b₂)   scores = W₃ h₂ + b₃      676 → 128 → 64 → 10
//   loss = -1/N Σᵢ log softmax(scoresᵢ)[labelᵢ],  minimised by Adam (Kingma and Ba, 2015)
//
// The kernel is learned with the rest, from a start of nine ones: a blur. (The article's comments
// speak of preset weights; its code trains them.) No activation follows the convolution, so W₁ and
// k together are one linear map of the image: a single kernel without an activation adds nothing
// that the layers of `digits` lack, and the 26 x 26 results with half as many hidden units hold
// less. That is why the article asks 0.85 of it where it asks 0.98 of `digits`. Here training ends
// at 0.95 of drawn digits and 0.86 of files (Fashion-MNIST); the data are those of models/digits.
#include "models/convolve.h"
#include "models/image_classifier.h"

namespace kiln {
namespace {

struct Network : Module {
  Parameter convolution_weights =
      parameter("convolution_weights", {3, 3}, Initializer::constant(1));
  Linear layer1{this, "layer1", 676, 128};
  Linear layer2{this, "layer2", 128, 64};
  Linear output_layer{this, "output_layer", 64, 10};

  Tensor operator()(const Tensor& images) const {
    const Tensor features = flatten(convolve(images, convolution_weights), 1);
    return output_layer(relu(layer2(relu(layer1(features)))));
  }
};

class ConvolutionalDigits : public ImageClassifier {
 public:
  ConvolutionalDigits() : ImageClassifier({.drawn = 0.95, .files = 0.86}) {}
  Module& module() override { return network_; }
  Tensor scores(const Tensor& images) override { return network_(images); }

 private:
  Network network_;
};

const Registration kConvolutionalDigits{
    "digits-conv", "a convolution written by hand, and a perceptron, read digits",
    [] { return std::make_unique<ConvolutionalDigits>(); }};

}  // namespace
}  // namespace kiln
