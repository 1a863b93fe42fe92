#include "tests/support.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "frontend/trace.h"
#include "ir/interpret.h"
#include "ir/text.h"
#include "passes/autodiff.h"
#include "runtime/executable.h"
#include "runtime/random.h"
#include "tests/catch.h"

namespace kiln {

Function function_of(const std::vector<Type>& types, const Body& body) {
  Function function;
  function.graph = std::make_shared<Graph>();
  std::vector<Value> arguments;
  for (std::size_t i = 0; i < types.size(); ++i) {
    function.arguments.push_back({types[i], fmt::format("arg{}", i), -1});
    arguments.push_back(function.argument(static_cast<int>(i)));
  }
  function.results = body(arguments);
  return function;
}

Function trace(const std::vector<Type>& types, const TensorBody& body) {
  return Trace::run(body, types).function;
}

std::vector<Type> types_of(std::span<const Array> arrays) {
  std::vector<Type> types;
  for (const Array& array : arrays) types.push_back(array.type());
  return types;
}

Array special_values(DType dtype) {
  Random random(2, static_cast<std::uint64_t>(dtype));
  return visit_dtype(dtype, [&]<class T>(T) {
    using Limits = std::numeric_limits<T>;
    if constexpr (std::is_same_v<T, bool>) {
      return Array::of<bool>({2}, {false, true});
    } else {
      std::vector<T> values;
      const auto add = [&](auto... some) { (values.push_back(static_cast<T>(some)), ...); };
      if constexpr (std::is_floating_point_v<T>) {
        for (const T sign : {T(1), T(-1)})
          for (const T x : {T(0),
                            Limits::denorm_min(),
                            Limits::min() - Limits::denorm_min(),
                            Limits::min(),
                            Limits::epsilon(),
                            T(1e-4),
                            T(0.3),
                            T(0.5),
                            T(1),
                            T(1.5),
                            T(2),
                            T(2.5),
                            T(3),
                            T(12.25),
                            T(89),
                            T(127.5),
                            T(255.5),
                            T(710),
                            T(32768),
                            T(2147483648.0),
                            T(4294967296.0),
                            T(9223372036854775808.0),
                            T(18446744073709551616.0),
                            Limits::max(),
                            Limits::infinity()})
            add(sign * x);
        add(Limits::quiet_NaN(), std::nextafter(T(1), T(0)), std::nextafter(T(0.5), T(0)));
        for (int i = 0; i < 10; ++i)
          add(std::ldexp(
              T(1) + random.uniform(),
              static_cast<int>(random.below(Limits::max_exponent)) - Limits::max_exponent / 2));
      } else {
        add(0, 1, 2, 3, 7, 10, 31, 63, 100, Limits::max(), Limits::max() - 1, Limits::max() / 2,
            Limits::min(), Limits::min() + 1, -1, -2, -3, -7);
        for (int i = 0; i < 8; ++i) add(random.bits64());
      }
      return Array::of<T>({static_cast<std::int64_t>(values.size())}, std::span<const T>(values));
    }
  });
}

std::vector<Array> execute(const Function& function, std::span<const Array> inputs,
                           const PipelineOptions& options, const Target& target) {
  Executable executable(function, options, target);
  const auto once = [&] {
    std::vector<Array> arguments, results;
    for (const Array& input : inputs) arguments.push_back(input.clone());
    std::vector<void*> pointers;
    for (Array& argument : arguments) pointers.push_back(argument.bytes().data());
    for (std::size_t r = 0; r < function.results.size(); ++r) {
      const auto state =
          std::find_if(function.arguments.begin(), function.arguments.end(),
                       [&](const Argument& a) { return a.alias == static_cast<int>(r); });
      if (state != function.arguments.end()) {
        results.push_back(arguments[static_cast<std::size_t>(state - function.arguments.begin())]);
        continue;
      }
      Array& result = results.emplace_back(function.results[r].type());
      std::fill(result.bytes().begin(), result.bytes().end(),
                std::byte{0x5A});  // must be overwritten
      pointers.push_back(result.bytes().data());
    }
    executable.run(pointers);
    return results;
  };
  std::vector<Array> results = once();
  const std::vector<Array> again = once();
  for (std::size_t r = 0; r < results.size(); ++r)
    if (!results[r].same_bits(again[r]))
      throw std::runtime_error(fmt::format("result {} of the same step differs the second time: {}",
                                           r, difference(again[r], results[r])));
  return results;
}

namespace {

/// Floats in their order, as integers: neighbours are 1 apart, ±0 are both 0.
std::int64_t ordinal(double x) {
  const auto bits = std::bit_cast<std::int64_t>(x);
  return bits >= 0 ? bits : std::numeric_limits<std::int64_t>::min() - bits;
}
std::int64_t ordinal(float x) {
  const auto bits = std::bit_cast<std::int32_t>(x);
  return bits >= 0 ? bits : std::int64_t{std::numeric_limits<std::int32_t>::min()} - bits;
}

template <class T>
bool agree(T got, T want, Tolerance tolerance, double scale) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got);
    if (got == want) return tolerance.relative > 0 || std::signbit(got) == std::signbit(want);
    const double apart = std::fabs(static_cast<double>(got) - static_cast<double>(want));
    // False where one is infinite.
    if (apart <= std::max(tolerance.absolute, tolerance.relative * scale)) return true;
    if (apart <= tolerance.ulps * tolerance.floor * std::numeric_limits<T>::epsilon()) return true;
    // Unsigned: between the largest and the least an i64 overflows, and a double would round.
    const std::int64_t a = ordinal(got), b = ordinal(want);
    return static_cast<std::uint64_t>(std::max(a, b)) -
               static_cast<std::uint64_t>(std::min(a, b)) <=
           static_cast<std::uint64_t>(tolerance.ulps);
  } else {
    return got == want;
  }
}

}  // namespace

std::string difference(const Array& got, const Array& want, Tolerance tolerance) {
  if (got.type() != want.type())
    return fmt::format("{} instead of {}", got.type().pretty(), want.type().pretty());
  double scale = 0;
  for (std::int64_t i = 0; i < want.count(); ++i)
    if (std::isfinite(want.as_double(i))) scale = std::max(scale, std::fabs(want.as_double(i)));
  return visit_dtype(want.dtype(), [&]<class T>(T) -> std::string {
    const auto g = got.data<T>(), w = want.data<T>();
    for (std::size_t i = 0; i < w.size(); ++i)
      if (!agree(g[i], w[i], tolerance, scale))
        return fmt::format("element {} of {}: {} instead of {}", i, want.type().pretty(), g[i],
                           w[i]);
    return "";
  });
}

void check_modes(const Function& function, std::span<const Array> inputs, Tolerance tolerance) {
  const std::vector<Array> expected = interpret(function, inputs);
  for (const Mode mode : {Mode::unfused, Mode::fused}) {
    PipelineOptions options;
    options.mode = mode;
    const std::vector<Array> results = execute(function, inputs, options);
    for (std::size_t r = 0; r < expected.size(); ++r) {
      const std::string found = difference(results[r], expected[r], tolerance);
      if (found.empty()) continue;
      INFO((mode == Mode::fused ? "fused" : "unfused")
           << ", result " << r << " (operands " <<
           [&] {
             std::string values;
             for (Value v : function.results[r].node->operands()) values += v.type().pretty() + " ";
             return values;
           }()
           << ")\n"
           << (function.graph->size() < 60 ? to_text(function)
                                           : summary(*function.results[r].node)));
      CHECK(found == kNone);
    }
  }
}

void check(const TensorBody& body, const std::vector<Array>& inputs, Tolerance tolerance) {
  check_modes(trace(types_of(inputs), body), inputs, tolerance);
}

Function gradient_of(const Function& function) {
  Function gradient = function;
  gradient.results.clear();
  std::vector<Value> outputs, cotangents, wrt;
  for (std::size_t i = 0; i < function.arguments.size(); ++i)
    if (is_float(function.arguments[i].type.dtype))
      wrt.push_back(function.argument(static_cast<int>(i)));
  for (const Value result : function.results) {
    if (!is_float(result.type().dtype)) continue;
    outputs.push_back(result);
    gradient.arguments.push_back({result.type(), "cotangent", -1});
    cotangents.push_back(gradient.argument(static_cast<int>(gradient.arguments.size()) - 1));
  }
  gradient.results = gradients(outputs, cotangents, wrt);
  return gradient;
}

Call check_differences(const std::vector<Array>& inputs, const Body& body, double tolerance) {
  return check_differences(function_of(types_of(inputs), body), inputs, tolerance);
}

Call check_differences(const Function& function, const std::vector<Array>& inputs,
                       double tolerance) {
  std::vector<Array> weights;
  for (const Value result : function.results)
    if (is_float(result.type().dtype))
      weights.push_back(random_array(result.type(), 1000 + weights.size(), 0.5, 1.5));
  // Σ results · weights, summed in long double: the difference of two is not to be lost in
  // rounding.
  const auto objective = [&](const std::vector<Array>& at) {
    long double sum = 0;
    std::size_t next = 0;
    for (const Array& result : interpret(function, at)) {
      if (!is_float(result.dtype())) continue;
      for (std::int64_t i = 0; i < result.count(); ++i)
        sum += static_cast<long double>(result.as_double(i)) * weights[next].as_double(i);
      ++next;
    }
    return sum;
  };

  const Function gradient = gradient_of(function);
  std::vector<Array> arguments = inputs;
  arguments.insert(arguments.end(), weights.begin(), weights.end());
  const std::vector<Array> found = interpret(gradient, arguments);
  std::size_t next = 0;
  for (std::size_t a = 0; a < inputs.size(); ++a) {
    if (!is_float(inputs[a].dtype())) continue;
    Array expected(inputs[a].type());
    for (std::size_t i = 0; i < expected.data<double>().size(); ++i) {
      constexpr double kStep = 1e-5;
      std::vector<Array> at = inputs;
      at[a] = inputs[a].clone();
      double& x = at[a].data<double>()[i];
      const double here = x;
      x = here + kStep;
      const long double above = objective(at);
      x = here - kStep;
      expected.data<double>()[i] = static_cast<double>((above - objective(at)) / (2 * kStep));
    }
    INFO("gradient of argument " << a << " of\n" << to_text(function));
    CHECK(difference(found[next++], expected, {.relative = tolerance, .absolute = 1e-10}) == kNone);
  }
  return {gradient, arguments};
}

void check_gradient(const std::vector<Array>& inputs, const Body& body, double tolerance) {
  const Call gradient = check_differences(inputs, body, tolerance);
  check_modes(gradient.function, gradient.arguments, {.relative = 1e-12});
}

}  // namespace kiln
