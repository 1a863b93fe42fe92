#include <algorithm>

#include "ir/parse_reader.h"

namespace kiln::parsing {
namespace {

constexpr std::int64_t kMaxElements = std::int64_t{1} << 31;  // of one tensor
constexpr std::size_t kMaxRank = 64;

std::optional<DType> dtype_of_word(std::string_view word) {
  for (int i = 0; i < kDTypeCount; ++i)
    if (name_of(static_cast<DType>(i)) == word) return static_cast<DType>(i);
  return std::nullopt;
}

}  // namespace

/// Type words that kiln has not are noted with what stands in their <…>, if that is short:
/// "complex<f32>".
std::optional<DType> Reader::element_type() {
  if (at(TokenKind::identifier))
    if (const auto dtype = dtype_of_word(token().text)) {
      take();
      return dtype;
    }
  if (!at(TokenKind::identifier) && !at(TokenKind::bang)) fail_expected("an element type");
  const Token word = take();
  std::string name = (word.is(TokenKind::bang) ? "!" : "") + std::string(word.text);
  if (at("<")) {
    const std::string_view parameters = skip_balanced();
    if (word.is("complex")) name += parameters.substr(0, 16);
  }
  unsupported(std::move(name), word.offset);
  return std::nullopt;
}

TypeTree Reader::tensor_type(const Token& word) {
  if (!at("<")) fail_expected("'<' after tensor");
  // 2x3xf32 is not words: extents are read as they stand.
  const std::string_view text = source_.text();
  std::size_t next = token().end();
  const auto here = [&] { return next < text.size() ? text[next] : '\0'; };
  const auto skip_space = [&] {
    while (here() == ' ' || here() == '\n' || here() == '\t' || here() == '\r') ++next;
  };
  const auto fail_size = [&](std::size_t offset) {
    fail(offset, "expected a tensor of at most 2^31 elements and 64 axes, found a larger one");
  };
  Type type;
  bool is_static = true;
  for (;;) {
    skip_space();
    const std::size_t begin = next;
    std::int64_t extent = 0;
    if (here() == '?' || here() == '*') {
      unsupported(here() == '?' ? "dynamic shape" : "unranked tensor", begin);
      is_static = false;
      ++next;
    } else if (here() >= '0' && here() <= '9') {
      for (; here() >= '0' && here() <= '9'; ++next) {
        extent = 10 * extent + (here() - '0');
        if (extent > kMaxElements) fail_size(begin);
      }
    } else {
      break;
    }
    skip_space();
    if (here() != 'x')
      fail(std::min(next, text.size()), "expected 'x' after the extent of an axis");
    ++next;
    type.dims.push_back(extent);
    if (type.dims.size() > kMaxRank) fail_size(begin);
  }
  lexer_.jump(next);
  const std::optional<DType> dtype = element_type();
  bool has_encoding = false;
  if (accept(",")) {
    const std::size_t offset = token().offset;
    attribute();
    unsupported("tensor encoding", offset);
    has_encoding = true;
  }
  expect(">", "after a tensor's element type");
  // element_count stops at the 2^48 of kiln's types. As there, zeros are left out.
  std::int64_t count = 1;
  for (const std::int64_t extent : type.dims) {
    count *= std::max<std::int64_t>(extent, 1);
    if (count > kMaxElements) fail_size(word.offset);
  }
  if (!dtype || !is_static || has_encoding) return std::nullopt;
  type.dtype = *dtype;
  return type;
}

TypeTree Reader::type() {
  const Nested nested(*this);
  if (at("tensor")) return tensor_type(take());
  if (at(TokenKind::bang)) {
    if (const auto alias = type_aliases_.find(token().text); alias != type_aliases_.end()) {
      take();
      return alias->second;
    }
    element_type();
    return std::nullopt;
  }
  if (at("(")) {
    unsupported("function type", token().offset);
    skip_balanced();
    if (accept("->")) at("(") ? void(skip_balanced()) : void(type());
    return std::nullopt;
  }
  if (!at(TokenKind::identifier)) fail_expected("a type");
  if (dtype_of_word(token().text)) {
    unsupported(fmt::format("{} outside a tensor", token().text), token().offset);
    take();
  } else {
    element_type();
  }
  return std::nullopt;
}

/// "(t, t)", "()", or one type.
std::vector<TypeTree> Reader::result_types() {
  std::vector<TypeTree> types;
  if (!accept("(")) return {type()};
  if (!at(")")) types = type_list();
  expect(")", "after the types");
  return types;
}

std::vector<TypeTree> Reader::type_list() {
  std::vector<TypeTree> types{type()};
  while (accept(",")) types.push_back(type());
  return types;
}

void Reader::signature(OpTree& op) {
  std::vector<TypeTree> types = at("(") ? result_types() : type_list();
  if (accept("->")) {
    op.operand_types = std::move(types);
    op.types = result_types();
  } else {
    op.types = std::move(types);
  }
}

}  // namespace kiln::parsing
