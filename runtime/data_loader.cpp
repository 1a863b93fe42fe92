#include "runtime/data_loader.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "runtime/random.h"

namespace kiln {
namespace {

constexpr std::uint64_t kStream = 0x6c6f'6164'0000'0000;  // "load": no other user's stream

std::vector<Array> arrays_of_rows(std::span<const Array> tensors, std::int64_t rows) {
  std::vector<Array> arrays;
  for (const Array& tensor : tensors) {
    Type type = tensor.type();
    type.dims[0] = rows;
    arrays.emplace_back(std::move(type));
  }
  return arrays;
}

}  // namespace

DataLoader::Group DataLoader::group_of(Samples samples, std::int64_t batch_size) {
  if (samples.empty()) throw Error("a data loader needs at least one tensor");
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const Type& type = samples[i].type();
    if (type.rank() == 0)
      throw Error(
          fmt::format("tensor {} of a data loader is a scalar: expected a dimension of "
                      "samples",
                      i));
    if (type.dims[0] != samples[0].dims()[0])
      throw Error(
          fmt::format("the tensors of a data loader differ in their number of samples: "
                      "tensor 0 is {}, tensor {} is {}",
                      samples[0].type().pretty(), i, type.pretty()));
  }
  Group group;
  group.count = samples[0].dims()[0];
  group.batch_size = std::min(batch_size, std::max<std::int64_t>(group.count, 1));
  group.full = arrays_of_rows(samples, group.batch_size);
  if (const std::int64_t rest = group.count % group.batch_size; rest != 0)
    group.last = arrays_of_rows(samples, rest);
  group.order.resize(static_cast<std::size_t>(group.count));
  group.samples = std::move(samples);
  return group;
}

DataLoader::DataLoader(std::vector<Samples> groups, std::int64_t batch_size, bool shuffle,
                       std::uint64_t seed)
    : shuffle_(shuffle), seed_(seed) {
  if (batch_size < 1)
    throw Error(fmt::format("expected a batch size of at least 1, found {}", batch_size));
  for (Samples& samples : groups) {
    groups_.push_back(group_of(std::move(samples), batch_size));
    const Group& group = groups_.back();
    samples_ += group.count;
    for (std::int64_t first = 0; first < group.count; first += group.batch_size)
      batches_.push_back({groups_.size() - 1, first});
  }
  schedule_.resize(batches_.size());
  begin_epoch(0);
}

void DataLoader::begin_epoch(int epoch) {
  internal_check(epoch >= 0, "epochs count from 0");
  Random random(seed_, kStream + static_cast<std::uint64_t>(epoch));
  for (Group& group : groups_) {
    std::iota(group.order.begin(), group.order.end(), std::int64_t{0});
    if (shuffle_) random.shuffle(group.order);
  }
  std::iota(schedule_.begin(), schedule_.end(), std::int64_t{0});
  if (shuffle_ && groups_.size() > 1) random.shuffle(schedule_);
}

std::span<const Array> DataLoader::batch(std::int64_t index) {
  internal_check(index >= 0 && index < batches(), "a batch of the epoch");
  const Batch& which =
      batches_[static_cast<std::size_t>(schedule_[static_cast<std::size_t>(index)])];
  Group& group = groups_[which.group];
  const std::int64_t rows = std::min(group.batch_size, group.count - which.first);
  std::vector<Array>& arrays = rows == group.batch_size ? group.full : group.last;
  const auto chosen =
      std::span(group.order)
          .subspan(static_cast<std::size_t>(which.first), static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < group.samples.size(); ++i) {
    const std::span<const std::byte> from = std::as_const(group.samples[i]).bytes();
    const std::size_t row_bytes = from.size() / group.order.size();
    if (row_bytes == 0) continue;
    std::byte* to = arrays[i].bytes().data();
    for (const std::int64_t row : chosen) {
      std::memcpy(to, from.data() + static_cast<std::size_t>(row) * row_bytes, row_bytes);
      to += row_bytes;
    }
  }
  return arrays;
}

std::vector<std::vector<Type>> DataLoader::batch_types() const {
  std::vector<std::vector<Type>> types;
  const auto add = [&](const std::vector<Array>& arrays) {
    if (arrays.empty()) return;
    types.emplace_back();
    for (const Array& array : arrays) types.back().push_back(array.type());
  };
  for (const Group& group : groups_) {
    if (group.count == 0) continue;
    add(group.full);
    add(group.last);
  }
  return types;
}

}  // namespace kiln
