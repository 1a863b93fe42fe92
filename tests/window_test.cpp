// convolution and reduce_window against their definition, written out: pad, cut out each window,
// combine.
#include <algorithm>
#include <numeric>
#include <random>

#include "ir/build.h"
#include "ir/interpret.h"
#include "ir/op.h"
#include "ir/reference.h"
#include "passes/autodiff.h"
#include "tests/catch.h"
#include "tests/support.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;
using reference::copy_element;
using reference::for_each_point;

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine_);
  }
  /// Up to `most`, now and then 0.
  std::int64_t extent(std::int64_t most) { return between(0, 15) == 0 ? 0 : between(1, most); }
  Ints list(std::int64_t size, std::int64_t low, std::int64_t high) {
    Ints all;
    while (size-- > 0) all.push_back(between(low, high));
    return all;
  }
  Ints permutation(std::int64_t size) {
    Ints all(static_cast<std::size_t>(size));
    std::iota(all.begin(), all.end(), 0);
    std::shuffle(all.begin(), all.end(), engine_);
    return all;
  }

 private:
  std::mt19937_64 engine_;
};

std::int64_t flat(const Ints& dims, const Ints& point) {
  const Ints strides = row_major_strides(dims);
  return std::inner_product(strides.begin(), strides.end(), point.begin(), std::int64_t{0});
}

/// StableHLO's pad: `interior` copies of the scalar between elements, others at both ends.
Array padded(const Array& x, const Array& scalar, const Ints& low, const Ints& high,
             const Ints& interior) {
  Ints dims;
  for (std::size_t i = 0; i < low.size(); ++i) {
    const std::int64_t n = x.dims()[i];
    dims.push_back(
        std::max<std::int64_t>(0, low[i] + (n == 0 ? 0 : n + (n - 1) * interior[i]) + high[i]));
  }
  Array result(Type{x.dtype(), dims});
  for (std::int64_t i = 0; i < result.count(); ++i) copy_element(scalar, 0, result, i);
  for_each_point(x.dims(), [&](const Ints& from) {
    Ints to = from;
    bool kept = true;
    for (std::size_t i = 0; i < to.size(); ++i) {
      to[i] = low[i] + from[i] * (interior[i] + 1);
      kept = kept && to[i] >= 0 && to[i] < dims[i];
    }
    if (kept) copy_element(x, flat(x.dims(), from), result, flat(dims, to));
  });
  return result;
}

/// How often a window of this size fits, counted.
std::int64_t positions(std::int64_t places, std::int64_t elements, std::int64_t dilation,
                       std::int64_t stride) {
  const std::int64_t size = elements == 0 ? 0 : (elements - 1) * dilation + 1;
  std::int64_t count = 0;
  if (places > 0)
    for (std::int64_t start = 0; start + size <= places; start += stride) ++count;
  return count;
}

Ints minus_one(Ints list) {
  for (std::int64_t& entry : list) --entry;
  return list;
}

struct ConvolutionCase {
  Type lhs, rhs;
  ConvolutionAttrs attrs;
};

ConvolutionCase random_convolution(Random& random, DType dtype, bool reversals) {
  const std::int64_t spatial = random.between(0, 3);
  ConvolutionAttrs a;
  const std::int64_t groups = random.between(1, 3);
  if (random.between(0, 1) == 0)
    a.feature_group_count = groups;
  else
    a.batch_group_count = groups;
  const auto name = [&](std::int64_t& first, std::int64_t& second, Ints& others) {
    others = random.permutation(spatial + 2);
    first = others.back();
    others.pop_back();
    second = others.back();
    others.pop_back();
  };
  name(a.input_batch, a.input_feature, a.input_spatial);
  name(a.kernel_input_feature, a.kernel_output_feature, a.kernel_spatial);
  name(a.output_batch, a.output_feature, a.output_spatial);
  a.strides = random.list(spatial, 1, 3);
  a.low = random.list(spatial, -2, 3);
  a.high = random.list(spatial, -2, 3);
  a.lhs_dilation = random.list(spatial, 1, 3);
  a.rhs_dilation = random.list(spatial, 1, 3);
  a.reversed = random.list(spatial, 0, reversals ? 1 : 0);
  const auto rank = static_cast<std::size_t>(spatial + 2);
  ConvolutionCase made{{dtype, Ints(rank)}, {dtype, Ints(rank)}, a};
  const auto set = [](Type& type, std::int64_t axis, std::int64_t extent) {
    type.dims[static_cast<std::size_t>(axis)] = extent;
  };
  const std::int64_t features = random.extent(3);
  set(made.lhs, a.input_batch, random.extent(2) * a.batch_group_count);
  set(made.lhs, a.input_feature, features * a.feature_group_count);
  set(made.rhs, a.kernel_input_feature, features);
  set(made.rhs, a.kernel_output_feature, random.extent(2) * groups);
  for (std::size_t i = 0; i < a.strides.size(); ++i) {
    set(made.lhs, a.input_spatial[i], random.extent(spatial == 3 ? 3 : 6));
    set(made.rhs, a.kernel_spatial[i], random.extent(3));
  }
  return made;
}

/// By definition: groups split off, padded, windows cut out and turned round, dotted with the
/// kernel.
template <class T>
Array convolved(const Array& lhs, const Array& rhs, const ConvolutionAttrs& a) {
  const auto of = [](const Ints& list, std::int64_t axis) {
    return list[static_cast<std::size_t>(axis)];
  };
  const std::size_t rank = lhs.dims().size(), spatial = a.strides.size();
  Ints low(rank, 0), high(rank, 0), interior(rank, 0);
  for (std::size_t i = 0; i < spatial; ++i) {
    const auto axis = static_cast<std::size_t>(a.input_spatial[i]);
    low[axis] = a.low[i];
    high[axis] = a.high[i];
    interior[axis] = a.lhs_dilation[i] - 1;
  }
  const Array wide = padded(lhs, Array(Type{lhs.dtype(), {}}), low, high, interior);
  const std::int64_t groups = a.feature_group_count * a.batch_group_count;
  const std::int64_t batches = of(lhs.dims(), a.input_batch) / a.batch_group_count;
  const std::int64_t features = of(lhs.dims(), a.input_feature) / a.feature_group_count;
  const std::int64_t outputs = of(rhs.dims(), a.kernel_output_feature) / groups;
  Ints window, dims(rank);
  for (std::size_t i = 0; i < spatial; ++i) {
    window.push_back(of(rhs.dims(), a.kernel_spatial[i]));
    dims[static_cast<std::size_t>(a.output_spatial[i])] = positions(
        of(wide.dims(), a.input_spatial[i]), window.back(), a.rhs_dilation[i], a.strides[i]);
  }
  dims[static_cast<std::size_t>(a.output_batch)] = batches;
  dims[static_cast<std::size_t>(a.output_feature)] = outputs * groups;
  Array result(Type{lhs.dtype(), dims});
  for_each_point(dims, [&](const Ints& to) {
    const std::int64_t group = outputs == 0 ? 0 : of(to, a.output_feature) / outputs;
    T sum{};
    for_each_point(window, [&](const Ints& k) {
      for (std::int64_t feature = 0; feature < features; ++feature) {
        Ints x(rank), w(rank);
        const auto set = [](Ints& list, std::int64_t axis, std::int64_t value) {
          list[static_cast<std::size_t>(axis)] = value;
        };
        set(x, a.input_batch,
            of(to, a.output_batch) + (a.batch_group_count > 1 ? group * batches : 0));
        set(x, a.input_feature, feature + (a.feature_group_count > 1 ? group * features : 0));
        set(w, a.kernel_output_feature, of(to, a.output_feature));
        set(w, a.kernel_input_feature, feature);
        for (std::size_t i = 0; i < spatial; ++i) {
          const std::int64_t from = a.reversed[i] != 0 ? window[i] - 1 - k[i] : k[i];
          set(x, a.input_spatial[i],
              of(to, a.output_spatial[i]) * a.strides[i] + from * a.rhs_dilation[i]);
          set(w, a.kernel_spatial[i], k[i]);
        }
        const T left = wide.data<T>()[static_cast<std::size_t>(flat(wide.dims(), x))];
        const T right = rhs.data<T>()[static_cast<std::size_t>(flat(rhs.dims(), w))];
        if constexpr (std::is_floating_point_v<T>) {
          const T product = left * right;  // rounded, in a depthwise one
          sum = a.feature_group_count > 1 && features == 1 ? sum + product
                                                           : std::fma(left, right, sum);
        } else if constexpr (std::is_same_v<T, bool>)
          sum = sum | (left & right);
        else
          sum =
              static_cast<T>(static_cast<std::uint64_t>(left) * static_cast<std::uint64_t>(right) +
                             static_cast<std::uint64_t>(sum));
      }
    });
    result.data<T>()[static_cast<std::size_t>(flat(dims, to))] = sum;
  });
  return result;
}

struct WindowCase {
  Ints dims;
  WindowAttrs attrs;
};

WindowCase random_window(Random& random) {
  const std::int64_t rank = random.between(0, 3);
  WindowCase made;
  for (std::int64_t i = 0; i < rank; ++i) made.dims.push_back(random.extent(rank == 3 ? 3 : 6));
  made.attrs.extents = random.list(rank, 1, 3);
  made.attrs.strides = random.list(rank, 1, 3);
  made.attrs.base_dilations = random.list(rank, 1, 3);
  made.attrs.window_dilations = random.list(rank, 1, 3);
  made.attrs.low = random.list(rank, -2, 3);
  made.attrs.high = random.list(rank, -2, 3);
  return made;
}

/// By definition: padded with the initial value, each window combined element after element.
template <class F>
std::vector<Array> windowed(const std::vector<Array>& inputs, const std::vector<Array>& initial,
                            const WindowAttrs& a, F&& combine) {
  std::vector<Array> wide;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    wide.push_back(padded(inputs[i], initial[i], a.low, a.high, minus_one(a.base_dilations)));
  Ints dims;
  for (std::size_t i = 0; i < a.extents.size(); ++i)
    dims.push_back(positions(wide[0].dims()[i], a.extents[i], a.window_dilations[i], a.strides[i]));
  std::vector<Array> results;
  for (const Array& input : inputs) results.emplace_back(Type{input.dtype(), dims});
  for_each_point(dims, [&](const Ints& to) {
    std::vector<Array> running;
    for (const Array& value : initial) running.push_back(value.clone());
    for_each_point(a.extents, [&](const Ints& k) {
      Ints from;
      for (std::size_t i = 0; i < k.size(); ++i)
        from.push_back(to[i] * a.strides[i] + k[i] * a.window_dilations[i]);
      std::vector<Array> element;
      for (const Array& array : wide) {
        element.emplace_back(Type{array.dtype(), {}});
        copy_element(array, flat(array.dims(), from), element.back(), 0);
      }
      combine(running, element);
    });
    for (std::size_t i = 0; i < results.size(); ++i)
      copy_element(running[i], 0, results[i], flat(dims, to));
  });
  return results;
}

Value reduce_window(const std::vector<Value>& operands, const WindowAttrs& attrs,
                    const Region& region, int result = 0) {
  return {operands[0].graph().make(Op::reduce_window, operands, attrs, std::nullopt, {region}),
          result};
}
Value reduce_window(Value x, Value initial, const WindowAttrs& attrs, Op combiner) {
  return reduce_window({x, initial}, attrs, combiner_region(x.graph(), combiner, x.type().dtype));
}

template <class T>
T combined(Op op, T a, T b) {
  const auto wrap = [](auto f, T p, T q) { return reference::wrapping<T>(p, q, f); };
  switch (op) {
    case Op::add:
      if constexpr (std::is_floating_point_v<T>) return a + b;
      if constexpr (std::is_same_v<T, bool>)
        return a || b;
      else
        return wrap([](auto p, auto q) { return p + q; }, a, b);
    case Op::multiply:
      if constexpr (std::is_floating_point_v<T>)
        return a * b;
      else
        return wrap([](auto p, auto q) { return p * q; }, a, b);
    case Op::maximum:
      return std::max(a, b);
    default:
      return std::min(a, b);
  }
}

Function convolution_of(const ConvolutionCase& some) {
  return function_of({some.lhs, some.rhs}, [&](const std::vector<Value>& in) {
    return std::vector{build::convolution(in[0], in[1], some.attrs)};
  });
}

}  // namespace

TEST_CASE("convolution_is_its_definition_bit_for_bit_in_every_dtype", "[window]") {
  for (std::uint64_t seed = 0; seed < 440; ++seed) {
    Random random(seed);
    const auto dtype = static_cast<DType>(seed % kDTypeCount);
    const ConvolutionCase some = random_convolution(random, dtype, true);
    const std::vector<Array> inputs = {random_array(some.lhs, 2 * seed, -9, 9),
                                       random_array(some.rhs, 2 * seed + 1, -9, 9)};
    const Function function = convolution_of(some);
    const Array expected = visit_dtype(
        dtype, [&]<class T>(T) { return convolved<T>(inputs[0], inputs[1], some.attrs); });
    INFO("seed " << seed << ": " << some.lhs.pretty() << " with " << some.rhs.pretty());
    REQUIRE(difference(interpret(function, inputs)[0], expected) == kNone);
  }
}

TEST_CASE("reduce_window_is_its_definition_in_every_dtype", "[window]") {
  for (std::uint64_t seed = 0; seed < 440; ++seed) {
    Random random(seed);
    const auto dtype = static_cast<DType>(seed % kDTypeCount);
    const WindowCase some = random_window(random);
    const Op op = std::array{Op::add, Op::multiply, Op::maximum, Op::minimum}[seed / 11 % 4];
    const std::vector<Array> inputs = {random_array({dtype, some.dims}, 2 * seed, -9, 9),
                                       random_array({dtype, {}}, 2 * seed + 1, -9, 9)};
    const Function function = function_of(types_of(inputs), [&](const std::vector<Value>& in) {
      return std::vector{reduce_window(in[0], in[1], some.attrs, op)};
    });
    const auto expected =
        windowed({inputs[0]}, {inputs[1]}, some.attrs,
                 [&](std::vector<Array>& running, const std::vector<Array>& element) {
                   visit_dtype(dtype, [&]<class T>(T) {
                     T& sum = running[0].data<T>()[0];
                     sum = combined<T>(op, sum, element[0].data<T>()[0]);
                   });
                 });
    INFO("seed " << seed << ": " << definition(op).name << " " << inputs[0].type().pretty());
    REQUIRE(difference(interpret(function, inputs)[0], expected[0]) == kNone);
  }
}

TEST_CASE("reduce_window_visits_several_inputs_in_row_major_order", "[window]") {
  // Neither commutative nor associative, and each result depends on both inputs.
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    const WindowCase some = random_window(random);
    const std::vector<Array> inputs = {random_array({DType::f64, some.dims}, 4 * seed),
                                       random_array({DType::i32, some.dims}, 4 * seed + 1, -9, 9),
                                       random_array({DType::f64, {}}, 4 * seed + 2),
                                       random_array({DType::i32, {}}, 4 * seed + 3, -9, 9)};
    const Function function = function_of(types_of(inputs), [&](const std::vector<Value>& in) {
      Graph& graph = in[0].graph();
      const Type real{DType::f64, {}}, whole{DType::i32, {}};
      const Value a = graph.parameter(0, real), i = graph.parameter(1, whole);
      const Value b = graph.parameter(2, real), j = graph.parameter(3, whole);
      const Region region{
          {real, whole, real, whole},
          {build::add(build::multiply(a, build::like(a, 0.5)),
                      build::multiply(b, build::convert(i, DType::f64))),
           build::subtract(j, build::select(build::compare(a, b, Direction::LT), i, j))}};
      return std::vector{reduce_window(in, some.attrs, region, 0),
                         reduce_window(in, some.attrs, region, 1)};
    });
    const auto expected =
        windowed({inputs[0], inputs[1]}, {inputs[2], inputs[3]}, some.attrs,
                 [](std::vector<Array>& running, const std::vector<Array>& element) {
                   double& a = running[0].data<double>()[0];
                   std::int32_t& i = running[1].data<std::int32_t>()[0];
                   const double b = element[0].data<double>()[0];
                   const std::int32_t j = element[1].data<std::int32_t>()[0];
                   const std::int32_t next = j - (a < b ? i : j);
                   a = a * 0.5 + b * i;
                   i = next;
                 });
    const auto found = interpret(function, inputs);
    INFO("seed " << seed);
    REQUIRE(difference(found[0], expected[0], {.ulps = 0}) == kNone);
    REQUIRE(difference(found[1], expected[1]) == kNone);
  }
}

TEST_CASE("gradients_of_a_convolution_are_right_twice", "[window]") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed + 1000);
    const ConvolutionCase some = random_convolution(random, DType::f64, true);
    const Type result = convolution_of(some).results[0].type();
    INFO("seed " << seed << ": " << some.lhs.pretty() << " with " << some.rhs.pretty());
    const std::vector<Array> inputs = {random_array(some.lhs, 3 * seed),
                                       random_array(some.rhs, 3 * seed + 1)};
    check_differences(inputs, [&](const std::vector<Value>& in) {
      return std::vector{build::convolution(in[0], in[1], some.attrs)};
    });
    if (result.count() > 200) continue;
    check_differences({inputs[0], inputs[1], random_array(result, 3 * seed + 2)},
                      [&](const std::vector<Value>& in) {
                        const std::array out = {build::convolution(in[0], in[1], some.attrs)};
                        return gradients(out, std::span(&in[2], 1), std::span(in).first(2));
                      });
  }
}

TEST_CASE("gradients_of_a_windowed_sum_are_right_twice", "[window]") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed + 2000);
    const WindowCase some = random_window(random);
    INFO("seed " << seed << ": " << join(some.dims, "x"));
    const std::vector<Array> inputs = {random_array({DType::f64, some.dims}, 2 * seed),
                                       random_array({DType::f64, {}}, 2 * seed + 1)};
    const auto squared = [&](const std::vector<Value>& in) {
      const Value sum = reduce_window(in[0], in[1], some.attrs, Op::add);
      return build::multiply(sum, sum);
    };
    check_differences(inputs,
                      [&](const std::vector<Value>& in) { return std::vector{squared(in)}; });
    check_differences(
        inputs,
        [&](const std::vector<Value>& in) {
          const std::array out = {squared(in)}, ct = {build::like(out[0], 1)};
          return gradients(out, ct, in);
        },
        1e-6);
  }
}

TEST_CASE("gradients_of_a_windowed_extremum_are_right_twice", "[window]") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed + 3000);
    const WindowCase some = random_window(random);
    const Op op = seed % 2 == 0 ? Op::maximum : Op::minimum;
    INFO("seed " << seed << ": " << join(some.dims, "x"));
    const std::vector<Array> inputs = {random_array({DType::f64, some.dims}, 2 * seed),
                                       random_array({DType::f64, {}}, 2 * seed + 1)};
    const auto cubed = [&](const std::vector<Value>& in) {
      const Value best = reduce_window(in[0], in[1], some.attrs, op);
      return build::multiply(best, build::multiply(best, best));
    };
    check_differences(
        inputs, [&](const std::vector<Value>& in) { return std::vector{cubed(in)}; }, 1e-6);
    check_differences(
        inputs,
        [&](const std::vector<Value>& in) {
          const std::array out = {cubed(in)}, ct = {build::like(out[0], 1)};
          return gradients(out, ct, in);
        },
        1e-6);
  }
}

TEST_CASE("a_grouped_strided_dilated_convolution_is_pytorchs", "[window]") {
  // conv2d(x, w, stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2) and its gradients.
  const auto ramp = [](Ints dims, std::int64_t step, std::int64_t period) {
    Array array(Type{DType::f64, std::move(dims)});
    for (std::int64_t i = 0; i < array.count(); ++i)
      array.data<double>()[static_cast<std::size_t>(i)] =
          static_cast<double>(i * step % period - period / 2) / 4;
    return array;
  };
  ConvolutionAttrs a{.input_batch = 0,
                     .input_feature = 1,
                     .input_spatial = {2, 3},
                     .kernel_input_feature = 1,
                     .kernel_output_feature = 0,
                     .kernel_spatial = {2, 3},
                     .output_batch = 0,
                     .output_feature = 1,
                     .output_spatial = {2, 3},
                     .strides = {2, 1},
                     .low = {1, 0},
                     .high = {1, 0},
                     .lhs_dilation = {1, 1},
                     .rhs_dilation = {1, 2},
                     .reversed = {0, 0},
                     .feature_group_count = 2};
  const std::vector<Array> inputs = {ramp({1, 4, 4, 3}, 7, 17), ramp({4, 2, 2, 2}, 5, 13),
                                     ramp({1, 4, 3, 1}, 3, 11)};
  const Function function = function_of(types_of(inputs), [&](const std::vector<Value>& in) {
    const std::array out = {build::convolution(in[0], in[1], a)};
    const auto found = gradients(out, std::span(&in[2], 1), std::span(in).first(2));
    return std::vector{out[0], found[0], found[1]};
  });
  const auto results = interpret(function, inputs);
  CHECK(results[0].same_bits(Array::of<double>(
      {1, 4, 3, 1},
      {-3.5625, -1.25, -1.375, -2.875, 3.25, -0.875, 3.0625, -3.5, 0.25, -1.375, -2.75, 0.25})));
  const auto of_x = Array::of<double>(
      {1, 4, 4, 3},
      {0,     0, 0.5,    2,       0, 0.125,   -1.75,  0, 1.25,    -0.0625, 0, -0.0625,
       0.375, 0, 0.0625, -0.625,  0, 0.75,    0.5,    0, -1.375,  -0.0625, 0, 0.75,
       0.75,  0, -0.25,  -1.8125, 0, 0.6875,  0.75,   0, -0.8125, 1.6875,  0, -0.8125,
       0,     0, 0.625,  1.6875,  0, -2.3125, 0.1875, 0, 2.6875,  -1.8125, 0, 2.1875});
  CHECK(difference(results[1], of_x, {.relative = 1e-15}) == kNone);
  const auto of_w = Array::of<double>(
      {4, 2, 2, 2},
      {0.75,    0.9375, 2.5,   -1.5,   0.8125, 1,       -2.375, -1.0625, 0.75,    1.6875, -2,
       2.25,    1.0625, 2,     2.25,   2.25,   -2.25,   2.6875, 0.25,    -1.0625, -2.375, 2.5625,
       -0.1875, -1.5,   -1.75, 1.8125, -0.375, -0.9375, -1.625, 1.9375,  -0.5625, -1.125});
  CHECK(difference(results[2], of_w, {.relative = 1e-15}) == kNone);
}

TEST_CASE("of_tied_extrema_the_first_gets_the_cotangent_as_in_pytorch", "[window]") {
  const auto pool_gradient = [](const Array& x, const Array& ct, const WindowAttrs& attrs) {
    const Function function = function_of({x.type(), ct.type()}, [&](const auto& in) {
      const std::array out = {build::reduce_window(in[0], Op::maximum, attrs)};
      return gradients(out, std::span(&in[1], 1), std::span(&in[0], 1));
    });
    return interpret(function, std::vector{x, ct})[0];
  };
  const auto x = Array::of<double>({4, 4}, {1, 3, 3, 0, 3, 3, 1, 2, 0, 2, 2, 2, 2, 2, 0, 2});
  const auto ct = Array::of<double>({2, 2}, {1, 2, 3, 4});
  // max_pool2d(x, 3, stride=2, padding=1)
  CHECK(
      pool_gradient(x, ct, {{3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}, {1, 1}})
          .same_bits(Array::of<double>({4, 4}, {0, 3, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})));
  // max_pool2d(x, 2, stride=1, dilation=2)
  CHECK(
      pool_gradient(x, ct, {{2, 2}, {1, 1}, {1, 1}, {2, 2}, {0, 0}, {0, 0}})
          .same_bits(Array::of<double>({4, 4}, {0, 2, 1, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})));
  // max_pool1d(v, 2): an element that is the initial value is still an element; NaN is the maximum.
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const auto v = Array::of<double>(
      {8}, {1, 3, std::numeric_limits<double>::quiet_NaN(), 2, -kInf, -kInf, -kInf, -kInf});
  CHECK(pool_gradient(v, Array::of<double>({4}, {1, 2, 3, 4}), {{2}, {2}, {1}, {1}, {0}, {0}})
            .same_bits(Array::of<double>({8}, {0, 1, 2, 0, 3, 0, 4, 0})));
}

TEST_CASE("an_initial_value_gets_the_cotangent_only_where_no_element_is_the_extremum", "[window]") {
  const std::vector<Array> inputs = {Array::of<double>({4}, {-1, -2, 0, -3}),
                                     Array::scalar<double>(0), Array::of<double>({2}, {10, 20})};
  const Function function = function_of(types_of(inputs), [](const std::vector<Value>& in) {
    const std::array out = {
        reduce_window(in[0], in[1], {{2}, {2}, {1}, {1}, {0}, {0}}, Op::maximum)};
    return gradients(out, std::span(&in[2], 1), std::span(in).first(2));
  });
  const auto found = interpret(function, inputs);
  CHECK(found[0].same_bits(Array::of<double>({4}, {0, 0, 20, 0})));
  CHECK(found[1].same_bits(Array::scalar<double>(10)));
}

TEST_CASE("a_product_of_windows_says_that_it_is_not_differentiable", "[window]") {
  const Type type{DType::f32, {4}};
  Graph graph;
  const Value x = graph.parameter(0, type);
  const std::array out = {build::reduce_window(x, Op::multiply, {{2}, {1}, {1}, {1}, {0}, {0}})};
  CHECK_THROWS_WITH(gradients(out, std::array{graph.splat(out[0].type(), 1)}, std::array{x}),
                    ContainsSubstring("reduce_window is not differentiable"));
}

TEST_CASE("impossible_convolutions_say_what_was_expected", "[window]") {
  Graph graph;
  const Value x = graph.parameter(0, {DType::f32, {2, 4, 8, 8}});
  const Value w = graph.parameter(1, {DType::f32, {6, 4, 3, 3}});
  ConvolutionAttrs fine;
  fine.input_feature = fine.output_feature = 1;
  fine.kernel_input_feature = 1;
  fine.input_spatial = fine.kernel_spatial = fine.output_spatial = {2, 3};
  fine.strides = fine.lhs_dilation = fine.rhs_dilation = {1, 1};
  fine.low = fine.high = fine.reversed = {0, 0};
  REQUIRE(build::convolution(x, w, fine).type() == Type{DType::f32, {2, 6, 6, 6}});
  const auto complains = [&](const auto& change, const std::string& expected) {
    ConvolutionAttrs attrs = fine;
    change(attrs);
    CHECK_THROWS_WITH(build::convolution(x, w, attrs), ContainsSubstring(expected));
  };
  using A = ConvolutionAttrs;
  complains([](A& a) { a.input_batch = 1; }, "input dimension numbers that name each of 4 axes");
  complains([](A& a) { a.kernel_spatial = {2}; }, "kernel dimension numbers that name each");
  complains([](A& a) { a.output_spatial = {2, 4}; }, "output dimension numbers that name each");
  complains([](A& a) { a.strides = {1}; }, "window strides for 2 axes, not [1]");
  complains([](A& a) { a.strides = {1, 0}; }, "window strides of at least 1, not [1, 0]");
  complains([](A& a) { a.lhs_dilation = {0, 1}; }, "lhs dilations of at least 1");
  complains([](A& a) { a.rhs_dilation = {1, -1}; }, "rhs dilations of at least 1");
  complains([](A& a) { a.low = {}; }, "low padding for 2 axes");
  complains([](A& a) { a.high = {1, 1, 1}; }, "high padding for 2 axes");
  complains([](A& a) { a.reversed = {0}; }, "window reversals for 2 axes");
  complains([](A& a) { a.feature_group_count = 3; }, "input features that 3 groups share evenly");
  complains([](A& a) { a.feature_group_count = 4; }, "output features that 4 groups share evenly");
  complains([](A& a) { a.feature_group_count = 2; }, "a kernel of 2 input features (its axis 1)");
  complains([](A& a) { a.feature_group_count = 0; }, "group counts of at least 1");
  complains([](A& a) { a.feature_group_count = a.batch_group_count = 2; }, "only one of them");
  complains([](A& a) { a.batch_group_count = 3; }, "batches that 3 groups share evenly, not 2");
  complains([](A& a) { a.low = {std::int64_t{1} << 62, 0}; }, "2^60 places");
  complains([](A& a) { a.lhs_dilation = {std::int64_t{1} << 62, 1}; }, "2^60 places");
  complains([](A& a) { a.low = {std::int64_t{1} << 59, 0}; }, "is impossible");
  CHECK_THROWS_WITH(build::convolution(x, graph.parameter(1, {DType::f64, {6, 4, 3, 3}}), fine),
                    ContainsSubstring("operands of one element type"));
  CHECK_THROWS_WITH(build::convolution(x, graph.parameter(1, {DType::f32, {6, 4, 3}}), fine),
                    ContainsSubstring("operands of one rank"));
}

TEST_CASE("impossible_windows_say_what_was_expected", "[window]") {
  Graph graph;
  const Value x = graph.parameter(0, {DType::f32, {4, 5}});
  const Value zero = graph.splat({DType::f32, {}}, 0);
  const WindowAttrs fine{{2, 2}, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}};
  const Region sum = combiner_region(graph, Op::add, DType::f32);
  REQUIRE(reduce_window({x, zero}, fine, sum).type() == Type{DType::f32, {3, 4}});
  const auto complains = [&](const auto& change, const std::string& expected) {
    WindowAttrs attrs = fine;
    change(attrs);
    CHECK_THROWS_WITH(reduce_window({x, zero}, attrs, sum), ContainsSubstring(expected));
  };
  using A = WindowAttrs;
  complains([](A& a) { a.extents = {2}; }, "window dimensions for 2 axes, not [2]");
  complains([](A& a) { a.extents = {2, 0}; }, "window dimensions of at least 1");
  complains([](A& a) { a.strides = {0, 1}; }, "window strides of at least 1");
  complains([](A& a) { a.base_dilations = {0, 1}; }, "base dilations of at least 1");
  complains([](A& a) { a.window_dilations = {0, 1}; }, "window dilations of at least 1");
  complains([](A& a) { a.low = {0}; }, "low padding for 2 axes");
  complains([](A& a) { a.high = {0}; }, "high padding for 2 axes");
  complains([](A& a) { a.low = {0, std::numeric_limits<std::int64_t>::min()}; }, "2^60 places");
  const auto wrong = [&](const std::vector<Value>& operands, const Region& region,
                         const std::string& expected) {
    CHECK_THROWS_WITH(reduce_window(operands, fine, region), ContainsSubstring(expected));
  };
  wrong({x}, sum, "as many initial values as inputs");
  wrong({x, x}, sum, "initial value f32[] for input f32[4, 5]");
  wrong({x, graph.splat({DType::f64, {}}, 0)}, sum, "initial value f32[]");
  wrong({x, graph.parameter(1, {DType::f32, {4}}), zero, zero}, sum, "inputs of one shape");
  wrong({x, zero}, combiner_region(graph, Op::add, DType::f64), "a region that combines two");
}

}  // namespace kiln
