// Losses, as torch.nn.functional names them. Predictions and targets are floats of one shape unless
// said otherwise; the result is the mean of all elements, their sum, or (none) each of them.
#pragma once

#include <cstdint>
#include <optional>

#include "frontend/tensor.h"

namespace kiln {

/// batchmean: the sum divided by the extent of the first axis.
enum class Reduction : std::uint8_t { none, mean, sum, batchmean };

/// (x - y)²
Tensor mse_loss(const Tensor& prediction, const Tensor& target,
                Reduction reduction = Reduction::mean, Where where = Where::current());
/// |x - y|; derivative 0 at 0.
Tensor l1_loss(const Tensor& prediction, const Tensor& target,
               Reduction reduction = Reduction::mean, Where where = Where::current());
/// d² / (2 beta) where d = |x - y| < beta, else d - beta / 2.
Tensor smooth_l1_loss(const Tensor& prediction, const Tensor& target, double beta = 1,
                      Reduction reduction = Reduction::mean, Where where = Where::current());
/// d² / 2 where d = |x - y| <= delta, else delta (d - delta / 2).
Tensor huber_loss(const Tensor& prediction, const Tensor& target, double delta = 1,
                  Reduction reduction = Reduction::mean, Where where = Where::current());

struct CrossEntropyOptions {
  Tensor weight = {};  // [C]: of each class; empty: 1
  /// Samples of this class do not count, neither in the sum nor in the mean's divisor.
  std::optional<std::int64_t> ignore_index = -100;
  Reduction reduction = Reduction::mean;
  double label_smoothing = 0;  // this share of the target is spread evenly over all classes
};
/// -log softmax(logits)[class], logits [N, C], [N, C, …] or [C]. The target has integer classes
/// [N], [N, …] or [], where one that does not exist has no defined loss; or probabilities of the
/// logits' shape. With classes the mean is weighted, with probabilities it is over N, ….
Tensor cross_entropy(const Tensor& logits, const Tensor& target, CrossEntropyOptions options = {},
                     Where where = Where::current());

struct NllOptions {
  Tensor weight = {};
  std::optional<std::int64_t> ignore_index = -100;
  Reduction reduction = Reduction::mean;
};
/// cross_entropy of what are logarithms of probabilities already, with integer classes.
Tensor nll_loss(const Tensor& log_probabilities, const Tensor& target, NllOptions options = {},
                Where where = Where::current());

/// -y log x - (1 - y) log(1 - x) of probabilities, the logarithms not below -100. `weight`, if any,
/// broadcasts.
Tensor binary_cross_entropy(const Tensor& probability, const Tensor& target,
                            const Tensor& weight = {}, Reduction reduction = Reduction::mean,
                            Where where = Where::current());

struct BceOptions {
  Tensor weight = {};      // of each element; broadcasts
  Tensor pos_weight = {};  // of the term y log σ(x); broadcasts
  Reduction reduction = Reduction::mean;
};
/// -y log σ(x) - (1 - y) log(1 - σ(x)), without overflow.
Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target,
                                        BceOptions options = {}, Where where = Where::current());

/// y (log y - x), x logarithms of probabilities, 0 where y is 0; with `log_target`, y is given as
/// its logarithm.
Tensor kl_div(const Tensor& log_probabilities, const Tensor& target,
              Reduction reduction = Reduction::mean, bool log_target = false,
              Where where = Where::current());

}  // namespace kiln
