#include "models/nadaraya_watson.h"

#include <cmath>

#include "runtime/function_io.h"

namespace kiln {
namespace {

std::vector<double> numbers(const Array& values) {
  const std::span<const float> data = values.data<float>();
  return {data.begin(), data.end()};
}

}  // namespace

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
  const std::vector<float> xs = numbers_in(inputs, report.model());
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
      std::vector<Type>(3, Type{DType::f32, {kRegressionPoints}}),
      {"x_test", "x_train", "y_train"});
}

}  // namespace kiln
