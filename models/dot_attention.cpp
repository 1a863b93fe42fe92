// dot-attention: scores for queries and keys of one size, without any weights.
//
//   score(q, k) = qᵀ k / √d
//   weights = masked softmax of the scores over the keys;   output = Σ weightᵢ vᵢ
//
// Where the elements of q and k have mean 0 and variance 1, so has the score: without 1 / √d it
// would grow with d and softmax would saturate (Vaswani et al., "Attention is all you need", 2017;
// the demonstration is that of "Dive into Deep Learning", Attention Scoring Functions). In
// training, dropout sets each weight to 0 with probability 0.5 and doubles the others.
//
// [2, 3, 4, 5] and [10, 11, 12, 13] come out whatever the queries are: the demonstration's keys are
// all equal, so each query takes the plain mean of the values within its length.
#include "models/attention_demo.h"

namespace kiln {
namespace {

class Dot : public AttentionDemo {
 protected:
  Module& module() override { return attention_; }
  std::int64_t query_size() const override { return 2; }
  Attended attend(const Tensor& queries, const Tensor& keys, const Tensor& values,
                  const Tensor& valid_lens) override {
    return attention_(queries, keys, values, valid_lens);
  }

 private:
  DotProductAttention attention_{nullptr, "", 0.5};
};

const Registration kDot{"dot-attention", "scores by scaled dot products: qᵀ k / √d",
                        [] { return std::make_unique<Dot>(); }};

}  // namespace
}  // namespace kiln
