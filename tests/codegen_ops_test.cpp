// Every operation of the loop IR on every element type against C++, on three targets.
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "ir/array.h"
#include "tests/catch.h"
#include "tests/compiled.h"

using namespace kiln;
using namespace kiln::loop;

namespace {

constexpr int kCount = 64;  // elements per operand
constexpr std::array kTypes = {DType::i1,   DType::i8,  DType::i16,  DType::i32,
                               DType::i64,  DType::ui8, DType::ui16, DType::ui32,
                               DType::ui64, DType::f32, DType::f64};

template <class T>
using Bits = std::conditional_t<
    sizeof(T) == 1, std::uint8_t,
    std::conditional_t<sizeof(T) == 2, std::uint16_t,
                       std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>>;

/// Edge cases first, then random bits.
template <class T>
std::vector<T> operands(unsigned seed) {
  std::vector<T> values;
  using Limits = std::numeric_limits<T>;
  if constexpr (std::is_same_v<T, bool>) {
    values = {false, true};
  } else if constexpr (std::is_floating_point_v<T>) {
    for (double v : {0.0, 0.5, 1.0, 1.5, 2.5, 3.0, 127.5, 255.5, 65535.9, 2147483647.5,
                     4294967295.0, 9.3e18, 1.9e19, 1e30}) {
      values.push_back(static_cast<T>(v));
      values.push_back(static_cast<T>(-v));
    }
    for (T v : {Limits::infinity(), Limits::max(), Limits::min(), Limits::denorm_min()}) {
      values.push_back(v);
      values.push_back(-v);
    }
    values.push_back(Limits::quiet_NaN());
  } else {
    values = {T(0), T(1), T(2), static_cast<T>(-1), Limits::min(), Limits::max(), T(100)};
  }
  std::mt19937_64 random(seed);
  std::rotate(values.begin(), values.begin() + static_cast<long>(seed % values.size()),
              values.end());
  while (values.size() < kCount) {
    if constexpr (std::is_floating_point_v<T>)
      values.push_back(static_cast<T>(std::ldexp(static_cast<double>(random() >> 11) - 0x1p52,
                                                 static_cast<int>(random() % 60) - 70)));
    else
      values.push_back(static_cast<T>(random()));
  }
  values.resize(kCount);
  return values;
}

template <class T>
T shift_amount(T value) {
  return static_cast<T>(static_cast<Bits<T>>(value) % (8 * sizeof(T)));
}

/// What an operation gives, in C++; false where the type does not have it.
template <class T>
bool expected(Opcode opcode, T a, T b, T c, T& result, bool& truth) {
  using enum Opcode;
  constexpr bool real = std::is_floating_point_v<T>;
  constexpr bool boolean = std::is_same_v<T, bool>;
  switch (opcode) {
    case eq:
      truth = a == b;
      return true;
    case ne:
      truth = a != b;
      return true;
    case lt:
      truth = a < b;
      return true;
    case le:
      truth = a <= b;
      return true;
    case gt:
      truth = a > b;
      return true;
    case ge:
      truth = a >= b;
      return true;
    case min:
    case max: {
      if (a != a || b != b)
        result = std::numeric_limits<T>::quiet_NaN();
      else if (a == b && real)
        result = std::signbit(static_cast<double>(a)) == (opcode == min) ? a : b;
      else
        result = (a < b) == (opcode == min) ? a : b;
      return true;
    }
    default:
      break;
  }
  if constexpr (!real) {
    switch (opcode) {
      case bit_and:
        result = static_cast<T>(a & b);
        return true;
      case bit_or:
        result = static_cast<T>(a | b);
        return true;
      case bit_xor:
        result = static_cast<T>(a ^ b);
        return true;
      case bit_not:
        result = boolean ? !a : static_cast<T>(~static_cast<Bits<T>>(a));
        return true;
      default:
        break;
    }
  }
  if constexpr (!boolean && !real) {
    using U = Bits<T>;
    using Wide = std::uint64_t;
    switch (opcode) {
      case add:
        result = static_cast<T>(static_cast<Wide>(a) + static_cast<Wide>(b));
        return true;
      case sub:
        result = static_cast<T>(static_cast<Wide>(a) - static_cast<Wide>(b));
        return true;
      case mul:
        result = static_cast<T>(static_cast<Wide>(a) * static_cast<Wide>(b));
        return true;
      case neg:
        result = static_cast<T>(Wide{0} - static_cast<Wide>(a));
        return true;
      case div:
        result = static_cast<T>(a / b);
        return true;
      case rem:
        result = static_cast<T>(a % b);
        return true;
      case shl:
        result = static_cast<T>(static_cast<Wide>(a) << shift_amount(b));
        return true;
      case shr:
        result = static_cast<T>(a >> shift_amount(b));
        return true;
      case popcnt:
        result = static_cast<T>(std::popcount(static_cast<U>(a)));
        return true;
      case clz:
        result = static_cast<T>(std::countl_zero(static_cast<U>(a)));
        return true;
      case abs:
        if (!std::is_signed_v<T>) return false;
        result = a < 0 ? static_cast<T>(Wide{0} - static_cast<Wide>(a)) : a;
        return true;
      default:
        break;
    }
  }
  if constexpr (real) {
    switch (opcode) {
      case add:
        result = a + b;
        return true;
      case sub:
        result = a - b;
        return true;
      case mul:
        result = a * b;
        return true;
      case div:
        result = a / b;
        return true;
      case rem:
        result = std::fmod(a, b);
        return true;
      case fma:
        result = std::fma(a, b, c);
        return true;
      case neg:
        result = -a;
        return true;
      case abs:
        result = std::abs(a);
        return true;
      case sqrt:
        result = std::sqrt(a);
        return true;
      case floor:
        result = std::floor(a);
        return true;
      case ceil:
        result = std::ceil(a);
        return true;
      case trunc:
        result = std::trunc(a);
        return true;
      case round_even:
        result = std::nearbyint(a);
        return true;
      default:
        break;
    }
  }
  return false;
}

constexpr std::array kOpcodes = {
    Opcode::add,     Opcode::sub,    Opcode::mul,     Opcode::div,     Opcode::rem,
    Opcode::fma,     Opcode::neg,    Opcode::abs,     Opcode::min,     Opcode::max,
    Opcode::sqrt,    Opcode::floor,  Opcode::ceil,    Opcode::trunc,   Opcode::round_even,
    Opcode::bit_and, Opcode::bit_or, Opcode::bit_xor, Opcode::bit_not, Opcode::shl,
    Opcode::shr,     Opcode::popcnt, Opcode::clz,     Opcode::eq,      Opcode::ne,
    Opcode::lt,      Opcode::le,     Opcode::gt,      Opcode::ge};

std::size_t arity(Opcode opcode) {
  using enum Opcode;
  switch (opcode) {
    case fma:
      return 3;
    case neg:
    case abs:
    case sqrt:
    case floor:
    case ceil:
    case trunc:
    case round_even:
    case bit_not:
    case popcnt:
    case clz:
      return 1;
    default:
      return 2;
  }
}

bool is_comparison(Opcode opcode) { return opcode >= Opcode::eq && opcode <= Opcode::ge; }

/// Equal bits; any NaN for a NaN (C++ does not fix its sign).
template <class T>
bool same(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return (std::isnan(a) && std::isnan(b)) ||
           std::bit_cast<Bits<T>>(a) == std::bit_cast<Bits<T>>(b);
  else
    return a == b;
}

template <class T>
struct Memory {  // std::vector<bool> has no bytes
  explicit Memory(std::size_t count) : bytes(count * sizeof(T)) {}
  explicit Memory(const std::vector<T>& values) : Memory(values.size()) {
    for (std::size_t i = 0; i < values.size(); ++i) at(i, values[i]);
  }
  void at(std::size_t i, T value) { std::memcpy(&bytes[i * sizeof(T)], &value, sizeof(T)); }
  T operator[](std::size_t i) const {
    T value;
    std::memcpy(&value, &bytes[i * sizeof(T)], sizeof(T));
    return value;
  }
  void* data() { return bytes.data(); }
  std::vector<char> bytes;
};

template <class T>
void check_operations(const Target& target) {
  constexpr DType dtype = dtype_of<T>();
  std::vector<T> a = operands<T>(1), b = operands<T>(2), c = operands<T>(3);
  const int lanes = GENERATE(16, 1);
  std::vector<Opcode> tested;
  for (Opcode opcode : kOpcodes) {
    T result{};
    bool truth = false;
    if (expected<T>(opcode, T(1), T(1), T(1), result, truth)) tested.push_back(opcode);
  }
  // Divisors that the operation's contract excludes become 1.
  std::vector<T> divisors = b;
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>)
    for (std::size_t i = 0; i < divisors.size(); ++i)
      if (divisors[i] == 0 || static_cast<std::int64_t>(divisors[i]) == -1) divisors[i] = 1;
  std::vector<T> amounts = b;
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>)
    for (T& amount : amounts) amount = shift_amount(amount);

  const Kernel kernel = kernel_of("ops", [&](Builder& builder) {
    std::vector<int> in;
    for (int i = 0; i < 5; ++i) in.push_back(builder.buffer(dtype, Buffer::Kind::in, kCount));
    const auto count = static_cast<std::int64_t>(tested.size()) * kCount;
    const int out = builder.buffer(dtype, Buffer::Kind::out, count);
    const int truths = builder.buffer(DType::i1, Buffer::Kind::out, count);
    builder.loop("i", {0}, {kCount}, lanes, [&](Var i) {
      std::vector<Reg> loaded;
      for (int buffer : in) loaded.push_back(builder.load(buffer, Affine::of(i), lanes));
      for (std::size_t k = 0; k < tested.size(); ++k) {
        using enum Opcode;
        const Reg second = tested[k] == div || (tested[k] == rem && !is_float(dtype)) ? loaded[3]
                           : tested[k] == shl || tested[k] == shr                     ? loaded[4]
                                                                                      : loaded[1];
        std::vector<Reg> arguments = {loaded[0], second, loaded[2]};
        arguments.resize(arity(tested[k]));
        const Reg result = builder.let(tested[k], arguments);
        builder.store(is_comparison(tested[k]) ? truths : out,
                      Affine::of(i) + static_cast<std::int64_t>(k) * kCount, result);
      }
    });
  });
  Memory<T> ma(a), mb(b), mc(c), md(divisors), me(amounts), out(tested.size() * kCount);
  Memory<bool> truths(tested.size() * kCount);
  run(program_of(kernel), target,
      {ma.data(), mb.data(), mc.data(), md.data(), me.data(), out.data(), truths.data()});
  for (std::size_t k = 0; k < tested.size(); ++k)
    for (std::size_t i = 0; i < kCount; ++i) {
      using enum Opcode;
      const T second = tested[k] == div || (tested[k] == rem && !is_float(dtype)) ? divisors[i]
                       : tested[k] == shl || tested[k] == shr                     ? amounts[i]
                                                                                  : b[i];
      T want{};
      bool truth = false;
      expected<T>(tested[k], a[i], second, c[i], want, truth);
      const bool good = is_comparison(tested[k]) ? truths[k * kCount + i] == truth
                                                 : same(out[k * kCount + i], want);
      INFO(name_of(tested[k]) << " " << name_of(dtype) << "x" << lanes << " on " << target.cpu
                              << ": " << +a[i] << ", " << +second << ", " << +c[i] << " gives "
                              << +out[k * kCount + i] << ", not " << +want);
      if (!good) CHECK(good);
    }
}

/// StableHLO's convert: floats to integers truncate, saturate, NaN is 0.
template <class To, class From>
To converted(From value) {
  if constexpr (std::is_same_v<To, bool>)
    return value != 0;
  else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if (std::isnan(value)) return 0;
    const auto low = static_cast<long double>(std::numeric_limits<To>::min());
    const auto high = static_cast<long double>(std::numeric_limits<To>::max());
    const long double whole = std::trunc(static_cast<long double>(value));
    return whole <= low    ? std::numeric_limits<To>::min()
           : whole >= high ? std::numeric_limits<To>::max()
                           : static_cast<To>(whole);
  } else {
    return static_cast<To>(value);
  }
}

template <class From>
void check_conversions(const Target& target) {
  constexpr DType from = dtype_of<From>();
  const std::vector<From> values = operands<From>(4);
  const Kernel kernel = kernel_of("convert", [&](Builder& builder) {
    const int in = builder.buffer(from, Buffer::Kind::in, kCount);
    std::vector<int> out;
    for (DType to : kTypes) out.push_back(builder.buffer(to, Buffer::Kind::out, kCount));
    builder.loop("i", {0}, {kCount}, kLanes, [&](Var i) {
      const Reg value = builder.load(in, Affine::of(i), kLanes);
      for (std::size_t k = 0; k < kTypes.size(); ++k)
        builder.store(out[k], Affine::of(i), builder.convert(value, kTypes[k]));
    });
  });
  Memory<From> in(values);
  std::vector<std::vector<char>> out(kTypes.size(), std::vector<char>(kCount * 8));
  std::vector<void*> arguments = {in.data()};
  for (auto& each : out) arguments.push_back(each.data());
  run(program_of(kernel), target, arguments);
  for (std::size_t k = 0; k < kTypes.size(); ++k)
    visit_dtype(kTypes[k], [&]<class To>(To) {
      for (std::size_t i = 0; i < kCount; ++i) {
        To got;
        std::memcpy(&got, &out[k][i * sizeof(To)], sizeof(To));
        const To want = converted<To, From>(values[i]);
        INFO(name_of(from) << " to " << name_of(kTypes[k]) << " on " << target.cpu << ": "
                           << +values[i] << " gives " << +got << ", not " << +want);
        if (!same(got, want)) CHECK(same(got, want));
      }
    });
}

}  // namespace

TEST_CASE("operations_agree_with_c++_on_every_type_and_target") {
  for (const Target& target : test_targets())
    for (DType dtype : kTypes) visit_dtype(dtype, [&]<class T>(T) { check_operations<T>(target); });
  SUCCEED();
}

TEST_CASE("conversions_saturate_on_every_pair_of_types_and_target") {
  for (const Target& target : test_targets())
    for (DType dtype : kTypes)
      visit_dtype(dtype, [&]<class T>(T) { check_conversions<T>(target); });
  SUCCEED();
}
