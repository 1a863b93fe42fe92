// masked-softmax: attention weights for sequences of different lengths in one batch.
//
//   weightᵢ = exp xᵢ / Σⱼ exp xⱼ,   where a score at or past the valid length counts as xⱼ = -10⁶
//
// Lengths are one for each element of the batch, or one for each row, or none. Next to any score of
// usual size, exp(-10⁶ - max) is 0 exactly, not just small. A row of length 0 has nothing but -10⁶
// in it and becomes uniform (with -∞ it would be 0 / 0).
//
// From "Dive into Deep Learning" (Zhang, Lipton, Li and Smola), Attention Scoring Functions. Its
// two demonstrations draw their scores without a seed. But weights determine their scores, up to a
// number added to a row: they are their logarithms. So the scores here are the logarithms of the
// weights printed there, the masked ones are drawn at random, and the same weights must come out.
// (The function there also overwrites the masked scores of its argument; here nothing is.)
#include <cmath>

#include "models/model.h"
#include "runtime/function_io.h"
#include "runtime/random.h"

namespace kiln {
namespace {

struct Demonstration {
  std::string lengths_text;
  Array lengths;
  Array weights;  // [2, 2, 4], as printed there
};

std::vector<Demonstration> demonstrations() {
  return {
      {"[2, 3]", Array::of<std::int64_t>({2}, {2, 3}),
       Array::of<float>({2, 2, 4}, {0.5089f, 0.4911f, 0, 0, 0.5767f, 0.4233f, 0, 0,  //
                                    0.2270f, 0.4099f, 0.3630f, 0, 0.2809f, 0.3901f, 0.3289f, 0})},
      {"[[1, 3], [2, 4]]", Array::of<std::int64_t>({2, 2}, {1, 3, 2, 4}),
       Array::of<float>({2, 2, 4}, {1, 0, 0, 0, 0.2178f, 0.4802f, 0.3020f, 0,  //
                                    0.3727f, 0.6273f, 0, 0, 0.2801f, 0.2185f, 0.2313f, 0.2701f})}};
}

class MaskedSoftmax : public Model {
 public:
  Outcome run(const TrainOptions& options, Report& report) override {
    if (!options.data.empty())
      throw Error("masked-softmax: expected no --data: its demonstrations are its own");
    Random random(options.seed);
    Outcome outcome{.metric = {"deviation", true}, .required = 1e-4};
    auto weigh = jit([](const Tensor& x, const Tensor& lens) { return masked_softmax(x, lens); });
    Heatmaps plot{.title = "masked-softmax: weights",
                  .x_label = "Keys",
                  .y_label = "Queries",
                  .columns = 2,
                  .show_values = true};
    for (const Demonstration& given : demonstrations()) {
      const Array scores = scores_of(given.weights, random);
      const Array weights = weigh(scores, given.lengths);
      report.print("valid lengths {}:\n{}\n", given.lengths_text, array_text(weights, 4));
      for (std::int64_t i = 0; i < weights.count(); ++i) {
        const double got = weights.as_double(i), want = given.weights.as_double(i);
        outcome.value = std::max(outcome.value, std::fabs(got - want));
        if (want == 0 && got != 0)
          outcome.failure = fmt::format("a masked weight is {} instead of 0", got);
      }
      for (std::int64_t b = 0; b < 2; ++b)
        plot.panels.push_back(
            {fmt::format("lengths {}, batch {}", given.lengths_text, b), matrix(weights, b)});
    }

    const Array scores = scores_of(Array(kScores), random);
    report.print("no lengths:\n{}\n",
                 array_text(jit([](const Tensor& x) { return masked_softmax(x); })(scores), 4));
    const Array empty = weigh(scores, Array::of<std::int64_t>({2}, {0, 4}));
    report.print("valid lengths [0, 4]: rows with nothing to see are uniform\n{}\n",
                 array_text(empty, 4));
    for (std::int64_t i = 0; i < 8; ++i)
      outcome.value = std::max(outcome.value, std::fabs(empty.as_double(i) - 0.25));
    report.heatmaps("weights", plot);
    return outcome;
  }

  Traced traced() override {
    return Trace::run(
        [](const std::vector<Tensor>& in) { return std::vector{masked_softmax(in[0], in[1])}; },
        {kScores, Type{DType::i64, {2}}}, {"scores", "valid_lens"});
  }

 private:
  static inline const Type kScores{DType::f32, {2, 2, 4}};

  /// Those of these weights; at random where the weight is 0.
  static Array scores_of(const Array& weights, Random& random) {
    Array scores = weights.clone();
    for (float& x : scores.data<float>()) x = x > 0 ? std::log(x) : random.uniform();
    return scores;
  }
  /// One element of a batch.
  static Array matrix(const Array& batch, std::int64_t index) {
    return jit([index](const Tensor& x) { return select(x, 0, index); })(batch);
  }
};

const Registration kMaskedSoftmax{"masked-softmax", "softmax over sequences of different lengths",
                                  [] { return std::make_unique<MaskedSoftmax>(); }};

}  // namespace
}  // namespace kiln
