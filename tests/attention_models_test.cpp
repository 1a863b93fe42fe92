// The models of attention: Nadaraya-Watson regression, masked softmax, the two scoring functions.
// What they must compute is in tests/golden.
#include <cmath>
#include <fstream>

#include <nlohmann/json.hpp>

#include "models/train.h"
#include "runtime/checkpoint.h"
#include "runtime/safetensors.h"
#include "tests/catch.h"
#include "tests/source_folder.h"
#include "tests/support.h"
#include "tests/temp_folder.h"

namespace kiln {
namespace {

const NamedArrays& golden(const std::string& name) {
  static std::map<std::string, NamedArrays> files;
  const auto [file, is_new] = files.try_emplace(name);
  if (is_new)
    file->second =
        load_safetensors(source_folder() + "/tests/golden/" + name + ".safetensors").tensors;
  return file->second;
}

/// A file of a golden case's points, as --data takes it.
std::string points_file(const TempFolder& folder, const std::string& golden_case) {
  NamedArrays points;
  for (const char* name : {"x_train", "y_train", "x_test"})
    points[name] = golden("nw").at(golden_case + "/" + name);
  const std::string path = folder.file(golden_case + ".safetensors");
  save_safetensors(path, points);
  return path;
}

TrainOptions quiet(const std::string& data = "") {
  TrainOptions options;
  options.quiet = true;
  options.data = data;
  return options;
}

Outcome trained(const std::string& model, const TrainOptions& options) {
  return train(model, *find_model(model).make(), options);
}

/// The losses that --json says of each epoch.
std::vector<double> losses_in(const std::string& path) {
  std::vector<double> losses;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (const auto object = nlohmann::json::parse(line); object.contains("loss"))
      losses.push_back(object["loss"]);
  return losses;
}

double mean_square(const Array& got, const Array& want) {
  double sum = 0;
  for (std::int64_t i = 0; i < want.count(); ++i)
    sum += std::pow(got.as_double(i) - want.as_double(i), 2);
  return sum / static_cast<double>(want.count());
}

}  // namespace

TEST_CASE("nw_average_and_nw_kernel_predict_what_golden_says") {
  const TempFolder folder;
  for (const auto& [model, name] :
       {std::pair("nw-average", "average"), std::pair("nw-kernel", "nonparametric")}) {
    const auto tensor = [name = std::string(name)](const std::string& key) {
      return golden("nw").at(name + "/" + key);
    };
    const std::vector<Array> results =
        execute(find_model(model).make()->traced().function,
                std::vector{tensor("x_test"), tensor("x_train"), tensor("y_train")});
    CHECK(difference(results[0], tensor("y_hat"), {.relative = 1e-5}) == kNone);
    const Outcome outcome = trained(model, quiet(points_file(folder, name)));
    CHECK(outcome.reached());
    CHECK(outcome.value ==
          Approx(mean_square(tensor("y_hat"), golden("nw").at("truth/y_truth"))).epsilon(1e-4));
    if (std::string(name) == "nonparametric")
      CHECK(difference(results[1], tensor("attention_weights"), {.relative = 1e-5}) == kNone);
    CHECK(trained(model, quiet()).reached());
  }
}

TEST_CASE("nw_parametric_has_goldens_losses_and_predictions") {
  const TempFolder folder;
  for (const std::string name : {"parametric", "parametric_small_w", "parametric_mid_w"}) {
    INFO(name);
    const auto tensor = [&](const std::string& key) { return golden("nw").at(name + "/" + key); };
    TrainOptions options = quiet(points_file(folder, name));
    options.init = tensor("w").item();
    options.json = folder.file(name + ".json");
    options.checkpoint = folder.file("checkpoint");
    const auto width_is_that_of = [&](int epoch) {
      CHECK(load_safetensors(options.checkpoint).tensors.at("w").item() ==
            Approx(tensor("w_per_epoch").as_double(epoch - 1)).epsilon(2e-5));
    };
    const Outcome whole = trained("nw-parametric", options);
    width_is_that_of(5);
    const std::vector<double> losses = losses_in(options.json);
    REQUIRE(losses.size() == 5);
    for (std::size_t i = 0; i < losses.size(); ++i)
      CHECK(losses[i] == Approx(tensor("loss_per_epoch").data<float>()[i]).epsilon(2e-5));
    CHECK(
        whole.value ==
        Approx(mean_square(tensor("y_hat_test"), golden("nw").at("truth/y_truth"))).epsilon(1e-4));
    CHECK(whole.reached());

    if (name != "parametric") continue;
    options.init = {};  // is 0.5
    Outcome resumed;    // after each epoch
    for (int epoch = 1; epoch <= 5; ++epoch) {
      options.epochs = epoch;
      resumed = trained("nw-parametric", options);
      width_is_that_of(epoch);
      options.resume = options.checkpoint;
    }
    CHECK(resumed.weights_hash == whole.weights_hash);
  }
}

TEST_CASE("nw_parametric_stays_at_average_pooling_from_a_width_of_zero") {
  const TempFolder folder;
  TrainOptions options = quiet(points_file(folder, "parametric"));
  options.checkpoint = folder.file("checkpoint");
  const double average = trained("nw-average", options).value;
  for (const double init : {0.0, 1e-9}) {
    options.init = init;
    const Outcome outcome = trained("nw-parametric", options);
    CHECK(outcome.value == Approx(average).epsilon(1e-4));
    CHECK(!outcome.reached());
    const double w = load_safetensors(options.checkpoint).tensors.at("w").item();
    CHECK((init == 0 ? w == 0 : w > 1e-4 && w < 0.1));  // it is not attracted, only slow
  }
}

TEST_CASE("nw_models_refuse_data_that_are_no_points") {
  const TempFolder folder;
  const Array two = Array::of<float>({2}, {1, 2}), three = Array::of<float>({3}, {1, 2, 3});
  const auto refused = [&](const NamedArrays& tensors) {
    const std::string path = folder.file("points.safetensors");
    save_safetensors(path, tensors);
    try {
      trained("nw-kernel", quiet(path));
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  using Catch::Matchers::ContainsSubstring;
  CHECK(refused({{"x_train", two}, {"y_train", two}, {"x_test", three}}) == "accepted");
  CHECK_THAT(refused({{"x_train", two}, {"y_train", two}}),
             ContainsSubstring("no tensor 'x_test'"));
  CHECK_THAT(refused({{"x_train", two}, {"y_train", three}, {"x_test", two}}),
             ContainsSubstring("found 3 and 2"));
  CHECK_THAT(refused({{"x_train", two.reshaped({1, 2})}, {"y_train", two}, {"x_test", two}}),
             ContainsSubstring("'x_train' to be a vector"));
  CHECK_THAT(
      refused({{"x_train", two}, {"y_train", Array::of<float>({2}, {1, NAN})}, {"x_test", two}}),
      ContainsSubstring("'y_train' to be finite"));
  CHECK_THAT(refused({{"x_train", two}, {"y_train", two}, {"x_test", Array::full(two.type(), -1)}}),
             ContainsSubstring("not negative"));
}

TEST_CASE("masked_softmax_shows_the_printed_weights") {
  const Outcome outcome = trained("masked-softmax", quiet());
  CHECK(outcome.failure.empty());
  CHECK(outcome.reached());
  const NamedArrays& tensors = golden("masked_softmax");
  const std::vector<Array> weights =
      execute(find_model("masked-softmax").make()->traced().function,
              std::vector{tensors.at("lens_1d/X"), tensors.at("lens_1d/valid_lens")});
  CHECK(difference(weights[0], tensors.at("lens_1d/weights"), {.relative = 1e-5}) == kNone);
}

TEST_CASE("the_attention_demonstrations_give_the_means_of_equal_keys") {
  for (const char* model : {"additive-attention", "dot-attention"})
    for (const std::uint64_t seed : {0, 1}) {
      TrainOptions options = quiet();
      options.seed = seed;
      CHECK(trained(model, options).reached());
    }
}

namespace {

/// The output, the weights, and the gradients of Σ output · d_out with respect to the inputs and
/// then the parameters.
template <class Attention>
std::vector<Array> forward_and_backward(const Attention& attention, std::vector<Array> inputs) {
  Jit<std::vector<Tensor>> all([&](const std::vector<Tensor>& in) {
    const Attended result = attention(in[0], in[1], in[2], in.size() > 4 ? in[4] : Tensor());
    std::vector<Tensor> wrt(in.begin(), in.begin() + 3);
    wrt.insert(wrt.end(), attention.parameters().begin(), attention.parameters().end());
    std::vector<Tensor> results{result.output, result.weights};
    for (const Tensor& gradient : grad(sum(result.output * in[3]), wrt))
      results.push_back(gradient);
    return results;
  });
  return all.run(inputs);
}

}  // namespace

TEST_CASE("the_attention_modules_have_goldens_results_and_gradients") {
  const NamedArrays& tensors = golden("attention_scoring");
  for (const std::string kind : {"additive", "dot"})
    for (const std::string name : {"demo", "lens_1d", "lens_2d", "lens_none"}) {
      INFO(kind << " " << name);
      const auto tensor = [&](const std::string& key) {
        return tensors.at(kind + "_" + name + "/" + key);
      };
      std::vector<Array> inputs{tensor("queries"), tensor("keys"), tensor("values"),
                                tensor("d_out")};
      if (name != "lens_none") inputs.push_back(tensor("valid_lens"));
      std::vector<std::string> outputs{"out", "attention_weights", "grad_queries", "grad_keys",
                                       "grad_values"};
      std::vector<Array> results;
      if (kind == "dot") {
        DotProductAttention attention(nullptr, "", 0.5);
        attention.eval();
        results = forward_and_backward(attention, inputs);
      } else {
        AdditiveAttention attention(nullptr, "", tensor("W_k").dims()[1], tensor("W_q").dims()[1],
                                    tensor("w_v").dims()[1], 0.1);
        for (const Parameter& parameter : attention.parameters()) {
          const std::string weight = parameter.name().substr(0, 3);  // of "W_k.weight"
          value_of(parameter.variable()) = tensor(weight).clone();
          outputs.push_back("grad_" + weight);
        }
        attention.eval();
        results = forward_and_backward(attention, inputs);
      }
      REQUIRE(results.size() == outputs.size());
      for (std::size_t i = 0; i < results.size(); ++i) {
        INFO(outputs[i]);
        CHECK(difference(results[i], tensor(outputs[i]), {.relative = 1e-5, .absolute = 5e-5}) ==
              kNone);
      }
    }
}

TEST_CASE("dropout_of_attention_weights_differs_by_step_and_scales_and_resumes") {
  // Values that are the unit vectors: the output is the weights that dropout has left.
  constexpr std::int64_t kBatch = 8, kQueries = 32, kKeys = 16, kSize = 4;
  constexpr double kShare = 0.25;
  const Array queries = random_array({DType::f32, {kBatch, kQueries, kSize}}, 1),
              keys = random_array({DType::f32, {kBatch, kKeys, kSize}}, 2);
  struct Run {
    DotProductAttention attention{nullptr, "", kShare};
    Jit<std::vector<Tensor>> step = jit([this](const Tensor& q, const Tensor& k) {
      const Tensor values = expand(unsqueeze(eye(kKeys), 0), {kBatch, kKeys, kKeys});
      const Attended result = attention(q, k, values);
      return std::vector{result.output, result.weights};
    });
  };
  const TempFolder folder;
  const std::string checkpoint = folder.file("checkpoint");
  manual_seed(5);
  Run run;
  std::vector<Array> left;
  for (int i = 0; i < 3; ++i) {
    if (i == 2) save_checkpoint(checkpoint, run.step.latest().variables());
    const std::vector<Array> result = run.step(queries, keys);
    left.push_back(result[0].clone());
    std::int64_t dropped = 0;
    for (std::int64_t k = 0; k < result[0].count(); ++k) {
      const double got = result[0].as_double(k), weight = result[1].as_double(k);
      if (got == 0)
        ++dropped;
      else if (got != Approx(weight / (1 - kShare)).epsilon(1e-6))
        FAIL(got << " of the weight " << weight);
    }
    CHECK(static_cast<double>(dropped) / static_cast<double>(result[0].count()) ==
          Approx(kShare).margin(0.03));
  }
  CHECK(!left[0].same_bits(left[1]));
  CHECK(!left[1].same_bits(left[2]));

  manual_seed(6);
  Run resumed;
  load_checkpoint(checkpoint, resumed.step.compile({queries.type(), keys.type()}).variables());
  CHECK(resumed.step(queries, keys)[0].same_bits(left[2]));

  run.attention.eval();
  const std::vector<Array> whole = run.step(queries, keys);
  CHECK(difference(whole[0], whole[1], {.relative = 1e-6}) == kNone);
}

}  // namespace kiln
