// Gradients of each op of the table, in `exact`: what central differences say, first and second,
// and the same in every mode. (First derivatives of element-wise ops are in ops_test.cpp.)
#include <cmath>
#include <limits>
#include <set>

#include "ir/build.h"
#include "ir/interpret.h"
#include "ir/op.h"
#include "passes/autodiff.h"
#include "passes/widen.h"
#include "tests/catch.h"
#include "tests/op_cases.h"
#include "tests/support.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;
using namespace build;
using Values = std::vector<Value>;

/// Numbers of which no two are near each other, and none is near 0, away from which other inputs'
/// lie too.
Array apart(const Type& type, std::size_t input) {
  Array array(type);
  const auto count = array.count();
  for (std::int64_t i = 0; i < count; ++i) {
    const double place = (static_cast<double>(i * 7919 % count) + 0.5) / static_cast<double>(count);
    array.data<double>()[static_cast<std::size_t>(i)] =
        (i % 3 == 0 ? -1 : 1) * (0.3 + place + 0.0017 * static_cast<double>(input));
  }
  return array;
}

/// The function's arguments, its floats replaced by numbers that are apart.
std::vector<Array> moved_apart(const Function& function, const std::vector<Array>& inputs) {
  std::vector<Array> arguments;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    arguments.push_back(is_float(inputs[i].dtype()) ? apart(function.arguments[i].type, i)
                                                    : inputs[i]);
  return arguments;
}

/// The gradient of the sum of the results' cubes with respect to every float argument.
Function gradient_of_cubes(Function function) {
  Values cubes, ones, wrt;
  for (const Value y : function.results) {
    if (!is_float(y.type().dtype)) continue;
    cubes.push_back(multiply(y, multiply(y, y)));
    ones.push_back(like(y, 1));
  }
  for (std::size_t i = 0; i < function.arguments.size(); ++i)
    if (is_float(function.arguments[i].type.dtype))
      wrt.push_back(function.argument(static_cast<int>(i)));
  function.results = gradients(cubes, ones, wrt);
  return function;
}

std::int64_t elements_of(std::span<const Array> arrays) {
  std::int64_t count = 0;
  for (const Array& array : arrays) count += array.count();
  return count;
}

/// gradient(x; ct) for one op with one scalar or array argument x, everything else constant.
std::vector<Array> slopes(const std::vector<Array>& inputs,
                          const std::function<Value(const Values&)>& f, const Array& ct) {
  const Function function =
      function_of(types_of(inputs), [&](const Values& in) { return Values{f(in)}; });
  std::vector<Array> arguments = inputs;
  arguments.push_back(ct);
  return interpret(gradient_of(function), arguments);
}

Array f64s(Ints dims, const std::vector<double>& values) {
  return Array::of<double>(std::move(dims), std::span(values));
}

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNan = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("each_op_has_the_gradient_that_central_differences_say_twice_or_says_it_has_none") {
  // What has none: a window's product, repeated factors, and a number of rounds known only then.
  std::set<std::string> refused;
  for (int o = 0; o < kOpCount; ++o) {
    const OpDef& def = definition(static_cast<Op>(o));
    if (def.traits.elementwise || def.traits.leaf || def.traits.calls) continue;
    for (const OpCase& one : cases_of(def.op, DType::f32)) {
      INFO(def.name << ": " << one.label);
      const Function function = widened(function_of(
          types_of(one.inputs), [&](const Values& in) { return one.make(std::span(in)); }));
      const std::vector<Array> inputs = moved_apart(function, one.inputs);
      try {
        gradient_of(function);
      } catch (const Error& error) {
        CHECK_THAT(error.what(),
                   ContainsSubstring(std::string(def.name) + " is not differentiable") ||
                       ContainsSubstring("while is differentiable only where"));
        const bool combines = one.label.starts_with("multiply ");
        refused.insert(fmt::format("{}{}", def.name, combines ? " multiply" : ""));
        continue;
      }
      const std::int64_t work = elements_of(inputs) * elements_of(inputs);
      if (work > 200'000) continue;
      const Call gradient = check_differences(function, inputs, 1e-6);
      if (work > 4'000) continue;
      const Function second = gradient_of_cubes(function);
      check_differences(second, inputs, 1e-5);
    }
  }
  CHECK(refused == std::set<std::string>{"reduce_window multiply", "scatter multiply", "while"});
}

TEST_CASE("each_elementwise_op_has_a_second_derivative_that_central_differences_say") {
  // Away from the kinks at multiples of 1/2, inside every domain.
  Array points(Type{DType::f64, {16}});
  for (std::size_t i = 0; i < 16; ++i)
    points.data<double>()[i] = (i % 2 == 0 ? 0.13 : 0.57) + 0.04 * static_cast<double>(i / 2);
  for (int o = 0; o < kOpCount; ++o) {
    const OpDef& def = definition(static_cast<Op>(o));
    if (!def.traits.elementwise || def.arity < 1) continue;
    std::vector<Array> inputs;
    for (int i = 0; i < def.arity; ++i) {
      Array operand = points.clone();
      for (std::size_t e = 0; e < 16; ++e)
        operand.data<double>()[e] =
            points.data<double>()[(5 * static_cast<std::size_t>(i) + e) % 16];
      inputs.push_back(operand);
    }
    if (def.op == Op::select) inputs[0] = random_array({DType::i1, {16}}, 5);
    if (def.op == Op::convert || def.op == Op::bitcast_convert || def.op == Op::compare) continue;
    Function function;
    try {
      function = function_of(types_of(inputs), [&](const Values& in) {
        return Values{{in[0].graph().make(def.op, in), 0}};
      });
    } catch (const Error&) {
      continue;  // an op of integers
    }
    if (!is_float(function.results[0].type().dtype)) continue;
    INFO(def.name);
    check_differences(gradient_of_cubes(function), inputs, 1e-5);
  }
}

TEST_CASE("a_product_with_zeros_has_the_gradient_of_the_others") {
  const auto product = [](const Ints& axes) {
    return [axes](const Values& in) { return reduce(in[0], Op::multiply, axes); };
  };
  const auto of = [&](const Ints& dims, const std::vector<double>& x, const Ints& axes,
                      const Ints& result) {
    return slopes(
        {f64s(dims, x)}, product(axes),
        f64s(result, std::vector<double>(static_cast<std::size_t>(element_count(result)), 1.0)))[0];
  };
  CHECK(of({3}, {2, 0, 5}, {0}, {}).same_bits(f64s({3}, {0, 10, 0})));
  CHECK(of({3}, {0, 0, 5}, {0}, {}).same_bits(f64s({3}, {0, 0, 0})));
  CHECK(of({5}, {2, 3, -1, 4, 0.5}, {0}, {}).same_bits(f64s({5}, {-6, -4, 12, -3, -24})));
  CHECK(of({2, 3}, {1, 2, 3, 4, 0, 6}, {1}, {2}).same_bits(f64s({2, 3}, {6, 3, 2, 0, 24, 0})));
  CHECK(of({1}, {7}, {0}, {}).same_bits(f64s({1}, {1})));
  CHECK(of({0}, {}, {0}, {}).count() == 0);
  // What overflows with an element is finite without it.
  CHECK(of({3}, {1e300, 1e300, 1e-300}, {0}, {}).as_double(0) == Approx(1));
}

TEST_CASE("the_maximum_found_with_its_place_hands_its_cotangent_to_that_place") {
  // As JAX writes argmax: larger or NaN first, ties to the smaller index.
  const auto argmax = [](const Values& in) {
    Graph& graph = in[0].graph();
    const Type real{DType::f64, {}}, whole{DType::i32, {}};
    const Value a = graph.parameter(0, real), i = graph.parameter(1, whole);
    const Value b = graph.parameter(2, real), j = graph.parameter(3, whole);
    const auto either = [](Value p, Value q) { return binary(Op::or_, p, q); };
    const Value larger = either(compare(a, b, Direction::GT), compare(a, a, Direction::NE));
    const Value first = either(
        larger, binary(Op::and_, compare(a, b, Direction::EQ), compare(i, j, Direction::LT)));
    const Region region{{real, whole, real, whole}, {select(larger, a, b), select(first, i, j)}};
    const Value numbers = iota(graph, {DType::i32, in[0].type().dims}, 1);
    return Value{
        graph.make(Op::reduce, {in[0], numbers, graph.splat(real, -kInf), graph.splat(whole, 0)},
                   DimsAttrs{{1}}, std::nullopt, {region}),
        0};
  };
  const Array x = f64s({2, 4}, {1, 5, 3, 2, -1, -4, -kInf, -2});
  CHECK(slopes({x}, argmax, f64s({2}, {10, 20}))[0].same_bits(
      f64s({2, 4}, {0, 10, 0, 0, 20, 0, 0, 0})));
  check_gradient({apart({DType::f64, {3, 5}}, 0)},
                 [&](const Values& in) { return Values{argmax(in)}; });
}

TEST_CASE("repeated_indices_accumulate_clamped_ones_count_where_they_are_read") {
  const Array places = Array::of<std::int32_t>({5}, {2, 0, 2, 9, -3});
  const auto taken = [](const Values& in) { return take(in[0], in[1], 0); };
  CHECK(slopes({f64s({3}, {1, 2, 3}), places}, taken, f64s({5}, {1, 2, 4, 8, 16}))[0].same_bits(
      f64s({3}, {18, 0, 13})));
  // A scatter drops what lies outside.
  const auto put = [](Op combiner) {
    return [combiner](const Values& in) {
      const ScatterAttrs to = take_places(in[0].type(), in[1].type(), 0);
      return combiner == Op::parameter ? scatter_replace(in[0], in[1], in[2], to)
                                       : scatter(in[0], in[1], in[2], to, combiner);
    };
  };
  const std::vector<Array> inputs = {f64s({3}, {1, 2, 3}), places, f64s({5}, {7, 1, 9, 5, 5})};
  const Array ct = f64s({3}, {1, 10, 100});
  const auto check = [&](Op combiner, const std::vector<double>& of_x,
                         const std::vector<double>& of_updates) {
    INFO(definition(combiner).name);
    const std::vector<Array> found = slopes(inputs, put(combiner), ct);
    CHECK(difference(found[0], f64s({3}, of_x), {.ulps = 1}) == kNone);
    CHECK(difference(found[1], f64s({5}, of_updates), {.ulps = 1}) == kNone);
  };
  check(Op::add, {1, 10, 100}, {100, 1, 100, 0, 0});
  check(Op::subtract, {1, 10, 100}, {-100, -1, -100, -0.0, -0.0});
  check(Op::parameter, {0, 10, 0}, {0, 1, 100, 0, 0});    // the last one wins
  check(Op::maximum, {0.5, 10, 0}, {0, 0.5, 100, 0, 0});  // 1 is in both
  check(Op::minimum, {0.5, 10, 100}, {0, 0.5, 0, 0, 0});
  CHECK_THROWS_WITH(slopes(inputs, put(Op::multiply), ct),
                    ContainsSubstring("scatter is not differentiable"));
}

TEST_CASE("powers_have_pytorchs_subgradients_and_finite_higher_ones") {
  const auto slope = [](double a, double b, std::size_t operand) {
    return slopes(
               {Array::scalar(a), Array::scalar(b)},
               [](const Values& in) { return binary(Op::power, in[0], in[1]); },
               Array::scalar<double>(1))[operand]
        .as_double(0);
  };
  CHECK(slope(0, 0, 0) == 0);
  CHECK(slope(kNan, 0, 0) == 0);
  CHECK(slope(kInf, 0, 0) == 0);
  CHECK(slope(0, 2, 0) == 0);
  CHECK(slope(0, 1, 0) == 1);
  CHECK(slope(0, 0.5, 0) == kInf);
  CHECK(slope(0, 0, 1) == 0);
  CHECK(slope(0, 3, 1) == 0);
  CHECK(slope(2, 0, 1) == std::log(2.0));
  // Derivatives of x cubed at 0: 0, 0, 6, 0, 0.
  const Function function = function_of({Type{DType::f64, {}}}, [&](const Values& in) {
    Value y = binary(Op::power, in[0], like(in[0], 3));
    Values all;
    for (int i = 0; i < 5; ++i) {
      y = gradients(Values{y}, Values{like(y, 1)}, in)[0];
      all.push_back(y);
    }
    return all;
  });
  const std::vector<Array> found = interpret(function, std::vector{Array::scalar<double>(0)});
  const double expected[] = {0, 0, 6, 0, 0};
  for (std::size_t i = 0; i < 5; ++i) CHECK(found[i].as_double(0) == expected[i]);
}

TEST_CASE("a_remainders_slope_counts_whole_divisors_where_the_quotient_rounds") {
  // The quotient rounds to 9, but there are only 8 whole divisors.
  const double a = std::nextafter(3.0, 0), b = 1.0 / 3;
  const auto found = slopes(
      {Array::scalar(a), Array::scalar(b)},
      [](const Values& in) { return binary(Op::remainder, in[0], in[1]); },
      Array::scalar<double>(1));
  CHECK(found[0].as_double(0) == 1);
  REQUIRE(a / b == 9);
  CHECK(found[1].as_double(0) == -8);
}

TEST_CASE("attention_is_differentiated_twice") {
  const auto matmul = [](Value a, Value b, std::int64_t over) {
    return dot_general(a, b, {{}, {}, {1}, {over}});
  };
  const Body attention = [&](const Values& in) {
    const Value scores = matmul(in[0], in[1], 1);
    const auto widen = [&](Value v) { return broadcast(v, scores.type().dims, {0}); };
    const Value weights =
        unary(Op::exponential, subtract(scores, widen(reduce(scores, Op::maximum, {1}))));
    const Value sums = widen(reduce(weights, Op::add, {1}));
    return Values{matmul(divide(weights, sums), in[2], 0)};
  };
  const std::vector<Array> inputs = {apart({DType::f64, {3, 4}}, 0), apart({DType::f64, {5, 4}}, 1),
                                     apart({DType::f64, {5, 2}}, 2)};
  check_gradient(inputs, attention, 1e-6);
  const Function second = gradient_of_cubes(function_of(types_of(inputs), attention));
  check_modes(second, inputs, {.relative = 1e-12});
  check_differences(second, inputs, 1e-5);
}

TEST_CASE("integers_and_booleans_have_no_cotangent") {
  const Function function =
      function_of({Type{DType::f32, {4}}, Type{DType::i32, {4}}}, [](const Values& in) {
        const Value whole = convert(in[0], DType::i32);
        return Values{multiply(in[0], convert(add(whole, in[1]), DType::f32)),
                      convert(convert(in[0], DType::f64), DType::f32)};
      });
  const Function gradient = gradient_of(function);
  REQUIRE(gradient.results.size() == 1);
  const auto found = interpret(gradient, std::vector{Array::of<float>({4}, {1.5, 2.5, -1, 0}),
                                                     Array::of<std::int32_t>({4}, {1, 2, 3, 4}),
                                                     Array::of<float>({4}, {1, 1, 1, 1}),
                                                     Array::of<float>({4}, {0, 0, 0, 8})});
  CHECK(found[0].same_bits(Array::of<float>({4}, {2, 4, 2, 12})));
}

TEST_CASE("where_no_cotangent_reaches_there_are_no_zeros_to_add") {
  const Function function = function_of({Type{DType::f64, {8}}}, [](const Values& in) {
    const Value sorted = sort({in[0], multiply(in[0], in[0])}, 0)[0];
    return gradients(Values{sorted}, Values{like(sorted, 2)}, in);
  });
  for (const Node* node : topological(function.results)) CHECK(node->op() != Op::add);
}

}  // namespace kiln
