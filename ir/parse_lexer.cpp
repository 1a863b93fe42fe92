#include "ir/parse_lexer.h"

#include <algorithm>
#include <cctype>

namespace kiln::parsing {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex_digit(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_word(char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '$' || c == '.'; }
bool is_name(char c) { return is_word(c) || c == '-'; }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  return std::tolower(static_cast<unsigned char>(c)) - 'a' + 10;
}

/// Whether this is no continuation byte of UTF-8.
bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

/// The length of the UTF-8 character that begins here; 0 where none does.
std::size_t character_at(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF5   ? 0
                             : lead >= 0xF0 ? 4
                             : lead >= 0xE0 ? 3
                             : lead >= 0xC2 ? 2
                                            : 0;
  if (at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if (begins_character(text[at + i])) return 0;
  return length;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const std::size_t length = character_at(text, at);
    const bool blank = c == '\t' || c == '\r';
    const bool control = length == 1 && c != '\n' && (c < ' ' || c == '\x7F');
    if (length == 0 || control)
      result += blank ? ' ' : '?';
    else
      result += text.substr(at, length);
    at += std::max<std::size_t>(length, 1);
  }
  return result;
}

Source::Source(std::string_view text, std::string file) : text_(text), file_(std::move(file)) {
  lines_.push_back(0);
  for (std::size_t at = text_.find('\n'); at != std::string_view::npos; at = text_.find('\n', at))
    lines_.push_back(++at);
}

std::size_t Source::line_of(std::size_t offset) const {
  return static_cast<std::size_t>(std::upper_bound(lines_.begin(), lines_.end(), offset) -
                                  lines_.begin()) -
         1;
}

Location Source::locate(std::size_t offset) const {
  const std::size_t line = line_of(offset);
  return {file_, static_cast<unsigned>(line + 1), static_cast<unsigned>(offset - lines_[line] + 1)};
}

void Source::fail(std::size_t offset, const std::string& message) const {
  constexpr std::size_t kShown = 100, kSaid = 2000;  // a line or a name may have megabytes
  const Location where = locate(offset);
  const std::size_t begin = lines_[where.line - 1],
                    end = std::min(text_.find('\n', begin), text_.size());
  const std::size_t from = offset - begin > kShown ? offset - kShown / 2 : begin,
                    to = std::min(end, from + kShown);
  const auto shown = [&](std::size_t first, std::size_t last) {
    return printable(text_.substr(first, last - first));
  };
  const std::string before = shown(from, std::min(offset, to));
  const auto columns = std::count_if(before.begin(), before.end(), begins_character);
  throw Error(fmt::format("{}:{}:{}: {}\n  {}{}{}\n  {}{}^", where.file, where.line, where.column,
                          printable(message.substr(0, kSaid)) + (message.size() > kSaid ? "…" : ""),
                          from > begin ? "…" : "", shown(from, to), to < end ? "…" : "",
                          from > begin ? " " : "",
                          std::string(static_cast<std::size_t>(columns), ' ')));
}

Lexer::Lexer(const Source& source, std::size_t begin, std::size_t end)
    : source_(source), at_(begin), end_(end) {
  token_ = scan();
  token_.first_on_line = true;
}

Token Lexer::take() {
  const Token taken = token_;
  token_ = scan();
  return taken;
}

void Lexer::jump(std::size_t offset) {
  at_ = offset;
  token_ = scan();
}

void Lexer::skip_space() {
  const std::string_view text = source_.text();
  while (at_ < end_) {
    const char c = text[at_];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++at_;
    } else if (c == '/' && at_ + 1 < end_ && text[at_ + 1] == '/') {
      at_ = std::min(text.find('\n', at_), end_);
    } else {
      return;
    }
  }
}

std::size_t Lexer::scan_while(std::size_t at, bool (*belongs)(char)) const {
  while (at < end_ && belongs(source_.text()[at])) ++at;
  return at;
}

Token Lexer::scan() {
  const std::string_view text = source_.text();
  const std::size_t before = at_;
  skip_space();
  Token token;
  token.offset = at_;
  const std::string_view skipped = text.substr(before, at_ - before);
  const bool first_on_line = skipped.find('\n') != std::string_view::npos;
  const std::size_t begin = at_;
  const auto finish = [&](TokenKind kind, std::size_t text_begin, std::size_t end) {
    token.kind = kind;
    token.text = text.substr(text_begin, end - text_begin);
    at_ = end;
  };
  if (at_ >= end_) {
    token.kind = TokenKind::end;
  } else {
    const char c = text[at_], next = at_ + 1 < end_ ? text[at_ + 1] : '\0';
    if (is_letter(c) || c == '_') {
      finish(TokenKind::identifier, begin, scan_while(begin, is_word));
    } else if (is_digit(c)) {
      token = scan_number(begin);
    } else if (c == '"') {
      token = scan_string(begin);
    } else if (c == '@' && next == '"') {
      token = scan_string(begin + 1);
      token.kind = TokenKind::symbol;
      token.quoted = true;
    } else if (c == '@') {
      finish(TokenKind::symbol, begin + 1, scan_while(begin + 1, is_name));
    } else if (c == '%') {
      finish(TokenKind::value, begin, scan_while(begin + 1, is_digit(next) ? is_digit : is_name));
    } else if (c == '^') {
      finish(TokenKind::block, begin, scan_while(begin + 1, is_name));
    } else if (c == '#') {
      finish(TokenKind::hash, begin + 1, scan_while(begin + 1, is_word));
    } else if (c == '!') {
      finish(TokenKind::bang, begin + 1, scan_while(begin + 1, is_word));
    } else if (c == '-' && next == '>') {
      finish(TokenKind::punctuation, begin, begin + 2);
    } else if (c > ' ' && c < '\x7F') {
      finish(TokenKind::punctuation, begin, begin + 1);
    } else {
      source_.fail(begin, "expected MLIR's text, found a character that has no place in it");
    }
    const bool named = token.kind == TokenKind::value || token.kind == TokenKind::symbol ||
                       token.kind == TokenKind::block;
    if (named && !token.quoted && token.text.size() < (token.kind == TokenKind::symbol ? 1U : 2U))
      source_.fail(begin, fmt::format("expected a name after '{}'", c));
  }
  token.offset = begin;
  token.length = at_ - begin;
  token.first_on_line = first_on_line;
  return token;
}

Token Lexer::scan_string(std::size_t begin) {
  const std::string_view text = source_.text();
  Token token;
  token.kind = TokenKind::string;
  for (std::size_t at = begin + 1; at < end_; ++at) {
    if (text[at] == '\n') break;
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      token.text = text.substr(begin + 1, at - begin - 1);
      at_ = at + 1;
      return token;
    }
  }
  source_.fail(begin, "expected a string that ends on its line, found no closing quote");
}

Token Lexer::scan_number(std::size_t begin) {
  const std::string_view text = source_.text();
  const auto at_char = [&](std::size_t at) { return at < end_ ? text[at] : '\0'; };
  Token token;
  token.kind = TokenKind::integer;
  if (text[begin] == '0' && at_char(begin + 1) == 'x' && is_hex_digit(at_char(begin + 2))) {
    at_ = scan_while(begin + 2, is_hex_digit);
  } else {
    at_ = scan_while(begin, is_digit);
    if (at_char(at_) == '.') {
      token.kind = TokenKind::real;
      at_ = scan_while(at_ + 1, is_digit);
      if (at_char(at_) == 'e' || at_char(at_) == 'E') {
        std::size_t exponent = at_ + 1;
        if (at_char(exponent) == '+' || at_char(exponent) == '-') ++exponent;
        if (is_digit(at_char(exponent))) at_ = scan_while(exponent, is_digit);
      }
    }
  }
  token.text = text.substr(begin, at_ - begin);
  return token;
}

std::string unescaped(std::string_view literal) {
  std::string text;
  for (std::size_t i = 0; i < literal.size(); ++i) {
    if (literal[i] != '\\' || i + 1 == literal.size()) {
      text += literal[i];
      continue;
    }
    const char c = literal[++i];
    if (is_hex_digit(c) && i + 1 < literal.size() && is_hex_digit(literal[i + 1])) {
      text += static_cast<char>(16 * hex_value(c) + hex_value(literal[i + 1]));
      ++i;
    } else {
      text += c == 'n' ? '\n' : c == 't' ? '\t' : c;
    }
  }
  return text;
}

}  // namespace kiln::parsing
