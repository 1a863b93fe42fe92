// What is no primitive becomes formulas: each against its definition.
#include <cmath>
#include <cstring>
#include <limits>

#include "ir/op.h"
#include "tests/import_support.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// I₁(x) e^-|x| = 1/π ∫ e^(x cos t - |x|) cos t dt from 0 to π, whose sums over equal steps
/// converge faster than any power of the step; then few digits cancel, and long double has some to
/// spare.
long double bessel_i1e(long double x) {
  const int steps = 4000;
  long double sum = 0;
  const long double pi = std::acos(-1.0L);
  // Pairs t, π - t, so that nothing cancels near x = 0.
  for (int i = 0; i <= steps / 2; ++i) {
    const long double c = std::cos(pi * i / steps);
    const long double weight = i == 0 || 2 * i == steps ? 0.5L : 1.0L;
    sum += weight * c * 2 * std::sinh(x * c) * std::exp(-std::fabs(x));
  }
  return sum / steps;
}

struct Elementary {
  const char* name;
  long double (*meaning)(long double);
  double low, high;
  int f32_ulps = 1;
};
const Elementary kFunctions[] = {
    {"chlo.acos", [](long double x) { return std::acos(x); }, -1, 1},
    {"chlo.acosh", [](long double x) { return std::acosh(x); }, 1, 30},
    {"chlo.asin", [](long double x) { return std::asin(x); }, -1, 1},
    {"chlo.asinh", [](long double x) { return std::asinh(x); }, -30, 30},
    {"chlo.atan", [](long double x) { return std::atan(x); }, -30, 30},
    {"chlo.atanh", [](long double x) { return std::atanh(x); }, -1, 1},
    {"chlo.bessel_i1e", bessel_i1e, -60, 60},
    {"chlo.cosh", [](long double x) { return std::cosh(x); }, -20, 20, 10},
    {"chlo.sinh", [](long double x) { return std::sinh(x); }, -20, 20, 10},
};

/// Numbers of an interval, evenly and, at both ends, 0 and 1, ever more densely.
template <class T>
Array points(double low, double high) {
  std::vector<T> all;
  for (int i = 0; i <= 200; ++i) all.push_back(static_cast<T>(low + (high - low) * i / 200));
  for (const double center : {low, 0.0, 1.0, high})
    for (int e = 1; e < 40; ++e)
      for (const double sign : {-1.0, 1.0}) {
        const double x = center + sign * std::ldexp(1.3, -e);
        if (x >= low && x <= high) all.push_back(static_cast<T>(x));
      }
  return Array::of<T>({static_cast<std::int64_t>(all.size())}, all);
}

template <class T>
void check_function(const Elementary& function, const Array& x, int ulps) {
  INFO(function.name << " of " << name_of(x.dtype()));
  const Array got = ImportCase(function.name).operand(x).gives(x.type()).run();
  Array want(x.type());
  for (std::int64_t i = 0; i < x.count(); ++i)
    want.data<T>()[static_cast<std::size_t>(i)] =
        static_cast<T>(function.meaning(static_cast<long double>(x.as_double(i))));
  CHECK(difference(got, want, {.ulps = ulps}) == kNone);
}

Array numbers(std::initializer_list<double> values) {
  return Array::of<double>({static_cast<std::int64_t>(values.size())}, values);
}

/// Equal numbers, signs of zeros included; NaN equals NaN.
void check_same(const Array& got, const Array& want) { CHECK(difference(got, want) == kNone); }

/// x rounded to a format of so many bits, from the words of its definition: to nearest, a tie to
/// what has the even last bit (of the exponent, where the format has no mantissa), subnormals to 0.
double rounded(double x, int exponent_bits, int mantissa_bits) {
  if (std::isnan(x)) return mantissa_bits > 0 ? x : std::copysign(kInfinity, x);
  if (x == 0 || std::isinf(x)) return x;
  int exponent = 0;
  const double fraction = std::frexp(std::fabs(x), &exponent);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const long double unit = std::ldexp(1.0L, exponent - 1 - mantissa_bits);
  long double nearest = std::nearbyint(std::fabs(x) / unit) * unit;
  if (mantissa_bits == 0 && fraction == 0.75) nearest = (exponent % 2 == 0 ? 1 : 2) * unit;
  if (nearest >= std::ldexp(1.0L, bias + 1)) return std::copysign(kInfinity, x);
  if (nearest < std::ldexp(1.0L, 1 - bias)) return std::copysign(0.0, x);
  return std::copysign(static_cast<double>(nearest), x);
}

}  // namespace

TEST_CASE("functions made of others keep within 3 ulp, of an f32 within 1 where CHLO lets them") {
  for (const Elementary& function : kFunctions) {
    check_function<float>(function, points<float>(function.low, function.high), function.f32_ulps);
    check_function<double>(function, points<double>(function.low, function.high), 3);
  }
}

TEST_CASE("functions made of others have C's special values") {
  const Array x = numbers({0, -0.0, 1, -1, kInfinity, -kInfinity, kNan, 1.5, -1.5, 709.5, 710.2,
                           -710.2, 711, 1e300, -1e300, 5e-324, -5e-324, 1e-310});
  for (const Elementary& function : kFunctions)
    if (std::string_view(function.name) != "chlo.bessel_i1e")
      check_function<double>(function, x, 3);
  check_same(ImportCase("chlo.sinh").operand(numbers({0, -0.0})).gives({DType::f64, {2}}).run(),
             numbers({0, -0.0}));
  for (const char* odd :
       {"chlo.asin", "chlo.asinh", "chlo.atan", "chlo.atanh", "chlo.bessel_i1e"}) {
    INFO(odd);
    check_same(ImportCase(odd).operand(numbers({0, -0.0, kNan})).gives({DType::f64, {3}}).run(),
               numbers({0, -0.0, kNan}));
  }
  check_same(ImportCase("chlo.bessel_i1e")
                 .operand(numbers({kInfinity, -kInfinity}))
                 .gives({DType::f64, {2}})
                 .run(),
             numbers({0, -0.0}));
}

TEST_CASE("round_nearest_afz rounds halves away from zero") {
  check_same(
      ImportCase("stablehlo.round_nearest_afz")
          .operand(numbers({2.5, -2.5, 0.49999999999999994, -0.3, 0, -0.0, 4503599627370497.0,
                            kInfinity, -kInfinity, kNan, 1e300}))
          .gives({DType::f64, {11}})
          .run(),
      numbers({3, -3, 0, -0.0, 0, -0.0, 4503599627370497.0, kInfinity, -kInfinity, kNan, 1e300}));
}

TEST_CASE("next_after goes to the neighbour") {
  const std::vector<float> some = {0.0F,
                                   -0.0F,
                                   1.0F,
                                   -1.0F,
                                   std::numeric_limits<float>::denorm_min(),
                                   -std::numeric_limits<float>::denorm_min(),
                                   std::numeric_limits<float>::max(),
                                   std::numeric_limits<float>::lowest(),
                                   std::numeric_limits<float>::infinity(),
                                   -std::numeric_limits<float>::infinity(),
                                   std::numeric_limits<float>::quiet_NaN()};
  std::vector<float> from, to, want;
  for (const float x : some)
    for (const float y : some) {
      from.push_back(x);
      to.push_back(y);
      want.push_back(std::nextafter(x, y));
    }
  const Ints dims = {static_cast<std::int64_t>(want.size())};
  check_same(ImportCase("chlo.next_after")
                 .operand(Array::of<float>(dims, from))
                 .operand(Array::of<float>(dims, to))
                 .gives({DType::f32, dims})
                 .run(),
             Array::of<float>(dims, want));
}

TEST_CASE("reduce_precision rounds to the format's bits") {
  struct Format {
    int exponent, mantissa;
  };
  for (const Format format : {Format{5, 10}, {8, 7}, {4, 3}, {5, 0}, {8, 23}, {11, 52}, {2, 30}}) {
    for (const DType dtype : {DType::f32, DType::f64}) {
      INFO("e" << format.exponent << "m" << format.mantissa << " of " << name_of(dtype));
      const bool single = dtype == DType::f32;
      const int exponent = std::min(format.exponent, single ? 8 : 11);
      const int mantissa = std::min(format.mantissa, single ? 23 : 52);
      const Array x = special_values(dtype);
      const Array got = ImportCase("stablehlo.reduce_precision")
                            .operand(x)
                            .with("exponent_bits", attribute(format.exponent))
                            .with("mantissa_bits", attribute(format.mantissa))
                            .gives(x.type())
                            .run();
      Array want(x.type());
      visit_dtype(dtype, [&]<class T>(T) {
        for (std::size_t i = 0; i < want.data<T>().size(); ++i) {
          const double value = x.as_double(static_cast<std::int64_t>(i));
          // Of all its exponents the type keeps the lowest too: that of subnormals.
          const bool subnormal = std::fabs(value) < std::numeric_limits<T>::min();
          const bool kept = exponent == (single ? 8 : 11) && subnormal;
          want.data<T>()[i] =
              kept ? got.data<T>()[i] : static_cast<T>(rounded(value, exponent, mantissa));
        }
      });
      CHECK(difference(got, want) == kNone);
    }
  }
  CHECK_THROWS_WITH(ImportCase("stablehlo.reduce_precision")
                        .operand(numbers({1}))
                        .with("exponent_bits", attribute(0))
                        .with("mantissa_bits", attribute(3))
                        .gives({DType::f64, {1}})
                        .import(),
                    ContainsSubstring("at least 1 exponent bit"));
}

TEST_CASE("infinities are told apart") {
  const Array x = numbers({1, kInfinity, -kInfinity, kNan});
  const auto of = [&](const char* name) {
    return elements<bool>(ImportCase(name).operand(x).gives({DType::i1, {4}}).run());
  };
  CHECK(of("chlo.is_inf") == std::vector{false, true, true, false});
  CHECK(of("chlo.is_pos_inf") == std::vector{false, true, false, false});
  CHECK(of("chlo.is_neg_inf") == std::vector{false, false, true, false});
}

TEST_CASE("clamp takes bounds of the operand's shape or scalars, and keeps NaN") {
  const Array x = numbers({-1, 0.5, 3, kNan});
  const auto clamped = [&](const Array& low, const Array& high) {
    return ImportCase("stablehlo.clamp").operand(low).operand(x).operand(high).gives(x.type());
  };
  check_same(clamped(Array::scalar(0.0), Array::scalar(1.0)).run(), numbers({0, 0.5, 1, kNan}));
  check_same(clamped(numbers({-2, 1, 1, 1}), numbers({0, 2, 2, 2})).run(),
             numbers({-1, 1, 2, kNan}));
  CHECK_THROWS_WITH(clamped(numbers({0, 1}), Array::scalar(1.0)).import(),
                    "test.mlir:1: stablehlo.clamp: expected operand 0 of type tensor<4xf64>, found "
                    "tensor<2xf64>");
}

TEST_CASE("total order puts -0 before 0 and NaN at the ends") {
  const Array x = numbers({-kNan, -kInfinity, -1, -0.0, 0, 1, kInfinity, kNan});
  Array shifted = numbers({-kInfinity, -1, -0.0, 0, 1, kInfinity, kNan, kNan});
  const Array less = ImportCase("stablehlo.compare")
                         .operand(x)
                         .operand(shifted)
                         .with("comparison_direction", keyword("LT"))
                         .with("compare_type", keyword("TOTALORDER"))
                         .gives({DType::i1, {8}})
                         .run();
  CHECK(elements<bool>(less) == std::vector{true, true, true, true, true, true, true, false});
  CHECK_THROWS_WITH(ImportCase("stablehlo.compare")
                        .operand(x)
                        .operand(x)
                        .with("comparison_direction", keyword("LT"))
                        .with("compare_type", keyword("SIGNED"))
                        .gives({DType::i1, {8}})
                        .import(),
                    ContainsSubstring("compare_type FLOAT"));
}

TEST_CASE("bitcast_convert between widths is the bytes in memory") {
  const Array wide = Array::of<std::uint64_t>({3}, {0x0123456789ABCDEF, 0, ~std::uint64_t{0}});
  for (const DType part : {DType::i8, DType::ui16, DType::f32, DType::i1}) {
    const bool bits = part == DType::i1;
    const Type parts{part, {3, bits ? 64 : 8 / size_of(part)}};
    const Array got = ImportCase("stablehlo.bitcast_convert").operand(wide).gives(parts).run();
    if (!bits) CHECK(std::memcmp(got.bytes().data(), wide.bytes().data(), 24) == 0);
    if (bits) CHECK(elements<bool>(got)[4] == false);  // of 0x…EF: 1111 0111 and so on
    if (bits) CHECK(elements<bool>(got)[5] == true);
    const Array back =
        ImportCase("stablehlo.bitcast_convert").operand(got).gives({DType::f64, {3}}).run();
    CHECK(std::memcmp(back.bytes().data(), wide.bytes().data(), 24) == 0);
  }
  CHECK_THROWS_WITH(ImportCase("stablehlo.bitcast_convert")
                        .operand(wide.converted(DType::ui32))
                        .gives({DType::ui64, {1}})
                        .import(),
                    ContainsSubstring("2 parts of one ui64"));
}

TEST_CASE("chlo's broadcasting ops stretch their operands") {
  const Array a = Array::of<float>({2, 3}, {1, 2, 3, 4, 5, 6}), b = Array::of<float>({2}, {10, 20});
  CHECK(elements<float>(ImportCase("chlo.broadcast_add")
                            .operand(a)
                            .operand(b)
                            .with("broadcast_dimensions", attribute({0}))
                            .gives(a.type())
                            .run()) == std::vector<float>{11, 12, 13, 24, 25, 26});
  CHECK(elements<float>(ImportCase("chlo.broadcast_subtract")
                            .operand(Array::scalar(1.0F))
                            .operand(b)
                            .gives(b.type())
                            .run()) == std::vector<float>{-9, -19});
  CHECK(elements<bool>(ImportCase("chlo.broadcast_compare")
                           .operand(b.reshaped({2, 1}))
                           .operand(b)
                           .with("comparison_direction", keyword("LT"))
                           .gives({DType::i1, {2, 2}})
                           .run()) == std::vector{false, true, false, false});
  CHECK_THROWS_WITH(ImportCase("chlo.broadcast_add").operand(a).operand(b).gives(a.type()).import(),
                    ContainsSubstring("broadcast_in_dim"));
}

TEST_CASE("the largest k are found, NaN first, with their places") {
  ImportCase op("chlo.top_k");
  op.operand(Array::of<float>({2, 4}, {3, 9, 9, 1, -0.0F, 0, -1, NAN}))
      .with("k", attribute(3))
      .gives({DType::f32, {2, 3}})
      .gives({DType::i32, {2, 3}});
  const std::vector<Array> results = op.all();
  CHECK(elements<std::int32_t>(results[1]) == std::vector<std::int32_t>{1, 2, 0, 3, 1, 0});
  CHECK(results[0].as_double(0) == 9);
  CHECK(std::isnan(results[0].as_double(3)));
}

TEST_CASE("ThreeFry has its published vectors") {
  // Of Random123: counter, key, result, low word first.
  struct Vector {
    std::uint64_t counter, key, result;
  };
  for (const Vector& v : {Vector{0, 0, 0x99ba4efe6b200159},
                          Vector{~std::uint64_t{0}, ~std::uint64_t{0}, 0xbb002be71cb996fc},
                          Vector{0x85a308d3243f6a88, 0x0370734413198a2e, 0x483df7a0c4923a9c},
                          // StableHLO's test rng_bit_generator_…_shape
                          Vector{3, 3, 3349939604322698703}}) {
    const std::vector<Array> results =
        ImportCase("stablehlo.rng_bit_generator")
            .operand(Array::of<std::uint64_t>({2}, {v.key, v.counter}))
            .with("rng_algorithm", keyword("THREE_FRY"))
            .gives({DType::ui64, {2}})
            .gives({DType::ui64, {}})
            .all();
    CHECK(elements<std::uint64_t>(results[0]) == std::vector{v.key, v.counter + 1});
    CHECK(elements<std::uint64_t>(results[1]) == std::vector{v.result});
  }
}

TEST_CASE("a block of ThreeFry fills two 32-bit elements along one axis") {
  const Array state = Array::of<std::uint64_t>({2}, {7, 40});
  const auto bits = [&](Type type) {
    return ImportCase("stablehlo.rng_bit_generator")
        .operand(state)
        .with("rng_algorithm", keyword("DEFAULT"))
        .gives({DType::ui64, {2}})
        .gives(std::move(type))
        .all();
  };
  const auto words = elements<std::uint64_t>(bits({DType::ui64, {6}})[1]);
  const auto low = [&](int i) {
    return static_cast<std::uint32_t>(words[static_cast<std::size_t>(i)]);
  };
  const auto high = [&](int i) {
    return static_cast<std::uint32_t>(words[static_cast<std::size_t>(i)] >> 32);
  };
  // The first even axis is halved: of [3, 4] the second.
  const auto even = bits({DType::ui32, {3, 4}});
  CHECK(elements<std::uint32_t>(even[1]) == std::vector{low(0), high(0), low(1), high(1), low(2),
                                                        high(2), low(3), high(3), low(4), high(4),
                                                        low(5), high(5)});
  CHECK(elements<std::uint64_t>(even[0]) == std::vector<std::uint64_t>{7, 46});
  // Of odd ones the longest, whose last half block goes unused.
  const auto odd = bits({DType::i32, {3, 1}});
  CHECK(elements<std::int32_t>(odd[1]) == std::vector{static_cast<std::int32_t>(low(0)),
                                                      static_cast<std::int32_t>(high(0)),
                                                      static_cast<std::int32_t>(low(1))});
  CHECK(elements<std::uint64_t>(odd[0]) == std::vector<std::uint64_t>{7, 42});
  CHECK(elements<std::uint8_t>(bits({DType::ui8, {2}})[1]) ==
        std::vector{static_cast<std::uint8_t>(low(0)), static_cast<std::uint8_t>(high(0))});
  CHECK_THROWS_WITH(ImportCase("stablehlo.rng_bit_generator")
                        .operand(state)
                        .with("rng_algorithm", keyword("PHILOX"))
                        .gives(state.type())
                        .gives(state.type())
                        .import(),
                    ContainsSubstring("of algorithm PHILOX is not supported"));
}

TEST_CASE("batch norm is the specification's formulas") {
  // Features on axis 1 of [4, 3, 2].
  const Type type{DType::f64, {4, 3, 2}}, features{DType::f64, {3}};
  const Array x = random_array(type, 1), ct = random_array(type, 2);
  const Array scale = random_array(features, 3), offset = random_array(features, 4),
              mean = random_array(features, 5), variance = random_array(features, 6, 0.1, 3);
  const double epsilon = 0.01, count = 8;
  const auto made = [&](const char* name, std::initializer_list<Array> operands) {
    ImportCase op(name);
    for (const Array& operand : operands) op.operand(operand);
    op.with("epsilon", attribute(epsilon)).with("feature_index", attribute(1)).gives(type);
    return op;
  };
  const auto at = [](const Array& array, std::size_t i) { return array.data<double>()[i]; };
  const auto feature = [](std::size_t i) { return i / 2 % 3; };

  const Array inference =
      made("stablehlo.batch_norm_inference", {x, scale, offset, mean, variance}).run();
  for (std::size_t i = 0; i < 24; ++i) {
    const std::size_t f = feature(i);
    CHECK(at(inference, i) ==
          Approx((at(x, i) - at(mean, f)) / std::sqrt(at(variance, f) + epsilon) * at(scale, f) +
                 at(offset, f)));
  }

  std::vector<double> means(3), variances(3);
  for (std::size_t i = 0; i < 24; ++i) means[feature(i)] += at(x, i) / count;
  for (std::size_t i = 0; i < 24; ++i)
    variances[feature(i)] += std::pow(at(x, i) - means[feature(i)], 2) / count;
  const auto training = made("stablehlo.batch_norm_training", {x, scale, offset})
                            .gives(features)
                            .gives(features)
                            .all();
  for (std::size_t f = 0; f < 3; ++f) {
    CHECK(at(training[1], f) == Approx(means[f]));
    CHECK(at(training[2], f) == Approx(variances[f]));
  }
  for (std::size_t i = 0; i < 24; ++i) {
    const std::size_t f = feature(i);
    CHECK(at(training[0], i) ==
          Approx((at(x, i) - means[f]) / std::sqrt(variances[f] + epsilon) * at(scale, f) +
                 at(offset, f)));
  }

  // The gradient of Σ ct · training, which mean and variance depend on too.
  const Array true_mean = Array::of<double>({3}, means),
              true_variance = Array::of<double>({3}, variances);
  const auto grad = made("stablehlo.batch_norm_grad", {x, scale, true_mean, true_variance, ct})
                        .gives(features)
                        .gives(features)
                        .all();
  const auto loss = [&](const Array& operand, const Array& by) {
    const Array result = made("stablehlo.batch_norm_training", {operand, by, offset})
                             .gives(features)
                             .gives(features)
                             .all()[0];
    double sum = 0;
    for (std::size_t i = 0; i < 24; ++i) sum += at(result, i) * at(ct, i);
    return sum;
  };
  const double step = 1e-6;
  for (std::size_t i = 0; i < 24; i += 5) {
    Array above = x.clone(), below = x.clone();
    above.data<double>()[i] += step;
    below.data<double>()[i] -= step;
    CHECK(
        at(grad[0], i) ==
        Approx((loss(above, scale) - loss(below, scale)) / (2 * step)).epsilon(1e-5).margin(1e-7));
  }
  for (std::size_t f = 0; f < 3; ++f) {
    Array above = scale.clone(), below = scale.clone();
    above.data<double>()[f] += step;
    below.data<double>()[f] -= step;
    CHECK(at(grad[1], f) == Approx((loss(x, above) - loss(x, below)) / (2 * step)).epsilon(1e-5));
    double sum = 0;
    for (std::size_t i = 0; i < 24; ++i) sum += feature(i) == f ? at(ct, i) : 0;
    CHECK(at(grad[2], f) == Approx(sum));
  }
  CHECK_THROWS_WITH(made("stablehlo.batch_norm_inference", {x, scale, offset, mean, x}).import(),
                    ContainsSubstring("operand 4 of type tensor<3xf64>"));
}

}  // namespace kiln
