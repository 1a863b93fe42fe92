// Batches of samples, in a new random order each epoch.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "ir/array.h"

namespace kiln {

/// Tensors that share their first dimension, one sample a row: images and their labels, say.
using Samples = std::vector<Array>;

/// Cuts samples into batches. The order of an epoch is a function of (seed, epoch) alone, so a
/// resumed run sees exactly the batches of an uninterrupted one.
///
/// Samples of several shapes (words by their length) come in groups: a batch is of one group, and
/// shuffling mixes the groups' batches. The last batch of a group is smaller where the batch size
/// does not divide its samples. Nothing is allocated after construction: rows are copied into
/// arrays kept for it.
class DataLoader {
 public:
  /// Starts with epoch 0. With `shuffle` off every epoch has the tensors' own order. Throws Error
  /// when there are no tensors, one is a scalar, they differ in their first dimension, or the batch
  /// size is below 1.
  DataLoader(Samples samples, std::int64_t batch_size, bool shuffle = true, std::uint64_t seed = 0)
      : DataLoader(std::vector<Samples>{std::move(samples)}, batch_size, shuffle, seed) {}
  DataLoader(std::vector<Samples> groups, std::int64_t batch_size, bool shuffle = true,
             std::uint64_t seed = 0);

  void begin_epoch(int epoch);

  /// Batch `index` of the epoch: for each tensor, in order, its rows, [batch, …]. The arrays are
  /// the loader's own and hold until the next call; whoever needs one longer clones it.
  std::span<const Array> batch(std::int64_t index);

  std::int64_t samples() const { return samples_; }
  std::int64_t batches() const { return static_cast<std::int64_t>(schedule_.size()); }
  /// The types of all batches there are: of each group its full batches, and its last, smaller one.
  std::vector<std::vector<Type>> batch_types() const;

 private:
  struct Group {
    Samples samples;
    std::int64_t count = 0, batch_size = 0;
    std::vector<std::int64_t> order;
    std::vector<Array> full;  // the arrays `batch` gives out
    std::vector<Array> last;  // the same for the smaller last batch, if there is one
  };
  struct Batch {
    std::size_t group;
    std::int64_t first;  // place in the group's order
  };

  static Group group_of(Samples samples, std::int64_t batch_size);

  std::vector<Group> groups_;
  std::vector<Batch> batches_;  // group after group
  std::vector<std::int64_t> schedule_;
  std::int64_t samples_ = 0;
  bool shuffle_;
  std::uint64_t seed_;
};

}  // namespace kiln
