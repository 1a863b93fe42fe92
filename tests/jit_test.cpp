// A jitted function means what the reference interpreter says, fused and unfused.
#include "runtime/jit.h"

#include <cmath>

#include "frontend/gradient.h"
#include "frontend/optim.h"
#include "ir/interpret.h"
#include "runtime/random.h"
#include "tests/catch.h"

namespace kiln {
namespace {

Array random_array(Ints dims, std::uint64_t stream, float low = -2, float high = 2) {
  Array array(Type{DType::f32, std::move(dims)});
  Random random(1, stream);
  for (float& x : array.data<float>()) x = random.uniform(low, high);
  return array;
}

/// Runs a function in both modes and by the interpreter; all must agree.
void check(const TensorFunction& f, const std::vector<Array>& inputs, double tolerance = 1e-5) {
  std::vector<Type> types;
  for (const Array& input : inputs) types.push_back(input.type());
  const Traced traced = Trace::run(f, types);
  const std::vector<Array> expected = interpret(traced.function, inputs);
  for (const Mode mode : {Mode::unfused, Mode::fused}) {
    Compiled compiled(traced, mode, Target::host());
    std::vector<const Array*> pointers;
    for (const Array& input : inputs) pointers.push_back(&input);
    const auto& results = compiled(pointers);
    INFO((mode == Mode::fused ? "fused" : "unfused") << "\n" << compiled.dump("fused"));
    REQUIRE(results.size() == expected.size());
    for (std::size_t r = 0; r < results.size(); ++r) {
      REQUIRE(results[r].type() == expected[r].type());
      double scale = 0;
      for (std::int64_t i = 0; i < expected[r].count(); ++i)
        scale = std::max(scale, std::fabs(expected[r].as_double(i)));
      for (std::int64_t i = 0; i < expected[r].count(); ++i) {
        INFO("result " << r << " element " << i);
        const double got = results[r].as_double(i), want = expected[r].as_double(i);
        if (std::isnan(want))
          REQUIRE(std::isnan(got));
        else if (std::isinf(want))
          REQUIRE(got == want);
        else
          REQUIRE(std::fabs(got - want) <= tolerance * std::max(scale, 1e-30));
      }
    }
  }
}

}  // namespace

TEST_CASE("element-wise chains of every size agree with the reference") {
  for (std::int64_t n : {0, 1, 15, 16, 17, 100, 5000})
    check([](const auto& in) { return std::vector{relu(in[0] * 2.0 - in[1]) + in[0]}; },
          {random_array({n}, 1), random_array({n}, 2)});
}

TEST_CASE("broadcasting agrees with the reference") {
  check([](const auto& in) { return std::vector{in[0] + in[1], in[0] * in[2] - in[3]}; },
        {random_array({7, 33}, 1), random_array({33}, 2), random_array({7, 1}, 3),
         random_array({}, 4)});
}

TEST_CASE("matrix products of every layout and odd size agree with the reference") {
  for (const auto& [m, n, k] : {std::tuple{1, 1, 1},
                                {3, 5, 7},
                                {8, 32, 16},
                                {64, 10, 128},
                                {17, 33, 40},
                                {130, 48, 5},
                                {64, 1, 20},
                                {1, 64, 20},
                                {5, 100, 3}}) {
    check([](const auto& in) { return std::vector{matmul(in[0], in[1])}; },
          {random_array({m, k}, 1), random_array({k, n}, 2)});
    check([](const auto& in) { return std::vector{linear(in[0], in[1], in[2])}; },
          {random_array({m, k}, 1), random_array({n, k}, 2), random_array({n}, 3)});
    check([](const auto& in) { return std::vector{matmul(transpose(in[0], 0, 1), in[1])}; },
          {random_array({k, m}, 1), random_array({k, n}, 2)});
  }
  check([](const auto& in) { return std::vector{matmul(in[0], in[1])}; },
        {random_array({3, 4, 9, 20}, 1), random_array({4, 20, 18}, 2)});
}

TEST_CASE("reductions over every axis agree with the reference") {
  for (const Ints& axes : {Ints{0}, Ints{1}, Ints{2}, Ints{0, 2}, Ints{1, 2}, Ints{0, 1}, Ints{}})
    check(
        [&](const auto& in) {
          return std::vector{sum(in[0], axes), amax(in[0], axes, true), mean(square(in[0]), axes)};
        },
        {random_array({5, 18, 33}, 1)});
}

TEST_CASE("softmax and cross-entropy with their gradients agree with the reference") {
  for (const std::int64_t classes : {1, 2, 10, 16, 37}) {
    Array labels(Type{DType::i32, {13}});
    for (std::size_t i = 0; i < 13; ++i)
      labels.data<std::int32_t>()[i] =
          static_cast<std::int32_t>(i) % static_cast<std::int32_t>(classes);
    check(
        [](const auto& in) {
          const Tensor loss = cross_entropy(in[0], in[1]);
          return std::vector{loss, grad(loss, {in[0]})[0], softmax(in[0], 1), argmax(in[0], 1)};
        },
        {random_array({13, classes}, 1), labels});
  }
}

TEST_CASE("a column softmax agrees with the reference") {
  check([](const auto& in) { return std::vector{softmax(in[0], 0)}; }, {random_array({40, 37}, 1)});
}

TEST_CASE("views that are returned, reshaped or used twice agree with the reference") {
  check(
      [](const auto& in) {
        const Tensor t = transpose(in[0], 0, 1);
        return std::vector{t,        in[0], in[0], reshape(t, {2, -1}), reshape(in[0] + 1.0, {-1}),
                           t + in[1]};
      },
      {random_array({6, 4}, 1), random_array({4, 6}, 2)});
  check([](const auto& in) { return std::vector{in[0] + transpose(in[0], 0, 1)}; },
        {random_array({20, 20}, 1)});
}

TEST_CASE("gradients of gradients agree with the reference") {
  check(
      [](const auto& in) {
        const Tensor y = sum(tanh(in[0]) * in[0]);
        const Tensor g = grad(y, {in[0]})[0];
        return std::vector{g, grad(sum(g * g), {in[0]})[0]};
      },
      {random_array({3, 17}, 1)});
}

}  // namespace kiln
