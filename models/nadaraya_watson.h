// Nadaraya-Watson regression, what its three models share: attention by a Gaussian kernel and the
// pictures (models/regression_data has the points).
//
//   f(x) = Σᵢ α(x, xᵢ) yᵢ,   α(x, xᵢ) = softmax over i of -((x - xᵢ) w)² / 2
//
// (E. Nadaraya, "On estimating regression", 1964; G. Watson, "Smooth regression analysis", 1964.)
// It is attention in its plainest form: x is the query, the training inputs are the keys, what was
// measured there are the values. w is one over the kernel's width.
#pragma once

#include "models/model.h"
#include "models/regression_data.h"

namespace kiln {

/// Queries [q], keys and values [k] or, for each query its own, [q, k] → output [q], weights [q,
/// k].
Attended kernel_pooling(const Tensor& queries, const Tensor& keys, const Tensor& values,
                        const Operand& w);

/// The mean square of the differences.
double mean_square(const Array& predicted, const Array& truth);
/// Truth, prediction and training points.
void draw_fit(const RegressionData& data, const Array& predicted, Report& report);
/// Matrices [test points, training points], side by side.
void draw_weights(const std::vector<Panel>& panels, Report& report);

/// Queries, keys, values → outputs.
using Predict = std::function<Tensor(const Tensor&, const Tensor&, const Tensor&)>;
/// Prints what is predicted at the numbers that `inputs` name, from the training points.
void print_predictions(const std::vector<std::string>& inputs, const RegressionData& data,
                       const Predict& predict, Report& report);

/// Prints the batches of matrix products that the weighted mean is written with.
void explain_batch_products(Report& report);

/// A model with nothing to learn: predicts, prints how far that is from the truth, draws.
class Pooling : public Model {
 public:
  using Pool = Attended (*)(const Tensor& queries, const Tensor& keys, const Tensor& values);
  /// `required`: the mean squared error that it stays below on any data drawn.
  Pooling(Pool pool, double required) : pool_(pool), required_(required) {}

  Outcome run(const TrainOptions& options, Report& report) override;
  Traced traced() override;
  void predict(const std::vector<std::string>& inputs, const TrainOptions& options,
               Report& report) override;

 private:
  Pool pool_;
  double required_;
};

}  // namespace kiln
