// Text to tree: a recursive-descent reader, its functions grouped in ir/parse_types.cpp,
// parse_attributes.cpp, parse_ops.cpp and parse_module.cpp.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ir/parse_lexer.h"
#include "ir/parse_tree.h"

namespace kiln::parsing {

class Reader {
 public:
  /// Reads source[begin, end), one module. What kiln does not support is added to `unsupported`.
  Reader(const Source& source, std::size_t begin, std::size_t end, Unsupported& unsupported)
      : source_(source), lexer_(source, begin, end), unsupported_(unsupported) {}

  ModuleTree module();

 private:
  // ---- words
  const Token& token() const { return lexer_.token(); }
  Token take() { return lexer_.take(); }
  bool at(std::string_view word) const { return token().is(word); }
  bool at(TokenKind kind) const { return token().is(kind); }
  /// Takes the word if it stands here.
  bool accept(std::string_view word);
  void expect(std::string_view word, std::string_view where);
  [[noreturn]] void fail_expected(const std::string& expected) const;
  [[noreturn]] void fail(std::size_t offset, const std::string& message) const {
    source_.fail(offset, message);
  }
  void unsupported(std::string name, std::size_t offset);
  /// What the current word is, for "found …".
  std::string found() const;
  /// Skips what stands between brackets that open here.
  std::string_view skip_balanced();

  /// Nesting of the text, bounded: the reader's stack is as deep.
  class Nested {
   public:
    explicit Nested(Reader& reader);
    ~Nested() { --reader_.depth_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    Reader& reader_;
  };

  // ---- types
  TypeTree type();
  TypeTree tensor_type(const Token& word);
  /// Empty, and noted, where kiln has no such element type.
  std::optional<DType> element_type();
  std::vector<TypeTree> type_list();
  /// "(t, t) -> t", "t, t -> t", "t": into an op's operand_types and types.
  void signature(OpTree& op);
  std::vector<TypeTree> result_types();

  // ---- attributes
  Attribute attribute();
  Attribute number();
  std::string_view type_word();
  Attribute list();
  Attribute::Dictionary dictionary(std::string_view closing);
  Attribute hash_attribute();
  Attribute word_attribute();
  Attribute array();
  Attribute dense(TypeTree& type);
  Array dense_elements(const Type& type, std::size_t literal_length);
  Array hex_elements(const Type& type);
  template <class T>
  T element();
  std::uint64_t magnitude(const Token& digits);
  std::int64_t integer(std::string_view what);
  std::string string(std::string_view what);
  bool flag();
  Ints ints();
  Attribute::Dictionary convolution_numbers();
  Attribute make(decltype(Attribute::value) value, std::size_t offset) const {
    return {std::move(value), source_.locate(offset)};
  }
  LocationTree location();
  LocationTree location_body();
  LocationTree trailing_location();

  // ---- ops
  RegionTree region();
  void block(RegionTree& region);
  OpTree op();
  void results(OpTree& op);
  void generic_op(OpTree& op);
  void pretty_op(OpTree& op);
  void clauses(OpTree& op);
  void clause(OpTree& op);
  void named_clause(OpTree& op, const Token& name);
  void slice_ranges(OpTree& op);
  void constant(OpTree& op);
  void call(OpTree& op);
  void custom_call(OpTree& op);
  void composite(OpTree& op);
  void convolution(OpTree& op);
  void convolution_window(OpTree& op);
  void reduce(OpTree& op);
  void while_loop(OpTree& op);
  void operand_list(OpTree& op);
  OperandTree operand();
  void merge(OpTree& op, Attribute::Dictionary attributes);
  void skip_op(std::size_t begin);

  // ---- modules
  void definitions(ModuleTree& module, std::string_view closing);
  void alias(ModuleTree& module);
  FunctionTree function();
  FunctionTree generic_function(OpTree op);
  void function_arguments(FunctionTree& function);
  void function_results(FunctionTree& function);

  const Source& source_;
  Lexer lexer_;
  Unsupported& unsupported_;
  int depth_ = 0;
  std::size_t copied_ = 0;  // attributes, from aliases
  std::unordered_map<std::string_view, Attribute> attribute_aliases_;
  std::unordered_map<std::string_view, TypeTree> type_aliases_;
};

}  // namespace kiln::parsing
