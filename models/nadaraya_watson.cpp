#include "models/nadaraya_watson.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "runtime/function_io.h"
#include "runtime/random.h"
#include "runtime/safetensors.h"

namespace kiln {
namespace {

constexpr std::int64_t kPoints = 50;
constexpr std::int64_t kMostPoints = 2000;  // the weights are a table of all pairs
constexpr double kEnd = 5, kNoise = 0.5;
constexpr std::uint64_t kStream = 0x4e57;  // of random numbers

Array vector_of(std::span<const float> values) {
  return Array::of<float>({static_cast<std::int64_t>(values.size())}, values);
}

Array truth_at(const Array& x) { return jit(true_function)(x); }

RegressionData drawn(std::uint64_t seed) {
  Random random(seed, kStream);
  std::vector<float> x_train(kPoints), x_test(kPoints);
  for (float& x : x_train) x = random.uniform(0, kEnd);
  std::sort(x_train.begin(), x_train.end());
  for (std::size_t i = 0; i < kPoints; ++i) x_test[i] = static_cast<float>(0.1 * i);

  RegressionData data{.name = fmt::format("{} + {} points", kPoints, kPoints),
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

std::vector<double> numbers(const Array& values) {
  const std::span<const float> data = values.data<float>();
  return {data.begin(), data.end()};
}

}  // namespace

Tensor true_function(const Tensor& x) { return 2 * sin(x) + pow(x, 0.8); }

RegressionData regression_data(const TrainOptions& options) {
  RegressionData data = options.data.empty() ? drawn(options.seed) : load_regression(options.data);
  data.y_truth = truth_at(data.x_test);
  return data;
}

Attended kernel_pooling(const Tensor& queries, const Tensor& keys, const Tensor& values,
                        const Operand& w) {
  const Tensor distances = unsqueeze(queries, 1) - keys;
  const Tensor weights = softmax(-square(mul(distances, w)) / 2, 1);
  // [q, 1, k] times [q, k, 1]: for each query the weighted sum of its values.
  const Tensor table = expand(values, weights.shape());
  return {flatten(bmm(unsqueeze(weights, 1), unsqueeze(table, 2))), weights};
}

double mean_square(const Array& predicted, const Array& truth) {
  double sum = 0;
  for (std::int64_t i = 0; i < truth.count(); ++i)
    sum += std::pow(predicted.as_double(i) - truth.as_double(i), 2);
  return sum / static_cast<double>(truth.count());
}

void draw_fit(const RegressionData& data, const Array& predicted, Report& report) {
  const std::vector<double> at = numbers(data.x_test);
  report.line_plot("fit", {.title = report.model() + ": regression",
                           .x_label = "x",
                           .y_label = "y",
                           .series = {{"Truth", at, numbers(data.y_truth)},
                                      {"Prediction", at, numbers(predicted)},
                                      {"Training points", numbers(data.x_train),
                                       numbers(data.y_train), Series::Style::points}},
                           .x_range = {{0, 5}},
                           .y_range = {{-1, 5}}});
}

void draw_weights(const std::vector<Panel>& panels, Report& report) {
  report.heatmaps("weights", {.title = report.model() + ": attention weights",
                              .x_label = "Sorted training inputs",
                              .y_label = "Sorted testing inputs",
                              .panels = panels,
                              .columns = static_cast<int>(panels.size())});
}

void explain_batch_products(Report& report) {
  auto product = jit([](const Tensor& x, const Tensor& y) { return bmm(x, y); });
  const Array ones = product(Array::full({DType::f32, {2, 1, 4}}, 1),  //
                             Array::full({DType::f32, {2, 4, 6}}, 1));
  report.print("2 products of 1x4 by 4x6 matrices: shape ({})\n", fmt::join(ones.dims(), ","));

  auto means = jit([] {
    const Tensor weights = full({2, 10}, 0.1), values = reshape(arange(20, DType::f32), {2, 10});
    return bmm(unsqueeze(weights, 1), unsqueeze(values, 2));
  });
  std::string text = array_text(means());
  std::erase_if(text, [](char c) { return c == '\n' || c == ' '; });
  report.print("means of 0…9 and 10…19, as weights 1x10 by values 10x1: {}\n", text);
}

void print_predictions(const std::vector<std::string>& inputs, const RegressionData& data,
                       const Predict& predict, Report& report) {
  std::vector<float> xs;
  for (const std::string& text : inputs) {
    float x = 0;
    const char* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, x);
    if (error != std::errc() || stopped != end || !std::isfinite(x))
      throw Error(fmt::format("{}: expected a number, found '{}'", report.model(), text));
    xs.push_back(x);
  }
  const Array ys = jit(predict)(vector_of(xs), data.x_train, data.y_train);
  for (std::size_t i = 0; i < xs.size(); ++i)
    report.print("{}: {:.4f}\n", inputs[i], ys.data<float>()[i]);
}

void Pooling::predict(const std::vector<std::string>& inputs, const TrainOptions& options,
                      Report& report) {
  const Predict output = [this](const Tensor& x, const Tensor& keys, const Tensor& values) {
    return pool_(x, keys, values).output;
  };
  print_predictions(inputs, regression_data(options), output, report);
}

Outcome Pooling::run(const TrainOptions& options, Report& report) {
  if (options.explain) explain_batch_products(report);
  const RegressionData data = regression_data(options);
  auto predict = jit([this](const Tensor& x, const Tensor& keys, const Tensor& values) {
    const Attended result = pool_(x, keys, values);
    return std::vector{result.output, result.weights};
  });
  const std::vector<Array> result = predict(data.x_test, data.x_train, data.y_train);
  report.print("{}: {}\n", report.model(), data.name);
  draw_fit(data, result[0], report);
  draw_weights({{"", result[1]}}, report);
  return {.metric = {"mse", true},
          .value = mean_square(result[0], data.y_truth),
          .required = required_};
}

Traced Pooling::traced() {
  return Trace::run(
      [this](const std::vector<Tensor>& in) {
        const Attended result = pool_(in[0], in[1], in[2]);
        return std::vector{result.output, result.weights};
      },
      std::vector<Type>(3, Type{DType::f32, {kPoints}}), {"x_test", "x_train", "y_train"});
}

}  // namespace kiln
