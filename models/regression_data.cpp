#include "models/regression_data.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/random.h"
#include "runtime/safetensors.h"

namespace kiln {
namespace {

constexpr std::int64_t kMostPoints = 2000;  // the weights are a table of all pairs
constexpr double kEnd = 5, kNoise = 0.5;
constexpr std::uint64_t kStream = 0x4e57;  // of random numbers

Array truth_at(const Array& x) { return jit(true_function)(x); }

RegressionData drawn(std::uint64_t seed) {
  Random random(seed, kStream);
  std::vector<float> x_train(kRegressionPoints), x_test(kRegressionPoints);
  for (float& x : x_train) x = random.uniform(0, kEnd);
  std::sort(x_train.begin(), x_train.end());
  for (std::size_t i = 0; i < kRegressionPoints; ++i) x_test[i] = static_cast<float>(0.1 * i);

  RegressionData data{.name = fmt::format("{} + {} points", kRegressionPoints, kRegressionPoints),
                      .x_train = vector_of(x_train),
                      .x_test = vector_of(x_test)};
  data.y_train = truth_at(data.x_train).clone();
  for (float& y : data.y_train.data<float>()) y += static_cast<float>(kNoise) * random.normal();
  return data;
}

/// The tensor of that name as [n] f32.
Array loaded(const NamedArrays& tensors, const std::string& name, const std::string& path) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) throw Error(fmt::format("{}: there is no tensor '{}'", path, name));
  const Type& type = found->second.type();
  if (!is_float(type.dtype) || type.rank() != 1 || type.count() < 2 || type.count() > kMostPoints)
    throw Error(fmt::format("{}: expected '{}' to be a vector of 2 to {} floats, found {}", path,
                            name, kMostPoints, type.pretty()));
  Array values = found->second.converted(DType::f32).clone();
  for (const float value : values.data<float>())
    if (!std::isfinite(value) || (name != "y_train" && value < 0))
      throw Error(fmt::format("{}: expected '{}' to be finite{}, found {}", path, name,
                              name == "y_train" ? "" : " and not negative", value));
  return values;
}

RegressionData load_regression(const std::string& path) {
  const NamedArrays tensors = load_safetensors(path).tensors;
  RegressionData data{.x_train = loaded(tensors, "x_train", path),
                      .y_train = loaded(tensors, "y_train", path),
                      .x_test = loaded(tensors, "x_test", path)};
  if (data.x_train.count() != data.y_train.count())
    throw Error(fmt::format("{}: expected as many y_train as x_train, found {} and {}", path,
                            data.y_train.count(), data.x_train.count()));
  data.name = fmt::format("{}, {} + {} points", path, data.x_train.count(), data.x_test.count());

  std::vector<std::size_t> order(static_cast<std::size_t>(data.x_train.count()));
  std::iota(order.begin(), order.end(), std::size_t{0});
  const Array x = data.x_train.clone(), y = data.y_train.clone();
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return x.data<float>()[a] < x.data<float>()[b];
  });
  for (std::size_t i = 0; i < order.size(); ++i) {
    data.x_train.data<float>()[i] = x.data<float>()[order[i]];
    data.y_train.data<float>()[i] = y.data<float>()[order[i]];
  }
  std::ranges::sort(data.x_test.data<float>());
  return data;
}

}  // namespace

Array vector_of(std::span<const float> values) {
  return Array::of<float>({static_cast<std::int64_t>(values.size())}, values);
}

Tensor true_function(const Tensor& x) { return 2 * sin(x) + pow(x, 0.8); }

RegressionData regression_data(const TrainOptions& options) {
  RegressionData data = options.data.empty() ? drawn(options.seed) : load_regression(options.data);
  data.y_truth = truth_at(data.x_test);
  return data;
}

}  // namespace kiln
