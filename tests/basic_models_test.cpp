// perceptron, linear, sin, convolve, digits and digits-conv: what they compute step by step agrees
// with the golden data, and short trainings reach what they should.
#include <array>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "models/convolve.h"
#include "models/draw_digits.h"
#include "models/train.h"
#include "runtime/random.h"
#include "runtime/safetensors.h"
#include "tests/catch.h"
#include "tests/golden_data.h"
#include "tests/support.h"
#include "tests/temp_folder.h"

namespace kiln {
namespace {

using nlohmann::json;

std::unique_ptr<Learner> learner(const std::string& name) {
  std::unique_ptr<Model> model = find_model(name).make();
  REQUIRE(dynamic_cast<Learner*>(model.get()) != nullptr);
  return std::unique_ptr<Learner>(dynamic_cast<Learner*>(model.release()));
}

TrainOptions quiet() {
  TrainOptions options;
  options.quiet = true;
  return options;
}

/// Row `index` along the first axis.
Array row(const Array& values, std::size_t index) {
  Array result(Type{values.dtype(), Ints(values.dims().begin() + 1, values.dims().end())});
  const std::size_t size = result.bytes().size();
  std::ranges::copy(values.bytes().subspan(index * size, size), result.bytes().begin());
  return result;
}

/// A case of the golden data, with its tensors by name.
struct Golden {
  explicit Golden(const std::string& name)
      : facts(golden::case_named(name)), data(golden::data_of(facts)) {
    for (const json& tensor : facts["tensors"]) tensors[tensor["name"]].push_back(tensor);
  }
  const Array& operator[](const std::string& name) const {
    return data.at(tensors.at(name)[0]["key"]);
  }
  /// Parameters by PyTorch's names.
  NamedArrays parameters() const {
    NamedArrays found;
    for (const auto& [name, all] : tensors)
      if (all[0]["role"] == "parameter") found[name] = (*this)[name];
    return found;
  }
  /// `got` is what the data say, or their summaries of it.
  void check_close(const std::string& name, const Array& got) const {
    INFO(facts["name"].get<std::string>() << ", " << name);
    for (const json& tensor : tensors.at(name))
      CHECK(golden::off(got, data.at(tensor["key"]), tensor) == kNone);
  }
  /// `got` is row `index` of what the data say.
  void check_row(const std::string& name, const Array& got, std::size_t index) const {
    INFO(facts["name"].get<std::string>() << ", " << name << ", row " << index);
    CHECK(golden::off(got, row((*this)[name], index), tensors.at(name)[0]) == kNone);
  }

  const json& facts;
  const NamedArrays& data;
  std::map<std::string, std::vector<json>> tensors;  // of a large one, the summaries
};

void set_parameters(Learner& model, const NamedArrays& values) {
  for (const Parameter& parameter : model.module().parameters())
    value_of(parameter.variable()) = values.at(parameter.name()).clone();
}

/// A model trained from the golden weights on the golden batches makes the golden losses and ends
/// with the golden weights.
void check_trajectory(const std::string& name, const std::string& golden_case) {
  const Golden golden(golden_case);
  const std::unique_ptr<Learner> model = learner(name);
  const std::unique_ptr<Optimizer> optimizer = model->optimizer(golden.facts["attrs"]["lr"]);
  set_parameters(*model, golden.parameters());
  Jit<Tensor> step = training_step(*model, *optimizer);
  const Array& losses = golden["loss_per_step"];
  const auto steps = static_cast<std::size_t>(losses.count());
  Array got(losses.type());
  for (std::size_t s = 0; s < steps; ++s) {
    const bool cut = golden.tensors.contains("steps/x");
    const Array loss = cut ? step(row(golden["steps/x"], s), row(golden["steps/y"], s))
                           : step(golden["x"], golden["y"]);
    got.data<float>()[s] = static_cast<float>(loss.item());
    for (const Parameter& parameter : model->module().parameters()) {
      const Array& now = value_of(parameter.variable());
      const std::string each = parameter.name() + "_per_step";
      const std::string after = fmt::format("after_step_{}/{}", s + 1, parameter.name());
      if (golden.tensors.contains(each)) golden.check_row(each, now, s);
      if (golden.tensors.contains(after)) golden.check_close(after, now);
    }
  }
  golden.check_close("loss_per_step", got);
}

/// A file of a golden case's points, as `--data` of the perceptron takes them.
std::string points_of(const Golden& golden, const TempFolder& folder) {
  const std::string path = folder.file("points.safetensors");
  save_safetensors(path, {{"x", golden["x"]}, {"y", golden["y"]}});
  return path;
}

Array weights_of(Learner& model) {
  return value_of(model.module().parameters()[0].variable()).clone();
}

void write_idx(const std::string& path, const Array& values) {
  std::ofstream file(path, std::ios::binary);
  const Array bytes = values.converted(DType::ui8);
  file.write("\0\0\x08", 3).put(static_cast<char>(values.type().rank()));
  for (const std::int64_t extent : values.dims())
    for (const int shift : {24, 16, 8, 0}) file.put(static_cast<char>(extent >> shift));
  file.write(reinterpret_cast<const char*>(bytes.bytes().data()),
             static_cast<std::streamsize>(bytes.bytes().size()));
}

/// Four IDX files of drawn digits.
void write_digits(const TempFolder& folder, int train, int validation) {
  const DigitSet drawn = draw_digits(train, 0), held_out = draw_digits(validation, 1);
  write_idx(folder.file("train-images-idx3-ubyte"), drawn.images);
  write_idx(folder.file("train-labels-idx1-ubyte"), drawn.labels);
  write_idx(folder.file("t10k-images-idx3-ubyte"), held_out.images);
  write_idx(folder.file("t10k-labels-idx1-ubyte"), held_out.labels);
}

}  // namespace

TEST_CASE("models_train_step_by_step_as_the_golden_data_say") {
  for (const char* start : {"seed_example", "fast", "zero_start"})
    check_trajectory("linear", fmt::format("linear_regression/{}", start));
  check_trajectory("sin", "sin_mlp/seed_model_adam");
  check_trajectory("digits", "digit_mlp/seed_model_adam");
  check_trajectory("digits-conv", "digit_conv/seed_model_adam");
}

TEST_CASE("perceptron_has_the_golden_weights_after_each_epoch") {
  for (const char* name : {"perceptron/plane_with_bias", "perceptron/ten_dimensions"}) {
    const Golden golden(name);
    const TempFolder folder;
    TrainOptions options = quiet();
    options.data = points_of(golden, folder);
    options.shuffle = false;
    const std::span<const std::int32_t> mistakes =
        golden["mistakes_per_epoch"].data<std::int32_t>();
    for (std::size_t epoch = 0; epoch < mistakes.size(); ++epoch) {
      const std::unique_ptr<Learner> model = learner("perceptron");
      options.epochs = static_cast<int>(epoch + 1);
      const Outcome outcome = train("perceptron", *model, options);
      INFO(name << ", epoch " << epoch + 1);
      CHECK(weights_of(*model).same_bits(row(golden["weights_per_epoch"], epoch)));
      CHECK(std::lround(outcome.value * static_cast<double>(golden["x"].dims()[0])) ==
            mistakes[epoch]);
      CHECK(outcome.failure.empty() == (epoch + 1 == mistakes.size()));
    }
    // More epochs change nothing: a pass without mistakes is the last.
    options.epochs = 1000;
    const std::unique_ptr<Learner> model = learner("perceptron");
    const Outcome outcome = train("perceptron", *model, options);
    CHECK(outcome.epochs == static_cast<int>(mistakes.size()));
    CHECK(outcome.reached());
    // Another order ends elsewhere, also without mistakes.
    options.shuffle = true;
    const std::unique_ptr<Learner> shuffled = learner("perceptron");
    CHECK(train("perceptron", *shuffled, options).value == 0);
    CHECK(!weights_of(*shuffled).same_bits(weights_of(*model)));
  }
}

TEST_CASE("perceptron_separates_what_it_draws") {
  for (const std::uint64_t seed : {0, 1, 2}) {
    TrainOptions options = quiet();
    options.seed = seed;
    CHECK(train("perceptron", *learner("perceptron"), options).reached());
  }
}

TEST_CASE("perceptron_says_when_points_cannot_be_separated") {
  const TempFolder folder;
  TrainOptions options = quiet();
  options.data = folder.file("xor.safetensors");
  options.epochs = 50;
  const Array x = Array::of<float>({4, 3}, {0, 0, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1});
  save_safetensors(options.data, {{"x", x}, {"y", Array::of<std::int32_t>({4}, {-1, 1, 1, -1})}});
  const Outcome outcome = train("perceptron", *learner("perceptron"), options);
  CHECK(outcome.failure.find("cannot be separated") != std::string::npos);
  CHECK(outcome.epochs == 50);
  CHECK(!outcome.reached());

  const auto error_of = [&](const NamedArrays& tensors) -> std::string {
    save_safetensors(options.data, tensors);
    try {
      train("perceptron", *learner("perceptron"), options);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const auto says = [&](const NamedArrays& tensors, const char* what) {
    return error_of(tensors).find(what) != std::string::npos;
  };
  const Array y = Array::of<float>({4}, {-1, 1, 1, -1});
  Array infinite = x.clone();
  infinite.data<float>()[5] = INFINITY;
  CHECK(says({{"x", x}}, "expected tensors x and y"));
  CHECK(says({{"x", x}, {"y", Array::of<float>({3}, {-1, 1, 1})}}, "expected y[4]"));
  CHECK(says({{"x", x}, {"y", Array::of<float>({4}, {0, 1, 1, 0})}}, "found 0"));
  CHECK(says({{"x", y}, {"y", y}}, "expected x to be f32[n, d]"));
  CHECK(says({{"x", infinite}, {"y", y}}, "expected finite x"));
}

TEST_CASE("linear_recovers_its_coefficients_from_any_start") {
  const auto check = [](const TrainOptions& options) {
    const std::unique_ptr<Learner> model = learner("linear");
    CHECK(train("linear", *model, options).reached());
    const Array m = value_of(model->module().parameters()[0].variable());
    const Array b = value_of(model->module().parameters()[1].variable());
    CHECK(std::fabs(m.as_double(0) - 7) < 1e-3);
    CHECK(std::fabs(m.as_double(1) - 8) < 1e-3);
    CHECK(std::fabs(b.item() - 3) < 1e-3);
  };
  TrainOptions options = quiet();
  for (const std::uint64_t seed : {0, 1, 2}) {
    options.seed = seed;
    check(options);
  }
  options.init = 0;
  check(options);
}

TEST_CASE("sin_stops_at_0_01_and_fits_closely_when_told_to_go_on") {
  TrainOptions options = quiet();
  const Outcome usual = train("sin", *learner("sin"), options);
  CHECK(usual.reached());
  options.stop = 0.0005;
  const std::unique_ptr<Learner> model = learner("sin");
  const Outcome close = train("sin", *model, options);
  CHECK(close.value <= 0.0005);
  CHECK(close.epochs > usual.epochs);
  CHECK(close.epochs < 2000);

  const Samples held_out = model->load(options).validation[0];
  REQUIRE(held_out[0].dims() == Ints{1000, 1});
  Jit<Tensor> square_error(
      [&](const std::vector<Tensor>& sample) { return std::vector{model->loss(sample)}; });
  double worst = 0;
  for (std::size_t i = 0; i < 1000; ++i) {
    const Array x = row(held_out[0], i).reshaped({1, 1}), y = row(held_out[1], i).reshaped({1, 1});
    worst = std::max(worst, std::sqrt(square_error(x, y).item()));
  }
  CHECK(worst < 0.1);
}

TEST_CASE("a_start_at_zero_is_hopeless_where_layers_are_hidden") {
  TrainOptions options = quiet();
  options.init = 0;
  options.epochs = 20;
  const std::unique_ptr<Learner> model = learner("sin");
  CHECK(train("sin", *model, options).value > 0.4);  // as of a constant
  for (const Parameter& parameter : model->module().parameters())
    if (parameter.name() != "output_layer.bias")
      CHECK(value_of(parameter.variable()).same_bits(Array(parameter.type())));
}

TEST_CASE("convolutions_by_hand_agree") {
  const auto slices = [](const Tensor& x, const Tensor& k) { return convolve(x, k); };
  const auto pixels = [](const Tensor& x, const Tensor& k) { return convolve_by_pixel(x, k); };
  const Array small = Array::of<float>({3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  const Array diagonal = Array::of<float>({2, 2}, {1, 0, 0, 1});
  const Array expected = Array::of<float>({2, 2}, {6, 8, 12, 14});
  CHECK(jit(slices)(small, diagonal).same_bits(expected));
  CHECK(jit(pixels)(small, diagonal).same_bits(expected));

  Array image(Type{DType::f32, {28, 28}}), kernel(Type{DType::f32, {3, 3}});
  Random random(7);
  for (Array* values : {&image, &kernel})
    for (float& value : values->data<float>()) value = random.uniform(-1, 1);
  const Array by_slice = jit(slices)(image, kernel), by_pixel = jit(pixels)(image, kernel);
  REQUIRE(by_slice.dims() == Ints{26, 26});
  REQUIRE(by_pixel.dims() == Ints{26, 26});
  int wrong = 0, wrong_pixels = 0;
  for (std::size_t y = 0; y < 26; ++y)
    for (std::size_t x = 0; x < 26; ++x) {
      float by_row = 0;
      std::array<float, 3> column = {};
      for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t j = 0; j < 3; ++j) {
          const float product =
              image.data<float>()[28 * (y + i) + x + j] * kernel.data<float>()[3 * i + j];
          by_row += product;
          column[j] += product;
        }
      wrong += by_slice.data<float>()[26 * y + x] != by_row;
      // 16 logical lanes, combined by halving: 2 meets 0 before 1 does.
      wrong_pixels += by_pixel.data<float>()[26 * y + x] != (column[0] + column[2]) + column[1];
    }
  CHECK(wrong == 0);
  CHECK(wrong_pixels == 0);

  // Batches, by either way; a kernel as large as the image.
  const Array batch = image.reshaped({2, 2, 14, 14});
  const Array both = jit(slices)(batch, kernel);
  CHECK(both.dims() == Ints{2, 2, 12, 12});
  const Array same = jit(pixels)(batch, kernel);
  REQUIRE(same.dims() == both.dims());
  for (std::int64_t i = 0; i < both.count(); ++i)
    wrong += std::fabs(both.as_double(i) - same.as_double(i)) > 1e-6;
  CHECK(wrong == 0);
  CHECK(jit(pixels)(kernel, kernel).dims() == Ints{1, 1});
}

TEST_CASE("convolutions_by_hand_have_equal_gradients") {
  const auto slopes = [](auto function) {
    return jit([function](const Tensor& x, const Tensor& k, const Tensor& weights) {
      return grad(sum(function(x, k, Where::current()) * weights), std::vector{x, k});
    });
  };
  Random random(11);
  std::vector<Array> inputs;
  for (const Ints& dims : {Ints{7, 6}, Ints{3, 2}, Ints{5, 5}}) {
    inputs.emplace_back(Type{DType::f32, dims});
    for (float& value : inputs.back().data<float>()) value = random.uniform(-1, 1);
  }
  const std::vector<Array> by_slice = slopes(convolve)(inputs[0], inputs[1], inputs[2]);
  const std::vector<Array> by_pixel = slopes(convolve_by_pixel)(inputs[0], inputs[1], inputs[2]);
  for (std::size_t i = 0; i < 2; ++i)
    for (std::int64_t k = 0; k < inputs[i].count(); ++k)
      CHECK(by_slice[i].as_double(k) == Approx(by_pixel[i].as_double(k)).margin(1e-5));
}

TEST_CASE("convolution_by_pixel_compiles_within_a_second", "[timing]") {
  const auto start = std::chrono::steady_clock::now();
  jit([](const Tensor& x, const Tensor& k) { return convolve_by_pixel(x, k); },
      {Type{DType::f32, {28, 28}}, Type{DType::f32, {3, 3}}});
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(1));
}

TEST_CASE("a_kernel_larger_than_its_image_is_refused") {
  const Type kernel{DType::f32, {3, 4}};
  const auto error_of = [&](auto function, const Type& image) -> std::string {
    try {
      jit(function).compile({image, kernel});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const auto slices = [](const Tensor& x, const Tensor& k) { return convolve(x, k); };
  const auto pixels = [](const Tensor& x, const Tensor& k) { return convolve_by_pixel(x, k); };
  for (const Ints& image : {Ints{2, 4}, Ints{3, 3}, Ints{1, 1}, Ints{5, 2, 9}}) {
    const Type type{DType::f32, image};
    CHECK(error_of(slices, type).find("a kernel of 3 x 4 for an image of") != std::string::npos);
    CHECK(error_of(pixels, type).find("a kernel of 3 x 4 for an image of") != std::string::npos);
  }
  CHECK(error_of(slices, Type{DType::f32, {3, 4}}).empty());
  CHECK(error_of(slices, Type{DType::f32, {4}}).find("[..., H, W]") != std::string::npos);
}

TEST_CASE("convolve_demonstrates") {
  const Outcome outcome = train("convolve", *find_model("convolve").make(), quiet());
  CHECK(outcome.reached());
}

TEST_CASE("digits_conv_reaches_0_95_on_drawn_digits") {
  const Outcome outcome = train("digits-conv", *learner("digits-conv"), quiet());
  CHECK(outcome.value >= 0.95);
  CHECK(outcome.reached());
}

TEST_CASE("weights_that_pytorch_saved_load_and_evaluate") {
  const TempFolder folder;
  write_digits(folder, 64, 300);
  for (const auto& [name, file] :
       {std::pair{"digits", "digit_mlp"}, std::pair{"digits-conv", "digit_conv"}}) {
    const Golden golden(fmt::format("{}/seed_model_gradients", file));
    TrainOptions options = quiet();
    options.data = folder.path();
    options.resume = folder.file("pytorch.safetensors");
    save_safetensors(options.resume, golden.parameters());  // a state_dict, and nothing else
    const std::unique_ptr<Learner> model = learner(name);
    Report report(name, true);
    const Outcome outcome = model->evaluate(options, report);

    Jit<Tensor> loss([&](const std::vector<Tensor>& in) { return std::vector{model->loss(in)}; });
    golden.check_close("loss", loss(golden["x"], golden["y"]));
    Jit<Tensor> right([&](const std::vector<Tensor>& in) { return std::vector{model->score(in)}; });
    const DigitSet held_out = draw_digits(300, 1);
    CHECK(outcome.value * 300 == Approx(right(held_out.images, held_out.labels).item()));
    CHECK(outcome.value < 0.5);  // they are not trained
  }
}

TEST_CASE("digits_draw_their_confusion_and_their_worst_mistakes") {
  const TempFolder data, plots;
  write_digits(data, 192, 300);
  TrainOptions options = quiet();
  options.data = data.path();
  options.plot = plots.path();
  options.epochs = 2;
  const Outcome outcome = train("digits-conv", *learner("digits-conv"), options);
  std::ifstream confusion(plots.file("digits-conv-confusion.tsv"));
  std::string line;
  std::getline(confusion, line);
  int rows = 0, images = 0, right = 0, is = 0, said = 0, count = 0;
  for (; std::getline(confusion, line); ++rows) {
    REQUIRE(std::sscanf(line.c_str(), "\t%d\t%d\t%d", &is, &said, &count) == 3);
    images += count;
    right += is == said ? count : 0;
  }
  CHECK(rows == 100);
  CHECK(images == 300);
  CHECK(right == std::lround(outcome.value * 300));
  CHECK(content_of(plots.file("digits-conv-mistakes.tsv")).find("→") != std::string::npos);
}

}  // namespace kiln
