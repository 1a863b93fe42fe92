// The ops that move and combine elements: every shape and layout of a table, in every mode, with
// gradients.
#include <cmath>
#include <limits>

#include "ir/build.h"
#include "ir/interpret.h"
#include "ir/op.h"
#include "tests/catch.h"
#include "tests/support.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;

const std::vector<DType> kDTypes = {DType::f32, DType::f64, DType::i32, DType::i1};

std::string complaint_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no Error";
}

// ---- views

struct View {
  enum Kind { broadcast, transpose, reshape } kind;
  Ints from, to, axes;

  Value operator()(Value x) const {
    if (kind == broadcast) return build::broadcast(x, to, axes);
    if (kind == transpose) return build::transpose(x, axes);
    return build::reshape(x, to);
  }
};

const std::vector<View> kViews = {
    {View::broadcast, {}, {3, 5}, {}},
    {View::broadcast, {5}, {3, 5}, {1}},
    {View::broadcast, {3}, {3, 5}, {0}},
    {View::broadcast, {3, 1}, {3, 17}, {0, 1}},
    {View::broadcast, {1, 1}, {16, 17}, {0, 1}},
    {View::broadcast, {17, 3}, {3, 2, 17}, {2, 0}},  // axes swapped on the way
    {View::broadcast, {4, 1, 3}, {3, 5, 4, 2}, {2, 1, 0}},
    {View::broadcast, {2, 3}, {2, 3}, {0, 1}},
    {View::broadcast, {0}, {3, 0}, {1}},
    {View::broadcast, {1}, {0}, {0}},
    {View::transpose, {16, 17}, {}, {1, 0}},
    {View::transpose, {5, 3}, {}, {0, 1}},
    {View::transpose, {2, 3, 17}, {}, {2, 0, 1}},
    {View::transpose, {2, 3, 17}, {}, {1, 0, 2}},
    {View::transpose, {2, 1, 3, 5}, {}, {3, 1, 0, 2}},
    {View::transpose, {1, 7}, {}, {1, 0}},
    {View::transpose, {0, 7}, {}, {1, 0}},
    {View::transpose, {}, {}, {}},
    {View::reshape, {16, 15}, {15, 16}, {}},
    {View::reshape, {6, 5}, {2, 15}, {}},
    {View::reshape, {30}, {2, 3, 5}, {}},
    {View::reshape, {7}, {1, 7, 1}, {}},
    {View::reshape, {1, 1}, {}, {}},
    {View::reshape, {0, 4}, {2, 0}, {}},
};

}  // namespace

TEST_CASE("views_alone_below_and_above_arithmetic_mean_the_same_in_every_mode") {
  std::vector<Array> inputs;
  for (DType dtype : kDTypes)
    for (const View& view : kViews)
      inputs.push_back(random_array({dtype, view.from}, inputs.size(), -9, 9));
  const Function function = function_of(types_of(inputs), [](const std::vector<Value>& arguments) {
    std::vector<Value> results;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const View& view = kViews[i % kViews.size()];
      const Value x = arguments[i], y = view(x);
      results.push_back(y);
      results.push_back(build::add(y, y));
      results.push_back(view(build::multiply(x, x)));
    }
    return results;
  });
  check_modes(function, inputs);
}

TEST_CASE("chains_of_views_mean_the_same_in_every_mode") {
  // Each view of the table whose shape fits, after each other one, with arithmetic on both ends.
  std::vector<Array> inputs;
  std::vector<std::pair<const View*, const View*>> chains;
  Graph graph;
  for (const View& first : kViews)
    for (const View& second : kViews) {
      const Value y = first(graph.parameter(0, {DType::f32, first.from}));
      if (y.type().dims != second.from) continue;
      chains.emplace_back(&first, &second);
      inputs.push_back(random_array({DType::f32, first.from}, inputs.size()));
    }
  REQUIRE(chains.size() > 5);
  check_modes(function_of(types_of(inputs),
                          [&](const std::vector<Value>& arguments) {
                            std::vector<Value> results;
                            for (std::size_t i = 0; i < arguments.size(); ++i) {
                              const auto& [first, second] = chains[i];
                              const Value x = arguments[i];
                              const Value middle = (*first)(build::negate(x));
                              results.push_back((*second)((*first)(x)));
                              results.push_back(
                                  build::add((*second)(middle), build::like((*second)(middle), 1)));
                              results.push_back(middle);
                            }
                            return results;
                          }),
              inputs);
}

TEST_CASE("gradients_of_views_are_what_central_differences_say") {
  for (const View& view : kViews)
    check_gradient({random_array({DType::f64, view.from}, 1)}, [&](const std::vector<Value>& x) {
      const Value y = view(x[0]);
      return std::vector{y, build::multiply(y, y)};
    });
}

TEST_CASE("views_refuse_shapes_that_do_not_fit_by_name") {
  Graph graph;
  const Value x = graph.parameter(0, {DType::f32, {2, 3}});
  const auto says = [&](const std::function<void()>& f, const std::string& text) {
    CHECK_THAT(complaint_of(f), ContainsSubstring(text) && ContainsSubstring("found f32[2, 3]"));
  };
  says([&] { build::broadcast(x, {2, 4}, {0, 1}); }, "broadcast_in_dim: expected");
  says([&] { build::broadcast(x, {2, 3}, {0, 0}); }, "broadcast_in_dim: expected");
  says([&] { build::broadcast(x, {2, 3}, {0, 2}); }, "broadcast_in_dim: expected");
  says([&] { build::broadcast(x, {2, 3}, {0}); }, "broadcast_in_dim: expected");
  says([&] { build::transpose(x, {0, 0}); },
       "transpose: expected a permutation of 2 axes, not [0, 0]");
  says([&] { build::transpose(x, {0}); }, "transpose: expected");
  says([&] { build::transpose(x, {0, -1}); }, "transpose: expected");
  says([&] { build::reshape(x, {4}); }, "reshape: expected 4 elements for f32[4]");
}

// ---- reduce

namespace {

struct ReduceCase {
  Ints dims, axes;
};
const std::vector<ReduceCase> kReductions = {
    {{17}, {0}},
    {{16}, {0}},
    {{1}, {0}},
    {{0}, {0}},
    {{}, {}},
    {{5}, {}},
    {{16, 17}, {0}},
    {{16, 17}, {1}},
    {{16, 17}, {0, 1}},
    {{3, 5, 7}, {0, 2}},
    {{3, 5, 7}, {1}},
    {{3, 5, 7}, {1, 2}},
    {{3, 5, 7}, {0, 1, 2}},
    {{2, 3, 1, 33}, {1, 2}},
    {{2, 3, 1, 33}, {3, 0}},
    {{4, 0, 3}, {1}},
    {{4, 0, 3}, {0}},
    {{1, 5000}, {1}},
    {{5000, 2}, {0}},
};

bool combines(Op combiner, DType dtype) {
  const bool bits = combiner == Op::and_ || combiner == Op::or_ || combiner == Op::xor_;
  return !bits || !is_float(dtype);
}

Value reduce_from(Value x, Value initial, Op combiner, const Ints& axes) {
  Graph& graph = x.graph();
  return {graph.make(Op::reduce, {x, initial}, DimsAttrs{axes}, std::nullopt,
                     {combiner_region(graph, combiner, x.type().dtype)}),
          0};
}
Value reduce_from(Value x, double initial, Op combiner, const Ints& axes) {
  return reduce_from(x, x.graph().splat({x.type().dtype, {}}, initial), combiner, axes);
}

}  // namespace

TEST_CASE("reduce_means_the_same_in_every_mode_for_every_combiner_dtype_and_axes") {
  for (const Op combiner :
       {Op::add, Op::multiply, Op::maximum, Op::minimum, Op::and_, Op::or_, Op::xor_}) {
    std::vector<Array> inputs;
    for (DType dtype : kDTypes)
      for (const ReduceCase& r : kReductions)
        if (combines(combiner, dtype))
          inputs.push_back(random_array({dtype, r.dims}, inputs.size(),
                                        combiner == Op::multiply ? 0.9 : -9,
                                        combiner == Op::multiply ? 1.1 : 9));
    const Function function =
        function_of(types_of(inputs), [&](const std::vector<Value>& arguments) {
          std::vector<Value> results;
          for (std::size_t i = 0; i < arguments.size(); ++i) {
            const Ints& axes = kReductions[i % kReductions.size()].axes;
            results.push_back(build::reduce(arguments[i], combiner, axes));
            results.push_back(reduce_from(arguments[i], 3, combiner, axes));
          }
          return results;
        });
    INFO(definition(combiner).name);
    // Integers exactly; floats up to the order of summation.
    const bool rounds = combiner == Op::add || combiner == Op::multiply;
    check_modes(function, inputs, {.relative = rounds ? 1e-4 : 0});
    std::vector<Array> arguments;
    for (const Array& input : inputs)
      arguments.push_back(input.dtype() == DType::f32 ? input.converted(DType::f64) : input);
    if (rounds) {
      const Function same = function_of(types_of(arguments), [&](const std::vector<Value>& x) {
        std::vector<Value> results;
        for (std::size_t i = 0; i < x.size(); ++i)
          results.push_back(
              build::reduce(x[i], combiner, kReductions[i % kReductions.size()].axes));
        return results;
      });
      check_modes(same, arguments, {.relative = 1e-13});
    }
  }
}

TEST_CASE("maximum_and_minimum_over_an_axis_propagate_nan_and_order_zeros") {
  const double nan = std::numeric_limits<double>::quiet_NaN(),
               inf = std::numeric_limits<double>::infinity();
  Array x(Type{DType::f64, {4, 19}});
  x.data<double>()[5] = nan;  // row 0: one NaN
  for (int i = 19; i < 38; ++i) x.data<double>()[static_cast<std::size_t>(i)] = -0.0;
  x.data<double>()[30] = 0.0;  // row 1: one +0 among -0
  for (int i = 38; i < 57; ++i) x.data<double>()[static_cast<std::size_t>(i)] = -inf;
  for (int i = 57; i < 76; ++i) x.data<double>()[static_cast<std::size_t>(i)] = i % 2 ? inf : -inf;
  check_modes(function_of({x.type()},
                          [](const std::vector<Value>& v) {
                            std::vector<Value> results;
                            for (const Ints& axes : {Ints{0}, Ints{1}, Ints{0, 1}})
                              for (Op combiner : {Op::maximum, Op::minimum})
                                results.push_back(build::reduce(v[0], combiner, axes));
                            return results;
                          }),
              std::vector{x});
}

TEST_CASE("a_sum_of_negative_zeros_is_what_the_reference_says") {
  Array x(Type{DType::f32, {3, 18}});
  for (float& e : x.data<float>()) e = -0.0f;
  check_modes(function_of({x.type()},
                          [](const std::vector<Value>& v) {
                            std::vector<Value> results;
                            for (const Ints& axes : {Ints{0}, Ints{1}, Ints{0, 1}})
                              for (double initial : {0.0, -0.0})
                                results.push_back(reduce_from(v[0], initial, Op::add, axes));
                            return results;
                          }),
              std::vector{x});
}

TEST_CASE("reduce_with_a_region_of_several_ops_means_the_same_in_every_mode") {
  // acc + x·x - acc·x/64 … no order but the given one is right, and nothing folds lanes.
  for (DType dtype : {DType::f32, DType::f64, DType::i32}) {
    std::vector<Array> inputs;
    for (const ReduceCase& r : kReductions)
      inputs.push_back(random_array({dtype, r.dims}, inputs.size()));
    check_modes(
        function_of(
            types_of(inputs),
            [&](const std::vector<Value>& arguments) {
              std::vector<Value> results;
              for (std::size_t i = 0; i < arguments.size(); ++i) {
                Graph& graph = arguments[i].graph();
                const Type scalar{dtype, {}};
                const Value acc = graph.parameter(0, scalar), x = graph.parameter(1, scalar);
                const Value mixed = build::subtract(
                    build::add(acc, build::multiply(x, x)),
                    build::divide(build::multiply(acc, x), graph.splat(scalar, 64)));
                results.push_back({graph.make(Op::reduce, {arguments[i], graph.splat(scalar, 1)},
                                              DimsAttrs{kReductions[i].axes}, std::nullopt,
                                              {Region{{scalar, scalar}, {mixed}}}),
                                   0});
              }
              return results;
            }),
        inputs, {.ulps = 0});
  }
}

TEST_CASE("reduce_of_pairs_finds_maxima_and_their_indices_in_every_mode") {
  for (DType dtype : {DType::f32, DType::f64, DType::i32}) {
    std::vector<Array> inputs;
    for (const ReduceCase& r : kReductions)
      inputs.push_back(random_array({dtype, r.dims}, inputs.size(), 0, 9));
    check_modes(
        function_of(
            types_of(inputs),
            [&](const std::vector<Value>& arguments) {
              std::vector<Value> results;
              for (std::size_t i = 0; i < arguments.size(); ++i) {
                if (kReductions[i].dims.empty()) continue;
                Graph& graph = arguments[i].graph();
                const Type scalar{dtype, {}}, number{DType::i64, {}};
                const Value best = graph.parameter(0, scalar), at = graph.parameter(1, number);
                const Value x = graph.parameter(2, scalar), here = graph.parameter(3, number);
                const Value better = build::compare(x, best, Direction::GT);
                const Region region{
                    {scalar, number, scalar, number},
                    {build::select(better, x, best), build::select(better, here, at)}};
                const Value index =
                    build::iota(graph, {DType::i64, kReductions[i].dims},
                                static_cast<std::int64_t>(kReductions[i].dims.size()) - 1);
                const Node* both = graph.make(
                    Op::reduce,
                    {arguments[i], index, graph.splat(scalar, -100), graph.splat(number, -1)},
                    DimsAttrs{kReductions[i].axes}, std::nullopt, {region});
                results.push_back({both, 0});
                results.push_back({both, 1});
                results.push_back(build::add({both, 1}, {both, 1}));
              }
              return results;
            }),
        inputs);
  }
}

TEST_CASE("gradients_of_reductions_are_what_central_differences_say") {
  for (const ReduceCase& r : kReductions) {
    if (element_count(r.dims) > 1000) continue;
    check_gradient({random_array({DType::f64, r.dims}, 3)}, [&](const std::vector<Value>& x) {
      const Value sum = build::reduce(x[0], Op::add, r.axes);
      std::vector<Value> results = {sum, build::multiply(sum, sum)};
      for (const Op combiner : {Op::maximum, Op::minimum})
        if (element_count(r.dims) > 0) results.push_back(build::reduce(x[0], combiner, r.axes));
      return results;
    });
  }
}

TEST_CASE("the_initial_value_of_a_reduction_has_its_gradient") {
  check_gradient({random_array({DType::f64, {3, 4}}, 3), random_array({DType::f64, {}}, 4)},
                 [&](const std::vector<Value>& x) {
                   std::vector<Value> results;
                   for (Op combiner : {Op::add, Op::maximum, Op::minimum})
                     results.push_back(reduce_from(x[0], x[1], combiner, {1}));
                   return results;
                 });
  // An extremum that no element reaches has none: the initial value is it.
  const std::vector<Array> inputs = {Array::of<double>({3}, {-1, -2, -3}), Array::scalar(1.0)};
  const Function function = function_of({inputs[0].type()}, [](const std::vector<Value>& x) {
    return std::vector{
        reduce_from(x[0], x[0].graph().splat({DType::f64, {}}, 0), Op::maximum, {0})};
  });
  CHECK(difference(interpret(gradient_of(function), inputs)[0],
                   Array::of<double>({3}, {0, 0, 0})) == kNone);
}

TEST_CASE("tied_extrema_share_the_gradient_equally") {
  const std::vector<Array> inputs = {Array::of<double>({2, 3}, {1, 5, 5, 2, 2, 2}),
                                     Array::of<double>({2}, {6, 6})};
  const Function function = function_of({inputs[0].type()}, [](const std::vector<Value>& x) {
    return std::vector{build::reduce(x[0], Op::maximum, {1})};
  });
  CHECK(difference(interpret(gradient_of(function), inputs)[0],
                   Array::of<double>({2, 3}, {0, 3, 3, 2, 2, 2})) == kNone);
}

TEST_CASE("reduce_refuses_what_does_not_fit_by_name") {
  Graph graph;
  const Value x = graph.parameter(0, {DType::f32, {2, 3}}), zero = graph.splat({DType::f32, {}}, 0);
  const auto reduce = [&](std::vector<Value> operands, const Ints& axes, DType region) {
    graph.make(Op::reduce, std::move(operands), DimsAttrs{axes}, std::nullopt,
               {combiner_region(graph, Op::add, region)}, {"user.cpp", 5, 1});
  };
  const auto says = [&](std::vector<Value> operands, const Ints& axes, DType region,
                        const std::string& text) {
    CHECK_THAT(complaint_of([&] { reduce(operands, axes, region); }),
               ContainsSubstring("user.cpp:5: reduce: expected " + text) &&
                   ContainsSubstring("found f32[2, 3]"));
  };
  says({x, zero}, {2}, DType::f32, "axes of f32[2, 3] that do not repeat, not [2]");
  says({x, zero}, {0, 0}, DType::f32, "axes of f32[2, 3] that do not repeat, not [0, 0]");
  says({x, zero}, {-1}, DType::f32, "axes of f32[2, 3]");
  says({x, x}, {0}, DType::f32, "initial value f32[] for input f32[2, 3]");
  says({x}, {0}, DType::f32, "as many initial values as inputs");
  says({x, zero}, {0}, DType::f64, "a region that combines two scalars");
}

// ---- dot_general

namespace {

struct Dot {
  Ints lhs, rhs;
  DotAttrs attrs;  // batch × batch, contracting × contracting
};
const std::vector<Dot> kDots = {
    {{5, 7}, {7, 3}, {{}, {}, {1}, {0}}},
    {{5, 7}, {3, 7}, {{}, {}, {1}, {1}}},  // A·Bᵀ
    {{7, 5}, {7, 3}, {{}, {}, {0}, {0}}},  // Aᵀ·B
    {{7, 5}, {3, 7}, {{}, {}, {0}, {1}}},  // Aᵀ·Bᵀ
    {{17, 16}, {16, 33}, {{}, {}, {1}, {0}}},
    {{70, 40}, {33, 40}, {{}, {}, {1}, {1}}},  // packed
    {{1, 7}, {7, 3}, {{}, {}, {1}, {0}}},      // one row
    {{5, 7}, {7, 1}, {{}, {}, {1}, {0}}},      // one column
    {{5, 1}, {1, 3}, {{}, {}, {1}, {0}}},      // nothing to sum
    {{1, 1}, {1, 1}, {{}, {}, {1}, {0}}},
    {{5, 0}, {0, 3}, {{}, {}, {1}, {0}}},  // an empty sum
    {{0, 7}, {7, 3}, {{}, {}, {1}, {0}}},  // an empty result
    {{7}, {7}, {{}, {}, {0}, {0}}},
    {{7}, {5}, {{}, {}, {}, {}}},  // outer product
    {{}, {}, {{}, {}, {}, {}}},
    {{}, {4}, {{}, {}, {}, {}}},
    {{4, 5, 7}, {4, 7, 3}, {{0}, {0}, {2}, {1}}},              // a batch
    {{5, 4, 7}, {3, 7, 4}, {{1}, {2}, {2}, {1}}},              // the batch elsewhere
    {{2, 3, 5, 7}, {3, 2, 7, 4}, {{0, 1}, {1, 0}, {3}, {2}}},  // two, in another order
    {{4, 7}, {4, 7}, {{0}, {0}, {1}, {1}}},                    // a batch of scalars
    {{4, 7}, {4, 7}, {{0, 1}, {0, 1}, {}, {}}},                // batch alone
    {{3, 5, 7}, {5, 7, 4}, {{}, {}, {1, 2}, {0, 1}}},          // several contracted
    {{3, 5, 7}, {7, 4, 5}, {{}, {}, {1, 2}, {2, 0}}},          // in another order
    {{3, 5, 7}, {7, 4, 5}, {{}, {}, {2, 1}, {0, 2}}},
    {{2, 3, 4}, {4, 5, 6}, {{}, {}, {2}, {0}}},  // several free
    {{3, 2, 17}, {18, 17}, {{}, {}, {2}, {1}}},
    {{3, 5}, {3, 5}, {{}, {}, {0, 1}, {0, 1}}},  // to a scalar
};

}  // namespace

TEST_CASE("dot_general_means_the_same_in_every_mode_for_every_layout") {
  // Even floats exactly: each result is one ascending chain of fused multiply-adds everywhere.
  for (const DType dtype : {DType::f32, DType::f64, DType::i32, DType::ui8, DType::i1}) {
    std::vector<Array> inputs;
    for (const Dot& dot : kDots) {
      inputs.push_back(random_array({dtype, dot.lhs}, inputs.size(), -5, 5));
      inputs.push_back(random_array({dtype, dot.rhs}, inputs.size(), -5, 5));
    }
    INFO(name_of(dtype));
    check_modes(function_of(types_of(inputs),
                            [](const std::vector<Value>& x) {
                              std::vector<Value> results;
                              for (std::size_t i = 0; i < kDots.size(); ++i)
                                results.push_back(
                                    build::dot_general(x[2 * i], x[2 * i + 1], kDots[i].attrs));
                              return results;
                            }),
                inputs);
  }
}

TEST_CASE("dot_general_with_prologue_and_epilogue_means_the_same_in_every_mode") {
  for (const DType dtype : {DType::f32, DType::f64, DType::i32}) {
    std::vector<Array> inputs;
    for (const Dot& dot : kDots) {
      inputs.push_back(random_array({dtype, dot.lhs}, inputs.size(), -5, 5));
      inputs.push_back(random_array({dtype, dot.rhs}, inputs.size(), -5, 5));
    }
    INFO(name_of(dtype));
    check_modes(function_of(types_of(inputs),
                            [](const std::vector<Value>& x) {
                              std::vector<Value> results;
                              for (std::size_t i = 0; i < kDots.size(); ++i) {
                                const Value y = build::dot_general(build::negate(x[2 * i]),
                                                                   x[2 * i + 1], kDots[i].attrs);
                                const Value positive = build::select(
                                    build::compare(y, build::like(y, 0), Direction::LE),
                                    build::like(y, 0), y);
                                results.push_back(positive);
                                results.push_back(build::subtract(y, build::like(y, 1)));
                                if (y.type().rank() > 0) {
                                  Ints last = {y.type().rank() - 1};
                                  results.push_back(build::reduce(positive, Op::maximum, last));
                                }
                              }
                              return results;
                            }),
                inputs);
  }
}

TEST_CASE("gradients_of_dot_general_are_what_central_differences_say") {
  for (const Dot& dot : kDots) {
    if (element_count(dot.lhs) > 300) continue;
    check_gradient({random_array({DType::f64, dot.lhs}, 1), random_array({DType::f64, dot.rhs}, 2)},
                   [&](const std::vector<Value>& x) {
                     return std::vector{build::dot_general(x[0], x[1], dot.attrs)};
                   });
  }
}

TEST_CASE("the_gradient_of_a_product_of_a_matrix_with_itself_counts_both_factors") {
  check_gradient({random_array({DType::f64, {5, 5}}, 1)}, [&](const std::vector<Value>& x) {
    return std::vector{build::dot_general(x[0], x[0], {{}, {}, {1}, {0}}),
                       build::dot_general(x[0], x[0], {{}, {}, {1}, {1}})};
  });
}

TEST_CASE("dot_general_refuses_what_does_not_fit_by_name_with_both_types") {
  Graph graph;
  const Value a = graph.parameter(0, {DType::f32, {2, 3}}),
              b = graph.parameter(1, {DType::f32, {4, 5}});
  const Value i = graph.parameter(2, {DType::i32, {3, 2}});
  const auto says = [&](Value x, Value y, const DotAttrs& attrs, const std::string& text) {
    CHECK(complaint_of([&] { build::dot_general(x, y, attrs, {"user.cpp", 5, 1}); }) ==
          fmt::format("user.cpp:5: dot_general: expected {}, found {} and {}", text,
                      x.type().pretty(), y.type().pretty()));
  };
  const std::string axes = "batch and contracting axes that exist, pair up and do not repeat";
  says(a, b, {{}, {}, {1}, {0}}, "equal extents on contracted axes 1 and 0");
  says(a, b, {{0}, {0}, {1}, {1}}, "equal extents on batch axes 0 and 0");
  says(a, i, {{}, {}, {1}, {0}}, "operands of one element type");
  says(a, b, {{}, {}, {1}, {}}, axes);
  says(a, b, {{}, {}, {2}, {0}}, axes);
  says(a, b, {{0}, {0}, {0}, {0}}, axes);
  says(a, b, {{}, {}, {-1}, {0}}, axes);
}

}  // namespace kiln
