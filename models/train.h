// The training loop that all models share: epochs over a data loader, validation, progress,
// checkpoints, plots, JSON. It is Learner::run (models/model.h).
#pragma once

#include <string>

#include "models/model.h"

namespace kiln {

/// Runs a model as `kiln train` does: opens the report and the JSON file, runs, prints the last
/// line. Learner::run trains until the metric reaches the stop value or the epochs are over; it
/// throws Error for bad options or data, and when the loss is no longer a number. Ctrl-C ends it
/// after the step at work: the checkpoint, if one is kept, then holds the place in the data too.
Outcome train(const ModelEntry& entry, const TrainOptions& options);
Outcome train(const std::string& name, Model& model, const TrainOptions& options);

/// Runs every model at full length on each of its data sets and prints a table of what they reach;
/// whether all reach what is required.
bool train_all();

}  // namespace kiln
