#include "ir/loop.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include <fmt/format.h>

namespace kiln::loop {
namespace {

bool is_reduction(Opcode opcode) {
  return opcode >= Opcode::reduce_add && opcode <= Opcode::reduce_xor;
}

bool is_comparison(Opcode opcode) { return opcode >= Opcode::eq && opcode <= Opcode::ge; }

/// Whether an operation is defined on elements of a type; the reasons stand at each opcode in
/// loop.h.
bool accepts(Opcode opcode, DType dtype) {
  using enum Opcode;
  switch (opcode) {
    case constant:
    case splat:
    case eq:
    case ne:
    case lt:
    case le:
    case gt:
    case ge:
    case select:
    case convert:
    case bitcast:
    case min:
    case max:
    case reduce_min:
    case reduce_max:
      return true;
    case index:
      return dtype == DType::i64;
    case add:
    case sub:
    case mul:
    case div:
    case rem:
    case neg:
    case reduce_add:
    case reduce_mul:
      return !is_bool(dtype);
    case abs:
      return is_float(dtype) || is_signed(dtype);
    case fma:
    case scale:
    case sqrt:
    case floor:
    case ceil:
    case trunc:
    case round_even:
      return is_float(dtype);
    case bit_and:
    case bit_or:
    case bit_xor:
    case bit_not:
    case reduce_and:
    case reduce_or:
    case reduce_xor:
      return !is_float(dtype);
    case shl:
    case shr:
    case popcnt:
    case clz:
      return is_integer(dtype);
  }
  return false;
}

std::size_t arity_of(Opcode opcode) {
  using enum Opcode;
  switch (opcode) {
    case constant:
    case index:
      return 0;
    case add:
    case sub:
    case mul:
    case div:
    case rem:
    case scale:
    case min:
    case max:
    case bit_and:
    case bit_or:
    case bit_xor:
    case shl:
    case shr:
    case eq:
    case ne:
    case lt:
    case le:
    case gt:
    case ge:
      return 2;
    case fma:
    case select:
      return 3;
    case splat:
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
    case convert:
    case bitcast:
    case reduce_add:
    case reduce_mul:
    case reduce_min:
    case reduce_max:
    case reduce_and:
    case reduce_or:
    case reduce_xor:
      return 1;
  }
  return 0;
}

/// Bits of `value` rounded to the element type; integers take the nearest value in range.
std::uint64_t bits_of(DType dtype, double value) {
  switch (dtype) {
    case DType::f32:
      return std::bit_cast<std::uint32_t>(static_cast<float>(value));
    case DType::f64:
      return std::bit_cast<std::uint64_t>(value);
    case DType::i1:
      return value != 0;
    default:
      break;
  }
  const int width = 8 * size_of(dtype);
  const double low = is_signed(dtype) ? -std::ldexp(1.0, width - 1) : 0.0;
  const double high = std::ldexp(1.0, is_signed(dtype) ? width - 1 : width);
  internal_check(value >= low && value < high && value == std::floor(value),
                 "an integer constant fits its type");
  const std::uint64_t all = ~std::uint64_t{0} >> (64 - width);
  return (value < 0 ? static_cast<std::uint64_t>(static_cast<std::int64_t>(value))
                    : static_cast<std::uint64_t>(value)) &
         all;
}

}  // namespace

std::string_view name_of(Opcode opcode) {
  using enum Opcode;
  switch (opcode) {
    case constant:
      return "constant";
    case index:
      return "index";
    case splat:
      return "splat";
    case add:
      return "add";
    case sub:
      return "sub";
    case mul:
      return "mul";
    case div:
      return "div";
    case rem:
      return "rem";
    case fma:
      return "fma";
    case scale:
      return "scale";
    case neg:
      return "neg";
    case abs:
      return "abs";
    case min:
      return "min";
    case max:
      return "max";
    case sqrt:
      return "sqrt";
    case floor:
      return "floor";
    case ceil:
      return "ceil";
    case trunc:
      return "trunc";
    case round_even:
      return "round_even";
    case bit_and:
      return "and";
    case bit_or:
      return "or";
    case bit_xor:
      return "xor";
    case bit_not:
      return "not";
    case shl:
      return "shl";
    case shr:
      return "shr";
    case popcnt:
      return "popcnt";
    case clz:
      return "clz";
    case eq:
      return "cmp eq";
    case ne:
      return "cmp ne";
    case lt:
      return "cmp lt";
    case le:
      return "cmp le";
    case gt:
      return "cmp gt";
    case ge:
      return "cmp ge";
    case select:
      return "select";
    case convert:
      return "convert";
    case bitcast:
      return "bitcast";
    case reduce_add:
      return "reduce_add";
    case reduce_mul:
      return "reduce_mul";
    case reduce_min:
      return "reduce_min";
    case reduce_max:
      return "reduce_max";
    case reduce_and:
      return "reduce_and";
    case reduce_or:
      return "reduce_or";
    case reduce_xor:
      return "reduce_xor";
  }
  return "?";
}

std::string VType::str() const {
  return lanes == 1 ? std::string(name_of(dtype)) : fmt::format("{}x{}", name_of(dtype), lanes);
}

// ---- Affine
// ---------------------------------------------------------------------------------------

Affine Affine::of(Var variable, std::int64_t coefficient) {
  Affine affine;
  if (coefficient != 0) affine.terms.emplace_back(variable, coefficient);
  return affine;
}

Affine Affine::operator+(const Affine& other) const {
  Affine sum(constant + other.constant);
  sum.terms.reserve(terms.size() + other.terms.size());
  auto a = terms.begin();
  auto b = other.terms.begin();
  while (a != terms.end() || b != other.terms.end()) {
    if (b == other.terms.end() || (a != terms.end() && a->first < b->first)) {
      sum.terms.push_back(*a++);
    } else if (a == terms.end() || b->first < a->first) {
      sum.terms.push_back(*b++);
    } else {
      if (const std::int64_t both = a->second + b->second; both != 0)
        sum.terms.emplace_back(a->first, both);
      ++a, ++b;
    }
  }
  return sum;
}

Affine Affine::operator*(std::int64_t factor) const {
  if (factor == 0) return {};
  Affine product = *this;
  product.constant *= factor;
  for (auto& [variable, coefficient] : product.terms) coefficient *= factor;
  return product;
}

std::int64_t Affine::coefficient(Var variable) const {
  for (const auto& [var, coefficient] : terms)
    if (var == variable) return coefficient;
  return 0;
}

// ---- Types
// ----------------------------------------------------------------------------------------

int Kernel::parameter_count() const {
  return static_cast<int>(std::count_if(buffers.begin(), buffers.end(), [](const Buffer& buffer) {
    return buffer.kind != Buffer::Kind::local;
  }));
}

VType result_type(Opcode opcode, std::span<const VType> arguments) {
  const bool many = is_reduction(opcode) && arguments.size() > 1;
  internal_check(many || (arguments.size() == arity_of(opcode) && !arguments.empty()),
                 fmt::format("{} has {} operands", name_of(opcode), arity_of(opcode)));
  internal_check(opcode != Opcode::convert && opcode != Opcode::bitcast && opcode != Opcode::splat,
                 "the result of convert, bitcast and splat cannot be inferred");
  const VType type = opcode == Opcode::select ? arguments[1] : arguments[0];
  for (std::size_t i = opcode == Opcode::select ? 1 : 0; i < arguments.size(); ++i)
    internal_check(arguments[i] == type,
                   fmt::format("operands of {} have one type: {} and {}", name_of(opcode),
                               type.str(), arguments[i].str()));
  if (opcode == Opcode::select)
    internal_check(arguments[0] == VType{DType::i1, type.lanes},
                   fmt::format("select of {} asks an i1 of as many lanes, not {}", type.str(),
                               arguments[0].str()));
  internal_check(accepts(opcode, type.dtype),
                 fmt::format("{} is not defined on {}", name_of(opcode), type.str()));
  if (is_comparison(opcode)) return {DType::i1, type.lanes};
  if (is_reduction(opcode)) {
    internal_check(std::has_single_bit(static_cast<unsigned>(type.lanes)),
                   "a tree reduction takes a power of two of lanes");
    if (!many) return {type.dtype, 1};
    internal_check(static_cast<int>(arguments.size()) == type.lanes && !is_bool(type.dtype),
                   "many are reduced together where they are as many as lanes");
  }
  return type;
}

// ---- Builder
// --------------------------------------------------------------------------------------

int Builder::buffer(DType dtype, Buffer::Kind kind, std::int64_t count) {
  internal_check(kind == Buffer::Kind::local || kernel_.buffers.empty() ||
                     kernel_.buffers.back().kind != Buffer::Kind::local,
                 "a kernel's parameters come before its locals");
  kernel_.buffers.push_back({dtype, kind, count});
  return static_cast<int>(kernel_.buffers.size()) - 1;
}

Var Builder::variable(std::string name) {
  // Names are for people, but two variables of one name would make the text ambiguous.
  const auto taken = [&](const std::string& candidate) {
    return std::find(kernel_.variables.begin(), kernel_.variables.end(), candidate) !=
           kernel_.variables.end();
  };
  std::string unique = name;
  for (int i = 1; taken(unique); ++i) unique = fmt::format("{}_{}", name, i);
  kernel_.variables.push_back(std::move(unique));
  return static_cast<Var>(kernel_.variables.size()) - 1;
}

Reg Builder::fresh(VType type) {
  internal_check(type.lanes >= 1, "a register has lanes");
  kernel_.registers.push_back(type);
  return static_cast<Reg>(kernel_.registers.size()) - 1;
}

Reg Builder::append(Let let, VType type) {
  let.result = fresh(type);
  const Reg result = let.result;
  block_->push_back({std::move(let)});
  return result;
}

Reg Builder::constant(VType type, double value) {
  return constant_bits(type, bits_of(type.dtype, value));
}

Reg Builder::constant_bits(VType type, std::uint64_t bits) {
  for (const Known& known : constants_)
    if (known.bits == bits && known.type == type) return known.reg;
  const Reg reg = append(
      {.result = 0, .opcode = Opcode::constant, .arguments = {}, .literal = bits, .affine = {}},
      type);
  constants_.push_back({type, bits, reg});
  return reg;
}

Reg Builder::index(Affine affine, int lanes) {
  return append({.result = 0,
                 .opcode = Opcode::index,
                 .arguments = {},
                 .literal = 0,
                 .affine = std::move(affine)},
                {DType::i64, lanes});
}

Reg Builder::let(Opcode opcode, std::vector<Reg> arguments) {
  std::vector<VType> types;
  for (Reg reg : arguments) types.push_back(type(reg));
  const VType result = result_type(opcode, types);
  return append({.result = 0,
                 .opcode = opcode,
                 .arguments = std::move(arguments),
                 .literal = 0,
                 .affine = {}},
                result);
}

Reg Builder::convert(Reg value, DType dtype) {
  if (type(value).dtype == dtype) return value;
  return append(
      {.result = 0, .opcode = Opcode::convert, .arguments = {value}, .literal = 0, .affine = {}},
      {dtype, type(value).lanes});
}

Reg Builder::bitcast(Reg value, DType dtype) {
  if (type(value).dtype == dtype) return value;
  internal_check(size_of(type(value).dtype) == size_of(dtype) && !is_bool(dtype) &&
                     !is_bool(type(value).dtype),
                 "bitcast keeps the element's size");
  return append(
      {.result = 0, .opcode = Opcode::bitcast, .arguments = {value}, .literal = 0, .affine = {}},
      {dtype, type(value).lanes});
}

Reg Builder::splat(Reg value, int lanes) {
  if (type(value).lanes == lanes) return value;
  internal_check(type(value).lanes == 1, "splat takes a scalar");
  return append(
      {.result = 0, .opcode = Opcode::splat, .arguments = {value}, .literal = 0, .affine = {}},
      {type(value).dtype, lanes});
}

Reg Builder::load(int buffer, Affine index, int lanes, std::int64_t stride, int active,
                  std::optional<Reg> offset, std::optional<Reg> mask) {
  internal_check(buffer >= 0 && static_cast<std::size_t>(buffer) < kernel_.buffers.size(),
                 "a load's buffer exists");
  internal_check(active >= 1, "a load has active lanes");
  if (mask) mask = splat(*mask, lanes);
  const Reg result = fresh({kernel_.buffers[static_cast<std::size_t>(buffer)].dtype, lanes});
  block_->push_back(
      {Load{result, buffer, std::move(index), stride, std::min(active, lanes), offset, mask}});
  return result;
}

void Builder::store(int buffer, Affine index, Reg value, std::int64_t stride, int active,
                    std::optional<Reg> offset, std::optional<Reg> mask) {
  internal_check(buffer >= 0 && static_cast<std::size_t>(buffer) < kernel_.buffers.size(),
                 "a store's buffer exists");
  internal_check(kernel_.buffers[static_cast<std::size_t>(buffer)].dtype == type(value).dtype,
                 fmt::format("a store of {} into a buffer of {}", type(value).str(),
                             name_of(kernel_.buffers[static_cast<std::size_t>(buffer)].dtype)));
  internal_check(active >= 1, "a store has active lanes");
  if (mask) mask = splat(*mask, type(value).lanes);
  block_->push_back({Store{buffer, std::move(index), value, stride,
                           std::min(active, type(value).lanes), offset, mask}});
}

void Builder::transpose_tile(TransposeTile tile) { block_->push_back({std::move(tile)}); }

Var Builder::define(std::string name, Affine affine, std::int64_t divisor, std::int64_t modulus) {
  internal_check(divisor >= 1 && modulus >= 0, "a definition divides by a positive number");
  const Var result = variable(std::move(name));
  block_->push_back({Define{result, std::move(affine), divisor, modulus}});
  return result;
}

void Builder::prefetch(int buffer, Affine index, bool write) {
  block_->push_back({Prefetch{buffer, std::move(index), write}});
}

Var Builder::limit(std::string name, Reg value, std::int64_t most, std::int64_t multiple) {
  const Var result = variable(std::move(name));
  block_->push_back({Limit{result, value, most, multiple}});
  return result;
}

std::vector<Reg> Builder::finish(For loop, const std::vector<Reg>& initial,
                                 const std::vector<Reg>& inside, const std::vector<Reg>& next) {
  internal_check(loop.step > 0 && !loop.lower.empty() && !loop.upper.empty(),
                 "a loop has bounds and steps forward");
  internal_check(next.size() == initial.size(), "a loop's body returns what the loop carries");
  std::vector<Reg> results;
  for (std::size_t i = 0; i < initial.size(); ++i) {
    internal_check(type(next[i]) == type(initial[i]), "a carried value keeps its type");
    results.push_back(fresh(type(initial[i])));
    loop.carried.push_back({initial[i], inside[i], next[i], results.back()});
  }
  block_->push_back({std::move(loop)});
  return results;
}

std::vector<Reg> Builder::finish(If branch, const std::vector<Reg>& otherwise,
                                 const std::vector<Reg>& inside) {
  internal_check(type(branch.condition) == VType{DType::i1, 1}, "an if asks a scalar i1");
  internal_check(inside.size() == otherwise.size(), "both ways of an if give as many values");
  std::vector<Reg> results;
  for (std::size_t i = 0; i < otherwise.size(); ++i) {
    internal_check(type(inside[i]) == type(otherwise[i]), "both ways of an if give one type");
    results.push_back(fresh(type(otherwise[i])));
    branch.merged.push_back({otherwise[i], inside[i], results.back()});
  }
  block_->push_back({std::move(branch)});
  return results;
}

Index::Index(Val value) : builder_(&value.builder()), lanes_(value.type().lanes), data_(value) {}

Val Index::value() const {
  if (data_ && affine_ == Affine(0) && stride_ == 0) return *data_;
  Val sum{*builder_, builder_->index(affine_, 1)};
  if (stride_ != 0)
    sum = sum + Val{*builder_, builder_->index(Affine(0), lanes_)} *
                    Val{*builder_, builder_->constant_bits({DType::i64, 1},
                                                           static_cast<std::uint64_t>(stride_))};
  return data_ ? sum + *data_ : sum;
}

Index Index::operator+(const Index& other) const {
  Index sum = *this;
  sum.affine_ = affine_ + other.affine_;
  sum.stride_ = stride_ + other.stride_;
  sum.lanes_ = std::max(lanes_, other.lanes_);
  if (other.data_) sum.data_ = data_ ? *data_ + *other.data_ : *other.data_;
  return sum;
}

Index Index::operator+(std::int64_t offset) const {
  Index sum = *this;
  sum.affine_ = affine_ + Affine(offset);
  return sum;
}

Index Index::operator*(std::int64_t factor) const {
  Index product = *this;
  product.affine_ = affine_ * factor;
  product.stride_ = stride_ * factor;
  if (factor == 0)
    product.data_.reset();
  else if (data_ && factor != 1)
    product.data_ =
        *data_ * Val{*builder_,
                     builder_->constant_bits({DType::i64, 1}, static_cast<std::uint64_t>(factor))};
  return product;
}

}  // namespace kiln::loop
