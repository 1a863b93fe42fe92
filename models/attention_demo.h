// The demonstration that the two attention scoring functions share.
#pragma once

#include "models/model.h"

namespace kiln {

/// Two queries, drawn from N(0, 1), of ten equal keys: their scores are equal whatever the scoring
/// function, so the weights are uniform over the valid length, and the output is the mean of the
/// first 2 and 6 rows of the values 0 … 39. In training dropout makes each step's result another.
class AttentionDemo : public Model {
 public:
  /// Prints both, draws the weights. Takes weights from --resume and writes them to --checkpoint.
  Outcome run(const TrainOptions& options, Report& report) override;
  Outcome evaluate(const TrainOptions& options, Report& report) override {
    return run(options, report);
  }
  Traced traced() override;
  std::int64_t parameter_count() override { return module().parameter_count(); }

 protected:
  virtual Module& module() = 0;
  virtual Attended attend(const Tensor& queries, const Tensor& keys, const Tensor& values,
                          const Tensor& valid_lens) = 0;
  virtual std::int64_t query_size() const = 0;
};

}  // namespace kiln
