// The training loop every model shares: epochs over a data loader, validation, progress,
// checkpoints, plots, JSON.
#pragma once

#include <string>

#include "models/model.h"

namespace kiln {

struct TrainResult {
  int epochs = 0;
  double value = 0;    // the metric on the validation data, at the end
  double seconds = 0;  // training alone, without loading or validation
  std::uint64_t weights_hash = 0;
};

/// Trains until the metric reaches the stop value or the epochs are over. Prints an epoch a line
/// (not with `quiet`). Throws Error for bad options or data, and when the loss is no longer a
/// number.
TrainResult train(const std::string& name, Model& model, const TrainOptions& options);

/// The metric of a model on the validation data of `options`, its weights from `options.resume`.
double evaluate(Model& model, const TrainOptions& options);

}  // namespace kiln
