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

DataLoader::DataLoader(std::vector<Array> tensors, std::int64_t batch_size, bool shuffle,
                       std::uint64_t seed)
    : tensors_(std::move(tensors)), batch_size_(batch_size), shuffle_(shuffle), seed_(seed) {
  if (batch_size_ < 1)
    throw Error(fmt::format("expected a batch size of at least 1, found {}", batch_size_));
  if (tensors_.empty()) throw Error("a data loader needs at least one tensor");
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const Type& type = tensors_[i].type();
    if (type.rank() == 0)
      throw Error(
          fmt::format("tensor {} of a data loader is a scalar: expected a dimension of "
                      "samples",
                      i));
    if (type.dims[0] != tensors_[0].dims()[0])
      throw Error(
          fmt::format("the tensors of a data loader differ in their number of samples: "
                      "tensor 0 is {}, tensor {} is {}",
                      tensors_[0].type().pretty(), i, type.pretty()));
  }
  samples_ = tensors_[0].dims()[0];
  batch_size_ = std::min(batch_size_, std::max<std::int64_t>(samples_, 1));
  full_ = arrays_of_rows(tensors_, batch_size_);
  if (samples_ % batch_size_ != 0) last_ = arrays_of_rows(tensors_, samples_ % batch_size_);
  order_.resize(static_cast<std::size_t>(samples_));
  begin_epoch(0);
}

void DataLoader::begin_epoch(int epoch) {
  internal_check(epoch >= 0, "epochs count from 0");
  std::iota(order_.begin(), order_.end(), std::int64_t{0});
  if (shuffle_) Random(seed_, kStream + static_cast<std::uint64_t>(epoch)).shuffle(order_);
}

std::span<const Array> DataLoader::batch(std::int64_t index) {
  internal_check(index >= 0 && index < batches(), "a batch of the epoch");
  const std::int64_t first = index * batch_size_;
  const std::int64_t rows = std::min(batch_size_, samples_ - first);
  std::vector<Array>& arrays = rows == batch_size_ ? full_ : last_;
  const auto chosen =
      std::span(order_).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const std::span<const std::byte> from = std::as_const(tensors_[i]).bytes();
    const std::size_t row_bytes = from.size() / order_.size();
    if (row_bytes == 0) continue;
    std::byte* to = arrays[i].bytes().data();
    for (const std::int64_t row : chosen) {
      std::memcpy(to, from.data() + static_cast<std::size_t>(row) * row_bytes, row_bytes);
      to += row_bytes;
    }
  }
  return arrays;
}

}  // namespace kiln
