// digits: reads handwritten digits (or articles of clothing) with a perceptron of three layers.
//
//   h₁ = relu(W₁ x + b₁)   h₂ = relu(W₂ h₁ + b₂)   scores = W₃ h₂ + b₃      784 → 256 → 128 → 10
//   loss = -1/N Σᵢ log softmax(scoresᵢ)[labelᵢ],  minimised by Adam (Kingma and Ba, 2015)
//
// An image is taken as a row of 784 numbers: which pixels are neighbours is lost. There is no relu
// after the last layer: scores below zero say "surely not", and are as good as those above.
//
// The images are those of --data DIR: four IDX files as MNIST has them (LeCun, Cortes and Burges)
// and Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017), plain or gzipped. Without --data they are
// drawn by models/draw_digits. Training ends when the accuracy on images not trained on is 0.98 of
// drawn digits, as the article has it of MNIST, or 0.88 of files: clothes are harder than digits.
// `kiln predict digits --checkpoint FILE IMAGES` reads the images of an IDX file.
#include "models/image_classifier.h"

namespace kiln {
namespace {

struct Network : Module {
  Linear layer1{this, "layer1", 784, 256};
  Linear layer2{this, "layer2", 256, 128};
  Linear output_layer{this, "output_layer", 128, 10};

  Tensor operator()(const Tensor& images) const {
    return output_layer(relu(layer2(relu(layer1(flatten(images, 1))))));
  }
};

class Digits : public ImageClassifier {
 public:
  Digits() : ImageClassifier({.drawn = 0.98, .files = 0.88}) {}
  Module& module() override { return network_; }
  Tensor scores(const Tensor& images) override { return network_(images); }

 private:
  Network network_;
};

const Registration kDigits{"digits", "a three-layer perceptron reads handwritten digits",
                           [] { return std::make_unique<Digits>(); }};

}  // namespace
}  // namespace kiln
