// Attention: every query's mean of the values, weighted by how its score with their keys compares.
// All return the weights (before dropout) beside the output.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "frontend/layers.h"

namespace kiln {

struct Attended {
  Tensor output;   // [..., queries, value size]
  Tensor weights;  // [..., queries, keys]
};

struct AttentionOptions {
  Tensor mask = {};        // i1: false is left out; float: added to the scores. Broadcasts.
  bool is_causal = false;  // query i sees the keys 0 … i only
  std::optional<double> scale = {};  // of the scores; without one, 1/√(key size)
  double dropout = 0;                // of the weights
};
/// softmax(q kᵀ scale) v of q [..., Q, d], k [..., K, d], v [..., K, e]
/// (torch.nn.functional.scaled_dot_product_attention). A query that sees no key is NaN.
Attended scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                      AttentionOptions options = {},
                                      Where where = Where::current());

/// Scaled dot products as scores, masked by valid lengths: see masked_softmax. Queries [B, Q, d],
/// keys [B, K, d], values [B, K, e].
class DotProductAttention : public Module {
 public:
  DotProductAttention(Module* parent, std::string name, double dropout);
  Attended operator()(const Tensor& queries, const Tensor& keys, const Tensor& values,
                      const Tensor& valid_lens = {}, Where where = Where::current()) const;

 private:
  Dropout dropout_;
};

/// w_vᵀ tanh(W_q q + W_k k) as scores (Bahdanau, Cho and Bengio 2015), masked likewise. Parameters
/// W_k.weight, W_q.weight, w_v.weight.
class AdditiveAttention : public Module {
 public:
  AdditiveAttention(Module* parent, std::string name, std::int64_t key_size,
                    std::int64_t query_size, std::int64_t hidden, double dropout);
  Attended operator()(const Tensor& queries, const Tensor& keys, const Tensor& values,
                      const Tensor& valid_lens = {}, Where where = Where::current()) const;

 private:
  Linear w_k_, w_q_, w_v_;
  Dropout dropout_;
};

struct CausalOptions {
  int heads = 1;  // which divides the size; each attends with its own part of k, q and v
  /// Row t of the scores is query t against the keys (q kᵀ), or key t against the queries (k qᵀ).
  enum class Rows : std::uint8_t { queries, keys } rows = Rows::queries;
  std::optional<std::int64_t> block_size = {};  // of the longest sequence
};
/// Self-attention in which each place sees itself and what is before it. Parameters of k_layer,
/// q_layer and v_layer, all [size, size] with biases.
class CausalSelfAttention : public Module {
 public:
  CausalSelfAttention(Module* parent, std::string name, std::int64_t size,
                      CausalOptions options = {});
  /// x [B, T, size]. The weights are [B, T, T], with several heads [B, heads, T, T]. Throws Error
  /// where T is more than block_size.
  Attended operator()(const Tensor& x, Where where = Where::current()) const;

 private:
  CausalOptions options_;
  Linear k_layer_, q_layer_, v_layer_;
};

struct MultiheadAttentionOptions {
  double dropout = 0;
  bool bias = true;
  std::optional<std::int64_t> kdim = {}, vdim = {};  // of keys and values; else embed_dim
  bool batch_first = false;                          // [N, L, E], not [L, N, E]
};
struct MultiheadMasks {
  Tensor key_padding_mask = {};  // i1 [N, S]: true is left out; or float, added
  Tensor attn_mask = {};         // [L, S] or [N heads, L, S], likewise
};
/// torch.nn.MultiheadAttention: in_proj_weight [3 E, E] (or q_proj_weight, k_proj_weight,
/// v_proj_weight where kdim or vdim differ) by Glorot and Bengio's uniform distribution,
/// in_proj_bias 0, out_proj a Linear with bias 0. The weights returned are the heads' mean.
class MultiheadAttention : public Module {
 public:
  MultiheadAttention(Module* parent, std::string name, std::int64_t embed_dim,
                     std::int64_t num_heads, MultiheadAttentionOptions options = {});
  Attended operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                      MultiheadMasks masks = {}, Where where = Where::current()) const;

  Parameter in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias;

 private:
  struct Output : Module {  // a Linear whose bias begins at 0
    Output(Module* parent, std::int64_t size, bool bias);
    Parameter weight, bias;
  };
  Attended attend(const Tensor& query, const Tensor& key, const Tensor& value,
                  const MultiheadMasks& masks, Where where) const;

  std::int64_t embed_dim_, num_heads_;
  MultiheadAttentionOptions options_;
  Output out_proj_;
};

}  // namespace kiln
