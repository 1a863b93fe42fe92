// Elementary functions against libm in twice the precision: the bounds that ir/math.h promises.
// (All 2^32 floats, which takes minutes, were swept by hand: the bounds hold there too.)
#include "ir/math.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "ir/array.h"
#include "ir/reference_functions.h"
#include "tests/catch.h"
#include "tests/compiled.h"

using namespace kiln;
using namespace kiln::loop;

namespace {

constexpr int kBlock = 4096;
constexpr double kWrong = 1e9;  // not a matter of rounding

/// |got - want| in units of the last place of T at want, or at `scale` where that is larger.
/// Infinities, NaN and (without a scale) signs must fit.
template <class T, class Wide>
double ulps(T got, Wide want, Wide scale = 0) {
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got) ? 0 : kWrong;
  if (scale == 0 && std::signbit(got) != std::signbit(want)) return kWrong;
  if (std::isinf(want) || (scale == 0 && want == 0))
    return got == static_cast<T>(want) ? 0 : kWrong;
  constexpr int digits = std::numeric_limits<T>::digits;
  constexpr int least = std::numeric_limits<T>::min_exponent,
                most = std::numeric_limits<T>::max_exponent;
  int exponent;
  std::frexp(std::max(std::abs(want), scale), &exponent);
  const Wide unit = std::ldexp(Wide{1}, std::clamp(exponent, least, most) - digits);
  // Past the range infinity stands for the next power of two.
  const Wide limit = std::ldexp(Wide{1}, most);
  const Wide value = std::clamp(static_cast<Wide>(got), -limit, limit);
  return static_cast<double>(std::abs(value - std::clamp(want, -limit, limit)) / unit);
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](T x, T y) { return std::bit_cast<Bits>(x) == std::bit_cast<Bits>(y); });
}

template <class T>
using Blocks = std::vector<std::vector<T>>;

/// Applies a function of one or two arguments to blocks of kBlock elements, on a target.
template <class T>
class Compiled {
 public:
  using Function = std::function<Val(std::vector<Val>)>;
  Compiled(const Function& function, std::size_t arity, const Target& target)
      : program_(CompiledProgram::compile(
            program_of(kernel_of("math",
                                 [&](Builder& b) {
                                   constexpr DType dtype = dtype_of<T>();
                                   std::vector<int> in;
                                   for (std::size_t i = 0; i < arity; ++i)
                                     in.push_back(b.buffer(dtype, Buffer::Kind::in, kBlock));
                                   const int out = b.buffer(dtype, Buffer::Kind::out, kBlock);
                                   b.loop("i", {0}, {kBlock}, kLanes, [&](Var i) {
                                     std::vector<Val> arguments;
                                     for (int buffer : in)
                                       arguments.emplace_back(
                                           b, b.load(buffer, Affine::of(i), kLanes));
                                     b.store(out, Affine::of(i), function(arguments).reg());
                                   });
                                 })),
            target)) {}

  std::vector<T> operator()(Blocks<T>& arguments) const {
    std::vector<T> out(kBlock);
    std::vector<void*> pointers;
    for (std::vector<T>& each : arguments) pointers.push_back(each.data());
    pointers.push_back(out.data());
    program_.entry()(pointers.data(), nullptr, nullptr);
    return out;
  }

 private:
  CompiledProgram program_;
};

struct Function {
  const char* name;
  std::size_t arity;
  Val (*unary)(Val);
  Val (*binary)(Val, Val);
  long double (*wide)(long double, long double);
  double (*plain)(double, double);  // the reference for f32: quicker
  double bound32, bound64;
  std::uint64_t step32;                 // of the floats, every so many-th is tried
  double (*scale64)(double) = nullptr;  // f64's bound is in ulps of the result and this
};

template <class W>
W logistic(W x) {
  return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}

/// Where lgamma and digamma have zeros that no polynomial knows: the size of what cancels there.
template <auto F>
double below_zero(double x) {
  return x < 0 ? std::max(1.0, static_cast<double>(std::abs(F(-x)))) : 0;
}

#define UNARY_STEP(name, expression, bound32, bound64, step, scale) \
  {#name,                                                           \
   1,                                                               \
   math::name,                                                      \
   nullptr,                                                         \
   [](long double x, long double) { return expression; },           \
   [](double x, double) -> double { return expression; },           \
   bound32,                                                         \
   bound64,                                                         \
   step,                                                            \
   scale}
#define UNARY(name, expression, bound32, bound64) \
  UNARY_STEP(name, expression, bound32, bound64, 997, nullptr)
#define SLOW(name, expression, bound32, bound64, scale) \
  UNARY_STEP(name, expression, bound32, bound64, 15991, scale)
#define BINARY(name, expression, bound32, bound64)          \
  {#name,                                                   \
   2,                                                       \
   nullptr,                                                 \
   math::name,                                              \
   [](long double x, long double y) { return expression; }, \
   [](double x, double y) -> double { return expression; }, \
   bound32,                                                 \
   bound64,                                                 \
   4999,                                                    \
   nullptr}

// The bounds as ir/math.h states them.
const Function kFunctions[] = {
    UNARY(exp, std::exp(x), 0.9, 1.0),
    UNARY(expm1, std::expm1(x), 1.3, 1.5),
    UNARY(log, std::log(x), 0.9, 1.0),
    UNARY(log1p, std::log1p(x), 1.5, 1.5),
    UNARY(logistic, ::logistic(x), 1.5, 1.6),
    UNARY(tanh, std::tanh(x), 1.7, 1.8),
    UNARY(erf, std::erf(x), 1.0, 1.2),
    UNARY(sin, std::sin(x), 0.51, 1.0),
    UNARY(cos, std::cos(x), 0.51, 1.0),
    UNARY(cbrt, std::cbrt(x), 0.51, 0.6),
    UNARY(rsqrt, 1 / std::sqrt(x), 1.5, 1.5),
    BINARY(pow, std::pow(x, y), 0.51, 1.2),
    BINARY(atan2, std::atan2(x, y), 0.51, 1.4),
    UNARY(tan, std::tan(x), 0.51, 1.5),
    UNARY(erfc, std::erfc(x), 0.51, 2.0),
    SLOW(erf_inv, reference::erf_inv(x), 0.51, 3.0, nullptr),
    SLOW(lgamma, reference::lgamma(x), 0.51, 4.5, (below_zero<reference::lgamma>)),
    SLOW(digamma, reference::digamma(x), 0.51, 4.5, (below_zero<reference::digamma>)),
};

Compiled<float>::Function body_of(const Function& function) {
  return [&function](const std::vector<Val>& x) {
    return function.arity == 1 ? function.unary(x[0]) : function.binary(x[0], x[1]);
  };
}

/// The worst error over blocks that next() fills until it returns false; the same bits on all
/// targets.
template <class T, class Next>
void check_function(const Function& function, double bound, Next&& next) {
  std::vector<Compiled<T>> compiled;
  for (const Target& target : test_targets())
    if (target.cpu != "x86-64") compiled.emplace_back(body_of(function), function.arity, target);
  Blocks<T> arguments(function.arity, std::vector<T>(kBlock));
  double worst = 0;
  T worst_x{}, worst_y{}, got{};
  bool same = true;
  while (next(arguments)) {
    const std::vector<T> results = compiled.front()(arguments);
    for (std::size_t i = 1; i < compiled.size(); ++i) {
      const std::vector<T> others = compiled[i](arguments);
      same &= same_bits(results, others);
    }
    for (std::size_t i = 0; i < kBlock; ++i) {
      const T x = arguments[0][i], y = function.arity == 2 ? arguments[1][i] : T{};
      const double scale = function.scale64 == nullptr ? 0 : function.scale64(x);
      const double error = sizeof(T) == 4
                               ? ulps<T, double>(results[i], function.plain(x, y))
                               : ulps<T, long double>(results[i], function.wide(x, y), scale);
      if (error > worst) worst = error, worst_x = x, worst_y = y, got = results[i];
    }
  }
  INFO(function.name << " of " << worst_x << ", " << worst_y << " gives " << got << ", "
                     << static_cast<double>(function.wide(worst_x, worst_y)) << " expected");
  CHECK(worst <= bound);
  CHECK(same);
}

template <class T>
const std::vector<T>& special_values() {
  using L = std::numeric_limits<T>;
  static const std::vector<T> values = [] {
    std::vector<T> all;
    for (T v : {T(0), T(1), T(2), T(3), T(0.5), T(1.5), T(8), T(27), T(20), T(88.5), T(104), T(710),
                T(1e5), T(1e30), L::infinity(), L::max(), L::min(), L::denorm_min(), L::epsilon(),
                T(16777215), T(9007199254740991.0),
                // 6381956970095103 · 2^797: of all doubles the nearest to a multiple of π/2.
                static_cast<T>(0x1.6ac5b262ca1ffp+849), L::quiet_NaN(), T(1) - L::epsilon() / 2,
                T(1) + L::epsilon()}) {
      all.push_back(v);
      all.push_back(-v);
    }
    return all;
  }();
  return values;
}

}  // namespace

TEST_CASE("elementary_functions_of_f32_keep_their_bounds") {
  for (const Function& function : kFunctions) {
    std::uint64_t next = 0;
    std::mt19937_64 random(7);
    check_function<float>(function, function.bound32, [&](Blocks<float>& blocks) {
      if (next >= std::uint64_t{1} << 32) return false;
      // Every 997th float of one argument; for two, that and half of the time a moderate second
      // one.
      for (std::size_t i = 0; i < kBlock; ++i, next += function.step32) {
        blocks[0][i] = std::bit_cast<float>(static_cast<std::uint32_t>(next));
        if (function.arity == 2) {
          const auto bits = static_cast<std::uint32_t>(random());
          blocks[1][i] = i % 2 == 0
                             ? std::bit_cast<float>(bits)
                             : static_cast<float>(static_cast<std::int32_t>(bits)) * 0x1p-26f;
          if (i % 4 == 3) blocks[0][i] = static_cast<float>(random() >> 40) * 0x1p-20f;
        }
      }
      return true;
    });
  }
}

TEST_CASE("elementary_functions_of_f64_keep_their_bounds") {
  for (const Function& function : kFunctions) {
    std::mt19937_64 random(11);
    int left = function.arity == 1 ? 12 : 20;
    check_function<double>(function, function.bound64, [&](Blocks<double>& blocks) {
      const double scales[] = {1, 30, 800, 1e-3};
      for (std::vector<double>& block : blocks)
        for (double& value : block) {
          const std::uint64_t bits = random();
          const auto pick = static_cast<std::size_t>(random() % 5);
          value = pick == 4
                      ? std::bit_cast<double>(bits)
                      : std::ldexp(static_cast<double>(static_cast<std::int64_t>(bits)), -63) *
                            scales[pick];
        }
      if (function.arity == 2 && left % 2 == 0)  // bases near 1, large exponents
        for (std::size_t i = 0; i < kBlock; ++i) {
          blocks[0][i] = 1 + std::ldexp(blocks[0][i], -12);
          blocks[1][i] = std::ldexp(blocks[1][i], 9);
        }
      return left-- > 0;
    });
  }
}

TEST_CASE("elementary_functions_are_exact_at_special_values") {
  for (const Function& function : kFunctions) {
    const auto pairs = [&]<class T>(T) {
      const std::vector<T>& values = special_values<T>();
      bool first = true;
      check_function<T>(function, sizeof(T) == 4 ? function.bound32 : function.bound64,
                        [&](Blocks<T>& blocks) {
                          for (std::size_t i = 0; i < kBlock; ++i) {
                            blocks[0][i] = values[i % values.size()];
                            if (function.arity == 2)
                              blocks[1][i] = values[i / values.size() % values.size()];
                          }
                          return std::exchange(first, false);
                        });
    };
    pairs(float{});
    pairs(double{});
  }
}

TEST_CASE("functions_work_on_any_number_of_lanes") {
  const Kernel kernel = kernel_of("lanes", [](Builder& b) {
    const int x = b.buffer(DType::f32, Buffer::Kind::in, 32);
    const int y = b.buffer(DType::f32, Buffer::Kind::out, 4 * 32);
    for (int lanes : {1, 4, 8, 32})
      for (int i = 0; i < 32; i += lanes) {
        const Val value(b, b.load(x, i, lanes, 1, lanes));
        b.store(y,
                (lanes == 1   ? 0
                 : lanes == 4 ? 32
                 : lanes == 8 ? 64
                              : 96) +
                    i,
                math::sin(math::exp(value)).reg(), 1, lanes);
      }
  });
  std::vector<float> x(32), y(128);
  for (std::size_t i = 0; i < 32; ++i) x[i] = static_cast<float>(i) - 10;
  for (const Target& target : test_targets()) {
    run(program_of(kernel), target, {x.data(), y.data()});
    for (std::size_t i = 32; i < 128; ++i) CHECK(y[i] == y[i % 32]);
    CHECK(y[10] == Approx(std::sin(1.0)));
  }
}

TEST_CASE("dividing_by_what_stands_still_gives_the_bits_of_a_division") {
  const auto of_type = [](auto zero) {
    using T = decltype(zero);
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    std::mt19937_64 random(5);
    std::uniform_real_distribution<double> exponent(-1, 1);
    const auto any_bits = [&] { return std::bit_cast<T>(static_cast<Bits>(random())); };
    const auto near_one = [&](double octaves) {
      const T size = static_cast<T>(std::exp2(octaves * exponent(random)));
      return (random() & 1) != 0 ? size : -size;
    };
    const T hard[] = {0,
                      T{-0.0},
                      1,
                      T{-1},
                      std::numeric_limits<T>::infinity(),
                      -std::numeric_limits<T>::infinity(),
                      std::numeric_limits<T>::quiet_NaN(),
                      std::numeric_limits<T>::max(),
                      std::numeric_limits<T>::min(),
                      std::numeric_limits<T>::denorm_min()};
    for (const Target& target : test_targets()) {
      const auto compiled = [&](bool at_most_one) {
        return Compiled<T>(
            [at_most_one](std::vector<Val> x) {
              return math::divide(x[0], math::divisor(x[1]), at_most_one);
            },
            2, target);
      };
      const Compiled<T> any = compiled(false), small = compiled(true);
      for (int round = 0; round < 60; ++round) {
        Blocks<T> x(2, std::vector<T>(kBlock));
        for (std::size_t i = 0; i < kBlock; ++i) {
          // Vectors whose divisors are all plain, so that reciprocals are used, and some others.
          const bool plain = i / kLanes % 8 != 0;
          x[0][i] = round % 3 == 0 ? any_bits() : near_one(plain ? 20 : 100);
          x[1][i] = plain ? std::abs(near_one(round % 2 == 0 ? 1 : 55)) : any_bits();
          if (i % 37 == 5) x[0][i] = hard[random() % std::size(hard)];
          if (!plain && i % 5 == 1) x[1][i] = hard[random() % std::size(hard)];
        }
        std::vector<T> want(kBlock);
        const auto expect = [&] {
          for (std::size_t i = 0; i < kBlock; ++i) want[i] = x[0][i] / x[1][i];
        };
        const auto equal = [&](const std::vector<T>& got) {
          for (std::size_t i = 0; i < kBlock; ++i) {
            const bool nan = std::isnan(want[i]) && std::isnan(got[i]);
            if (nan || std::bit_cast<Bits>(got[i]) == std::bit_cast<Bits>(want[i])) continue;
            FAIL_CHECK(x[0][i] << " / " << x[1][i] << " is " << got[i] << " on " << target.cpu);
            return;
          }
        };
        expect();
        equal(any(x));
        // Of [0, 1] by what is at least a half.
        for (std::size_t i = 0; i < kBlock; ++i) {
          x[0][i] = i % 37 == 5 ? T{0} : std::min(T{1}, std::abs(near_one(60)));
          x[1][i] = std::abs(near_one(10)) + T{0.5};
        }
        expect();
        equal(small(x));
      }
    }
  };
  of_type(float{});
  of_type(double{});
}
