#include "models/draw_digits.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>

#include "tests/catch.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;

/// Images at half their size, each pixel the mean of four, from 0 to 1.
std::vector<float> halved(const Array& images) {
  const auto pixels = images.data<std::uint8_t>();
  std::vector<float> small;
  for (std::size_t image = 0; image < pixels.size() / 784; ++image)
    for (std::size_t row = 0; row < 28; row += 2)
      for (std::size_t column = 0; column < 28; column += 2) {
        const std::uint8_t* at = &pixels[image * 784 + row * 28 + column];
        small.push_back(static_cast<float>(at[0] + at[1] + at[28] + at[29]) / 1020.0f);
      }
  return small;
}

/// Logistic regression: ten weights a pixel and a bias, trained by stochastic gradient descent.
class Linear {
 public:
  void train(std::span<const float> inputs, std::span<const std::int32_t> labels, int epochs) {
    for (int epoch = 0; epoch < epochs; ++epoch)
      for (std::size_t i = 0; i < labels.size(); ++i) {
        const auto x = inputs.subspan(i * kInputs, kInputs);
        std::array<float, 10> p = scores(x);
        const float most = *std::ranges::max_element(p);
        for (float& v : p) v = std::exp(v - most);
        const float sum = std::accumulate(p.begin(), p.end(), 0.0f);
        for (std::size_t k = 0; k < 10; ++k) {
          const float step = 0.05f / (1.0f + static_cast<float>(epoch)) *
                             (p[k] / sum - (static_cast<std::int32_t>(k) == labels[i]));
          for (std::size_t j = 0; j < kInputs; ++j) weights_[k][j] -= step * x[j];
          weights_[k][kInputs] -= step;
        }
      }
  }
  double accuracy(std::span<const float> inputs, std::span<const std::int32_t> labels) const {
    int right = 0;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const std::array<float, 10> p = scores(inputs.subspan(i * kInputs, kInputs));
      right += std::ranges::max_element(p) - p.begin() == labels[i];
    }
    return static_cast<double>(right) / static_cast<double>(labels.size());
  }

 private:
  static constexpr std::size_t kInputs = 14 * 14;

  std::array<float, 10> scores(std::span<const float> x) const {
    std::array<float, 10> result{};
    for (std::size_t k = 0; k < 10; ++k)
      result[k] = std::inner_product(x.begin(), x.end(), weights_[k].begin(), weights_[k][kInputs]);
    return result;
  }

  std::array<std::array<float, kInputs + 1>, 10> weights_{};
};

TEST_CASE("draw_digits_gives_images_and_labels_as_mnist_has_them", "[draw_digits]") {
  const DigitSet set = draw_digits(500, 1);
  CHECK(set.images.type() == Type{DType::ui8, {500, 28, 28}});
  CHECK(set.labels.type() == Type{DType::i32, {500}});
  std::array<int, 10> count{};
  for (const std::int32_t label : set.labels.data<std::int32_t>()) {
    REQUIRE((label >= 0 && label <= 9));
    ++count[static_cast<std::size_t>(label)];
  }
  for (const int c : count) CHECK(c == Approx(50).margin(27));
  CHECK(draw_digits(0, 1).images.dims() == Ints{0, 28, 28});
}

TEST_CASE("draw_digits_is_a_function_of_seed_and_index", "[draw_digits]") {
  const DigitSet once = draw_digits(100, 5), again = draw_digits(100, 5),
                 fewer = draw_digits(40, 5);
  CHECK(once.images.same_bits(again.images));
  CHECK(once.labels.same_bits(again.labels));
  CHECK(std::ranges::equal(once.images.bytes().first(40 * 784), fewer.images.bytes()));
  const DigitSet other = draw_digits(100, 6);
  CHECK_FALSE(once.images.same_bits(other.images));
  CHECK_FALSE(once.labels.same_bits(other.labels));
}

TEST_CASE("draw_digits_puts_bright_ink_on_a_dark_ground", "[draw_digits]") {
  const DigitSet set = draw_digits(300, 2);
  const auto pixels = std::as_const(set.images).data<std::uint8_t>();
  for (std::size_t i = 0; i < 300; ++i) {
    const auto image = pixels.subspan(i * 784, 784);
    const auto ink = std::ranges::count_if(image, [](std::uint8_t p) { return p > 127; });
    INFO("image " << i << ", digit " << set.labels.as_double(static_cast<std::int64_t>(i)));
    CHECK(ink > 10);
    CHECK(ink < 400);
  }
}

TEST_CASE("draw_digits_never_draws_a_digit_twice_alike", "[draw_digits]") {
  const DigitSet set = draw_digits(300, 3);
  const auto bytes = std::as_const(set.images).bytes();
  for (std::size_t i = 0; i < 300; ++i)
    for (std::size_t j = 0; j < i; ++j)
      REQUIRE_FALSE(std::ranges::equal(bytes.subspan(i * 784, 784), bytes.subspan(j * 784, 784)));
}

TEST_CASE("draw_digits_is_learnable_but_not_by_a_linear_classifier_alone", "[draw_digits]") {
  const DigitSet training = draw_digits(3000, 1), validation = draw_digits(1000, 2);
  const std::vector<float> inputs = halved(training.images), held_out = halved(validation.images);
  Linear linear;
  linear.train(inputs, std::as_const(training.labels).data<std::int32_t>(), 12);
  const double accuracy =
      linear.accuracy(held_out, std::as_const(validation.labels).data<std::int32_t>());
  INFO("accuracy " << accuracy);
  CHECK(accuracy > 0.75);
  CHECK(accuracy < 0.93);
}

TEST_CASE("draw_digits_rejects_a_negative_count", "[draw_digits]") {
  CHECK_THROWS_WITH(draw_digits(-1, 1), ContainsSubstring("-1 digits"));
}

}  // namespace
}  // namespace kiln
