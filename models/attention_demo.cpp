#include "models/attention_demo.h"

#include <cmath>
#include <numeric>

#include "runtime/checkpoint.h"
#include "runtime/function_io.h"
#include "runtime/random.h"

namespace kiln {
namespace {

constexpr std::int64_t kBatch = 2, kKeys = 10, kKeySize = 2, kValueSize = 4;
constexpr std::int64_t kLengths[kBatch] = {2, 6};

std::vector<Type> types(std::int64_t query_size) {
  return {Type{DType::f32, {kBatch, 1, query_size}}, Type{DType::f32, {kBatch, kKeys, kKeySize}},
          Type{DType::f32, {kBatch, kKeys, kValueSize}}, Type{DType::i64, {kBatch}}};
}

std::vector<Array> inputs(std::int64_t query_size, std::uint64_t seed) {
  const std::vector<Type> all = types(query_size);
  Array queries(all[0]), values(all[2]);
  Random random(seed);
  for (float& x : queries.data<float>()) x = random.normal();
  for (std::int64_t i = 0; i < values.count(); ++i)
    values.data<float>()[static_cast<std::size_t>(i)] =
        static_cast<float>(i % (kKeys * kValueSize));
  return {queries, Array::full(all[1], 1), values, Array::of<std::int64_t>({kBatch}, kLengths)};
}

/// How far weights and outputs are from those of equal scores.
double deviation(const Array& output, const Array& weights) {
  double most = 0;
  const auto compare = [&](double got, double want) {
    most = std::max(most, std::fabs(got - want));
  };
  for (std::int64_t b = 0; b < kBatch; ++b) {
    const double length = static_cast<double>(kLengths[b]);
    for (std::int64_t k = 0; k < kKeys; ++k)
      compare(weights.as_double(b * kKeys + k), k < kLengths[b] ? 1 / length : 0);
    // The mean of i, kValueSize + i, 2 kValueSize + i, …
    for (std::int64_t i = 0; i < kValueSize; ++i)
      compare(output.as_double(b * kValueSize + i),
              static_cast<double>(i) + static_cast<double>(kValueSize) * (length - 1) / 2);
  }
  return most;
}

}  // namespace

Outcome AttentionDemo::run(const TrainOptions& options, Report& report) {
  if (!options.data.empty())
    throw Error(
        fmt::format("{}: expected no --data: its demonstration is its own", report.model()));
  manual_seed(options.seed);
  if (!options.resume.empty()) load_checkpoint(options.resume, module().state());
  const std::vector<Array> given = inputs(query_size(), options.seed);
  auto attention = jit(
      [this](const Tensor& queries, const Tensor& keys, const Tensor& values, const Tensor& lens) {
        const Attended result = attend(queries, keys, values, lens);
        return std::vector{result.output, result.weights};
      });

  module().eval();
  const std::vector<Array> result = attention.run(given);
  report.print("eval mode, valid lengths {}:\n{}\n", fmt::join(kLengths, " and "),
               array_text(result[0], 4));
  report.print(
      "All keys are equal, so each query scores them alike and its weights are uniform:\n{}\n",
      array_text(result[1], 4));
  module().train();
  for (int step = 1; step <= 2; ++step)
    report.print("train mode, with dropout, step {}:\n{}\n", step,
                 array_text(attention.run(given)[0], 4));

  report.heatmaps("weights", {.title = report.model() + ": attention weights",
                              .x_label = "Keys",
                              .y_label = "Queries",
                              .panels = {{"", result[1].reshaped({kBatch, kKeys})}},
                              .show_values = true});
  const std::vector<VariablePtr> weights = module().state();
  if (!options.checkpoint.empty()) save_checkpoint(options.checkpoint, weights);
  return {.metric = {"deviation", true},
          .value = deviation(result[0], result[1]),
          .required = 1e-4,
          .weights_hash = hash_of(weights)};
}

Traced AttentionDemo::traced() {
  return Trace::run(
      [this](const std::vector<Tensor>& in) {
        const Attended result = attend(in[0], in[1], in[2], in[3]);
        return std::vector{result.output, result.weights};
      },
      types(query_size()), {"queries", "keys", "values", "valid_lens"});
}

}  // namespace kiln
