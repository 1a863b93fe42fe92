#include <algorithm>

#include "ir/parse_reader.h"

namespace kiln::parsing {
namespace {

constexpr int kMaxDepth = 200;

}  // namespace

// ---- words

Reader::Nested::Nested(Reader& reader) : reader_(reader) {
  if (reader.depth_ == kMaxDepth)
    reader.fail(reader.token().offset,
                fmt::format("expected a text that is nested at most {} deep", kMaxDepth));
  ++reader.depth_;
}

bool Reader::accept(std::string_view word) {
  if (!at(word)) return false;
  take();
  return true;
}

void Reader::expect(std::string_view word, std::string_view where) {
  if (!accept(word)) fail_expected(fmt::format("'{}' {}", word, where));
}

std::string Reader::found() const {
  constexpr std::size_t kShown = 40;
  if (at(TokenKind::end)) return "the end of the text";
  const std::string_view word =
      source_.text().substr(token().offset, std::min(token().length, kShown));
  return fmt::format("'{}{}'", word, token().length > kShown ? "…" : "");
}

void Reader::fail_expected(const std::string& expected) const {
  fail(token().offset, fmt::format("expected {}, found {}", expected, found()));
}

void Reader::unsupported(std::string name, std::size_t offset) {
  unsupported_.add(std::move(name), source_.locate(offset));
}

std::string_view Reader::skip_balanced() {
  const std::size_t begin = token().offset;
  std::string open;
  do {
    if (at(TokenKind::end)) fail(begin, "expected a bracket that is closed");
    const Token word = take();
    if (!word.is(TokenKind::punctuation)) continue;
    const char c = word.text[0];
    if (word.text == "(" || word.text == "[" || word.text == "{" || word.text == "<")
      open += c;
    else if (word.text == ")" || word.text == "]" || word.text == "}" || word.text == ">") {
      const char opening = c == ')' ? '(' : c == ']' ? '[' : c == '}' ? '{' : '<';
      if (open.back() != opening)
        fail(word.offset, fmt::format("expected what closes '{}', found '{}'", open.back(), c));
      open.pop_back();
    }
    if (open.empty()) return source_.text().substr(begin, word.end() - begin);
  } while (true);
}

void Unsupported::add(std::string name, Location where) {
  name = printable(name);
  if (known_.insert(fmt::format("{} {}", where.line, name)).second)
    found_.push_back({std::move(name), std::move(where)});
}

void Unsupported::complain() const {
  if (found_.empty()) return;
  std::vector<UnsupportedError::Construct> sorted = found_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.where.line < b.where.line; });
  throw UnsupportedError(std::move(sorted));
}

// ---- modules

ModuleTree Reader::module() {
  ModuleTree module;
  definitions(module, "");
  return module;
}

/// Functions and aliases, and a module around them or not, up to the closing word (none: the end).
void Reader::definitions(ModuleTree& module, std::string_view closing) {
  const Nested nested(*this);
  while (closing.empty() ? !at(TokenKind::end) : !accept(closing)) {
    const std::size_t begin = token().offset;
    if (at(TokenKind::hash) || at(TokenKind::bang)) {
      alias(module);
    } else if (at("module") || at("builtin.module")) {
      take();
      if (!closing.empty()) unsupported("module in a module", begin);
      if (at(TokenKind::symbol)) take();
      if (accept("attributes")) {
        expect("{", "before a module's attributes");
        dictionary("}");
      }
      expect("{", "before a module's functions");
      definitions(module, "}");
      trailing_location();
    } else if (accept("func.func")) {
      module.functions.push_back(function());
      module.functions.back().offset = begin;
    } else if (at(TokenKind::string) && token().text == "builtin.module") {
      take();
      expect("(", "after the name of an op");
      expect(")", "after the operands of a module");
      if (at("<")) skip_balanced();
      expect("(", "before a module's region");
      expect("{", "before a module's functions");
      if (at(TokenKind::block)) {
        take();
        expect(":", "after a block's name");
      }
      definitions(module, "}");
      expect(")", "after a module's region");
      if (accept("{")) dictionary("}");
      expect(":", "and a type after an op in generic form");
      OpTree type;
      signature(type);
      trailing_location();
    } else if (at(TokenKind::string) && token().text == "func.func") {
      module.functions.push_back(generic_function(op()));
    } else if (at("{") || at(TokenKind::identifier) || at(TokenKind::string)) {
      // Other dialects' definitions; {-# resources #-}.
      unsupported(at("{") ? "resources" : std::string(token().text), begin);
      const Token word = take();
      if (word.is("{"))
        while (!at(TokenKind::end)) take();
      skip_op(begin);
    } else {
      fail_expected("a function, a module or an alias");
    }
  }
}

/// #map = …, #loc7 = loc(…), !t = …
void Reader::alias(ModuleTree& module) {
  const Token name = take();
  expect("=", "after the name of an alias");
  if (name.is(TokenKind::bang))
    type_aliases_[name.text] = type();
  else if (at("loc"))
    module.locations[name.text] = location();
  else
    attribute_aliases_[name.text] = attribute();
}

/// public @main(%arg0: t {…}) -> (t {…}) attributes {…} {…}
FunctionTree Reader::function() {
  FunctionTree function;
  if (at("public") || at("private") || at("nested")) function.is_private = take().is("private");
  if (!at(TokenKind::symbol)) fail_expected("the name of a function, such as @main");
  const Token name = take();
  function.name = name.quoted ? unescaped(name.text) : std::string(name.text);
  function_arguments(function);
  if (accept("->")) function_results(function);
  if (accept("attributes")) {
    expect("{", "before a function's attributes");
    function.attributes = dictionary("}");
  }
  if (at("{")) {
    const Nested nested(*this);
    function.body.offset = take().offset;
    std::vector<BlockArgumentTree> arguments = std::move(function.body.arguments);
    function.body.arguments.clear();
    block(function.body);
    if (function.body.arguments.empty()) function.body.arguments = std::move(arguments);
  } else {
    function.is_declaration = true;
    unsupported("function without a body", name.offset);
  }
  trailing_location();
  return function;
}

void Reader::function_arguments(FunctionTree& function) {
  expect("(", "after the name of a function");
  auto& arguments = function.body.arguments;
  while (!at(")")) {
    if (!arguments.empty()) expect(",", "between arguments");
    BlockArgumentTree argument;
    argument.offset = token().offset;
    if (at(TokenKind::value)) {  // a declaration has types only
      argument.name = take().text;
      expect(":", "and a type after an argument");
    }
    argument.type = type();
    arguments.push_back(argument);
    function.argument_attributes.push_back(accept("{") ? dictionary("}") : Attribute::Dictionary{});
    trailing_location();
  }
  take();
}

void Reader::function_results(FunctionTree& function) {
  const auto result = [&] {
    function.result_types.push_back(type());
    function.result_attributes.emplace_back();
  };
  if (!accept("(")) return result();
  while (!at(")")) {
    if (!function.result_types.empty()) expect(",", "between results");
    result();
    if (accept("{")) function.result_attributes.back() = dictionary("}");
  }
  take();
}

/// "func.func"() <{sym_name = "main", …}> ({…}) : () -> ()
FunctionTree Reader::generic_function(OpTree op) {
  FunctionTree function;
  function.offset = op.offset;
  const auto text = [&](const char* name) {
    const auto found = op.attributes.find(name);
    const auto* value =
        found == op.attributes.end() ? nullptr : std::get_if<std::string>(&found->second.value);
    return value != nullptr ? *value : std::string();
  };
  function.name = text("sym_name");
  if (function.name.empty() || op.regions.size() != 1)
    fail(op.offset, "expected a function with a sym_name and one region");
  function.is_private = text("sym_visibility") == "private";
  function.body = std::move(op.regions[0]);
  if (!function.body.ops.empty() && function.body.ops.back().name == "return")
    function.result_types =
        function.body.ops.back().operand_types.value_or(function.body.ops.back().types);
  const auto dictionaries = [&](const char* name, std::size_t count) {
    std::vector<Attribute::Dictionary> result(count);
    if (const auto found = op.attributes.find(name); found != op.attributes.end())
      if (const auto* list = std::get_if<Attribute::List>(&found->second.value))
        for (std::size_t i = 0; i < std::min(count, list->size()); ++i)
          if (const auto* entries = std::get_if<Attribute::Dictionary>(&(*list)[i].value))
            result[i] = *entries;
    return result;
  };
  function.argument_attributes = dictionaries("arg_attrs", function.body.arguments.size());
  function.result_attributes = dictionaries("res_attrs", function.result_types.size());
  op.attributes.erase("arg_attrs");
  function.attributes = std::move(op.attributes);
  return function;
}

}  // namespace kiln::parsing
