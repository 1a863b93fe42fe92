// A jitted function means what the reference says, is traced once per input shape, and owns its
// results.
#include "runtime/jit.h"

#include "frontend/gradient.h"
#include "tests/catch.h"
#include "tests/support.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;

Array f32(Ints dims, std::uint64_t stream) {
  return random_array({DType::f32, std::move(dims)}, stream);
}

}  // namespace

TEST_CASE("elementwise_chains_of_every_size_agree_with_the_reference") {
  for (std::int64_t n : {0, 1, 15, 16, 17, 100, 5000})
    check([](const auto& in) { return std::vector{relu(in[0] * 2.0 - in[1]) + in[0]}; },
          {f32({n}, 1), f32({n}, 2)});
}

TEST_CASE("broadcasting_agrees_with_the_reference") {
  check([](const auto& in) { return std::vector{in[0] + in[1], in[0] * in[2] - in[3]}; },
        {f32({7, 33}, 1), f32({33}, 2), f32({7, 1}, 3), f32({}, 4)});
}

TEST_CASE("matrix_products_of_every_layout_and_odd_size_agree_with_the_reference") {
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
          {f32({m, k}, 1), f32({k, n}, 2)});
    check([](const auto& in) { return std::vector{linear(in[0], in[1], in[2])}; },
          {f32({m, k}, 1), f32({n, k}, 2), f32({n}, 3)});
    check([](const auto& in) { return std::vector{matmul(transpose(in[0], 0, 1), in[1])}; },
          {f32({k, m}, 1), f32({k, n}, 2)});
  }
  check([](const auto& in) { return std::vector{matmul(in[0], in[1])}; },
        {f32({3, 4, 9, 20}, 1), f32({4, 20, 18}, 2)});
}

TEST_CASE("products_computed_in_blocks_agree_with_the_reference") {
  // So large that blocks of the second factor are copied together; the last of everything is
  // smaller: panel, tile, block of rows, block of what is summed over, and that even odd.
  check([](const auto& in) { return std::vector{matmul(in[0], in[1]) + in[2]}; },
        {f32({257, 520}, 1), f32({520, 1030}, 2), f32({1030}, 3)});
  check([](const auto& in) { return std::vector{relu(matmul(transpose(in[0], 0, 1), in[1]))}; },
        {f32({401, 530}, 1), f32({401, 200}, 2)});
  check([](const auto& in) { return std::vector{matmul(in[0], transpose(in[1], 0, 1))}; },
        {f32({300, 801}, 1), f32({70, 801}, 2)});
}

TEST_CASE("reductions_over_every_axis_agree_with_the_reference") {
  for (const Ints& axes : {Ints{0}, Ints{1}, Ints{2}, Ints{0, 2}, Ints{1, 2}, Ints{0, 1}, Ints{}})
    check(
        [&](const auto& in) {
          return std::vector{sum(in[0], axes), amax(in[0], axes, true), mean(square(in[0]), axes)};
        },
        {f32({5, 18, 33}, 1)});
}

TEST_CASE("softmax_and_cross_entropy_with_their_gradients_agree_with_the_reference") {
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
        {f32({13, classes}, 1), labels});
  }
}

TEST_CASE("a_column_softmax_agrees_with_the_reference") {
  check([](const auto& in) { return std::vector{softmax(in[0], 0)}; }, {f32({40, 37}, 1)});
}

TEST_CASE("views_that_are_returned_reshaped_or_used_twice_agree_with_the_reference") {
  check(
      [](const auto& in) {
        const Tensor t = transpose(in[0], 0, 1);
        return std::vector{t,        in[0], in[0], reshape(t, {2, -1}), reshape(in[0] + 1.0, {-1}),
                           t + in[1]};
      },
      {f32({6, 4}, 1), f32({4, 6}, 2)});
  check([](const auto& in) { return std::vector{in[0] + transpose(in[0], 0, 1)}; },
        {f32({20, 20}, 1)});
}

TEST_CASE("gradients_of_gradients_agree_with_the_reference") {
  check(
      [](const auto& in) {
        const Tensor y = sum(tanh(in[0]) * in[0]);
        const Tensor g = grad(y, {in[0]})[0];
        return std::vector{g, grad(sum(g * g), {in[0]})[0]};
      },
      {f32({3, 17}, 1)});
}

TEST_CASE("a_function_is_traced_once_for_each_input_shape_and_mode") {
  int traces = 0;
  auto f = jit([&](const Tensor& x) {
    ++traces;
    return sum(x * 2.0);
  });
  for (const Ints& dims : {Ints{3}, Ints{3}, Ints{4}, Ints{3}, Ints{1, 3}}) {
    const Array x = Array::full({DType::f32, dims}, 1);
    CHECK(f(x).item() == 2.0 * static_cast<double>(x.count()));
  }
  CHECK(traces == 3);
  CHECK(f.traces() == 3);
  settings().mode = Mode::unfused;
  CHECK(f(Array::full({DType::f32, {3}}, 1)).item() == 6);
  settings().mode = Mode::fused;
  CHECK(traces == 4);
}

TEST_CASE("a_result_is_overwritten_by_the_next_call_unless_a_copy_is_held") {
  auto f = jit([](const Tensor& x) { return x + 1.0; });
  const Array& loose = f(Array::scalar(1.0F));
  CHECK(loose.item() == 2);
  const Array held = f(Array::scalar(2.0F));
  CHECK(f(Array::scalar(3.0F)).item() == 4);
  CHECK(held.item() == 3);
  CHECK(loose.item() == 4);
}

TEST_CASE("a_jitted_function_complains_of_what_it_is_not") {
  auto f = jit([](const Tensor& x) { return tanh(x); });
  CHECK_THROWS_WITH(f.dump("fused"), ContainsSubstring("has no trace yet"));
  f.compile({Type{DType::f32, {3}}});
  CHECK_THAT(f.dump("fused"), ContainsSubstring("stablehlo.tanh"));
  for (const std::string stage :
       {"graph", "backward", "optimized", "fused", "loops", "llvm", "asm", "memory"})
    CHECK_FALSE(f.dump(stage).empty());
  CHECK_THROWS_WITH(f.dump("fuse"),
                    ContainsSubstring("unknown stage 'fuse': expected one of graph"));
  CHECK_THROWS_WITH(f.compile({}), ContainsSubstring("the function takes 1 tensors, found 0"));
  // A failed trace leaves the others usable.
  auto picky = jit([](const Tensor& x) { return matmul(x, x); });
  CHECK(picky(f32({2, 2}, 1)).dims() == Ints{2, 2});
  CHECK_THROWS_AS(picky(f32({2, 3}, 1)), Error);
  CHECK(picky(f32({2, 2}, 1)).dims() == Ints{2, 2});
}

}  // namespace kiln
