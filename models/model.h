// What a model is to the `kiln` command, and how one becomes visible to it: a line such as
//
//   const Registration kMine{"mine", "what it shows", [] { return std::make_unique<Mine>(); }};
//
// in any file that is linked with the command. See models/digits.cpp for a whole one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/kiln.h"

namespace kiln {

/// What the user asked of a model. Absent: the model's own choice.
struct TrainOptions {
  std::optional<int> epochs;
  std::optional<int> batch;
  std::optional<double> lr;
  std::optional<double> stop;  // end once the metric has reached this
  std::uint64_t seed = 0;
  std::string data;        // a folder or file; empty: data the model makes itself
  std::string checkpoint;  // written after every epoch
  std::string resume;      // a checkpoint to continue from
  std::string plot;        // a folder for plots
  std::string json;        // a file for one JSON object a line
  bool quiet = false;
  bool verbose = false;
};

/// Samples for training and for validation: arrays that share their first dimension.
struct Dataset {
  std::string name;  // for people: "Fashion-MNIST, 60000 + 10000 images"
  std::vector<Array> train;
  std::vector<Array> validation;
  double required = 0;  // the metric that a full training is expected to reach on it
};

/// A model that learns from labelled batches; models/train.h trains any.
class Model {
 public:
  virtual ~Model() = default;

  virtual Module& module() = 0;
  /// The scalar to be minimised, of one batch.
  virtual Tensor loss(const std::vector<Tensor>& batch) = 0;
  /// The metric summed over a batch's samples, f32 scalar (the number of right answers, say).
  virtual Tensor score(const std::vector<Tensor>& batch) = 0;
  virtual std::string metric() const = 0;  // its name: "accuracy"
  virtual std::unique_ptr<Optimizer> optimizer(double lr) const = 0;
  /// Loads or makes the data; throws Error when they cannot be read.
  virtual Dataset load(const TrainOptions& options) const = 0;
  /// The types of one batch of this size, without loading anything.
  virtual std::vector<Type> batch_types(std::int64_t batch) const = 0;

  struct Defaults {
    int epochs = 10;
    int batch = 64;
    double lr = 1e-3;
    double stop = 1;
  };
  virtual Defaults defaults() const = 0;
};

/// A model the command knows.
struct ModelEntry {
  std::string name;
  std::string shows;
  std::function<std::unique_ptr<Model>()> make;
};

/// All registered models, by name.
std::vector<ModelEntry> registered_models();
/// The model of that name; throws Error listing the names when there is none.
ModelEntry find_model(const std::string& name);

class Registration {
 public:
  Registration(std::string name, std::string shows, std::function<std::unique_ptr<Model>()> make);
};

/// One jitted training step of a model: batch → loss, parameters and optimiser updated in place.
Jit<Tensor> training_step(Model& model, Optimizer& optimizer);

/// The `kiln` command: parses arguments, runs, prints errors; returns the exit status (0 done, 1 a
/// check failed, 2 the input was wrong).
int command(int argc, char** argv, const std::string& version);

}  // namespace kiln
