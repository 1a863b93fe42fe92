// Batches of samples, in a new random order each epoch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ir/array.h"

namespace kiln {

/// Cuts tensors that share their first dimension, one sample a row (images and their labels, say),
/// into batches. The order of an epoch is a function of (seed, epoch) alone, so a resumed run sees
/// exactly the batches of an uninterrupted one.
///
/// The last batch is smaller where the batch size does not divide the samples. Nothing is allocated
/// after construction: rows are copied into arrays kept for it.
class DataLoader {
 public:
  /// Starts with epoch 0. With `shuffle` off every epoch has the tensors' own order. Throws Error
  /// when there are no tensors, one is a scalar, they differ in their first dimension, or the batch
  /// size is below 1.
  DataLoader(std::vector<Array> tensors, std::int64_t batch_size, bool shuffle = true,
             std::uint64_t seed = 0);

  void begin_epoch(int epoch);

  /// Batch `index` of the epoch: for each tensor, in order, its rows, [batch, …]. The arrays are
  /// the loader's own and hold until the next call; whoever needs one longer clones it.
  std::span<const Array> batch(std::int64_t index);

  std::int64_t samples() const { return samples_; }
  std::int64_t batches() const { return (samples_ + batch_size_ - 1) / batch_size_; }
  std::int64_t batch_size() const { return batch_size_; }

 private:
  std::vector<Array> tensors_;
  std::int64_t samples_ = 0;
  std::int64_t batch_size_;
  bool shuffle_;
  std::uint64_t seed_;
  std::vector<std::int64_t> order_;
  std::vector<Array> full_;  // the arrays `batch` gives out
  std::vector<Array> last_;  // the same for the smaller last batch, if there is one
};

}  // namespace kiln
