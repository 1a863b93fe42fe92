#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "ir/parse_reader.h"

namespace kiln::parsing {
namespace {

constexpr std::size_t kMaxListed = 1 << 16;  // entries of an attribute that is no tensor

constexpr std::size_t kMaxCopied = 1 << 20;  // attributes that aliases stand for, all in all

/// The attribute and all inside it; a long string counts for more than one.
std::size_t size_of(const Attribute& attribute) {
  std::size_t size = 1;
  if (const auto* list = std::get_if<Attribute::List>(&attribute.value))
    for (const Attribute& entry : *list) size += size_of(entry);
  if (const auto* entries = std::get_if<Attribute::Dictionary>(&attribute.value))
    for (const auto& [name, entry] : *entries) size += name.size() / 64 + size_of(entry);
  if (const auto* text = std::get_if<std::string>(&attribute.value)) size += text->size() / 64;
  return size;
}

bool is_stablehlo(std::string_view dialect) {
  return dialect == "stablehlo" || dialect == "chlo" || dialect == "mhlo";
}

}  // namespace

std::string Reader::string(std::string_view what) {
  if (!at(TokenKind::string)) fail_expected(std::string(what));
  return unescaped(take().text);
}

std::uint64_t Reader::magnitude(const Token& digits) {
  std::uint64_t value = 0;
  const bool hex = digits.text.starts_with("0x");
  const char *begin = digits.text.data() + (hex ? 2 : 0), *end = digits.text.end();
  if (std::from_chars(begin, end, value, hex ? 16 : 10).ec != std::errc())
    fail(digits.offset, fmt::format("expected an integer of at most 64 bits, found {}",
                                    digits.text.substr(0, 40)));
  return value;
}

std::int64_t Reader::integer(std::string_view what) {
  const std::size_t begin = token().offset;
  const bool negative = accept("-");
  if (!at(TokenKind::integer)) fail_expected(std::string(what));
  const std::uint64_t value = magnitude(take());
  const std::uint64_t most = (std::uint64_t{1} << 63) - (negative ? 0 : 1);
  if (value > most) fail(begin, "expected an integer of 64 bits, found a larger one");
  return static_cast<std::int64_t>(negative ? 0 - value : value);
}

bool Reader::flag() {
  if (accept("true")) return true;
  if (accept("false")) return false;
  const std::size_t begin = token().offset;
  const std::int64_t value = integer("true or false");
  if (value < -1 || value > 1) fail(begin, "expected true or false");
  return value != 0;
}

Ints Reader::ints() {
  Ints values;
  expect("[", "before a list of integers");
  while (!at("]")) {
    if (!values.empty()) expect(",", "between integers");
    values.push_back(integer("an integer"));
  }
  take();
  return values;
}

Attribute Reader::attribute() {
  const Nested nested(*this);
  const std::size_t offset = token().offset;
  if (at(TokenKind::integer) || at(TokenKind::real) || at("-")) return number();
  if (at("[")) return list();
  if (accept("{")) return make(dictionary("}"), offset);
  if (at(TokenKind::hash)) return hash_attribute();
  if (at(TokenKind::symbol)) {
    const Token name = take();
    while (at(":")) {  // @module::@function
      take();
      expect(":", "in a nested symbol");
      take();
    }
    return make(Attribute::Symbol{name.quoted ? unescaped(name.text) : std::string(name.text)},
                offset);
  }
  if (at(TokenKind::string)) {
    std::string text = string("a string");
    if (accept(":")) type();
    return make(std::move(text), offset);
  }
  if (at(TokenKind::identifier)) return word_attribute();
  if (at("(")) {  // a function's type
    skip_balanced();
    expect("->", "in a function's type");
    at("(") ? static_cast<void>(skip_balanced()) : static_cast<void>(type());
    return make(Attribute::Opaque{}, offset);
  }
  if (at(TokenKind::bang)) {
    const TypeTree value = type();
    return value ? make(*value, offset) : make(Attribute::Opaque{}, offset);
  }
  fail_expected("an attribute");
}

/// An integer or a float, and the type that may stand after it.
Attribute Reader::number() {
  const std::size_t offset = token().offset;
  const auto mark = lexer_.mark();
  const bool negative = accept("-");
  const Token digits = token();
  if (at(TokenKind::real)) {
    const double value = std::strtod(std::string(take().text).c_str(), nullptr);
    if (accept(":")) type_word();
    return make(negative ? -value : value, offset);
  }
  if (!at(TokenKind::integer)) fail_expected("a number");
  take();
  std::string_view type;
  if (accept(":")) type = type_word();
  const std::uint64_t bits = magnitude(digits);
  if (type == "f64" && digits.text.starts_with("0x")) {
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return make(value, offset);
  }
  if (type == "f32" && digits.text.starts_with("0x")) {
    const auto half = static_cast<std::uint32_t>(bits);
    float value = 0;
    std::memcpy(&value, &half, sizeof value);
    return make(static_cast<double>(value), offset);
  }
  if (type == "ui64" && !negative) return make(static_cast<std::int64_t>(bits), offset);
  const auto after = lexer_.mark();
  lexer_.restore(mark);
  const std::int64_t value = integer("an integer");
  lexer_.restore(after);
  return make(value, offset);
}

/// The type of a number: it matters little, so any will do.
std::string_view Reader::type_word() {
  if (!at(TokenKind::identifier) && !at(TokenKind::bang)) fail_expected("a type");
  const Token word = take();
  if (at("<")) skip_balanced();
  return word.text;
}

Attribute Reader::list() {
  const std::size_t offset = token().offset;
  Attribute::List entries;
  expect("[", "before a list");
  while (!at("]")) {
    if (!entries.empty()) expect(",", "between a list's entries");
    if (entries.size() == kMaxListed)
      fail(token().offset, "expected a list of at most 65536 attributes, found a longer one");
    entries.push_back(attribute());
  }
  take();
  return make(std::move(entries), offset);
}

/// Entries up to the closing bracket; the opening one is taken.
Attribute::Dictionary Reader::dictionary(std::string_view closing) {
  Attribute::Dictionary entries;
  while (!at(closing)) {
    if (!entries.empty()) expect(",", "between attributes");
    const std::size_t offset = token().offset;
    if (!at(TokenKind::identifier) && !at(TokenKind::string))
      fail_expected(fmt::format("the name of an attribute or '{}'", closing));
    const bool literal = at(TokenKind::string);
    const std::string_view word = take().text;
    std::string name = literal ? unescaped(word) : std::string(word);
    Attribute value = accept("=") ? attribute() : make(Attribute::Unit{}, offset);
    if (!entries.emplace(name, std::move(value)).second)
      fail(offset, fmt::format("expected each attribute once, found {} again", name));
    if (entries.size() > kMaxListed) fail(offset, "expected at most 65536 attributes, found more");
  }
  take();
  return entries;
}

/// #stablehlo.gather<…>, #stablehlo<keyword X>, #alias; other dialects' are passed over.
Attribute Reader::hash_attribute() {
  const Token name = take();
  const std::string_view dialect = name.text.substr(0, name.text.find('.'));
  if (!at("<")) {
    const auto alias = attribute_aliases_.find(name.text);
    if (alias != attribute_aliases_.end()) {
      // Aliases of aliases: a short text may stand for a very long one.
      copied_ += size_of(alias->second);
      if (copied_ > kMaxCopied)
        fail(name.offset, fmt::format("expected aliases that stand for at most {} attributes in "
                                      "all, found more",
                                      kMaxCopied));
      return alias->second;
    }
    if (name.text.find('.') != std::string_view::npos || name.text.starts_with("loc"))
      return make(Attribute::Opaque{std::string(name.text)}, name.offset);
    fail(name.offset, fmt::format("expected an alias defined above, found #{}", name.text));
  }
  const auto opening = lexer_.mark();
  if (is_stablehlo(dialect)) {
    take();
    if (name.text.ends_with(".conv")) {
      if (accept("raw")) return make(dictionary(">"), name.offset);
      Attribute::Dictionary numbers = convolution_numbers();
      expect(">", "after a convolution's axes");
      return make(std::move(numbers), name.offset);
    }
    const auto inside = lexer_.mark();
    const bool word = at(TokenKind::identifier);
    if (word) take();
    const bool keyword = at(TokenKind::identifier) && name.text == dialect;
    const bool fields = word ? at("=") : at(">");
    if (keyword || (word && at(">"))) {  // <comparison_direction LT>, <TOLERANCE>
      if (!keyword) lexer_.restore(inside);
      const Token value = take();
      if (accept(">")) return make(Attribute::Keyword{std::string(value.text)}, name.offset);
    } else if (fields) {
      lexer_.restore(inside);
      return make(dictionary(">"), name.offset);
    }
    lexer_.restore(opening);
  }
  return make(Attribute::Opaque{std::string(skip_balanced())}, name.offset);
}

Attribute Reader::word_attribute() {
  const Token word = token();
  if (word.is("dense")) {
    TypeTree type;
    return dense(type);
  }
  if (word.is("array")) return array();
  if (word.is("tensor") || word.is("tuple")) {
    const TypeTree value = type();
    return value ? make(*value, word.offset) : make(Attribute::Opaque{}, word.offset);
  }
  if (word.is("loc")) {
    location();
    return make(Attribute::Opaque{}, word.offset);
  }
  take();
  if (word.is("true") || word.is("false")) {
    if (accept(":")) type_word();
    return make(word.is("true"), word.offset);
  }
  if (word.is("unit")) return make(Attribute::Unit{}, word.offset);
  if (word.is("dense_resource")) unsupported("dense_resource", word.offset);
  if (at("<")) {  // affine_map<…>, complex<f32>, …
    Attribute value = make(Attribute::Opaque{std::string(skip_balanced())}, word.offset);
    if (accept(":")) type();
    return value;
  }
  for (int i = 0; i < kDTypeCount; ++i)
    if (const auto dtype = static_cast<DType>(i); name_of(dtype) == word.text)
      return make(Type{dtype, {}}, word.offset);
  return make(Attribute::Keyword{std::string(word.text)}, word.offset);
}

/// "[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]": names and numbers of the axes, in their order.
Attribute::Dictionary Reader::convolution_numbers() {
  struct Part {
    std::string_view batch, feature;  // which letters mean what
    std::string_view prefix, batch_field, feature_field;
  };
  constexpr Part kParts[] = {
      {"b", "f", "input", "batch", "feature"},
      {"i", "o", "kernel", "input_feature", "output_feature"},
      {"b", "f", "output", "batch", "feature"},
  };
  Attribute::Dictionary numbers;
  for (const Part& part : kParts) {
    const std::size_t offset = token().offset;
    if (part.prefix == "kernel") {
      // "x" and the bracket behind it are two words.
      expect("x", "between the axes of a convolution's operands");
    } else if (part.prefix == "output") {
      expect("->", "before the axes of a convolution's result");
    }
    expect("[", "before the axes of a convolution");
    Ints spatial;
    std::optional<std::int64_t> batch, feature;
    for (std::int64_t axis = 0; !at("]"); ++axis) {
      if (axis != 0) expect(",", "between the axes of a convolution");
      const std::size_t place = token().offset;
      if (at(part.batch) && !batch) {
        batch = axis;
        take();
      } else if (at(part.feature) && !feature) {
        feature = axis;
        take();
      } else if (accept("?")) {  // neither: as if it were not there
      } else if (at(TokenKind::integer)) {
        const std::int64_t number = integer("an axis");
        if (number < 0 || number >= 64)
          fail(place, fmt::format("expected the number of a spatial axis, found {}", number));
        spatial.resize(std::max(spatial.size(), static_cast<std::size_t>(number) + 1), -1);
        spatial[static_cast<std::size_t>(number)] = axis;
      } else {
        fail_expected(fmt::format("'{}' or '{}' once, or the number of a spatial axis", part.batch,
                                  part.feature));
      }
    }
    take();
    if (!batch || !feature || std::find(spatial.begin(), spatial.end(), -1) != spatial.end())
      fail(offset, fmt::format("expected the axes '{}', '{}' and 0, 1, … of a convolution, one is "
                               "missing",
                               part.batch, part.feature));
    const auto put = [&](std::string_view field, const Array& value) {
      numbers[fmt::format("{}_{}", part.prefix, field)] = make(value, offset);
    };
    put(fmt::format("{}_dimension", part.batch_field), Array::scalar(*batch));
    put(fmt::format("{}_dimension", part.feature_field), Array::scalar(*feature));
    put("spatial_dimensions", Array::of<std::int64_t>({static_cast<std::int64_t>(spatial.size())},
                                                      std::span<const std::int64_t>(spatial)));
  }
  return numbers;
}

// ---- places of what the text was made from

/// loc("file":1:2), loc(#alias), loc("name"(…)), loc(callsite(… at …)), loc(fused[…, …]): the first
/// place in it.
LocationTree Reader::location() {
  take();
  expect("(", "after loc");
  const LocationTree place = location_body();
  expect(")", "after a location");
  return place;
}

LocationTree Reader::location_body() {
  const Nested nested(*this);
  LocationTree place;
  if (at(TokenKind::hash)) {
    place.alias = take().text;
  } else if (at(TokenKind::string)) {
    const std::string name = string("a name");
    if (accept(":")) {
      const std::int64_t line = integer("a line");
      expect(":", "between line and column");
      const std::int64_t column = integer("a column");
      const auto number = [](std::int64_t n) {
        return static_cast<unsigned>(std::clamp<std::int64_t>(n, 0, 0x7FFFFFFF));
      };
      place.place = Location(name, number(line), number(column));
    } else if (accept("(")) {
      place = location_body();
      expect(")", "after a location");
    }
  } else if (at(TokenKind::identifier)) {
    const Token word = take();
    if (word.is("loc") || word.is("callsite")) {
      expect("(", "in a location");
      place = location_body();
      if (accept("at")) location_body();
      expect(")", "after a location");
    } else if (word.is("fused")) {
      if (at("<")) skip_balanced();
      expect("[", "in a location");
      place = location_body();
      while (accept(",")) location_body();
      expect("]", "after locations");
    }
  } else {
    fail_expected("a location");
  }
  // A range's end: to :3:4.
  while (!at(")") && !at(",") && !at("]") && !at("at") && !at(TokenKind::end)) take();
  return place;
}

LocationTree Reader::trailing_location() { return at("loc") ? location() : LocationTree{}; }

}  // namespace kiln::parsing
