// Streams: what is as large as two streamed axes is in no memory, and all means what it did.
#include "passes/stream.h"

#include <algorithm>

#include "frontend/attention.h"
#include "frontend/gradient.h"
#include "passes/cross_sums.h"
#include "passes/plan_memory.h"
#include "passes/stream_plan.h"
#include "tests/catch.h"
#include "tests/random_array.h"
#include "tests/support.h"

namespace kiln {
namespace {

constexpr std::int64_t kBatch = 2, kQueries = 70, kKeys = 90, kSize = 16;

Array floats(Ints dims, std::uint64_t seed) {
  return random_array({DType::f32, std::move(dims)}, seed);
}

StepPlan planned(Function function) {
  run_passes(function);
  return plan_step(function, {});
}

int streams(const StepPlan& plan) {
  return static_cast<int>(std::count_if(plan.spaces.begin(), plan.spaces.end(),
                                        [](const space::Kernel& k) { return k.kind == "stream"; }));
}

/// The elements of the largest buffer that any kernel reads or writes.
std::int64_t largest(const StepPlan& plan) {
  std::int64_t most = 0;
  for (const space::Kernel& kernel : plan.spaces)
    for (const space::Buffer& buffer : kernel.buffers) most = std::max(most, buffer.count);
  return most;
}

/// The body's results, and the gradients of the sum of their squares.
TensorBody with_gradients(const TensorBody& body) {
  return [body](const std::vector<Tensor>& in) {
    std::vector<Tensor> results = body(in);
    Tensor loss = sum(square(results[0]));
    std::vector<Tensor> floats;
    for (const Tensor& x : in)
      if (is_float(x.dtype())) floats.push_back(x);
    for (const Tensor& g : grad(loss, floats)) results.push_back(g);
    return results;
  };
}

/// No buffer as large as queries times keys, with or without gradients; the same meaning.
void check_stream(const std::vector<Array>& inputs, const TensorBody& body,
                  std::int64_t scores = kBatch * kQueries * kKeys) {
  for (const TensorBody& f : {body, with_gradients(body)}) {
    const StepPlan plan = planned(trace(types_of(inputs), f));
    CHECK(streams(plan) >= 1);
    CHECK(largest(plan) < scores);
    check(f, inputs, {.relative = 2e-5});
  }
}

std::vector<Array> attention_inputs() {
  return {floats({kBatch, kQueries, kSize}, 1), floats({kBatch, kKeys, kSize}, 2),
          floats({kBatch, kKeys, 24}, 3)};
}

TEST_CASE("attention_and_its_gradient_store_no_scores", "[stream]") {
  check_stream(attention_inputs(), [](const std::vector<Tensor>& in) {
    return std::vector{scaled_dot_product_attention(in[0], in[1], in[2]).output};
  });
}

TEST_CASE("attention_under_lengths_stores_no_scores_and_a_row_without_keys_is_uniform",
          "[stream]") {
  std::vector<Array> inputs = attention_inputs();
  Array lengths(Type{DType::i32, {kBatch, kQueries}});
  for (std::size_t i = 0; i < static_cast<std::size_t>(kBatch * kQueries); ++i)
    lengths.data<std::int32_t>()[i] = static_cast<std::int32_t>(i * 7 % (kKeys + 1));
  inputs.push_back(lengths);
  check_stream(inputs, [](const std::vector<Tensor>& in) {
    const Tensor scores = bmm(in[0], transpose(in[1], 1, 2)) / 4;
    return std::vector{bmm(masked_softmax(scores, in[3]), in[2])};
  });
}

TEST_CASE("causal_attention_in_either_order_stores_no_scores", "[stream]") {
  const std::vector<Array> inputs{floats({2, 65, 8}, 1), floats({2, 65, 8}, 2),
                                  floats({2, 65, 8}, 3)};
  for (const bool keys : {false, true})
    check_stream(
        inputs,
        [&](const std::vector<Tensor>& in) {
          const Tensor product = keys ? matmul(in[1], transpose(in[0], -1, -2))
                                      : matmul(in[0], transpose(in[1], -1, -2));
          const Tensor seen = tril(ones({65, 65}));
          const Tensor weights = softmax(masked_fill(product / 3, eq(seen, 0), -INFINITY), -1);
          return std::vector{matmul(weights, in[2])};
        },
        2 * 65 * 65);
}

TEST_CASE("columns_that_a_causal_mask_hides_are_left_out", "[stream]") {
  const std::vector<Array> inputs{floats({2, 192, 8}, 1), floats({2, 192, 8}, 2),
                                  floats({2, 192, 8}, 3)};
  const TensorBody written = [](const std::vector<Tensor>& in) {
    const Tensor seen = tril(ones({192, 192}));
    const Tensor scores = matmul(in[0], transpose(in[1], -1, -2)) / 3;
    return std::vector{matmul(softmax(masked_fill(scores, eq(seen, 0), -INFINITY), -1), in[2])};
  };
  const TensorBody ours = [](const std::vector<Tensor>& in) {
    return std::vector{
        scaled_dot_product_attention(in[0], in[1], in[2], {.is_causal = true}).output};
  };
  const auto triangles = [&](const TensorBody& body) {
    Function function = trace(types_of(inputs), body);
    run_passes(function);
    std::vector<bool> found;
    const StepPlan plan = plan_step(function, {});
    for (const space::Kernel& kernel : plan.spaces)
      if (kernel.kind == "stream") found.push_back(plan_stream(kernel)->triangle >= 0);
    return found;
  };
  for (const TensorBody& body : {written, ours}) {
    check_stream(inputs, body, 2 * 192 * 192);
    const Function function = trace(types_of(inputs), with_gradients(body));
    const std::vector<Array> here = execute(function, inputs),
                             avx2 = execute(function, inputs, {}, Target::named("x86-64-v3"));
    for (std::size_t i = 0; i < here.size(); ++i) CHECK(difference(avx2[i], here[i]) == kNone);
    CHECK(triangles(with_gradients(body)) == std::vector{true, true});
  }
  // Finite numbers under a mask count where a row sees nothing else.
  const TensorBody finite = [](const std::vector<Tensor>& in) {
    const Tensor scores = matmul(in[0], transpose(in[1], -1, -2)) / 3;
    const Tensor seen = tril(ones({192, 192}));
    return std::vector{matmul(softmax(masked_fill(scores, eq(seen, 0), -1e6), -1), in[2])};
  };
  CHECK(triangles(finite) == std::vector{false});
}

TEST_CASE("keys_beyond_all_lengths_are_left_out_unless_they_count", "[stream]") {
  constexpr std::int64_t kMany = 192;
  const TensorBody body = [](const std::vector<Tensor>& in) {
    const Tensor scores = bmm(in[0], transpose(in[1], 1, 2)) / 4;
    return std::vector{bmm(masked_softmax(scores, in[3]), in[2])};
  };
  const auto inputs = [&](Array lengths, float scale) {
    std::vector<Array> all{floats({3, kQueries, kSize}, 1), floats({3, kMany, kSize}, 2),
                           floats({3, kMany, 24}, 3), std::move(lengths)};
    for (float& x : all[0].data<float>()) x *= scale;
    return all;
  };
  const Array one_each = Array::of<std::int32_t>({3}, {1, 100, 192});
  Array each_row(Type{DType::i32, {3, kQueries}});
  for (std::size_t i = 0; i < 3 * kQueries; ++i)
    each_row.data<std::int32_t>()[i] = static_cast<std::int32_t>(i * 5 % 130 + (i > 100 ? 0 : 1));
  const Array none = Array::of<std::int32_t>({3}, {0, 64, 65});
  // Scores of up to 1e7: some that are seen are lower than what stands for those that are not.
  for (const float scale : {1.0F, 1e7F})
    for (const Array& lengths : {one_each, each_row, none}) {
      const std::vector<Array> all = inputs(lengths, scale);
      Function function = trace(types_of(all), body);
      run_passes(function);
      const StepPlan plan = plan_step(function, {});
      CHECK(std::ranges::any_of(plan.spaces, [](const space::Kernel& kernel) {
        return kernel.kind == "stream" && plan_stream(kernel)->limit.has_value();
      }));
      check_stream(all, body, 3 * kQueries * kMany);
      const Function both = trace(types_of(all), with_gradients(body));
      const std::vector<Array> here = execute(both, all),
                               avx2 = execute(both, all, {}, Target::named("x86-64-v3"));
      for (std::size_t i = 0; i < here.size(); ++i) CHECK(difference(avx2[i], here[i]) == kNone);
    }
}

TEST_CASE("what_hidden_scores_add_to_is_not_left_out", "[stream]") {
  // Beside the weights the scores themselves are multiplied, and a function of another product.
  const std::vector<Array> inputs{floats({2, kQueries, kSize}, 1), floats({2, 192, kSize}, 2),
                                  floats({2, 192, 24}, 3), Array::of<std::int32_t>({2}, {100, 30})};
  const TensorBody body = [](const std::vector<Tensor>& in) {
    const Tensor seen = unsqueeze(sequence_mask(in[3], 192), 1);
    const Tensor product = bmm(in[0], transpose(in[1], 1, 2));
    const Tensor scores = where(seen, product / 4, -1000.0);
    const Tensor weights = softmax(scores, -1);
    // Filled before the rows' maxima are known, read only after.
    const Tensor second = bmm(in[0], transpose(flip(in[1], {1}), 1, 2));
    const Tensor other = exp(second / 64);
    return std::vector{bmm(weights * other, in[2]) + bmm(scores, in[2]) / 1000,
                       bmm(weights * other, flip(in[2], {1})), bmm(weights * second, in[2])};
  };
  check(body, inputs, {.relative = 2e-5});
  check(with_gradients(body), inputs, {.relative = 2e-5});
}

TEST_CASE("attention_written_by_hand_without_a_stopped_gradient_is_a_stream", "[stream]") {
  check_stream(attention_inputs(), [](const std::vector<Tensor>& in) {
    const Tensor scores = bmm(in[0], transpose(in[1], 1, 2));
    const Tensor e = exp(scores - amax(scores, {-1}, true));
    return std::vector{bmm(e, in[2]) / sum(e, {-1}, true)};
  });
}

// Found by the fuzzer (seed 8071): a division moved behind the sum.
TEST_CASE("shares_of_values_near_the_largest_do_not_overflow", "[stream]") {
  check(
      [](const std::vector<Tensor>& in) {
        return std::vector{scaled_dot_product_attention(in[0], in[1], in[2]).output};
      },
      {floats({15, 2}, 1), floats({17, 2}, 2), random_array({DType::f32, {17, 15}}, 3, 1e38, 3e38)},
      {.relative = 2e-5});
}

TEST_CASE("a_last_block_of_few_rows_is_right", "[stream]") {
  check(
      [](const std::vector<Tensor>& in) {
        const Tensor out = scaled_dot_product_attention(in[0], in[1], in[2]).output;
        return std::vector{out, grad(sum(square(out)), {in[1]})[0]};
      },
      {floats({1025, 8}, 1), floats({300, 8}, 2), floats({300, 8}, 3)}, {.relative = 2e-5});
}

TEST_CASE("heads_that_lie_beside_each_other_are_streamed", "[stream]") {
  const std::vector<Array> inputs{floats({2, 40, 3, 8}, 1), floats({2, 50, 3, 8}, 2),
                                  floats({2, 50, 3, 8}, 3)};
  check_stream(
      inputs,
      [](const std::vector<Tensor>& in) {
        const auto heads = [](const Tensor& x) { return transpose(x, 1, 2); };
        return std::vector{transpose(
            scaled_dot_product_attention(heads(in[0]), heads(in[1]), heads(in[2])).output, 1, 2)};
      },
      2 * 3 * 40 * 50);
}

TEST_CASE("sums_over_many_keys_run_in_blocks", "[stream]") {
  // 1100 and 1088 keys: with a last block of less, and under a mask that ends within one.
  const std::vector<Array> many{floats({1, 40, 8}, 1), floats({1, 1100, 8}, 2),
                                floats({1, 1100, 24}, 3)};
  check_stream(
      many,
      [](const std::vector<Tensor>& in) {
        return std::vector{scaled_dot_product_attention(in[0], in[1], in[2]).output};
      },
      40 * 1100);
  const std::vector<Array> causal{floats({1, 1088, 8}, 1), floats({1, 1088, 8}, 2),
                                  floats({1, 1088, 8}, 3)};
  check_stream(
      causal,
      [](const std::vector<Tensor>& in) {
        return std::vector{
            scaled_dot_product_attention(in[0], in[1], in[2], {.is_causal = true}).output};
      },
      1088 * 1088);
}

/// Additive attention, as a user writes it: queries, keys, values, the scores' weights.
std::vector<Tensor> additive(const std::vector<Tensor>& in) {
  const Tensor features = tanh(unsqueeze(in[0], 2) + unsqueeze(in[1], 1));
  const Tensor scores = squeeze(matmul(features, in[3]), -1);
  return {bmm(softmax(scores, -1), in[2])};
}

TEST_CASE("additive_attention_and_its_gradients_store_no_features", "[stream]") {
  constexpr std::int64_t kHidden = 40;
  const std::vector<Array> inputs{floats({kBatch, kQueries, kHidden}, 1),
                                  floats({kBatch, kKeys, kHidden}, 2),
                                  floats({kBatch, kKeys, 24}, 3), floats({kHidden, 1}, 4)};
  check_stream(inputs, additive, kBatch * kQueries * kKeys * kHidden);
  // The three gradients are one kernel, and no tanh is made a third time.
  Function passed = trace(types_of(inputs), with_gradients(additive));
  run_passes(passed);
  const StepPlan plan = plan_step(passed, {});
  CHECK(std::ranges::count_if(plan.spaces, is_cross_sums) == 1);
  CHECK(streams(plan) == 2);
  const Function function = trace(types_of(inputs), with_gradients(additive));
  const std::vector<Array> here = execute(function, inputs),
                           avx2 = execute(function, inputs, {}, Target::named("x86-64-v3"));
  for (std::size_t i = 0; i < here.size(); ++i) CHECK(difference(avx2[i], here[i]) == kNone);
}

TEST_CASE("features_that_a_matrix_multiplies_are_stored", "[stream]") {
  // Each is read for 24 results: a product is better at that.
  const std::vector<Array> inputs{floats({1500}, 1), floats({200}, 2), floats({200, 24}, 3)};
  const TensorBody body = [](const std::vector<Tensor>& in) {
    return std::vector{matmul(sin(unsqueeze(in[0], 1) * in[1]), in[2])};
  };
  CHECK(streams(planned(trace(types_of(inputs), body))) == 0);
  check(body, inputs, {.relative = 2e-5});
}

TEST_CASE("features_that_are_read_elsewhere_are_stored_once", "[stream]") {
  const std::vector<Array> inputs{floats({2, 70, 40}, 1), floats({2, 90, 40}, 2),
                                  floats({40, 1}, 3)};
  const TensorBody body = [](const std::vector<Tensor>& in) {
    const Tensor features = tanh(unsqueeze(in[0], 2) + unsqueeze(in[1], 1));
    return std::vector{matmul(features, in[2]), features};
  };
  CHECK(streams(planned(trace(types_of(inputs), body))) == 0);
  check(body, inputs, {.relative = 2e-5});
}

TEST_CASE("kernel_regression_stores_no_weights", "[stream]") {
  const std::vector<Array> inputs{floats({200}, 1), floats({300}, 2), floats({300}, 3)};
  check_stream(
      inputs,
      [](const std::vector<Tensor>& in) {
        const Tensor distance = unsqueeze(in[0], 1) - unsqueeze(in[1], 0);
        return std::vector{matmul(softmax(-square(distance) / 2, -1), in[2])};
      },
      200 * 300);
}

TEST_CASE("scores_that_are_results_are_stored_beside_the_stream", "[stream]") {
  check(
      [](const std::vector<Tensor>& in) {
        const Attended all = scaled_dot_product_attention(in[0], in[1], in[2]);
        return std::vector{all.output, all.weights, grad(sum(square(all.output)), {in[0]})[0]};
      },
      attention_inputs(), {.relative = 2e-5});
}

TEST_CASE("streams_of_one_shape_share_a_mask_and_nothing_else", "[stream]") {
  const std::vector<Array> inputs{floats({65, 8}, 1), floats({65, 8}, 2), floats({65, 8}, 3),
                                  floats({65, 8}, 4)};
  const auto attend = [](const Tensor& q, const Tensor& k, const Tensor& v) {
    return scaled_dot_product_attention(q, k, v, {.is_causal = true}).output;
  };
  check_stream(
      inputs,
      [&](const std::vector<Tensor>& in) {
        return std::vector{attend(attend(in[0], in[1], in[2]), in[1], in[3])};
      },
      65 * 65);
}

TEST_CASE("second_derivatives_of_attention_mean_the_same_in_every_mode", "[stream]") {
  const std::vector<Array> inputs{floats({20, 4}, 1), floats({30, 4}, 2), floats({30, 4}, 3)};
  check(
      [](const std::vector<Tensor>& in) {
        const Tensor out = scaled_dot_product_attention(in[0], in[1], in[2]).output;
        const std::vector<Tensor> first = grad(sum(square(out)), {in[0], in[1], in[2]});
        return grad(sum(square(first[0])) + sum(square(first[1])) + sum(square(first[2])),
                    {in[0], in[1], in[2]});
      },
      inputs, {.relative = 1e-4});
}

TEST_CASE("softmax_over_both_axes_of_one_product_means_the_same_in_every_mode", "[stream]") {
  check(
      [](const std::vector<Tensor>& in) {
        const Tensor scores = matmul(in[0], transpose(in[1], 0, 1));
        return std::vector{matmul(softmax(scores, 1) * softmax(scores, 0), in[1])};
      },
      {floats({60, 4}, 1), floats({70, 4}, 2)}, {.relative = 2e-5});
}

}  // namespace
}  // namespace kiln
