// The literals of tensors: dense<…> and array<…>.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "ir/parse_reader.h"

namespace kiln::parsing {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

/// One element, in the range of its type. As in MLIR, an integer may be written as a number of its
/// width without sign, and a float's bits in hexadecimal.
template <class T>
T Reader::element() {
  [[maybe_unused]] const Token first = token();
  if constexpr (std::is_same_v<T, bool>) {
    return flag();
  } else {
    const bool negative = accept("-");
    const Token digits = token();
    if constexpr (std::is_floating_point_v<T>) {
      if (at(TokenKind::integer) && digits.text.starts_with("0x") && !negative) {
        take();
        std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t> bits;
        const std::uint64_t value = magnitude(digits);
        if (value > std::numeric_limits<decltype(bits)>::max())
          fail(first.offset,
               fmt::format("expected the {} bits of a float, found more", 8 * sizeof(T)));
        bits = static_cast<decltype(bits)>(value);
        T result;
        std::memcpy(&result, &bits, sizeof result);
        return result;
      }
      if (!at(TokenKind::real))
        fail_expected("a float, such as 1.0, 1.5e-3 or its bits 0x7F800000");
      take();
      const double value = std::strtod(std::string(digits.text).c_str(), nullptr);
      if (std::isinf(value))
        fail(first.offset, "expected a float that 64 bits hold, found a larger one");
      return static_cast<T>(negative ? -value : value);
    } else {
      if (!at(TokenKind::integer)) fail_expected("an integer");
      take();
      const std::uint64_t value = magnitude(digits);
      constexpr int kBits = 8 * static_cast<int>(sizeof(T));
      const std::uint64_t most = negative
                                     ? std::uint64_t{1} << (kBits - 1)
                                     : std::numeric_limits<std::uint64_t>::max() >> (64 - kBits);
      if (value > most || (negative && std::is_unsigned_v<T> && value != 0))
        fail(first.offset, fmt::format("expected an integer of type {}, found {}{}",
                                       name_of(dtype_of<T>()), negative ? "-" : "", digits.text));
      return static_cast<T>(negative ? 0 - value : value);
    }
  }
}

/// dense<…> : tensor<…>. The type stands behind the elements, so that they are passed over first.
Attribute Reader::dense(TypeTree& type) {
  const Token word = take();
  if (!at("<")) fail_expected("'<' after dense");
  take();
  const auto literal = lexer_.mark();
  for (std::size_t open = 0; open != 0 || !at(">");) {
    if (at("[") || at("(")) ++open;
    if ((at("]") || at(")")) && open != 0) --open;
    if (at(TokenKind::end) || at("{") || at("}")) fail_expected("'>' after the elements");
    take();
  }
  const std::size_t length = token().offset - literal.token.offset;
  take();
  expect(":", "and a type after dense<…>");
  type = this->type();
  if (!type) return make(Attribute::Opaque{}, word.offset);
  const auto after = lexer_.mark();
  lexer_.restore(literal);
  Array elements = dense_elements(*type, length);
  if (!at(">")) fail_expected("'>' after the elements");
  lexer_.restore(after);
  return make(std::move(elements), word.offset);
}

/// A splat is one element of rank 0. Memory is taken only for as many elements as the text can
/// hold.
Array Reader::dense_elements(const Type& type, std::size_t literal_length) {
  const std::int64_t count = type.count();
  if (at(TokenKind::string)) return hex_elements(type);
  if (at(">")) {
    if (count != 0) fail_expected(fmt::format("the {} elements of {}", count, type.str()));
    return Array(type);
  }
  return visit_dtype(type.dtype, [&]<class T>(T) {
    if (!at("[")) {
      const T value = element<T>();
      return count == 0 ? Array(type) : Array::scalar(value);
    }
    if (static_cast<std::size_t>(count) > literal_length)
      fail(token().offset,
           fmt::format("expected the {} elements of {}, found fewer", count, type.str()));
    Array array(type);
    const std::span<T> elements = array.data<T>();
    std::size_t next = 0;
    const auto read = [&](auto& self, std::size_t axis) -> void {
      if (axis == type.dims.size()) {
        elements[next++] = element<T>();
        return;
      }
      const auto expect_at = [&](std::string_view word, std::int64_t i) {
        if (!accept(word))
          fail_expected(fmt::format("'{}' after {} of {} entries along axis {} of {}", word, i,
                                    type.dims[axis], axis, type.str()));
      };
      expect_at("[", 0);
      for (std::int64_t i = 0; i < type.dims[axis]; ++i) {
        if (i != 0) expect_at(",", i);
        self(self, axis + 1);
      }
      expect_at("]", type.dims[axis]);
    };
    read(read, 0);
    return array;
  });
}

/// "0x0000803F…": the bytes of all elements, little endian, or those of one, a splat. Booleans take
/// a byte each or, as older MLIR wrote them, a bit.
Array Reader::hex_elements(const Type& type) {
  const Token literal = take();
  const std::string_view digits =
      literal.text.substr(std::min<std::size_t>(2, literal.text.size()));
  const auto count = static_cast<std::size_t>(type.count()),
             size = static_cast<std::size_t>(size_of(type.dtype)), given = digits.size() / 2;
  if (!literal.text.starts_with("0x") || digits.size() % 2 != 0 ||
      std::any_of(digits.begin(), digits.end(), [](char c) { return hex_value(c) < 0; }))
    fail(literal.offset, "expected 0x and the hexadecimal digits of bytes");
  const auto byte = [&](std::size_t i) {
    return static_cast<std::byte>(16 * hex_value(digits[2 * i]) + hex_value(digits[2 * i + 1]));
  };
  const bool packed = type.dtype == DType::i1 && given != count && given == (count + 7) / 8;
  const bool splat = !packed && given != count * size && given == size;
  if (!packed && !splat && given != count * size)
    fail(literal.offset,
         fmt::format("expected the {} bytes of {}, found {}", count * size, type.str(), given));
  Array array(splat ? Type{type.dtype, {}} : type);
  const std::span<std::byte> bytes = array.bytes();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = packed ? byte(i / 8) >> (i % 8) & std::byte{1} : byte(i);
    if (type.dtype == DType::i1) bytes[i] = bytes[i] == std::byte{0} ? bytes[i] : std::byte{1};
  }
  return array;
}

/// array<i64: 1, 2>
Attribute Reader::array() {
  const Token word = take();
  expect("<", "after array");
  const std::optional<DType> dtype = element_type();
  if (!dtype) {
    while (!at(">") && !at(TokenKind::end)) take();
    expect(">", "after an array");
    return make(Attribute::Opaque{}, word.offset);
  }
  return visit_dtype(*dtype, [&]<class T>(T) {
    std::vector<std::byte> bytes;
    std::int64_t count = 0;
    if (accept(":"))
      for (; count == 0 || accept(","); ++count) {
        const T value = element<T>();
        const auto* data = reinterpret_cast<const std::byte*>(&value);
        bytes.insert(bytes.end(), data, data + sizeof value);
      }
    expect(">", "after an array's elements");
    Array values(Type{*dtype, {count}});
    std::copy(bytes.begin(), bytes.end(), values.bytes().begin());
    return make(std::move(values), word.offset);
  });
}

}  // namespace kiln::parsing
