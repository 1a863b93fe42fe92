// Learning rates that change from step to step, as torch.optim.lr_scheduler's: functions of the
// number of steps taken before (0 in the first), computed in the graph in f64.
//
//   Adam adam({.lr = linear_warmup(cosine_annealing_lr(1e-3, 10000), 500)});
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <utility>

#include "frontend/tensor.h"

namespace kiln {

/// A number, or a function of the number of steps taken before (an f64 scalar).
class LearningRate {
 public:
  LearningRate(double constant) : constant_(constant) {}  // NOLINT: a number is a learning rate
  template <std::invocable<const Tensor&> F>
  LearningRate(F schedule) : schedule_(std::move(schedule)) {}  // NOLINT: and so is a function

  bool is_constant() const { return !schedule_; }
  double constant() const { return constant_; }
  /// An f64 scalar.
  Tensor at(const Tensor& step) const;

 private:
  double constant_ = 0;
  std::function<Tensor(const Tensor&)> schedule_;
};

/// lr · gammaⁿ after n times `every` steps.
LearningRate step_lr(double lr, std::int64_t every, double gamma = 0.1,
                     Where where = Where::current());
/// lr · gammaᵗ
LearningRate exponential_lr(double lr, double gamma);
/// From lr down to `least` along half a cosine of `steps` steps, and up again after that.
LearningRate cosine_annealing_lr(double lr, std::int64_t steps, double least = 0,
                                 Where where = Where::current());
/// lr times a factor that goes linearly from `start` to `end` within `steps` steps.
LearningRate linear_lr(double lr, double start = 1.0 / 3, double end = 1, std::int64_t steps = 5,
                       Where where = Where::current());
/// lr · factor(t)
LearningRate lambda_lr(double lr, std::function<Tensor(const Tensor& step)> factor);
/// The first rate of `after` times a factor that goes linearly from `start` to 1 within `steps`
/// steps; then `after` from its beginning (SequentialLR of LinearLR and `after`).
LearningRate linear_warmup(LearningRate after, std::int64_t steps, double start = 0,
                           Where where = Where::current());

}  // namespace kiln
