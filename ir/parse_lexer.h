// The words of MLIR's text, and the places of messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ir/error.h"

namespace kiln::parsing {

/// What of a text can be shown: control characters and bytes that are no UTF-8 become '?', tabs
/// become blanks; ends of lines stay.
std::string printable(std::string_view text);

/// A text and where its lines begin.
class Source {
 public:
  Source(std::string_view text, std::string file);

  std::string_view text() const { return text_; }
  Location locate(std::size_t offset) const;
  /// Throws Error: file, line and column, the message, the line itself and a caret under the place.
  [[noreturn]] void fail(std::size_t offset, const std::string& message) const;

 private:
  std::size_t line_of(std::size_t offset) const;

  std::string_view text_;
  std::string file_;
  std::vector<std::size_t> lines_;  // offsets of their beginnings
};

enum class TokenKind : std::uint8_t {
  end,
  identifier,   // stablehlo.add, f32, dense
  value,        // %arg0
  symbol,       // @main, @"a name": the text is the name
  block,        // ^bb0
  hash,         // #stablehlo.gather: the text is what follows the sign
  bang,         // !quant.uniform, likewise
  integer,      // 42, 0x7F
  real,         // 1.5e-3
  string,       // what stands between the quotes, as it stands there
  punctuation,  // one character, or ->
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view text;
  std::size_t offset = 0, length = 0;
  bool first_on_line = false;
  bool quoted = false;  // a symbol's name

  bool is(std::string_view punctuation_or_word) const {
    return (kind == TokenKind::punctuation || kind == TokenKind::identifier) &&
           text == punctuation_or_word;
  }
  bool is(TokenKind wanted) const { return kind == wanted; }
  std::size_t end() const { return offset + length; }
};

/// Reads a part of a source word by word, with one word of look-ahead.
class Lexer {
 public:
  Lexer(const Source& source, std::size_t begin, std::size_t end);

  const Token& token() const { return token_; }
  /// The token that was current before; goes on to the next.
  Token take();
  /// Goes on at this offset.
  void jump(std::size_t offset);
  /// A place to come back to.
  struct Mark {
    std::size_t at;
    Token token;
  };
  Mark mark() const { return {at_, token_}; }
  void restore(const Mark& mark) {
    at_ = mark.at;
    token_ = mark.token;
  }

 private:
  void skip_space();
  Token scan();
  Token scan_string(std::size_t begin);
  Token scan_number(std::size_t begin);
  std::size_t scan_while(std::size_t at, bool (*belongs)(char)) const;

  const Source& source_;
  std::size_t at_, end_;
  Token token_;
};

/// A string literal's characters, its escapes undone.
std::string unescaped(std::string_view literal);

}  // namespace kiln::parsing
