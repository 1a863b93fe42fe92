#include "frontend/attention.h"

#include <cmath>
#include <limits>

#include "frontend/checks.h"
#include "frontend/functions.h"
#include "frontend/random.h"

namespace kiln {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

/// i1 [queries, keys]: whether the key is not after the query.
Tensor causal_mask(std::int64_t queries, std::int64_t keys, Where w) {
  return tril(full({queries, keys}, 1, DType::i1, w), 0, w);
}

Tensor weighted(const Tensor& weights, const Tensor& values, double dropout_share, Where w) {
  return matmul(
      dropout_share > 0 ? dropout(weights, dropout_share, default_generator(), w) : weights, values,
      w);
}

void check_attention(const Tensor& q, const Tensor& k, const Tensor& v, int least_rank, Where w) {
  for (const Tensor* x : {&q, &k, &v}) used_float(*x, "attention", w);
  const bool ranked = q.dim() >= least_rank && k.dim() == q.dim() && v.dim() == q.dim();
  if (!ranked || k.size(-2, w) != v.size(-2, w))
    throw Error(w, fmt::format("attention: expected queries [..., Q, d], keys [..., K, d] and "
                               "values [..., K, e], found {}, {} and {}",
                               described(q), described(k), described(v)));
}

}  // namespace

Attended scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                      AttentionOptions options, Where w) {
  check_attention(q, k, v, 2, w);
  if (q.size(-1, w) != k.size(-1, w))
    throw Error(w, fmt::format("attention: expected queries and keys of one size, found {} and {}",
                               described(q), described(k)));
  const double scale = options.scale.value_or(1 / std::sqrt(static_cast<double>(q.size(-1, w))));
  Tensor scores = mul(matmul(q, transpose(k, -1, -2, w), w), scale, w);
  if (options.is_causal)
    scores = kiln::where(causal_mask(q.size(-2, w), k.size(-2, w), w), scores, kMinusInfinity, w);
  if (options.mask.value())
    scores = is_bool(used(options.mask, "attention", w).type().dtype)
                 ? kiln::where(options.mask, scores, kMinusInfinity, w)
                 : add(scores, options.mask, w);
  const Tensor weights = softmax(scores, -1, w);
  return {weighted(weights, v, options.dropout, w), weights};
}

DotProductAttention::DotProductAttention(Module* parent, std::string name, double dropout)
    : Module(parent, std::move(name)), dropout_(this, "dropout", dropout) {}

Attended DotProductAttention::operator()(const Tensor& queries, const Tensor& keys,
                                         const Tensor& values, const Tensor& valid_lens,
                                         Where w) const {
  return in_layer("DotProductAttention", [&] {
    check_attention(queries, keys, values, 3, w);
    const double scale = std::sqrt(static_cast<double>(queries.size(-1, w)));
    const Tensor scores = div(matmul(queries, transpose(keys, -1, -2, w), w), scale, w);
    const Tensor weights = masked_softmax(scores, valid_lens, w);
    return Attended{matmul(dropout_(weights, w), values, w), weights};
  });
}

AdditiveAttention::AdditiveAttention(Module* parent, std::string name, std::int64_t key_size,
                                     std::int64_t query_size, std::int64_t hidden, double dropout)
    : Module(parent, std::move(name)),
      w_k_(this, "W_k", key_size, hidden, false),
      w_q_(this, "W_q", query_size, hidden, false),
      w_v_(this, "w_v", hidden, 1, false),
      dropout_(this, "dropout", dropout) {}

Attended AdditiveAttention::operator()(const Tensor& queries, const Tensor& keys,
                                       const Tensor& values, const Tensor& valid_lens,
                                       Where w) const {
  return in_layer("AdditiveAttention", [&] {
    check_attention(queries, keys, values, 3, w);
    // [B, Q, 1, hidden] + [B, 1, K, hidden]
    const Tensor features =
        tanh(add(unsqueeze(w_q_(queries, w), -2, w), unsqueeze(w_k_(keys, w), -3, w), w), w);
    const Tensor weights = masked_softmax(squeeze(w_v_(features, w), -1, w), valid_lens, w);
    return Attended{matmul(dropout_(weights, w), values, w), weights};
  });
}

CausalSelfAttention::CausalSelfAttention(Module* parent, std::string name, std::int64_t size,
                                         CausalOptions options)
    : Module(parent, std::move(name)),
      options_(options),
      k_layer_(this, "k_layer", size, size),
      q_layer_(this, "q_layer", size, size),
      v_layer_(this, "v_layer", size, size) {
  if (options.heads < 1 || size % options.heads != 0)
    throw Error(
        fmt::format("CausalSelfAttention: expected a number of heads that divides the size "
                    "{}, found {}",
                    size, options.heads));
}

Attended CausalSelfAttention::operator()(const Tensor& x, Where w) const {
  return in_layer("CausalSelfAttention", [&] {
    if (used_float(x, "attention", w).type().rank() != 3)
      throw Error(w, fmt::format("attention: expected [B, T, size], found {}", described(x)));
    if (options_.block_size && x.size(1, w) > *options_.block_size)
      throw Error(w,
                  fmt::format("attention: expected a sequence of at most {} places (block_size), "
                              "found {}",
                              *options_.block_size, described(x)));
    const auto of_heads = [&](const Tensor& t) {  // [B, T, size] → [B, heads, T, size / heads]
      return options_.heads == 1 ? t
                                 : transpose(unflatten(t, -1, {options_.heads, -1}, w), 1, 2, w);
    };
    const Tensor k = of_heads(k_layer_(x, w)), q = of_heads(q_layer_(x, w));
    const bool by_key = options_.rows == CausalOptions::Rows::keys;
    Attended attended = scaled_dot_product_attention(
        by_key ? k : q, by_key ? q : k, of_heads(v_layer_(x, w)), {.is_causal = true}, w);
    if (options_.heads > 1) attended.output = flatten(transpose(attended.output, 1, 2, w), 2, 3, w);
    return attended;
  });
}

MultiheadAttention::Output::Output(Module* parent, std::int64_t size, bool with_bias)
    : Module(parent, "out_proj") {
  const double bound = 1 / std::sqrt(static_cast<double>(size));
  weight = parameter("weight", {size, size}, Initializer::uniform(-bound, bound));
  if (with_bias) bias = parameter("bias", {size}, Initializer::constant(0));
}

MultiheadAttention::MultiheadAttention(Module* parent, std::string name, std::int64_t embed_dim,
                                       std::int64_t num_heads, MultiheadAttentionOptions options)
    : Module(parent, std::move(name)),
      embed_dim_(embed_dim),
      num_heads_(num_heads),
      options_(options),
      out_proj_(this, embed_dim, options.bias) {
  if (embed_dim < 1 || num_heads < 1 || embed_dim % num_heads != 0)
    throw Error(
        fmt::format("MultiheadAttention: expected a number of heads that divides embed_dim "
                    "{}, found {}",
                    embed_dim, num_heads));
  const auto glorot = [](std::int64_t rows, std::int64_t columns) {
    const double bound = std::sqrt(6 / static_cast<double>(rows + columns));
    return Initializer::uniform(-bound, bound);
  };
  const std::int64_t kdim = options.kdim.value_or(embed_dim),
                     vdim = options.vdim.value_or(embed_dim);
  if (kdim == embed_dim && vdim == embed_dim) {
    in_proj_weight =
        parameter("in_proj_weight", {3 * embed_dim, embed_dim}, glorot(3 * embed_dim, embed_dim));
  } else {
    q_proj_weight =
        parameter("q_proj_weight", {embed_dim, embed_dim}, glorot(embed_dim, embed_dim));
    k_proj_weight = parameter("k_proj_weight", {embed_dim, kdim}, glorot(embed_dim, kdim));
    v_proj_weight = parameter("v_proj_weight", {embed_dim, vdim}, glorot(embed_dim, vdim));
  }
  if (options.bias)
    in_proj_bias = parameter("in_proj_bias", {3 * embed_dim}, Initializer::constant(0));
}

Attended MultiheadAttention::operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                                        MultiheadMasks masks, Where w) const {
  return in_layer("MultiheadAttention", [&] {
    for (const Tensor* x : {&query, &key, &value})
      if (used_float(*x, "attention", w).type().rank() != 3)
        throw Error(w,
                    fmt::format("attention: expected {}, found {}",
                                options_.batch_first ? "[N, L, E]" : "[L, N, E]", described(*x)));
    if (options_.batch_first) return attend(query, key, value, masks, w);
    Attended made = attend(transpose(query, 0, 1, w), transpose(key, 0, 1, w),
                           transpose(value, 0, 1, w), masks, w);
    made.output = transpose(made.output, 0, 1, w);
    return made;
  });
}

Attended MultiheadAttention::attend(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const MultiheadMasks& masks, Where w) const {
  const std::int64_t batch = query.size(0, w), queries = query.size(1, w), keys = key.size(1, w);
  if (key.size(0, w) != batch || value.size(0, w) != batch || value.size(1, w) != keys)
    throw Error(w, fmt::format("attention: expected queries, keys and values of one batch and as "
                               "many keys as values, found {}, {} and {}",
                               described(query), described(key), described(value)));
  const auto projected = [&](const Tensor& x, const Parameter& own, int part) {
    const std::int64_t first = part * embed_dim_;
    const Tensor weight = own ? Tensor(own) : narrow(in_proj_weight, 0, first, embed_dim_, w);
    const Tensor bias = in_proj_bias ? narrow(in_proj_bias, 0, first, embed_dim_, w) : Tensor();
    // [N, heads, L, E / heads]
    const Tensor y = linear(x, weight, bias, w);
    return transpose(reshape(y, {batch, x.size(1, w), num_heads_, embed_dim_ / num_heads_}, w), 1,
                     2, w);
  };
  const auto masked = [&](const Tensor& scores, const Tensor& mask, const Ints& dims) {
    const Tensor all = reshape(mask, dims, w);
    return is_bool(mask.dtype()) ? kiln::where(all, kMinusInfinity, scores, w)
                                 : add(scores, all, w);
  };
  const Tensor q = projected(query, q_proj_weight, 0), k = projected(key, k_proj_weight, 1),
               v = projected(value, v_proj_weight, 2);
  const double scale = std::sqrt(static_cast<double>(embed_dim_ / num_heads_));
  Tensor scores = div(matmul(q, transpose(k, -1, -2, w), w), scale, w);
  if (const Tensor& mask = masks.attn_mask; mask.value()) {
    const bool each = used(mask, "attn_mask", w).type().rank() == 3;
    const Ints shape = each ? Ints{batch * num_heads_, queries, keys} : Ints{queries, keys};
    if (mask.shape() != shape)
      throw Error(w,
                  fmt::format("attention: expected an attn_mask [{}, {}] or [{}, {}, {}], found "
                              "{}",
                              queries, keys, batch * num_heads_, queries, keys, described(mask)));
    scores = masked(scores, mask,
                    each ? Ints{batch, num_heads_, queries, keys} : Ints{1, 1, queries, keys});
  }
  if (const Tensor& mask = masks.key_padding_mask; mask.value()) {
    if (used(mask, "key_padding_mask", w).type().dims != Ints{batch, keys})
      throw Error(w, fmt::format("attention: expected a key_padding_mask [{}, {}], found {}", batch,
                                 keys, described(mask)));
    scores = masked(scores, mask, {batch, 1, 1, keys});
  }
  const Tensor weights = softmax(scores, -1, w);
  const double share = training() ? options_.dropout : 0;
  const Tensor heads = transpose(weighted(weights, v, share, w), 1, 2, w);
  const Tensor output = linear(reshape(heads, {batch, queries, embed_dim_}, w), out_proj_.weight,
                               out_proj_.bias ? Tensor(out_proj_.bias) : Tensor(), w);
  return {output, mean(weights, {1}, false, w)};
}

}  // namespace kiln
