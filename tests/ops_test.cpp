// Each element-wise row of the op table, tested from the table alone: a new op needs nothing here,
// unless it has attributes of its own.
#include "ir/op.h"

#include <cmath>
#include <limits>
#include <set>

#include "ir/build.h"
#include "ir/interpret.h"
#include "passes/autodiff.h"
#include "tests/catch.h"
#include "tests/support.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;

std::vector<const OpDef*> elementwise_rows() {
  std::vector<const OpDef*> rows;
  for (int i = 0; i < kOpCount; ++i)
    if (const OpDef& def = definition(static_cast<Op>(i)); def.traits.elementwise)
      rows.push_back(&def);
  return rows;
}

std::vector<DType> all_dtypes() {
  std::vector<DType> all;
  for (int i = 0; i < kDTypeCount; ++i) all.push_back(static_cast<DType>(i));
  return all;
}

/// An op with what it is made of beside operands.
struct Variant {
  const OpDef* def;
  Attrs attrs;
  std::optional<DType> result;  // asked for
  std::vector<DType> operands;

  Value make(std::vector<Value> values, const Location& where = {}) const {
    std::optional<Type> type;
    if (result) type = Type{*result, values[0].type().dims};
    Graph& graph = values[0].graph();
    return {graph.make(def->op, std::move(values), attrs, type, {}, where), 0};
  }
  std::string str() const {
    std::string text(def->name);
    if (const auto* compare = std::get_if<CompareAttrs>(&attrs))
      text += fmt::format(" {}", name_of(compare->direction));
    for (DType dtype : operands) text += fmt::format(" {}", name_of(dtype));
    return result ? fmt::format("{} to {}", text, name_of(*result)) : text;
  }
};

std::vector<Attrs> attributes(Op op) {
  if (op != Op::compare) return {NoAttrs{}};
  std::vector<Attrs> all;
  for (int i = 0; i < 6; ++i) all.emplace_back(CompareAttrs{static_cast<Direction>(i)});
  return all;
}

std::vector<std::optional<DType>> results_asked_for(Op op) {
  if (op != Op::convert && op != Op::bitcast_convert) return {std::nullopt};
  const auto all = all_dtypes();
  return {all.begin(), all.end()};
}

/// All choices of operand types, attributes and result type; whether the shape rule takes them.
template <class F>
void for_each_variant(const OpDef& def, F&& f) {
  std::vector<std::vector<DType>> choices{{}};
  for (int i = 0; i < def.arity; ++i) {
    std::vector<std::vector<DType>> longer;
    for (const auto& choice : choices)
      for (DType dtype : all_dtypes()) {
        longer.push_back(choice);
        longer.back().push_back(dtype);
      }
    choices = std::move(longer);
  }
  Graph graph;
  for (const auto& operands : choices)
    for (const Attrs& attrs : attributes(def.op))
      for (const auto result : results_asked_for(def.op)) {
        const Variant variant{&def, attrs, result, operands};
        std::vector<Value> values;
        for (std::size_t i = 0; i < operands.size(); ++i)
          values.push_back(graph.parameter(static_cast<std::int64_t>(i), {operands[i], {}}));
        std::string complaint;
        try {
          variant.make(values, {"user.cpp", 12, 3});
        } catch (const Error& error) {
          complaint = error.what();
        }
        f(variant, complaint);
      }
}

std::vector<Variant> accepted_variants(const OpDef& def) {
  std::vector<Variant> accepted;
  for_each_variant(def, [&](const Variant& variant, const std::string& complaint) {
    if (complaint.empty()) accepted.push_back(variant);
  });
  return accepted;
}

/// The promised accuracy of ir/math.h, and 0 for what IEEE 754 or integer arithmetic defines.
Tolerance tolerance_of(const OpDef& def) {
  const std::set<Op> three = {Op::erf_inv, Op::logistic, Op::tanh};
  const std::set<Op> with_zeros = {Op::digamma, Op::lgamma};
  if (with_zeros.contains(def.op)) return {.ulps = 5, .floor = 1};
  if (three.contains(def.op)) return {.ulps = 3};
  return {.ulps = def.traits.transcendental || def.op == Op::rsqrt ? 2 : 0};
}

/// Every special value of the first operand with every one of the second, and so on: operand i of n
/// changes with period n^i.
std::vector<Array> special_operands(const std::vector<DType>& dtypes) {
  std::vector<Array> values;
  std::int64_t count = 1;
  for (DType dtype : dtypes) {
    values.push_back(special_values(dtype));
    // Of a third operand only a few: it is the other branch of a select.
    count *= values.size() < 3 ? values.back().count() : 2;
  }
  std::vector<Array> operands;
  std::int64_t period = 1;
  for (const Array& some : values) {
    Array operand(Type{some.dtype(), {count}});
    visit_dtype(some.dtype(), [&]<class T>(T) {
      for (std::int64_t i = 0; i < count; ++i)
        operand.data<T>()[static_cast<std::size_t>(i)] =
            some.data<T>()[static_cast<std::size_t>(i / period % some.count())];
    });
    operands.push_back(operand);
    period *= some.count();
  }
  return operands;
}

}  // namespace

TEST_CASE("each_elementwise_op_means_the_same_in_every_mode_for_every_dtype_and_special_value") {
  for (const OpDef* def : elementwise_rows()) {
    const std::vector<Variant> variants = accepted_variants(*def);
    std::vector<Array> inputs;
    for (const Variant& variant : variants)
      for (const Array& operand : special_operands(variant.operands)) inputs.push_back(operand);
    const Function function =
        function_of(types_of(inputs), [&](const std::vector<Value>& arguments) {
          std::vector<Value> results;
          std::size_t next = 0;
          for (const Variant& variant : variants) {
            std::vector<Value> operands;
            for (std::size_t i = 0; i < variant.operands.size(); ++i)
              operands.push_back(arguments[next++]);
            results.push_back(variant.make(operands));
          }
          return results;
        });
    INFO(def->name);
    check_modes(function, inputs, tolerance_of(*def));
  }
}

TEST_CASE("each_elementwise_op_means_the_same_in_every_mode_for_every_shape") {
  const std::vector<Ints> shapes = {{0}, {1}, {}, {15}, {16}, {17}, {101}, {3, 0}, {1, 1, 2}};
  for (const OpDef* def : elementwise_rows()) {
    // One dtype of each size and kind of arithmetic is enough: special values saw them all.
    std::vector<Variant> variants;
    std::set<std::vector<DType>> seen;
    for (const Variant& variant : accepted_variants(*def)) {
      const DType last = variant.operands.back();
      if (last != DType::i1 && last != DType::ui8 && last != DType::i32 && !is_float(last))
        continue;
      if (seen.insert(variant.operands).second) variants.push_back(variant);
    }
    std::vector<Array> inputs;
    const auto input = [&](DType dtype, const Ints& dims) {
      inputs.push_back(random_array({dtype, dims}, inputs.size(), 0.1, 5));
    };
    for (const Variant& variant : variants) {
      for (const Ints& dims : shapes)
        for (DType dtype : variant.operands) input(dtype, dims);
      // Each operand stretched from another shape, to [3, 37].
      const Ints stretched[] = {{37}, {3, 1}, {}};
      for (std::size_t i = 0; i < variant.operands.size(); ++i)
        input(variant.operands[i], stretched[i]);
    }
    const Function function =
        function_of(types_of(inputs), [&](const std::vector<Value>& arguments) {
          std::vector<Value> results;
          std::size_t next = 0;
          for (const Variant& variant : variants) {
            for (std::size_t s = 0; s <= shapes.size(); ++s) {
              std::vector<Value> operands;
              for (std::size_t i = 0; i < variant.operands.size(); ++i) {
                Value operand = arguments[next++];
                if (s == shapes.size()) {
                  const Ints axes = i == 0 ? Ints{1} : i == 1 ? Ints{0, 1} : Ints{};
                  operand = build::broadcast(operand, {3, 37}, axes);
                }
                operands.push_back(operand);
              }
              results.push_back(variant.make(operands));
            }
          }
          return results;
        });
    INFO(def->name);
    check_modes(function, inputs, tolerance_of(*def));
  }
}

TEST_CASE(
    "each_elementwise_op_refuses_other_dtypes_by_name_with_both_operand_types_and_the_place") {
  for (const OpDef* def : elementwise_rows()) {
    int accepted = 0;
    for_each_variant(*def, [&](const Variant& variant, const std::string& complaint) {
      if (complaint.empty()) {
        ++accepted;
        return;
      }
      std::string found;
      for (DType dtype : variant.operands)
        found += fmt::format("{}{}[]", found.empty() ? ", found " : " and ", name_of(dtype));
      const std::string expected = fmt::format("user.cpp:12: {}: expected ", def->name);
      if (!complaint.starts_with(expected) || !complaint.ends_with(found)) {
        INFO(variant.str());
        CHECK(complaint == fmt::format("{}…{}", expected, found));
      }
    });
    INFO(def->name);
    CHECK(accepted > 0);
  }
}

TEST_CASE("each_elementwise_op_refuses_operands_of_different_shapes") {
  for (const OpDef* def : elementwise_rows()) {
    if (def->arity < 2) continue;
    for (const Variant& variant : accepted_variants(*def))
      for (std::size_t odd = 0; odd < variant.operands.size(); ++odd) {
        Graph graph;
        std::vector<Value> operands;
        std::string found;
        for (std::size_t i = 0; i < variant.operands.size(); ++i) {
          const Type type{variant.operands[i], i == odd ? Ints{3, 2} : Ints{2, 3}};
          operands.push_back(graph.parameter(static_cast<std::int64_t>(i), type));
          found += (i == 0 ? "found " : " and ") + type.pretty();
        }
        REQUIRE_THROWS_WITH(
            variant.make(operands),
            ContainsSubstring(std::string(def->name) + ": expected") && ContainsSubstring(found));
      }
  }
}

TEST_CASE("each_op_refuses_a_wrong_number_of_operands") {
  for (int i = 0; i < kOpCount; ++i) {
    const OpDef& def = definition(static_cast<Op>(i));
    if (def.arity == kVariadic) continue;
    Graph graph;
    const std::vector<Value> operands(static_cast<std::size_t>(def.arity + 1),
                                      graph.parameter(0, {DType::f32, {2}}));
    CHECK_THROWS_WITH(graph.make(def.op, operands, {}, Type{DType::f32, {2}}),
                      ContainsSubstring(fmt::format("{}: expected {} operands, found f32[2]",
                                                    def.name, def.arity)));
  }
}

TEST_CASE("each_elementwise_gradient_is_what_central_differences_say") {
  // Points away from kinks, which lie at multiples of 1/2, and from the poles at 0.
  Array points(Type{DType::f64, {40}});
  for (std::size_t i = 0; i < 40; ++i)
    points.data<double>()[i] =
        (i % 2 == 0 ? 1 : -1) *
        (0.13 + 0.5 * std::floor(static_cast<double>(i) / 8) + 0.03 * static_cast<double>(i % 8));
  for (const OpDef* def : elementwise_rows())
    for (const Variant& variant : accepted_variants(*def)) {
      std::vector<Array> inputs;
      bool any_float = false;
      for (std::size_t i = 0; i < variant.operands.size(); ++i) {
        const DType dtype = variant.operands[i];
        any_float = any_float || dtype == DType::f64;
        Array operand = random_array({dtype, {40}}, 7 + i);
        if (dtype == DType::f64)  // each operand meets the points in another order
          for (std::size_t e = 0; e < 40; ++e)
            operand.data<double>()[e] = points.data<double>()[(e * (2 * i + 1) + 5 * i) % 40];
        inputs.push_back(operand);
      }
      if (!any_float || (variant.result && *variant.result != DType::f64)) continue;
      const Function function = function_of(types_of(inputs), [&](const std::vector<Value>& x) {
        return std::vector{variant.make(x)};
      });
      const Function gradient = gradient_of(function);
      std::vector<Array> arguments = inputs;
      if (is_float(function.results[0].type().dtype))
        arguments.push_back(random_array(function.results[0].type(), 3, 0.5, 2));
      const std::vector<Array> found = interpret(gradient, arguments);
      INFO(variant.str());
      check_modes(gradient, arguments, {.relative = 1e-13});
      if (!is_float(function.results[0].type().dtype)) continue;
      std::size_t next = 0;
      for (std::size_t a = 0; a < inputs.size(); ++a) {
        if (!is_float(inputs[a].dtype())) continue;
        const auto at = [&](double step) {
          std::vector<Array> moved = inputs;
          moved[a] = inputs[a].clone();
          for (double& x : moved[a].data<double>()) x += step;
          return interpret(function, moved)[0];
        };
        constexpr double kStep = 1e-6;
        const Array above = at(kStep), below = at(-kStep);
        const Array& g = found[next++];
        for (std::int64_t e = 0; e < 40; ++e) {
          const double slope = (above.as_double(e) - below.as_double(e)) / (2 * kStep);
          if (!std::isfinite(slope)) continue;  // outside the op's domain
          INFO("operand " << a << " at " << inputs[a].as_double(e));
          CHECK(g.as_double(e) ==
                Approx(slope * arguments.back().as_double(e)).epsilon(1e-6).margin(1e-7));
        }
      }
    }
}

TEST_CASE("derivatives_at_kinks_and_ties_are_the_stated_ones") {
  const double inf = std::numeric_limits<double>::infinity();
  struct Case {
    Op op;
    std::vector<double> at;
    std::vector<double> slopes;
  };
  const std::vector<Case> cases = {
      {Op::abs, {0}, {0}},
      {Op::abs, {-0.0}, {0}},
      {Op::sign, {0}, {0}},
      {Op::floor, {2}, {0}},
      {Op::ceil, {2}, {0}},
      {Op::round_nearest_even, {0.5}, {0}},
      {Op::sqrt, {0}, {inf}},
      {Op::maximum, {1, 1}, {0.5, 0.5}},
      {Op::minimum, {1, 1}, {0.5, 0.5}},
      {Op::maximum, {0.0, -0.0}, {0.5, 0.5}},
      {Op::maximum, {inf, inf}, {0.5, 0.5}},
      {Op::power, {0, 0}, {0, 0}},
      {Op::power, {0, 1}, {1, 0}},
      {Op::power, {0, 2}, {0, 0}},
      {Op::power, {3, 0}, {0, std::log(3.0)}},
      {Op::tanh, {inf}, {0}},
      {Op::logistic, {-inf}, {0}},
      {Op::exponential, {-inf}, {0}},
      {Op::erf, {inf}, {0}},
  };
  for (const Case& c : cases) {
    std::vector<Array> inputs;
    for (double x : c.at) inputs.push_back(Array::scalar(x));
    const Function function = function_of(types_of(inputs), [&](const std::vector<Value>& x) {
      return std::vector<Value>{{x[0].graph().make(c.op, x), 0}};
    });
    inputs.push_back(Array::scalar(1.0));
    const std::vector<Array> slopes = interpret(gradient_of(function), inputs);
    for (std::size_t i = 0; i < slopes.size(); ++i) {
      INFO(definition(c.op).name << " operand " << i << " at " << c.at[0]);
      CHECK(slopes[i].item() == c.slopes[i]);
    }
  }
}

TEST_CASE("an_op_without_a_derivative_says_so_by_name_and_place") {
  Graph graph;
  const Type type{DType::f64, {4}};
  const Value x = graph.parameter(0, type);
  const auto complaint = [&](Value y) -> std::string {
    try {
      const Value one = graph.splat(y.type(), 1);
      gradients(std::vector{y}, std::vector{one}, std::vector{x});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const Value product = build::reduce(x, Op::multiply, {0}, {"user.cpp", 7, 1});
  CHECK(
      complaint(product) ==
      "user.cpp:7: reduce is not differentiable; wrap its operand in stop_gradient if no gradient "
      "is meant to flow there");
  const Region region{{type}, {build::negate(graph.parameter(0, type))}};
  const auto composite = [&](const std::string& name) {
    return Value{graph.make(Op::composite, {x}, CallAttrs{name, ""}, std::nullopt, {region}), 0};
  };
  CHECK_THAT(complaint(composite("user.unknown")),
             ContainsSubstring("composite is not differentiable"));
  CHECK(complaint(composite("kiln.stop_gradient")) == kNone);
  const Value call{graph.make(Op::call, {x}, CallAttrs{"map_0", "map"}, std::nullopt, {region}), 0};
  CHECK_THAT(complaint(call), ContainsSubstring("call is not differentiable"));
  // Where no path leads from x to it, nothing is asked of it.
  CHECK(complaint(build::reduce(graph.splat(type, 2), Op::multiply, {0})) == kNone);
}

TEST_CASE("the_undefined_corners_of_integers_are_defined") {
  struct Case {
    Op op;
    std::int32_t a, b, result;
  };
  constexpr std::int32_t low = std::numeric_limits<std::int32_t>::min(), high = -(low + 1);
  for (const Case& c : {Case{Op::divide, 7, 0, -1},
                        {Op::divide, low, -1, low},
                        {Op::divide, -7, 2, -3},
                        {Op::remainder, 7, 0, 7},
                        {Op::remainder, low, -1, 0},
                        {Op::remainder, -7, 2, -1},
                        {Op::add, high, 1, low},
                        {Op::subtract, low, 1, high},
                        {Op::multiply, low, -1, low},
                        {Op::power, 3, 4, 81},
                        {Op::power, 2, -1, 0},
                        {Op::power, -1, -3, -1},
                        {Op::power, 0, 0, 1},
                        {Op::shift_left, -3, 31, low},
                        {Op::shift_left, -3, 32, 0},
                        {Op::shift_left, 1, -1, 0},
                        {Op::shift_right_logical, -1, 31, 1},
                        {Op::shift_right_logical, -1, 32, 0},
                        {Op::shift_right_logical, -1, low, 0},
                        {Op::shift_right_arithmetic, -8, 1, -4},
                        {Op::shift_right_arithmetic, low, 32, -1},
                        {Op::shift_right_arithmetic, high, -1, 0}}) {
    const std::vector<Array> inputs = {Array::scalar(c.a), Array::scalar(c.b)};
    const Function function = function_of(types_of(inputs), [&](const std::vector<Value>& x) {
      return std::vector{build::binary(c.op, x[0], x[1])};
    });
    INFO(definition(c.op).name << " " << c.a << ", " << c.b);
    CHECK(interpret(function, inputs)[0].data<std::int32_t>()[0] == c.result);
  }
}

TEST_CASE("bits_are_counted_in_the_operand_s_own_width") {
  const auto counted = [](Op op, auto x) {
    const std::vector<Array> inputs = {Array::scalar(x)};
    const Function function = function_of(types_of(inputs), [&](const std::vector<Value>& v) {
      return std::vector{build::unary(op, v[0])};
    });
    return interpret(function, inputs)[0].as_double(0);
  };
  CHECK(counted(Op::count_leading_zeros, std::int8_t{0}) == 8);
  CHECK(counted(Op::count_leading_zeros, std::uint16_t{1}) == 15);
  CHECK(counted(Op::count_leading_zeros, std::int64_t{-1}) == 0);
  CHECK(counted(Op::popcnt, std::int8_t{-1}) == 8);
  CHECK(counted(Op::popcnt, std::int32_t{-2}) == 31);
  CHECK(counted(Op::popcnt, ~std::uint64_t{0}) == 64);
}

TEST_CASE("an_arithmetic_shift_repeats_the_first_bit_of_unsigned_numbers_too") {
  const std::vector<Array> inputs = {Array::scalar(std::uint8_t{0x90}),
                                     Array::scalar(std::uint8_t{3})};
  const Function function = function_of(types_of(inputs), [&](const std::vector<Value>& x) {
    return std::vector{build::binary(Op::shift_right_arithmetic, x[0], x[1])};
  });
  CHECK(interpret(function, inputs)[0].data<std::uint8_t>()[0] == 0xF2);
}

TEST_CASE("bitcast_convert_keeps_bits_and_width") {
  const std::vector<Array> inputs = {Array::scalar(-1.5F)};
  const auto bitcast = [&](DType to) {
    return function_of(types_of(inputs), [&](const std::vector<Value>& x) {
      return std::vector<Value>{{x[0].graph().make(Op::bitcast_convert, x, {}, Type{to, {}}), 0}};
    });
  };
  CHECK(interpret(bitcast(DType::ui32), inputs)[0].data<std::uint32_t>()[0] == 0xBFC00000U);
  CHECK_THROWS_WITH(bitcast(DType::f64),
                    ContainsSubstring("bitcast_convert: expected an operand as wide as f64"));
}

TEST_CASE("float_to_integer_saturates_and_nan_becomes_zero") {
  const auto converted = [](double x, DType dtype) {
    return Array::scalar(x).converted(dtype).as_double(0);
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(converted(nan, DType::i32) == 0);
  CHECK(converted(300, DType::ui8) == 255);
  CHECK(converted(-1, DType::ui8) == 0);
  CHECK(converted(-0.9, DType::ui8) == 0);
  CHECK(converted(1e30, DType::i64) == 9223372036854775807.0);
  CHECK(converted(-1e30, DType::i8) == -128);
  CHECK(converted(-2.9, DType::i32) == -2);
  CHECK(converted(0.5, DType::i1) == 1);
}

}  // namespace kiln
