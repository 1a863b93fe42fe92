// The words models are written in: what they mean, and what they say when they are misused.
#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>
#include <regex>

#include "frontend/functions.h"
#include "frontend/gradient.h"
#include "frontend/layers.h"
#include "frontend/optim.h"
#include "frontend/trace.h"
#include "ir/interpret.h"
#include "runtime/jit.h"
#include "tests/catch.h"
#include "tests/support.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;

const float kNaN = std::numeric_limits<float>::quiet_NaN();
const float kInf = std::numeric_limits<float>::infinity();

Array floats(Ints dims, std::initializer_list<float> values) {
  return Array::of<float>(std::move(dims), values);
}

/// By the reference: what the words mean; ops and modes are compared elsewhere.
std::vector<Array> run(const std::vector<Array>& inputs, const TensorBody& body) {
  return interpret(trace(types_of(inputs), body), inputs);
}
Array run_one(const std::vector<Array>& inputs,
              const std::function<Tensor(const std::vector<Tensor>&)>& body) {
  return run(inputs, [&](const auto& in) { return std::vector{body(in)}; })[0];
}

/// What is wrong with a body over inputs of these types.
std::string complaint(const std::vector<Type>& types,
                      const std::function<void(const std::vector<Tensor>&)>& body) {
  try {
    trace(types, [&](const auto& in) {
      body(in);
      return std::vector<Tensor>{};
    });
  } catch (const Error& error) {
    return error.what();
  }
  return "no Error";
}

Type f32(Ints dims) { return {DType::f32, std::move(dims)}; }

}  // namespace

// ---- shapes

TEST_CASE("operators_broadcast_as_numpy_does") {
  struct Case {
    Ints a, b, result;
  };
  for (const Case& c : {Case{{3}, {3}, {3}},
                        {{2, 3}, {3}, {2, 3}},
                        {{2, 3}, {}, {2, 3}},
                        {{2, 1}, {1, 3}, {2, 3}},
                        {{4, 1, 3}, {2, 1}, {4, 2, 3}},
                        {{1}, {0}, {0}},
                        {{2, 0}, {1}, {2, 0}},
                        {{}, {}, {}},
                        {{1, 1, 1}, {5}, {1, 1, 5}}}) {
    const std::vector<Array> inputs = {random_array(f32(c.a), 1), random_array(f32(c.b), 2)};
    const auto results =
        run(inputs, [](const auto& in) { return std::vector{in[0] + in[1], in[1] + in[0]}; });
    CHECK(results[0].dims() == c.result);
    CHECK(results[1].same_bits(results[0]));
  }
  const Array column = floats({2, 1}, {1, 2}), row = floats({3}, {10, 20, 30});
  CHECK(run_one({column, row}, [](const auto& in) {
          return in[0] - in[1];
        }).same_bits(floats({2, 3}, {-9, -19, -29, -8, -18, -28})));
}

TEST_CASE("numbers_take_the_type_of_the_tensor_they_meet") {
  const Array i = Array::of<std::int32_t>({2}, {3, -4});
  CHECK(run_one({i}, [](const auto& in) {
          return in[0] * 2.0 + 1.0;
        }).same_bits(Array::of<std::int32_t>({2}, {7, -7})));
  CHECK(run_one({floats({2}, {3, 4})}, [](const auto& in) {
          return 1.0 / in[0];
        }).same_bits(floats({2}, {1.0F / 3, 0.25F})));
  CHECK(run_one({Array::scalar(0.1)}, [](const auto& in) { return in[0] + 0.2; }).item() ==
        0.1 + 0.2);
}

TEST_CASE("a_sum_of_booleans_counts_them") {
  const Array x = Array::of<bool>({2, 3}, {true, true, false, true, true, true});
  CHECK(run_one({x}, [](const auto& in) {
          return sum(in[0], {1});
        }).same_bits(Array::of<std::int64_t>({2}, {2, 3})));
}

TEST_CASE("shape_words_rearrange_as_pytorchs_do") {
  Array x(f32({2, 3, 4}));
  std::iota(x.data<float>().begin(), x.data<float>().end(), 0.0F);
  const auto shape = [&](const std::function<Tensor(const Tensor&)>& f) {
    return run_one({x}, [&](const auto& in) { return f(in[0]); }).dims();
  };
  CHECK(shape([](const Tensor& t) { return reshape(t, {4, -1}); }) == Ints{4, 6});
  CHECK(shape([](const Tensor& t) { return flatten(t); }) == Ints{24});
  CHECK(shape([](const Tensor& t) { return flatten(t, 1); }) == Ints{2, 12});
  CHECK(shape([](const Tensor& t) { return flatten(t, -2); }) == Ints{2, 12});
  CHECK(shape([](const Tensor& t) { return permute(t, {2, 0, 1}); }) == Ints{4, 2, 3});
  CHECK(shape([](const Tensor& t) { return permute(t, {-1, 0, 1}); }) == Ints{4, 2, 3});
  CHECK(shape([](const Tensor& t) { return transpose(t, 0, -1); }) == Ints{4, 3, 2});
  CHECK(shape([](const Tensor& t) { return unsqueeze(t, 0); }) == Ints{1, 2, 3, 4});
  CHECK(shape([](const Tensor& t) { return unsqueeze(t, -1); }) == Ints{2, 3, 4, 1});
  CHECK(shape([](const Tensor& t) { return squeeze(unsqueeze(t, 1), 1); }) == Ints{2, 3, 4});
  CHECK(shape([](const Tensor& t) { return squeeze(t, 0); }) ==
        Ints{2, 3, 4});  // not 1: left alone
  CHECK(shape([](const Tensor& t) { return expand(t, {5, 2, 3, 4}); }) == Ints{5, 2, 3, 4});
  CHECK(shape([](const Tensor& t) { return sum(t, {0, -1}); }) == Ints{3});
  CHECK(shape([](const Tensor& t) { return sum(t, {1}, true); }) == Ints{2, 1, 4});
  CHECK(shape([](const Tensor& t) { return sum(t); }).empty());
  const Array moved = run_one({x}, [](const auto& in) { return permute(in[0], {2, 0, 1}); });
  CHECK(moved.as_double(1 * 6 + 1 * 3 + 2) == 1 * 12 + 2 * 4 + 1);
}

TEST_CASE("matmul_has_torchs_cases") {
  struct Case {
    Ints a, b, result;
  };
  for (const Case& c : {Case{{3}, {3}, {}},
                        {{2, 3}, {3}, {2}},
                        {{3}, {3, 4}, {4}},
                        {{2, 3}, {3, 4}, {2, 4}},
                        {{5, 2, 3}, {3, 4}, {5, 2, 4}},
                        {{5, 2, 3}, {5, 3, 4}, {5, 2, 4}},
                        {{2, 3}, {5, 3, 4}, {5, 2, 4}},
                        {{6, 1, 2, 3}, {5, 3, 4}, {6, 5, 2, 4}},
                        {{3}, {5, 3, 4}, {5, 4}},
                        {{5, 2, 3}, {3}, {5, 2}},
                        {{2, 0}, {0, 4}, {2, 4}},
                        {{1, 1}, {1, 1}, {1, 1}}}) {
    INFO(join(c.a, "x") << " · " << join(c.b, "x"));
    const std::vector<Array> inputs = {random_array(f32(c.a), 1), random_array(f32(c.b), 2)};
    const Array result = run_one(inputs, [](const auto& in) { return matmul(in[0], in[1]); });
    REQUIRE(result.dims() == c.result);
    // Against Σ by hand for every element, with the operands as batches of matrices.
    const Ints a_dims = c.a.size() == 1 ? Ints{1, c.a[0]} : c.a,
               b_dims = c.b.size() == 1 ? Ints{c.b[0], 1} : c.b;
    const std::int64_t m = a_dims[a_dims.size() - 2], k = a_dims.back(), n = b_dims.back();
    const std::int64_t batches = m * n == 0 ? 0 : result.count() / (m * n);
    const auto matrix = [&](const Ints& dims, std::int64_t batch, std::int64_t size) {
      // The offset of the batch's matrix, axes of extent 1 standing still.
      std::int64_t offset = 0, stride = size;
      for (std::size_t i = 3; i <= std::max(a_dims.size(), b_dims.size()); ++i) {
        const auto extent = [&](const Ints& d) { return i <= d.size() ? d[d.size() - i] : 1; };
        const std::int64_t full = std::max(extent(a_dims), extent(b_dims)), at = batch % full;
        batch /= full;
        if (extent(dims) != 1) offset += at * stride;
        stride *= extent(dims);
      }
      return offset;
    };
    for (std::int64_t e = 0; e < batches * m * n; ++e) {
      const std::int64_t batch = e / (m * n), i = e / n % m, j = e % n;
      double sum = 0;
      for (std::int64_t l = 0; l < k; ++l)
        sum += inputs[0].as_double(matrix(a_dims, batch, m * k) + i * k + l) *
               inputs[1].as_double(matrix(b_dims, batch, k * n) + l * n + j);
      CHECK(result.as_double(e) == Approx(sum).margin(1e-5));
    }
    check([](const auto& in) { return std::vector{matmul(in[0], in[1])}; }, inputs);
  }
}

TEST_CASE("a_shape_error_names_the_op_both_shapes_the_call_and_where_operands_came_from") {
  std::uint_least32_t made = 0, called = 0;
  const std::string text = complaint({f32({64, 10})}, [&](const auto& in) {
    made = std::source_location::current().line() + 1;
    const Tensor hidden = exp(in[0]);
    called = std::source_location::current().line() + 1;
    hidden + transpose(in[0], 0, 1);
  });
  const std::string file = std::source_location::current().file_name();
  CHECK(text ==
        fmt::format("{0}:{1}: add: expected shapes that broadcast together (aligned at the right, "
                    "extents equal "
                    "or 1), found f32[64, 10] (from {0}:{2}) and f32[10, 64] (from {0}:{1})",
                    file, called, made));
}

TEST_CASE("each_word_complains_of_what_it_cannot_take_by_name_with_the_shapes_at_the_call") {
  const std::vector<Type> types = {
      f32({2, 3}), f32({4, 5}), {DType::i32, {2, 3}}, {DType::i1, {4}}, f32({3})};
  using In = const std::vector<Tensor>&;
  struct Case {
    std::function<void(In)> body;
    std::vector<std::string> parts;
  };
  const std::vector<Case> cases = {
      {[](In in) { in[0] * in[1]; },
       {"multiply: expected shapes that broadcast", "f32[2, 3]", "f32[4, 5]"}},
      {[](In in) { in[0] - in[2]; },
       {"subtract: expected operands of one element type", "f32[2, 3]", "i32[2, 3]",
        "to(x, dtype)"}},
      {[](In in) { maximum(in[0], in[1]); },
       {"maximum: expected shapes", "f32[2, 3]", "f32[4, 5]"}},
      {[](In in) { lt(in[0], in[1]); }, {"compare: expected shapes", "f32[2, 3]", "f32[4, 5]"}},
      {[](In in) { where(in[3], in[0], 0.0); },
       {"where: expected an i1 condition that broadcasts", "i1[4]", "f32[2, 3]"}},
      {[](In in) { where(in[0], in[0], 0.0); }, {"where: expected an i1 condition", "f32[2, 3]"}},
      {[](In in) { where(in[3], 1.0, 0.0); }, {"where: expected a tensor among the two choices"}},
      {[](In in) { in[2] / 2.0; },
       {"div: true division needs float operands", "i32", "to(x, DType::f32)"}},
      {[](In in) { in[2] * 0.5; },
       {"multiply: expected a number that i32 holds, found 0.5 for i32[2, 3]"}},
      {[](In in) { to(in[2], DType::ui8) - 300.0; },
       {"subtract: expected a number that ui8 holds, found 300 for ui8[2, 3]"}},
      {[](In in) { lt(to(in[2], DType::ui32), -1.0); },
       {"compare: expected a number that ui32 holds, found -1 for ui32[2, 3]"}},
      {[](In) { div(1.0, 2.0); }, {"divide", "expected at least one tensor, found only numbers"}},
      {[](In) { add(1.0, 2.0); }, {"add: expected at least one tensor, found only numbers"}},
      {[](In in) { exp(in[2]); }, {"exponential: expected a float operand", "i32[2, 3]"}},
      {[](In in) { neg(in[3]); }, {"negate: expected an integer or float operand", "i1[4]"}},
      {[](In in) { matmul(in[0], in[1]); },
       {"matmul: expected the last axis of the first (3) to equal the second-last axis of the "
        "second (4)",
        "f32[2, 3]", "f32[4, 5]"}},
      {[](In in) { matmul(in[0], in[2]); },
       {"matmul: expected operands of one element type", "f32[2, 3]", "i32[2, 3]"}},
      {[](In in) { matmul(sum(in[0]), in[1]); },
       {"matmul: expected operands of rank 1 or more", "f32[]", "f32[4, 5]"}},
      {[](In in) { matmul(expand(in[0], {7, 2, 3}), expand(transpose(in[0], 0, 1), {6, 3, 2})); },
       {"matmul: expected batch axes that broadcast", "f32[7, 2, 3]", "f32[6, 3, 2]"}},
      {[](In in) { linear(in[0], in[1]); },
       {"linear: expected an input [..., 5] for weight f32[4, 5]", "found f32[2, 3]"}},
      {[](In in) { linear(in[0], expand(in[4], {6, 3}), in[4]); },
       {"linear: expected a bias of 6", "f32[3]"}},
      {[](In in) { reshape(in[0], {4, -1}); },
       {"reshape: f32[2, 3]", "6 elements, which do not fit [4, -1]"}},
      {[](In in) { reshape(in[0], {-1, -1}); }, {"reshape: f32[2, 3]", "do not fit [-1, -1]"}},
      {[](In in) { permute(in[0], {0, 0}); },
       {"permute: an axis of f32[2, 3]", "is named twice in [0, 0]"}},
      {[](In in) { transpose(in[0], 0, 2); }, {"transpose: axis 2 does not exist in f32[2, 3]"}},
      {[](In in) { unsqueeze(in[0], 4); }, {"unsqueeze: axis 4 does not fit f32[2, 3]"}},
      {[](In in) { squeeze(in[0], -3); }, {"squeeze: axis -3 does not exist in f32[2, 3]"}},
      {[](In in) { expand(in[0], {3, 3}); }, {"expand: f32[2, 3]", "does not stretch to [3, 3]"}},
      {[](In in) { expand(in[0], {3}); }, {"expand: f32[2, 3]", "does not stretch to [3]"}},
      {[](In in) { sum(in[0], {2}); }, {"sum: axis 2 does not exist in f32[2, 3]"}},
      {[](In in) { amax(in[0], {0, -2}); },
       {"amax: an axis of f32[2, 3]", "is named twice in [0, -2]"}},
      {[](In in) { mean(in[2]); }, {"mean: expected a float tensor, found i32[2, 3]"}},
      {[](In in) { softmax(in[0], 2); }, {"softmax: axis 2 does not exist in f32[2, 3]"}},
      {[](In in) { log_softmax(in[0], -3); }, {"log_softmax: axis -3 does not exist in f32[2, 3]"}},
      {[](In in) { argmax(in[0], 5); }, {"argmax: axis 5 does not exist in f32[2, 3]"}},
      {[](In in) { one_hot(in[0], 3); }, {"one_hot: expected an integer tensor, found f32[2, 3]"}},
      {[](In in) { one_hot(in[2], -3); }, {"one_hot: expected a number of classes >= 0, found -3"}},
      {[](In) { arange(-1); }, {"arange: expected a length >= 0, found -1"}},
      {[](In in) { cross_entropy(in[0], in[1]); },
       {"cross_entropy: expected logits [N, C]", "f32[2, 3]", "f32[4, 5]"}},
      {[](In in) { cross_entropy(in[0], in[2]); },
       {"cross_entropy: expected logits [N, C]", "f32[2, 3]", "i32[2, 3]"}},
      {[](In in) { mse_loss(in[0], in[1]); },
       {"mse_loss: expected floats of equal shapes", "f32[2, 3]", "f32[4, 5]"}},
      {[](In in) { mse_loss(in[0], in[2]); }, {"mse_loss: expected", "f32[2, 3]", "i32[2, 3]"}},
      {[](In in) { grad(in[0], {in[0]}); },
       {"grad: expected a float scalar to differentiate, found f32[2, 3]; reduce it with sum or "
        "mean"}},
      {[](In in) { grad(sum(in[2]), {in[0]}); },
       {"grad: expected a float scalar to differentiate, found i32[]"}},
      {[](In in) { in[0].size(2); }, {"size: axis 2 does not exist in f32[2, 3]"}},
      {[](In in) { in[0] + Tensor(); }, {"add: expected a tensor, found an empty one"}},
      {[](In) { exp(Tensor()); }, {"exponential: expected a tensor, found an empty one"}},
      {[](In in) { matmul(in[0], Tensor()); }, {"matmul: expected a tensor, found an empty one"}},
      {[](In in) { cross_entropy(Tensor(), in[2]); },
       {"cross_entropy: expected a tensor, found an empty one"}},
  };
  const std::regex at_call(R"(^.*frontend_test\.cpp:\d+: )");
  for (const Case& one : cases) {
    const std::string text = complaint(types, one.body);
    INFO(text);
    CHECK(std::regex_search(text, at_call));
    for (const std::string& part : one.parts) CHECK_THAT(text, ContainsSubstring(part));
  }
}

TEST_CASE("an_impossible_shape_is_an_error_not_an_overflow") {
  const std::int64_t huge = std::int64_t{1} << 40;
  for (const Ints& dims : {Ints{huge, huge}, Ints{-1, 3}})
    CHECK_THAT(complaint({}, [&](const auto&) { full(dims, 0); }), ContainsSubstring("impossible"));
  CHECK_THAT(complaint({f32({2})}, [&](const auto& in) { reshape(in[0], {huge, huge, -1}); }),
             ContainsSubstring("reshape"));
  CHECK_THAT(complaint({f32({1})}, [&](const auto& in) { expand(in[0], {huge, huge}); }),
             ContainsSubstring("impossible"));
}

// ---- meanings

TEST_CASE("softmax_and_log_softmax_are_exact_where_naive_ones_overflow") {
  const Array x = floats({2, 3}, {1000, 1001, 1002, -kInf, 0, std::log(3.0F)});
  const auto r = run(
      {x}, [](const auto& in) { return std::vector{softmax(in[0], 1), log_softmax(in[0], -1)}; });
  const double e1 = std::exp(-1.0), e2 = std::exp(-2.0), total = 1 + e1 + e2;
  const double expected[] = {e2 / total, e1 / total, 1 / total, 0, 0.25, 0.75};
  for (std::int64_t i = 0; i < 6; ++i) {
    CHECK(r[0].as_double(i) == Approx(expected[i]).margin(1e-7));
    if (expected[i] > 0)
      CHECK(r[1].as_double(i) == Approx(std::log(expected[i])).epsilon(1e-6));
    else
      CHECK(r[1].as_double(i) == -kInf);
  }
  const Array none =
      run_one({floats({1, 2}, {-kInf, -kInf})}, [](const auto& in) { return softmax(in[0], 1); });
  CHECK(std::isnan(none.as_double(0)));  // as PyTorch
}

TEST_CASE("cross_entropy_takes_classes_or_probabilities_and_forgives_infinite_logits_elsewhere") {
  const Array logits = floats({2, 3}, {1, 2, 3, 0, -kInf, 0});
  const double first = std::log(std::exp(-2.0) + std::exp(-1.0) + 1) + 2, second = std::log(2.0);
  for (const DType dtype : {DType::i32, DType::i64, DType::ui8}) {
    const Array classes = Array::of<std::int32_t>({2}, {0, 2}).converted(dtype);
    const auto r = run({logits, classes}, [](const auto& in) {
      const Tensor loss = cross_entropy(in[0], in[1]);
      return std::vector{loss, grad(loss, {in[0]})[0]};
    });
    CHECK(r[0].item() == Approx((first + second) / 2));
    const double s = std::exp(-2.0) + std::exp(-1.0) + 1;
    const double gradient[] = {
        (std::exp(-2.0) / s - 1) / 2, std::exp(-1.0) / s / 2, 1 / s / 2, 0.25, 0, -0.25};
    for (std::int64_t i = 0; i < 6; ++i)
      CHECK(r[1].as_double(i) == Approx(gradient[i]).margin(1e-7));
  }
  const std::vector<Array> soft = {floats({1, 2}, {0, std::log(3.0F)}), floats({1, 2}, {0.5, 0.5})};
  CHECK(run_one(soft, [](const auto& in) { return cross_entropy(in[0], in[1]); }).item() ==
        Approx(-0.5 * std::log(0.25) - 0.5 * std::log(0.75)));
}

TEST_CASE("a_training_loss_of_finite_logits_has_a_finite_gradient_however_large_they_are") {
  const std::vector<Array> inputs = {floats({2, 3}, {1e30F, -1e30F, 0, 3e38F, 3e38F, -3e38F}),
                                     Array::of<std::int32_t>({2}, {1, 0})};
  for (const Array& result : run(inputs, [](const auto& in) {
         const Tensor loss = cross_entropy(in[0], in[1]);
         return std::vector{grad(loss, {in[0]})[0]};
       }))
    for (std::int64_t i = 0; i < result.count(); ++i) CHECK(std::isfinite(result.as_double(i)));
}

TEST_CASE("argmax_takes_the_first_maximum_and_nan_counts_as_largest") {
  const Array x = floats({5, 4}, {1,     3,     3, 2,     kNaN, 5, kNaN, 9, -kInf, -kInf,
                                  -kInf, -kInf, 0, -0.0F, 0,    0, 1,    2, kInf,  kNaN});
  CHECK(run_one({x}, [](const auto& in) {
          return argmax(in[0], 1);
        }).same_bits(Array::of<std::int64_t>({5}, {1, 0, 0, 0, 3})));
  CHECK(run_one({x}, [](const auto& in) {
          return argmax(in[0], 0);
        }).same_bits(Array::of<std::int64_t>({4}, {1, 1, 1, 4})));
  CHECK(run_one({Array::of<std::int32_t>({3}, {-5, 7, 7})}, [](const auto& in) {
          return argmax(in[0], 0);
        }).item() == 1);
}

TEST_CASE("relu_is_zero_with_gradient_zero_at_zero_and_keeps_nan") {
  const auto r = run({floats({5}, {-1, -0.0F, 0, 2, kNaN})}, [](const auto& in) {
    const Tensor y = relu(in[0]);
    return std::vector{y, grad(sum(y), {in[0]})[0]};
  });
  CHECK(difference(r[0], floats({5}, {0, 0, 0, 2, kNaN})) == kNone);
  CHECK(difference(r[1], floats({5}, {0, 0, 0, 1, 1})) == kNone);
}

TEST_CASE("reductions_of_nothing_are_their_identities_and_a_mean_of_nothing_is_nan") {
  const auto r = run({Array(f32({0, 2}))}, [](const auto& in) {
    return std::vector{sum(in[0], {0}), amax(in[0], {0}), amin(in[0], {0}), mean(in[0], {0})};
  });
  CHECK(difference(r[0], floats({2}, {0, 0})) == kNone);
  CHECK(difference(r[1], floats({2}, {-kInf, -kInf})) == kNone);
  CHECK(difference(r[2], floats({2}, {kInf, kInf})) == kNone);
  CHECK(difference(r[3], floats({2}, {kNaN, kNaN})) == kNone);
}

TEST_CASE("one_hot_marks_each_class_once_whatever_the_type_of_the_index") {
  for (const DType dtype : {DType::ui8, DType::i8, DType::i32, DType::i64}) {
    // More classes than an 8-bit index can count.
    const Array index = Array::of<std::int32_t>({2}, {3, 100}).converted(dtype);
    const Array codes = run_one({index}, [](const auto& in) { return one_hot(in[0], 300); });
    for (std::int64_t row = 0; row < 2; ++row)
      for (std::int64_t c = 0; c < 300; ++c)
        CHECK(codes.as_double(row * 300 + c) == (c == (row == 0 ? 3 : 100)));
  }
}

TEST_CASE("constants_of_the_trace_hold_what_was_asked_for") {
  const auto r = run({}, [](const auto&) {
    return std::vector{full({2}, 2.5), arange(3), arange(2, DType::f32),
                       constant(floats({2}, {1, kNaN})), full({}, 7, DType::ui8)};
  });
  CHECK(difference(r[0], floats({2}, {2.5, 2.5})) == kNone);
  CHECK(r[1].same_bits(Array::of<std::int64_t>({3}, {0, 1, 2})));
  CHECK(r[2].same_bits(floats({2}, {0, 1})));
  CHECK(difference(r[3], floats({2}, {1, kNaN})) == kNone);
  CHECK(r[4].same_bits(Array::scalar(std::uint8_t{7})));
}

// ---- gradients

TEST_CASE("gradients_nest") {
  // f = x⁴: 4x³, 12x², 24x, 24.
  const auto f = [](const Tensor& x) { return square(square(x)); };
  const auto derivative = grad(grad(grad(grad(f))));
  CHECK(run_one({Array::scalar(3.0)}, [&](const auto& in) { return grad(f)(in[0]); }).item() ==
        Approx(108));
  CHECK(run_one({Array::scalar(3.0)}, [&](const auto& in) {
          return grad(grad(f))(in[0]);
        }).item() == Approx(108));
  CHECK(run_one({Array::scalar(3.0)}, [&](const auto& in) { return derivative(in[0]); }).item() ==
        Approx(24));
  // d/dx of d/dy of xy² at (2, 3), through a sum.
  const auto mixed = run_one({Array::scalar(2.0), Array::scalar(3.0)}, [](const auto& in) {
    return grad(grad(in[0] * square(in[1]), {in[1]})[0], {in[0]})[0];
  });
  CHECK(mixed.item() == Approx(6));
}

TEST_CASE("second_derivatives_of_every_kind_of_layer_are_what_differences_say") {
  // The gradient of Σ g² where g is the gradient: kinks and reductions, products and softmax.
  const auto loss = [](const Tensor& x, const Tensor& w) {
    const Tensor h = tanh(matmul(x, w));
    return mean(square(log_softmax(h, 1))) + sum(sigmoid(h) * h) + sum(amax(h, {1}));
  };
  check_gradient(
      {random_array({DType::f64, {3, 4}}, 1), random_array({DType::f64, {4, 5}}, 2)},
      [&](const std::vector<Value>& v) {
        const Tensor x(v[0]), w(v[1]);
        const auto g = grad(loss(x, w), {x, w});
        return std::vector{sum(square(g[0])).value(), sum(square(g[1])).value()};
      },
      1e-6);
}

TEST_CASE("no_gradient_flows_through_stop_gradient_integers_or_unrelated_values") {
  const auto r = run({floats({2}, {1, 2}), floats({2}, {5, 6})}, [](const auto& in) {
    const Tensor y = sum(in[0] * stop_gradient(in[0]) + to(to(in[0], DType::i32), DType::f32));
    const auto g = grad(y, {in[0], in[1]});
    return std::vector{g[0], g[1]};
  });
  CHECK(difference(r[0], floats({2}, {1, 2})) == kNone);
  CHECK(difference(r[1], floats({2}, {0, 0})) == kNone);
}

// ---- modules, variables, optimisers

TEST_CASE("parameters_are_named_by_their_path_and_counted") {
  struct Block : Module {
    Block(Module* parent, std::string name) : Module(parent, std::move(name)) {}
    Linear inner{this, "inner", 3, 4};
  };
  struct Net : Module {
    Block first{this, "first"}, second{this, "second"};
    Linear out{this, "out", 4, 2, false};
  };
  const Net net;
  std::vector<std::string> names;
  for (const Parameter& p : net.parameters()) names.push_back(p.name());
  CHECK(names == std::vector<std::string>{"first.inner.weight", "first.inner.bias",
                                          "second.inner.weight", "second.inner.bias",
                                          "out.weight"});
  CHECK(net.parameter_count() == 2 * (3 * 4 + 4) + 2 * 4);
  CHECK(net.out.weight.type() == f32({2, 4}));
  CHECK_FALSE(net.out.bias);
}

TEST_CASE("a_parameter_is_an_operand_wherever_a_tensor_is") {
  struct Root : Module {
    Parameter p = parameter("p", {2}, Initializer::constant(3));
  };
  const Root root;
  auto f = jit([&](const Tensor& x) {
    return x * root.p + root.p - 1.0 / root.p + maximum(root.p, x) +
           where(lt(x, root.p), root.p, 0.0);
  });
  CHECK(f(floats({2}, {1, 5})).as_double(0) == Approx(3 + 3 - 1.0 / 3 + 3 + 3));
  CHECK(f(floats({2}, {1, 5})).as_double(1) == Approx(15 + 3 - 1.0 / 3 + 5 + 0));
}

TEST_CASE("two_parameters_of_one_name_are_an_error") {
  struct Twice : Module {
    Linear a{this, "layer", 2, 2}, b{this, "layer", 2, 2};
  };
  CHECK_THROWS_WITH(Twice(),
                    "two parameters are named 'layer.weight': give each module its own name");
  // Of two roots the trace is the first to know.
  struct Root : Module {
    Parameter p = parameter("p", {2}, Initializer::constant(1));
  };
  const Root one, two;
  CHECK_THAT(complaint({}, [&](const auto&) { one.p + two.p; }),
             ContainsSubstring("two variables are named 'p'"));
}

TEST_CASE("linears_first_values_lie_within_pytorchs_bounds_and_fill_them") {
  for (const std::int64_t in : {1, 9, 784}) {
    struct Net : Module {
      explicit Net(std::int64_t n) : layer(this, "layer", n, 400) {}
      Linear layer;
    };
    const Net net(in);
    const double bound = 1 / std::sqrt(static_cast<double>(in));
    for (const Parameter& p : net.parameters()) {
      const Array value = value_of(p.variable());
      double most = 0, total = 0;
      for (std::int64_t i = 0; i < value.count(); ++i) {
        most = std::max(most, std::fabs(value.as_double(i)));
        total += value.as_double(i);
      }
      INFO(p.name() << " of " << in);
      CHECK(most <= bound);
      CHECK(most > 0.97 * bound);
      CHECK(std::fabs(total / static_cast<double>(value.count())) <
            5 * bound / std::sqrt(3.0 * static_cast<double>(value.count())));
    }
  }
}

TEST_CASE("tracing_words_outside_of_a_trace_are_errors_that_say_so") {
  struct Root : Module {
    Parameter p = parameter("weight", {2}, Initializer::constant(1));
  };
  const Root root;
  const std::string expected = "expected to be called while a function is traced";
  CHECK_THROWS_WITH(full({2}, 1), ContainsSubstring("full: " + expected));
  CHECK_THROWS_WITH(arange(3), ContainsSubstring("arange: " + expected));
  CHECK_THROWS_WITH(constant(Array::scalar(1.0F)), ContainsSubstring("constant: " + expected));
  CHECK_THROWS_WITH(Tensor(root.p), ContainsSubstring("weight: " + expected));
  SGD sgd;
  CHECK_THROWS_WITH(sgd.update(root.parameters(), {Tensor()}),
                    ContainsSubstring("update: " + expected));
}

TEST_CASE("a_tensor_of_another_trace_is_an_error") {
  Tensor leaked;
  const Function other = trace({f32({2})}, [&](const auto& in) {
    leaked = in[0];
    return std::vector{in[0]};
  });
  CHECK_THAT(complaint({f32({2})}, [&](const auto& in) { in[0] + leaked; }),
             ContainsSubstring("another trace"));
  CHECK_THAT(complaint({f32({2})}, [&](const auto& in) { matmul(in[0], leaked); }),
             ContainsSubstring("another trace"));
}

TEST_CASE("an_optimiser_complains_of_gradients_that_do_not_fit") {
  struct Root : Module {
    Parameter p = parameter("p", {2}, Initializer::constant(1));
  };
  const Root root;
  Adam adam;
  CHECK_THAT(complaint({f32({2}), f32({3})},
                       [&](const auto& in) { adam.update(root.parameters(), {in[0], in[1]}); }),
             ContainsSubstring("update: expected a gradient for each of 1 parameters, found 2"));
  CHECK_THAT(
      complaint({f32({3})}, [&](const auto& in) { adam.update(root.parameters(), {in[0]}); }),
      ContainsSubstring("f32[3]"));
}

TEST_CASE("sgd_with_momentum_nesterov_and_weight_decay_takes_pytorchs_steps") {
  struct Root : Module {
    Parameter p = parameter("p", {1}, Initializer::constant(1));
  };
  for (const bool nesterov : {false, true}) {
    const Root root;
    SGD sgd({.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = nesterov});
    auto step = jit([&](const Tensor& g) {
      sgd.update(root.parameters(), {g});
      return Tensor(root.p) * 1.0;
    });
    double p = 1, v = 0;
    for (const float g : {0.5F, -0.25F, 1.0F, 0.0F}) {
      const double d = g + 0.01 * p;
      v = 0.9 * v + d;  // PyTorch's first v is d: 0.9 · 0 + d
      p -= 0.1 * (nesterov ? d + 0.9 * v : v);
      CHECK(step(floats({1}, {g})).as_double(0) == Approx(p).epsilon(1e-6));
    }
  }
}

TEST_CASE("an_optimiser_of_f64_parameters_works_in_f64") {
  struct Root : Module {
    Parameter p = parameter("p", {1}, Initializer::constant(1), DType::f64);
  };
  const Root root;
  Adam adam({.lr = 0.01});
  auto step = jit([&](const Tensor& g) {
    adam.update(root.parameters(), {g});
    return Tensor(root.p) * 1.0;
  });
  double p = 1, m = 0, v = 0;
  for (int t = 1; t <= 3; ++t) {
    const double g = 0.3 * t;
    m = 0.9 * m + (1 - 0.9) * g;
    v = 0.999 * v + (1 - 0.999) * g * g;
    p -= 0.01 / (1 - std::pow(0.9, t)) *
         (m / (std::sqrt(v) / std::sqrt(1 - std::pow(0.999, t)) + 1e-8));
    CHECK(step(Array::of<double>({1}, {g})).as_double(0) == Approx(p).epsilon(1e-13));
  }
}

TEST_CASE("a_variable_read_after_its_assignment_has_its_new_value") {
  const auto variable = std::make_shared<Variable>(
      Variable{"count", Type{DType::i64, {}}, Initializer::constant(5), false});
  auto step = jit([&](const Tensor& x) {
    Trace& trace = Trace::current("step");
    const Tensor before = trace.read(variable);
    trace.assign(variable, before + x);
    trace.assign(variable, trace.read(variable) * 2.0);
    return std::vector{before * 1.0, trace.read(variable) * 1.0};
  });
  const Array one = Array::scalar(std::int64_t{1});
  CHECK(step(one)[0].item() == 5);
  CHECK(step(one)[0].item() == 12);
  CHECK(value_of(variable).item() == 26);
  CHECK_THAT(
      complaint({f32({2})}, [&](const auto& in) { Trace::current("x").assign(variable, in[0]); }),
      ContainsSubstring("assign: variable 'count' is i64[], found f32[2]"));
}

}  // namespace kiln
