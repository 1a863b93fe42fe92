// additive-attention: scores for queries and keys of different sizes, by a small network.
//
//   score(q, k) = w_vᵀ tanh(W_q q + W_k k)
//   weights = masked softmax of the scores over the keys;   output = Σ weightᵢ vᵢ
//
// (Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to align and
// translate", 2015; the demonstration is that of "Dive into Deep Learning", Attention Scoring
// Functions.) In training, dropout sets each weight to 0 with probability 0.1 and divides the
// others by 0.9, so that the output's mean stays.
//
// [2, 3, 4, 5] and [10, 11, 12, 13] come out whatever W_q, W_k and w_v are: the demonstration's
// keys are all equal, so nothing can tell them apart and each query takes the plain mean of the
// values within its length.
#include "models/attention_demo.h"

namespace kiln {
namespace {

class Additive : public AttentionDemo {
 protected:
  static constexpr std::int64_t kKeySize = 2, kQuerySize = 20, kHidden = 8;

  Module& module() override { return attention_; }
  std::int64_t query_size() const override { return kQuerySize; }
  Attended attend(const Tensor& queries, const Tensor& keys, const Tensor& values,
                  const Tensor& valid_lens) override {
    return attention_(queries, keys, values, valid_lens);
  }

 private:
  AdditiveAttention attention_{nullptr, "", kKeySize, kQuerySize, kHidden, 0.1};
};

const Registration kAdditive{"additive-attention", "scores by a small network: wᵀ tanh(W q + W k)",
                             [] { return std::make_unique<Additive>(); }};

}  // namespace
}  // namespace kiln
