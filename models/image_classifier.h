// What models that read 28 x 28 images of ten classes share: their data, their loss, and what there
// is to see of them.
#pragma once

#include "models/model.h"

namespace kiln {

/// The images are those of --data DIR (see models/image_data.h), or drawn (models/draw_digits.h).
class ImageClassifier : public Learner {
 public:
  /// An accuracy for each kind of data: training ends there, and a full one is expected to reach
  /// it.
  struct Goals {
    double drawn, files;
  };
  explicit ImageClassifier(Goals goals) : goals_(goals) {}

  /// A score a class, [n, 10], for images f32[n, 28, 28] of 0 … 1.
  virtual Tensor scores(const Tensor& images) = 0;

  /// Batches are images, bytes of 0 … 255 or floats of 0 … 1, [n, 28, 28] or [n, 784]; and their
  /// classes, or a probability for each class.
  Tensor loss(const std::vector<Tensor>& batch) override;
  Tensor score(const std::vector<Tensor>& batch) override;
  Metric metric() const override { return {"accuracy"}; }
  std::unique_ptr<Optimizer> optimizer(double lr) const override;
  std::vector<std::string> data_sets() const override;
  Dataset load(const TrainOptions& options) override;
  std::vector<Type> batch_types(std::int64_t batch) const override;
  Defaults defaults() const override { return {.epochs = 10, .batch = 64, .lr = 1e-3}; }
  /// Draws the confusion matrix and a sheet of the worst mistakes.
  void show(const Dataset& data, const TrainOptions& options, Report& report) override;
  /// The class of each image in IDX files.
  void predict(const std::vector<std::string>& inputs, const TrainOptions& options,
               Report& report) override;

 private:
  Goals goals_;
};

}  // namespace kiln
