// Whole training steps: forward, backward, update and the loss; and inference by one of the nets.
#include "models/convolve.h"
#include "models/language.h"
#include "models/mini_gpt.h"
#include "models/workload_families.h"

namespace kiln {
namespace {

/// A perceptron of these widths, with relu between its layers.
struct Mlp : Module {
  explicit Mlp(const std::vector<std::int64_t>& widths) {
    for (std::size_t i = 0; i + 1 < widths.size(); ++i)
      layers.push_back(
          std::make_unique<Linear>(this, fmt::format("layer{}", i + 1), widths[i], widths[i + 1]));
  }
  Tensor operator()(Tensor x) const {
    for (std::size_t i = 0; i < layers.size(); ++i)
      x = i + 1 < layers.size() ? relu((*layers[i])(x)) : (*layers[i])(x);
    return x;
  }
  std::vector<std::unique_ptr<Linear>> layers;
};

/// Of [x, y]: the mean square error, or the cross-entropy, of net(x) and y.
template <class Net>
Tensor square_error(const Net& net, const std::vector<Tensor>& batch) {
  return mse_loss(net(batch[0]), batch[1]);
}
template <class Net>
Tensor class_error(const Net& net, const std::vector<Tensor>& batch) {
  return cross_entropy(net(batch[0]), batch[1]);
}

constexpr std::int64_t kBatch = 64;
const std::vector<std::int64_t> kDigitWidths{784, 256, 128, 10};
Array digit_classes() { return integer_array({kBatch}, 99, 0, 10); }

PreparedWork digit_mlp() {
  return training<Mlp>(std::make_shared<Mlp>(kDigitWidths), Adam(), class_error<Mlp>,
                       {{"x", uniform_array({kBatch, 784}, 1, 0, 1)}, {"y", digit_classes()}});
}

PreparedWork digit_mlp_inference(std::int64_t batch) {
  auto net = std::make_shared<Mlp>(kDigitWidths);
  return {net,
          [net = net.get()](const std::vector<Tensor>& in) { return std::vector{(*net)(in[0])}; },
          {{"x", uniform_array({batch, kDigitWidths[0]}, 1)}},
          {"output"}};
}

PreparedWork sin_mlp() {
  return training<Mlp>(
      std::make_shared<Mlp>(std::vector<std::int64_t>{1, 256, 256, 128, 1}), Adam(),
      square_error<Mlp>,
      {{"x", uniform_array({kBatch, 1}, 1)}, {"y", uniform_array({kBatch, 1}, 2)}});
}

PreparedWork deep_mlp() {
  return training<Mlp>(
      std::make_shared<Mlp>(std::vector<std::int64_t>(257, 128)), SGD(), square_error<Mlp>,
      {{"x", uniform_array({kBatch, 128}, 1)}, {"y", uniform_array({kBatch, 128}, 2)}});
}

/// The net of models/digits_conv; its convolution as a function of the frontend, or by hand.
struct ConvNet : Module {
  explicit ConvNet(bool by_hand) : by_hand(by_hand) {}
  Tensor operator()(const Tensor& images) const {
    const Tensor features =
        by_hand ? convolve(images, convolution_weights)
                : conv2d(unsqueeze(images, 1), unflatten(convolution_weights, 0, {1, 1, 3}));
    return output_layer(relu(layer2(relu(layer1(flatten(features, 1))))));
  }

  bool by_hand;
  Parameter convolution_weights =
      parameter("convolution_weights", {3, 3}, Initializer::constant(1));
  Linear layer1{this, "layer1", 676, 128};
  Linear layer2{this, "layer2", 128, 64};
  Linear output_layer{this, "output_layer", 64, 10};
};

PreparedWork digit_conv(bool by_hand) {
  return training<ConvNet>(
      std::make_shared<ConvNet>(by_hand), Adam(), class_error<ConvNet>,
      {{"x", uniform_array({kBatch, 28, 28}, 1, 0, 1)}, {"y", digit_classes()}});
}

PreparedWork lang_rnn() {
  constexpr int kLetters = 47, kLength = 8, kLanguages = 5;
  return training<LanguageNetwork>(std::make_shared<LanguageNetwork>(kLetters, 256, kLanguages),
                                   Adam(), class_error<LanguageNetwork>,
                                   {{"x", integer_array({kBatch, kLength}, 1, 0, kLetters)},
                                    {"y", integer_array({kBatch}, 2, 0, kLanguages)}});
}

PreparedWork mini_gpt() {
  constexpr int kSequences = 16;
  const GptShape shape;
  const Ints dims{kSequences, shape.block_size};
  const auto symbols = static_cast<std::int32_t>(shape.symbols);
  return training<GptNetwork>(
      std::make_shared<GptNetwork>(shape), AdamW(),
      [](const GptNetwork& net, const std::vector<Tensor>& batch) {
        return cross_entropy(flatten(net(batch[0]).logits, 0, 1), flatten(batch[1]));
      },
      {{"x", integer_array(dims, 1, 0, symbols)}, {"y", integer_array(dims, 2, 0, symbols)}});
}

struct LinearNet : Module {
  Parameter m = parameter("m", {2, 1}, Initializer::normal(0, 1));
  Parameter b = parameter("b", {1}, Initializer::normal(0, 1));
  Tensor operator()(const Tensor& x) const { return matmul(x, m) + b; }
};

PreparedWork linreg() {
  return training<LinearNet>(std::make_shared<LinearNet>(), SGD({.lr = 0.1}),
                             square_error<LinearNet>,
                             {{"x", Array::of<float>({4, 2}, {0, 0, 0, 1, 1, 0, 1, 1})},
                              {"y", Array::of<float>({4, 1}, {3, 11, 10, 18})}});
}

/// One pass over the points, one by one: a mistake turns w towards its point.
PreparedWork perceptron() {
  constexpr std::int64_t kPoints = 1000, kWidth = 3;
  Array classes = integer_array({kPoints}, 2, 0, 2).converted(DType::f32);
  for (float& one : classes.data<float>()) one = 2 * one - 1;
  return {nullptr,
          [](const std::vector<Tensor>& in) {
            const auto learn = [](const std::vector<Tensor>& carry,
                                  const std::vector<Tensor>& point) {
              const Tensor &w = carry[0], &mistakes = carry[1], &x = point[0], &y = point[1];
              const Tensor answer = where(sum(w * x) >= 0, ones_like(y), -1);
              const Tensor wrong = ne(answer, y);
              return Scanned{{where(wrong, w + y * x, w), mistakes + to(wrong, DType::i32)}, {}};
            };
            return scan(learn, {in[0], zeros({}, DType::i32)}, {in[1], in[2]}).carry;
          },
          {{"w", Array::of<float>({kWidth}, {1, 1, 1})},
           {"x", uniform_array({kPoints, kWidth}, 1)},
           {"y", classes}},
          {"w_after", "mistakes"}};
}

/// The kernel's width of a Nadaraya-Watson regression is learned; see models/nw_parametric.
struct KernelWidth : Module {
  Parameter w = parameter("w", {1}, Initializer::constant(0.5));
  Tensor operator()(const Tensor& queries, const Tensor& keys, const Tensor& values) const {
    const Tensor weights = softmax(-square((unsqueeze(queries, 1) - keys) * w) / 2, 1);
    return flatten(bmm(unsqueeze(weights, 1), unsqueeze(values, 2)));
  }
};

PreparedWork nw_train() {
  constexpr std::int64_t kPoints = 50;
  const Array x = uniform_array({kPoints}, 1, 0, 5), y = uniform_array({kPoints}, 2, 0, 4);
  const auto without_own = [](const Array& all) {  // row j is all but element j
    Array rows(Type{DType::f32, {kPoints, kPoints - 1}});
    const std::span<const float> from = all.data<float>();
    std::size_t at = 0;
    for (std::size_t j = 0; j < from.size(); ++j)
      for (std::size_t i = 0; i < from.size(); ++i)
        if (i != j) rows.data<float>()[at++] = from[i];
    return rows;
  };
  return training<KernelWidth>(
      std::make_shared<KernelWidth>(), SGD({.lr = 0.5}),
      [](const KernelWidth& net, const std::vector<Tensor>& batch) {
        return sum(square(net(batch[0], batch[1], batch[2]) - batch[3]) / 2);
      },
      {{"queries", x}, {"keys", without_own(x)}, {"values", without_own(y)}, {"y", y}});
}

}  // namespace

std::vector<Workload> training_workloads() {
  std::vector<Workload> all{
      {"digit_mlp", "784-256-128-10, batch 64, cross-entropy, Adam: one training step", digit_mlp},
      {"sin_mlp", "1-256-256-128-1, batch 64, mean square error, Adam: one training step", sin_mlp},
      {"deep_mlp", "256 layers of 128x128, batch 64, SGD: one training step", deep_mlp},
      {"digit_conv",
       "28x28, one 3x3 kernel, 676-128-64-10, batch 64, cross-entropy, Adam: one training step",
       [] { return digit_conv(false); }},
      {"digit_conv_by_hand", "digit_conv with the convolution written as slices and products",
       [] { return digit_conv(true); }},
      {"lang_rnn",
       "47 letters, hidden 256, 5 languages, batch 64, words of 8, Adam: one training step",
       lang_rnn},
      {"mini_gpt",
       "4 pre-norm blocks of 128, 4 heads, 128 places, 65 symbols, batch 16, AdamW: one training "
       "step",
       mini_gpt},
      {"linreg", "4 points of 2 features, mean square error, SGD: one training step", linreg},
      {"perceptron", "one pass over 1000 points of 3 features, an update at each mistake",
       perceptron},
      {"nw_train",
       "Nadaraya-Watson regression with a learned width, 50 points from the other 49, SGD: one "
       "training step",
       nw_train},
  };
  for (const std::int64_t batch : {1, 64, 1024})
    all.push_back({fmt::format("digit_mlp_infer_{}", batch),
                   fmt::format("784-256-128-10, batch {}: inference", batch),
                   [batch] { return digit_mlp_inference(batch); }});
  return all;
}

}  // namespace kiln
