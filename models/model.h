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

#include "models/report.h"
#include "runtime/data_loader.h"
#include "runtime/kiln.h"

namespace kiln {

/// What the user asked of a model. Absent: the model's own choice.
struct TrainOptions {
  std::optional<int> epochs;
  std::optional<int> batch;
  std::optional<double> lr;
  std::optional<double> stop;  // end once the metric has reached this
  std::optional<double> init;  // where every weight starts
  std::uint64_t seed = 0;
  std::string data;        // a folder or file; empty: data the model makes itself
  std::string checkpoint;  // written after every epoch
  std::string resume;      // a checkpoint to continue from
  std::string plot;        // a folder for plots
  std::string plot_format = "png";
  std::string json;  // a file for one JSON object a line
  bool shuffle = true;
  bool explain = false;    // also print what the article's examples compute
  bool check_nan = false;  // stop at the first step that makes a number no number
  bool quiet = false;
  bool verbose = false;
};

/// A figure of merit, its mean over samples.
struct Metric {
  std::string name;  // "accuracy"
  bool lower_is_better = false;
  bool of_training = false;  // the mean of what an epoch's steps return, instead of `score`
  bool is_loss = false;      // `score` is of the loss itself: a plot has both along one axis

  bool reached(double value, double wanted) const {
    return lower_is_better ? value <= wanted : value >= wanted;
  }
};

/// What a run came to.
struct Outcome {
  Metric metric;
  double value = 0;
  double required = 0;  // what a full run is expected to reach
  int epochs = 0;
  double seconds = 0;  // training alone, without loading or validation
  std::uint64_t weights_hash = 0;
  /// Why this is a failure for the user, in one line (data that cannot be separated); empty: it is
  /// none. A metric below `required` is not by itself: the run may have been a short one.
  std::string failure = {};
  bool interrupted = false;

  bool reached() const { return failure.empty() && metric.reached(value, required); }
};

/// What `kiln train NAME` runs: a Learner, or anything that computes, prints and draws.
class Model {
 public:
  virtual ~Model() = default;

  /// Trains, or demonstrates; prints an epoch, or a result, a line.
  virtual Outcome run(const TrainOptions& options, Report& report) = 0;
  /// What it computes, for `kiln dump`: its training step, or its function.
  virtual Traced traced() = 0;
  virtual std::int64_t parameter_count() { return 0; }
  /// The data that full trainings are shown on, as --data has it, of what is installed; "" is what
  /// the model makes itself.
  virtual std::vector<std::string> data_sets() const { return {""}; }
  /// Its metric on its validation data, with the weights of `options.resume`.
  virtual Outcome evaluate(const TrainOptions& options, Report& report);
  /// Prints what it says of inputs as the user types them (a word, say); `options.resume` may hold
  /// weights.
  virtual void predict(const std::vector<std::string>& inputs, const TrainOptions& options,
                       Report& report);
};

/// Samples for training and for validation.
struct Dataset {
  std::string name;  // for people: "Fashion-MNIST, 60000 + 10000 images"
  std::vector<Samples> train;
  std::vector<Samples> validation;
  double required = 0;              // the metric that a full training is expected to reach on it
  std::optional<double> stop = {};  // where training on it ends; absent: the model's default
};

/// A model that learns from batches of samples; models/train.h has the loop.
class Learner : public Model {
 public:
  virtual Module& module() = 0;
  /// The scalar to be minimised, of one batch.
  virtual Tensor loss(const std::vector<Tensor>& batch) = 0;
  /// The metric summed over a batch's samples, f32 scalar (the number of right answers, say). By
  /// default the loss, as the mean of samples that it then must be.
  virtual Tensor score(const std::vector<Tensor>& batch);
  virtual Metric metric() const = 0;
  virtual std::unique_ptr<Optimizer> optimizer(double lr) const = 0;
  /// Updates the parameters; returns the loss. By default by its gradient.
  virtual Tensor step(const std::vector<Tensor>& batch, Optimizer& optimizer);
  /// Loads or makes the data; throws Error when they cannot be read.
  virtual Dataset load(const TrainOptions& options) = 0;
  /// The types of a batch of this size, without loading anything.
  virtual std::vector<Type> batch_types(std::int64_t batch) const = 0;

  struct Defaults {
    int epochs = 10;
    int batch = 64;
    double lr = 1e-3;
    std::optional<double> stop = {};
  };
  virtual Defaults defaults() const = 0;

  struct Epoch {
    int number = 0;  // from 1
    int epochs = 0;
    double loss = 0, value = 0;
    double seconds = 0, steps_per_second = 0;
  };
  /// The line printed after an epoch.
  virtual std::string line(const Epoch& epoch) const;
  /// Prints and draws what there is to see of the model once it has trained, or been loaded.
  virtual void show(const Dataset&, const TrainOptions&, Report&) {}
  /// Outcome::failure of a run that ended without reaching its stop value.
  virtual std::string failure() const { return {}; }

  Outcome run(const TrainOptions& options, Report& report) override;
  Outcome evaluate(const TrainOptions& options, Report& report) override;
  Traced traced() override;
  std::int64_t parameter_count() override { return module().parameter_count(); }
};

/// The numbers that a user typed; throws Error where one is none that f32 has.
std::vector<float> numbers_in(const std::vector<std::string>& inputs, const std::string& model);

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
Jit<Tensor> training_step(Learner& model, Optimizer& optimizer);

/// The `kiln` command: parses arguments, runs, prints errors; returns the exit status (0 done, 1 a
/// check failed, 2 the input was wrong, 130 interrupted).
int command(int argc, char** argv, const std::string& version);

}  // namespace kiln
