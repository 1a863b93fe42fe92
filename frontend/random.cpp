#include "frontend/random.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "frontend/functions.h"
#include "ir/build.h"

namespace kiln {
namespace {

using Words = std::pair<Value, Value>;

Value constant_like(Value x, std::uint32_t value) { return build::like(x, value); }

Value shifted(Op op, Value x, int bits) { return build::binary(op, x, build::like(x, bits)); }

Value rotated(Value x, int bits) {
  const int width = 8 * size_of(x.type().dtype);
  return build::binary(Op::or_, shifted(Op::shift_left, x, bits),
                       shifted(Op::shift_right_logical, x, width - bits));
}

Words threefry(Words key, Words counter) {
  constexpr std::array kRotations{13, 15, 26, 6, 17, 29, 16, 24};
  constexpr std::uint32_t kParity = 0x1BD11BDA;
  const Ints& dims = counter.first.type().dims;
  const auto wide = [&](Value word) {
    return word.type().dims == dims ? word : build::broadcast(word, dims, {});
  };
  const Value third = build::binary(Op::xor_, build::binary(Op::xor_, key.first, key.second),
                                    constant_like(key.first, kParity));
  const std::array keys{wide(key.first), wide(key.second), wide(third)};
  Value a = build::add(counter.first, keys[0]), b = build::add(counter.second, keys[1]);
  for (std::size_t group = 0; group < 5; ++group) {
    for (std::size_t round = 0; round < 4; ++round) {
      a = build::add(a, b);
      b = build::binary(Op::xor_, rotated(b, kRotations[group % 2 * 4 + round]), a);
    }
    a = build::add(a, keys[(group + 1) % 3]);
    b = build::add(build::add(b, keys[(group + 2) % 3]),
                   constant_like(b, static_cast<std::uint32_t>(group + 1)));
  }
  return {a, b};
}

/// A 64-bit integer's lower and upper half.
Words halves(Value x) {
  return {build::convert(x, DType::ui32),
          build::convert(shifted(Op::shift_right_logical, x, 32), DType::ui32)};
}

/// Each element's place in row-major order.
Value places(Graph& graph, const Ints& dims) {
  const Type type{DType::ui32, dims};
  const Ints strides = row_major_strides(dims);
  Value place = graph.splat(type, 0);
  for (std::size_t axis = 0; axis < dims.size(); ++axis) {
    if (dims[axis] <= 1) continue;
    const Value along = build::iota(graph, type, static_cast<std::int64_t>(axis));
    place = build::add(
        place, build::multiply(along, build::like(along, static_cast<double>(strides[axis]))));
  }
  return place;
}

/// Two words of fresh random bits for each element.
Words fresh_bits(std::string_view what, const Ints& dims, Generator& generator, Where where) {
  Trace& trace = Trace::current(what, where);
  for (const std::int64_t extent : dims)
    if (extent < 0)
      throw Error(where,
                  fmt::format("{}: expected extents >= 0, found [{}]", what, join(dims, ", ")));
  if (element_count(dims) > std::int64_t{1} << 32)
    throw Error(where, fmt::format("{}: expected at most 2^32 elements, found [{}]", what,
                                   join(dims, ", ")));
  Graph& graph = trace.graph();
  const Tensor step = trace.initial(generator.step());
  trace.assign(generator.step(), add(step, 1.0, where), where);
  Words key = threefry(halves(trace.read(generator.seed()).value()), halves(step.value()));
  for (const Tensor& counter : trace.loops()) key = threefry(key, halves(counter.value()));
  const Value place = places(graph, dims);
  return threefry(key, {place, build::like(place, static_cast<double>(trace.next_stream()))});
}

/// U[0, 1): as many bits as a float of that type holds.
Value uniform(Words bits, DType dtype) {
  if (dtype == DType::f32) {
    const Value high = build::convert(shifted(Op::shift_right_logical, bits.first, 8), dtype);
    return build::multiply(high, build::like(high, 0x1p-24));
  }
  const Value high = build::convert(shifted(Op::shift_right_logical, bits.first, 5), DType::f64);
  const Value low = build::convert(shifted(Op::shift_right_logical, bits.second, 6), DType::f64);
  const Value whole = build::add(build::multiply(high, build::like(high, 0x1p26)), low);
  return build::multiply(whole, build::like(whole, 0x1p-53));
}

void check_float(DType dtype, std::string_view what, Where where) {
  if (!is_float(dtype))
    throw Error(where, fmt::format("{}: expected a float type, found {}", what, name_of(dtype)));
}

}  // namespace

Generator::Generator(const std::string& name)
    : seed_(std::make_shared<Variable>(
          Variable{name + ".seed", Type{DType::ui64, {}}, Initializer::constant(0), false})),
      step_(std::make_shared<Variable>(
          Variable{name + ".step", Type{DType::i64, {}}, Initializer::constant(0), false})) {}

Generator& default_generator() {
  static Generator generator("random");
  return generator;
}

std::pair<Tensor, Tensor> threefry2x32(const std::pair<Tensor, Tensor>& key,
                                       const std::pair<Tensor, Tensor>& counter) {
  const auto [a, b] = threefry({key.first.value(), key.second.value()},
                               {counter.first.value(), counter.second.value()});
  return {Tensor(a), Tensor(b)};
}

Tensor rand(const Ints& dims, DType dtype, Generator& generator, Where where) {
  check_float(dtype, "rand", where);
  return Tensor(uniform(fresh_bits("rand", dims, generator, where), dtype));
}

Tensor randn(const Ints& dims, DType dtype, Generator& generator, Where where) {
  check_float(dtype, "randn", where);
  // Box and Muller's transform of (0, 1] and of an angle. Half a unit is added to the first, whose
  // logarithm would be infinite at 0.
  const Words bits = fresh_bits("randn", dims, generator, where);
  const auto fraction = [&](Value word, double offset) {
    return (Tensor(build::convert(word, dtype)) + offset) * 0x1p-32;
  };
  return sqrt(-2.0 * log(fraction(bits.first, 0.5), where), where) *
         cos(fraction(bits.second, 0) * (2 * std::numbers::pi), where);
}

Tensor randint(std::int64_t low, std::int64_t high, const Ints& dims, DType dtype,
               Generator& generator, Where where) {
  if (!is_integer(dtype))
    throw Error(where, fmt::format("randint: expected an integer type, found {}", name_of(dtype)));
  const auto held = [&](std::int64_t number) {
    if (number < 0 && is_unsigned(dtype)) return false;
    return Array::scalar(number)
        .converted(dtype)
        .converted(DType::i64)
        .same_bits(Array::scalar(number));
  };
  if (low >= high || !held(low) || !held(high - 1))
    throw Error(where, fmt::format("randint: expected low < high, both in the range of {}, found "
                                   "{} and {}",
                                   name_of(dtype), low, high));
  const Words bits = fresh_bits("randint", dims, generator, where);
  const Value first = build::convert(bits.first, DType::ui64);
  const Value whole = build::binary(Op::or_, shifted(Op::shift_left, first, 32),
                                    build::convert(bits.second, DType::ui64));
  Graph& graph = whole.graph();
  const auto number = [&](std::uint64_t value) {
    return build::broadcast(graph.constant(Array::scalar(value)), dims, {});
  };
  // Modulo 2⁶⁴, so that no range is too long.
  const auto start = static_cast<std::uint64_t>(low),
             range = static_cast<std::uint64_t>(high) - start;
  const Value drawn = build::add(build::binary(Op::remainder, whole, number(range)), number(start));
  return Tensor(build::convert(drawn, dtype, where));
}

Tensor bernoulli(const Tensor& p, Generator& generator, Where where) {
  check_float(p.dtype(), "bernoulli", where);
  return to(lt(rand(p.shape(), p.dtype(), generator, where), p, where), p.dtype(), where);
}

Tensor dropout(const Tensor& x, double p, Generator& generator, Where where) {
  if (!(p >= 0 && p <= 1))
    throw Error(where, fmt::format("dropout: expected a probability from 0 to 1, found {}", p));
  check_float(x.dtype(), "dropout", where);
  if (p == 0) return x;
  const Value bits = fresh_bits("dropout", x.shape(), generator, where).first;
  // Kept are the words below (1 - p) 2³²: fewer than all, so that p = 0 is the only certainty.
  const double kept = std::floor((1 - p) * 0x1p32);
  const Value keeps =
      build::compare(bits, build::like(bits, std::min(kept, 0x1p32 - 1)), Direction::LT);
  const double scale = p < 1 ? 1 / (1 - p) : 0;
  return kiln::where(Tensor(keeps), mul(x, scale, where), 0.0, where);
}

}  // namespace kiln
