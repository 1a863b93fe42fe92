#include "models/workloads.h"

#include "runtime/random.h"

namespace kiln {
namespace {

Array uniform(Ints dims, std::uint64_t stream, float low = -1, float high = 1) {
  Array array(Type{DType::f32, std::move(dims)});
  Random random(0, stream);
  for (float& x : array.data<float>()) x = random.uniform(low, high);
  return array;
}

Array classes(std::int64_t n, std::uint64_t count) {
  Array array(Type{DType::i32, {n}});
  Random random(0, 99);
  for (std::int32_t& x : array.data<std::int32_t>())
    x = static_cast<std::int32_t>(random.below(count));
  return array;
}

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

using Loss = Tensor (*)(const Tensor& prediction, const Tensor& target);
Tensor square_error(const Tensor& prediction, const Tensor& target) {
  return mse_loss(prediction, target);
}
Tensor class_error(const Tensor& logits, const Tensor& classes) {
  return cross_entropy(logits, classes);
}

/// One training step: forward, backward, update, the loss.
template <class Optim>
PreparedWork training(const std::vector<std::int64_t>& widths, Optim optimizer, Loss loss_of,
                      Array x, Array y) {
  struct State {
    Mlp net;
    Optim optimizer;
  };
  const std::shared_ptr<State> state(new State{Mlp(widths), std::move(optimizer)});
  return {state,
          [state = state.get(), loss_of](const std::vector<Tensor>& batch) {
            const auto& parameters = state->net.parameters();
            const auto [loss, grads] =
                value_and_grad([&] { return loss_of(state->net(batch[0]), batch[1]); }, parameters);
            state->optimizer.update(parameters, grads);
            return std::vector{loss};
          },
          {std::move(x), std::move(y)}};
}

PreparedWork inference(const std::vector<std::int64_t>& widths, std::int64_t batch) {
  auto net = std::make_shared<Mlp>(widths);
  return {net,
          [net = net.get()](const std::vector<Tensor>& in) { return std::vector{(*net)(in[0])}; },
          {uniform({batch, widths[0]}, 1)}};
}

PreparedWork loss_and_gradient(std::int64_t samples, std::int64_t count) {
  return {
      nullptr,
      [](const std::vector<Tensor>& in) {
        const Tensor loss = cross_entropy(in[0], in[1]);
        return std::vector{loss, grad(loss, {in[0]})[0]};
      },
      {uniform({samples, count}, 1, -3, 3), classes(samples, static_cast<std::uint64_t>(count))}};
}

PreparedWork product(std::int64_t m, std::int64_t k, std::int64_t n) {
  return {nullptr,
          [](const std::vector<Tensor>& in) { return std::vector{matmul(in[0], in[1])}; },
          {uniform({m, k}, 1), uniform({k, n}, 2)}};
}

const std::vector<std::int64_t> kDigitWidths{784, 256, 128, 10};

std::vector<Workload> make_workloads() {
  std::vector<Workload> all{
      {"digit_mlp", "784-256-128-10, batch 64, cross-entropy, Adam: one training step",
       [] {
         return training(kDigitWidths, Adam(), class_error, uniform({64, 784}, 1, 0, 1),
                         classes(64, 10));
       }},
      {"sin_mlp", "1-256-256-128-1, batch 64, mean square error, Adam: one training step",
       [] {
         return training({1, 256, 256, 128, 1}, Adam(), square_error, uniform({64, 1}, 1),
                         uniform({64, 1}, 2));
       }},
      {"deep_mlp", "256 layers of 128x128, batch 64, SGD: one training step",
       [] {
         return training(std::vector<std::int64_t>(257, 128), SGD(), square_error,
                         uniform({64, 128}, 1), uniform({64, 128}, 2));
       }},
      {"softmax_cross_entropy", "softmax + cross-entropy of logits 64x10, with their gradient",
       [] { return loss_and_gradient(64, 10); }},
      {"softmax_cross_entropy_256x1000",
       "softmax + cross-entropy of logits 256x1000, with their gradient",
       [] { return loss_and_gradient(256, 1000); }},
  };
  for (const std::int64_t batch : {1, 64, 1024})
    all.push_back({fmt::format("digit_mlp_infer_{}", batch),
                   fmt::format("784-256-128-10, batch {}: inference", batch),
                   [batch] { return inference(kDigitWidths, batch); }});
  for (const auto& [m, k, n] : {std::tuple{64, 784, 256},
                                {64, 256, 128},
                                {64, 128, 10},
                                {64, 256, 256},
                                {256, 256, 256},
                                {512, 512, 512},
                                {1024, 1024, 1024}})
    all.push_back({fmt::format("gemm_{}x{}x{}", m, k, n),
                   fmt::format("matrix product {}x{} · {}x{}", m, k, k, n),
                   [m = m, k = k, n = n] { return product(m, k, n); }});
  return all;
}

}  // namespace

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> all = make_workloads();
  return all;
}

const Workload& find_workload(const std::string& name) {
  std::string known;
  for (const Workload& workload : workloads()) {
    if (workload.name == name) return workload;
    known += (known.empty() ? "" : ", ") + workload.name;
  }
  throw Error(fmt::format("unknown workload '{}': expected one of {}", name, known));
}

}  // namespace kiln
