// The points of the Nadaraya-Watson models: y = 2 sin x + x^0.8 and noise.
#pragma once

#include <span>

#include "models/model.h"

namespace kiln {

inline constexpr std::int64_t kRegressionPoints = 50;

/// Training points and where to predict, each [n] f32 and sorted by x.
struct RegressionData {
  std::string name = {};  // for people
  Array x_train = {}, y_train = {};
  Array x_test = {}, y_truth = {};
};

/// 2 sin x + x^0.8
Tensor true_function(const Tensor& x);

/// 50 points of [0, 5) with y = true_function(x) + N(0, 0.5), drawn from the seed, and the test
/// points 0, 0.1, … 4.9; or x_train, y_train and x_test of --data FILE.safetensors. Throws Error
/// when those are missing, of unfit shapes or not finite.
RegressionData regression_data(const TrainOptions& options);

/// Numbers as an array [n].
Array vector_of(std::span<const float> values);

}  // namespace kiln
