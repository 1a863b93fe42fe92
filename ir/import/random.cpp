// Random bits: the ThreeFry block cipher (Salmon and others, "Parallel random numbers: as easy as
// 1, 2, 3") of a counter, in integer ops. How blocks fill the result is as XLA does it, so that
// programs see the same bits.
#include <algorithm>
#include <array>
#include <utility>

#include "ir/import/context.h"
#include "ir/import/expression.h"

namespace kiln::importing {
namespace {

using Values = std::vector<Value>;

/// Two 32-bit halves of 64 bits.
struct Block {
  Expr low, high;
};

Block halves(Expr x) {
  return {build::convert(x, DType::ui32), build::convert(x >> 32, DType::ui32)};
}

Expr rotated(Expr x, int places) { return (x << places) | (x >> (32 - places)); }

/// 20 rounds; after each four the key is added again, and the number of times so far.
Block threefry(Block x, Block key) {
  constexpr int kRotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  const Expr keys[3] = {key.low, key.high,
                        key.low ^ key.high ^ Expr(bits_like(key.low, 0x1BD11BDA))};
  x = {x.low + keys[0], x.high + keys[1]};
  for (int four = 1; four <= 5; ++four) {
    for (const int places : kRotations[(four - 1) % 2]) {
      x.low = x.low + x.high;
      x.high = x.low ^ rotated(x.high, places);
    }
    x = {x.low + keys[four % 3], x.high + (keys[(four + 1) % 3] + four)};
  }
  return x;
}

/// The blocks of the counters first, first + 1, … in row-major order.
Block blocks(Value key, Value first, const Ints& dims) {
  Graph& graph = key.graph();
  const Type type{DType::ui64, dims};
  const Value flat = build::iota(graph, {DType::ui64, {type.count()}}, 0);
  const Expr counters = Expr(broadcast_scalar(first, type)) + Expr(build::reshape(flat, dims));
  const Block of_key = halves(key);
  const Type half{DType::ui32, dims};
  return threefry(halves(counters),
                  {broadcast_scalar(of_key.low, half), broadcast_scalar(of_key.high, half)});
}

/// 32 bits for each element. An axis is halved; a block's low half goes to an even place of it, the
/// high half to the next. The axis is the first of even extent, else the longest.
std::pair<Expr, std::int64_t> narrow_bits(Value key, Value first, Ints dims) {
  const Ints wanted = dims;
  if (dims.empty()) dims = {1};
  auto axis = std::ranges::find_if(dims, [](std::int64_t extent) { return extent % 2 == 0; });
  if (axis == dims.end()) axis = std::ranges::max_element(dims);
  const auto at = axis - dims.begin();
  *axis = (*axis + 1) / 2;
  const std::int64_t used = element_count(dims);
  const Block block = blocks(key, first, dims);

  Ints apart = dims;
  apart.insert(apart.begin() + at + 1, 1);
  *axis *= 2;
  const Value both = build::concatenate(
      {build::reshape(block.low, apart), build::reshape(block.high, apart)}, at + 1);
  const Value joined = build::reshape(both, dims);
  const std::int64_t extent = wanted.empty() ? 1 : wanted[static_cast<std::size_t>(at)];
  return {build::reshape(build::slice_axis(joined, at, 0, extent), wanted), used};
}

Values import_rng_bit_generator(const Context& context) {
  // Which algorithm is the default is the implementation's choice.
  const std::string algorithm = context.word("rng_algorithm");
  if (algorithm != "THREE_FRY" && algorithm != "DEFAULT")
    context.unsupported(fmt::format("of algorithm {}", algorithm));
  const Value state = context.operand(0);
  if (state.type() != Type{DType::ui64, {2}}) {
    if (algorithm == "DEFAULT") context.unsupported("of another state than tensor<2xui64>");
    context.expect_type(0, Type{DType::ui64, {2}});
  }
  const Type& type = context.stated(1);
  const auto part = [&](std::int64_t i) {
    return build::reshape(build::slice_axis(state, 0, i, i + 1), {});
  };
  const Value key = part(0), first = part(1);

  Value bits;
  std::int64_t used = type.count();
  const DType word = integer_as_wide(type.dtype, false);
  if (size_of(word) == 8) {
    const Block block = blocks(key, first, type.dims);
    bits = Expr(build::convert(block.low, word)) | (Expr(build::convert(block.high, word)) << 32);
  } else {
    const auto [narrow, count] = narrow_bits(key, first, type.dims);
    used = count;
    bits = word == DType::ui32 ? narrow : Expr(build::convert(narrow, word));
  }
  if (is_bool(type.dtype)) context.unsupported("of booleans");
  if (type.dtype != word) bits = bitcast(bits, type.dtype);
  const Value next = Expr(first) + Expr(bits_like(first, static_cast<std::uint64_t>(used)));
  return {build::concatenate({build::reshape(key, {1}), build::reshape(next, {1})}, 0), bits};
}

constexpr Row kRows[] = {
    {"stablehlo.rng_bit_generator", 1, 0, import_rng_bit_generator},
};

}  // namespace

std::span<const Row> random_imports() { return kRows; }

}  // namespace kiln::importing
