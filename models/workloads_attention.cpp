// Attention and what it is made of: scores, a softmax, a weighted sum.
#include "models/workload_families.h"

namespace kiln {
namespace {

/// Of each of 16 384 queries the mean of 16 384 values, by how far its key is.
PreparedWork nw_predict() {
  constexpr std::int64_t kPoints = 16384;
  return {nullptr,
          [](const std::vector<Tensor>& in) {
            const Tensor weights = softmax(-square(unsqueeze(in[0], 1) - in[1]) / 2, 1);
            return std::vector{matmul(weights, in[2])};
          },
          {{"queries", uniform_array({kPoints}, 1, 0, 5)},
           {"keys", uniform_array({kPoints}, 2, 0, 5)},
           {"values", uniform_array({kPoints}, 3)}},
          {"output"}};
}

PreparedWork masked_softmax_work() {
  const Ints dims{16, 8, 256, 512};
  return with_gradients([](const std::vector<Tensor>& in) { return masked_softmax(in[0], in[1]); },
                        {{"scores", uniform_array(dims, 1, -3, 3)},
                         {"valid_lens", valid_lengths({16, 8}, 512)},
                         {"grad.output", uniform_array(dims, 2)}});
}

PreparedWork additive_attention() {
  constexpr std::int64_t kBatch = 8, kPlaces = 128, kWidth = 64, kHidden = 256;
  const Ints dims{kBatch, kPlaces, kWidth};
  struct Net : Module {
    AdditiveAttention attention{this, "attention", kWidth, kWidth, kHidden, 0};
  };
  auto net = std::make_shared<Net>();
  return with_gradients(
      [net = net.get()](const std::vector<Tensor>& in) {
        return net->attention(in[0], in[1], in[2], in[3]).output;
      },
      {{"queries", uniform_array(dims, 1)},
       {"keys", uniform_array(dims, 2)},
       {"values", uniform_array(dims, 3)},
       {"valid_lens", valid_lengths({kBatch}, kPlaces)},
       {"grad.output", uniform_array(dims, 4)}},
      net);
}

/// The layer, whose state is nothing without dropout.
PreparedWork dot_attention(bool masked) {
  constexpr std::int64_t kBatch = 32, kPlaces = 512, kWidth = 64;
  const Ints dims{kBatch, kPlaces, kWidth};
  auto layer = std::make_shared<DotProductAttention>(nullptr, "attention", 0);
  std::vector<PreparedWork::Input> inputs{{"queries", uniform_array(dims, 1)},
                                          {"keys", uniform_array(dims, 2)},
                                          {"values", uniform_array(dims, 3)}};
  if (masked) inputs.push_back({"valid_lens", valid_lengths({kBatch}, kPlaces)});
  inputs.push_back({"grad.output", uniform_array(dims, 4)});
  return with_gradients(
      [masked, layer = layer.get()](const std::vector<Tensor>& in) {
        return (*layer)(in[0], in[1], in[2], masked ? in[3] : Tensor()).output;
      },
      std::move(inputs), layer);
}

/// The article's layer: a row of its scores is a key.
PreparedWork causal_attention() {
  constexpr std::int64_t kBatch = 8, kPlaces = 512, kSize = 128;
  struct Net : Module {
    CausalSelfAttention attention{
        this, "attention", kSize, {.rows = CausalOptions::Rows::keys, .block_size = kPlaces}};
  };
  return training<Net>(std::make_shared<Net>(), SGD(),
                       [](const Net& net, const std::vector<Tensor>& batch) {
                         return mse_loss(net.attention(batch[0]).output, batch[1]);
                       },
                       {{"x", uniform_array({kBatch, kPlaces, kSize}, 1)},
                        {"y", uniform_array({kBatch, kPlaces, kSize}, 2)}});
}

PreparedWork causal_long(std::int64_t places) {
  constexpr std::int64_t kWidth = 64;
  const Ints dims{1, places, kWidth};
  return with_gradients(
      [](const std::vector<Tensor>& in) {
        return scaled_dot_product_attention(in[0], in[1], in[2], {.is_causal = true}).output;
      },
      {{"queries", uniform_array(dims, 1)},
       {"keys", uniform_array(dims, 2)},
       {"values", uniform_array(dims, 3)},
       {"grad.output", uniform_array(dims, 4)}});
}

}  // namespace

std::vector<Workload> attention_workloads() {
  std::vector<Workload> all{
      {"nw_predict", "Nadaraya-Watson regression, 16384 queries by 16384 keys, one feature",
       nw_predict},
      {"masked_softmax", "[16, 8, 256, 512] with valid lengths [16, 8], and its gradient",
       masked_softmax_work},
      {"additive_attention",
       "batch 8, 128 queries by 128 keys, hidden 256, width 64, valid lengths, and all gradients",
       additive_attention},
      {"dot_attention", "batch 32, 512 by 512, width 64, valid lengths, and all gradients",
       [] { return dot_attention(true); }},
      {"dot_attention_full", "dot_attention without valid lengths",
       [] { return dot_attention(false); }},
      {"causal_attention",
       "a causal layer of size 128, batch 8, 512 places, mean square error, SGD: one training step",
       causal_attention},
  };
  for (const std::int64_t places : {1024, 2048, 4096, 8192, 16384})
    all.push_back(
        {fmt::format("causal_long_{}", places),
         fmt::format("causal attention, one head of 64, {} places, and all gradients", places),
         [places] { return causal_long(places); }});
  return all;
}

}  // namespace kiln
