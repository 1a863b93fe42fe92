#include "frontend/schedule.h"

#include <numbers>

#include "frontend/functions.h"

namespace kiln {
namespace {

double positive(std::int64_t steps, std::string_view what, Where where) {
  if (steps < 1)
    throw Error(where, fmt::format("{}: expected at least one step, found {}", what, steps));
  return static_cast<double>(steps);
}

/// Goes from `start` to `end` while the step goes from 0 to `steps`, and stays there.
Tensor ramp(const Tensor& step, double start, double end, double steps) {
  return start + (end - start) * (minimum(step, steps) / steps);
}

}  // namespace

Tensor LearningRate::at(const Tensor& step) const {
  return is_constant() ? full({}, constant_, DType::f64) : to(schedule_(step), DType::f64);
}

LearningRate step_lr(double lr, std::int64_t every, double gamma, Where where) {
  const double steps = positive(every, "step_lr", where);
  return [=](const Tensor& step) { return lr * pow(gamma, floor(step / steps)); };
}

LearningRate exponential_lr(double lr, double gamma) {
  return [=](const Tensor& step) { return lr * pow(gamma, step); };
}

LearningRate cosine_annealing_lr(double lr, std::int64_t count, double least, Where where) {
  const double steps = positive(count, "cosine_annealing_lr", where);
  return [=](const Tensor& step) {
    return least + (lr - least) / 2 * (1.0 + cos(step * (std::numbers::pi / steps)));
  };
}

LearningRate linear_lr(double lr, double start, double end, std::int64_t count, Where where) {
  const double steps = positive(count, "linear_lr", where);
  return [=](const Tensor& step) { return lr * ramp(step, start, end, steps); };
}

LearningRate lambda_lr(double lr, std::function<Tensor(const Tensor& step)> factor) {
  return [lr, factor = std::move(factor)](const Tensor& step) { return lr * factor(step); };
}

LearningRate linear_warmup(LearningRate after, std::int64_t count, double start, Where where) {
  const double steps = positive(count, "linear_warmup", where);
  return [=](const Tensor& step) {
    return after.at(maximum(step - steps, 0.0)) * ramp(step, start, 1, steps);
  };
}

}  // namespace kiln
