#include <algorithm>
#include <charconv>

#include "ir/parse_reader.h"

namespace kiln::parsing {
namespace {

/// What a pretty form calls an attribute, and what the generic form does. The first row that fits
/// holds; attributes without a row have the same name in both.
struct Renaming {
  std::string_view op, pretty, generic;
};
constexpr Renaming kRenamings[] = {
    {"stablehlo.broadcast_in_dim", "dims", "broadcast_dimensions"},
    {"stablehlo.dynamic_broadcast_in_dim", "dims", "broadcast_dimensions"},
    {"stablehlo.broadcast", "sizes", "broadcast_sizes"},
    {"stablehlo.transpose", "dims", "permutation"},
    {"stablehlo.reverse", "dims", "dimensions"},
    {"stablehlo.iota", "dim", "iota_dimension"},
    {"stablehlo.dynamic_iota", "dim", "iota_dimension"},
    {"stablehlo.concatenate", "dim", "dimension"},
    {"stablehlo.get_dimension_size", "dim", "dimension"},
    {"stablehlo.set_dimension_size", "dim", "dimension"},
    {"stablehlo.pad", "low", "edge_padding_low"},
    {"stablehlo.pad", "high", "edge_padding_high"},
    {"stablehlo.pad", "interior", "interior_padding"},
    {"stablehlo.dynamic_slice", "sizes", "slice_sizes"},
    {"stablehlo.dot", "precision", "precision_config"},
    {"stablehlo.dot_general", "precision", "precision_config"},
    {"stablehlo.einsum", "config", "einsum_config"},
    {"stablehlo.unary_einsum", "config", "einsum_config"},
    {"stablehlo.rng_bit_generator", "algorithm", "rng_algorithm"},
    {"stablehlo.rng", "distribution", "rng_distribution"},
    {"stablehlo.fft", "type", "fft_type"},
    {"stablehlo.fft", "length", "fft_length"},
    {"stablehlo.compare", "0", "comparison_direction"},
    {"stablehlo.compare", "1", "compare_type"},
    {"chlo.broadcast_compare", "0", "comparison_direction"},
};

std::string generic_name(std::string_view op, std::string_view pretty) {
  for (const Renaming& row : kRenamings)
    if (row.op == op && row.pretty == pretty) return std::string(row.generic);
  return std::string(pretty);
}

/// Ops the module's builder handles itself.
bool is_known(std::string_view name) {
  return name == "return" || name == "func.func" || name == "func.call" ||
         name == "stablehlo.custom_call" || name.starts_with("check.expect_") || can_import(name);
}

Array array_of(const Ints& values) {
  return Array::of<std::int64_t>({static_cast<std::int64_t>(values.size())},
                                 std::span<const std::int64_t>(values));
}

}  // namespace

OperandTree Reader::operand() {
  if (!at(TokenKind::value)) fail_expected("a value, such as %0");
  const Token name = take();
  OperandTree operand{name.text, 0, name.offset};
  if (at(TokenKind::hash) && token().offset == name.end()) {
    const Token number = take();
    const char *begin = number.text.data(), *end = begin + number.text.size();
    const auto [last, error] = std::from_chars(begin, end, operand.index);
    if (error != std::errc() || last != end)
      fail(number.offset, "expected the number of a result after '#'");
  }
  return operand;
}

void Reader::operand_list(OpTree& op) {
  expect("(", "before operands");
  while (!at(")")) {
    if (!op.operands.empty()) expect(",", "between operands");
    op.operands.push_back(operand());
  }
  take();
}

void Reader::merge(OpTree& op, Attribute::Dictionary attributes) {
  for (auto& [name, value] : attributes) {
    if (!op.attributes.emplace(name, std::move(value)).second)
      fail(op.offset,
           fmt::format("expected each attribute of {} once, found {} again", op.name, name));
  }
}

// ---- regions

RegionTree Reader::region() {
  const Nested nested(*this);
  RegionTree region;
  region.offset = token().offset;
  expect("{", "before a region");
  block(region);
  return region;
}

/// The region's one block, up to and with the closing brace.
void Reader::block(RegionTree& region) {
  if (at(TokenKind::block)) {
    take();
    if (accept("(")) {
      while (!at(")")) {
        if (!region.arguments.empty()) expect(",", "between a block's arguments");
        if (!at(TokenKind::value)) fail_expected("a block's argument");
        const Token name = take();
        expect(":", "and a type after a block's argument");
        region.arguments.push_back({name.text, type(), name.offset});
        trailing_location();
      }
      take();
    }
    expect(":", "after a block's arguments");
  }
  while (!at("}")) {
    if (at(TokenKind::block)) {
      unsupported("region of several blocks", token().offset);
      while (!at(":") && !at(TokenKind::end)) take();
      expect(":", "after a block's arguments");
    }
    if (at(TokenKind::end)) fail_expected("an op, or '}' at the end of a region");
    region.ops.push_back(op());
  }
  take();
}

// ---- ops

OpTree Reader::op() {
  OpTree op;
  op.offset = token().offset;
  if (at(TokenKind::value)) results(op);
  const Token name = token();
  const bool is_generic = at(TokenKind::string);
  if (!is_generic && !at(TokenKind::identifier))
    fail_expected("an op, such as stablehlo.add or \"stablehlo.gather\"");
  take();
  op.name = name.text;
  if (op.name == "func.return" || op.name == "stablehlo.return") op.name = "return";
  if (op.name == "call") op.name = "func.call";
  const auto after_name = lexer_.mark();
  if (is_known(op.name)) {
    is_generic ? generic_op(op) : pretty_op(op);
  } else {
    unsupported(op.name, op.offset);
    try {
      is_generic ? generic_op(op) : pretty_op(op);
      if (!token().first_on_line && !at("}") && !at("loc") && !at(")")) fail_expected("an op");
    } catch (const Error&) {  // a form of its own: what follows is found by its looks
      lexer_.restore(after_name);
      skip_op(op.offset);
    }
  }
  op.location = trailing_location();
  return op;
}

void Reader::results(OpTree& op) {
  do {
    if (!at(TokenKind::value)) fail_expected("the name of a result");
    const Token name = take();
    ResultTree result{name.text, 1, name.offset};
    if (accept(":")) result.count = integer("the number of results");
    if (result.count < 1 || result.count > 65536)
      fail(name.offset, "expected a number of results from 1 to 65536");
    op.results.push_back(result);
  } while (accept(","));
  expect("=", "after the names of results");
}

/// Goes on to where the next op seems to begin.
void Reader::skip_op(std::size_t begin) {
  int open = 0;
  while (!at(TokenKind::end)) {
    const bool begins_op =
        token().first_on_line && token().offset != begin &&
        (at(TokenKind::value) || at(TokenKind::string) || at(TokenKind::block) || at("return") ||
         at("call") ||
         (at(TokenKind::identifier) && token().text.find('.') != std::string_view::npos));
    if (open == 0 && (begins_op || at("}"))) return;
    if (at("(") || at("[") || at("{")) ++open;
    if ((at(")") || at("]") || at("}")) && open > 0) --open;
    take();
  }
}

/// "stablehlo.sort"(%0) <{dimension = 0 : i64}> ({…}) {…} : (…) -> …
void Reader::generic_op(OpTree& op) {
  operand_list(op);
  if (at("[")) {
    unsupported("successors of an op", token().offset);
    skip_balanced();
  }
  if (accept("<")) {
    expect("{", "after '<' before an op's properties");
    merge(op, dictionary("}"));
    expect(">", "after an op's properties");
  }
  if (accept("(")) {
    do op.regions.push_back(region());
    while (accept(","));
    expect(")", "after an op's regions");
  }
  if (accept("{")) merge(op, dictionary("}"));
  expect(":", "and a type after an op in generic form");
  if (!at("(")) fail_expected("'(' before the types of operands");
  signature(op);
  if (!op.operand_types) fail_expected("'->' and the types of results");
}

void Reader::pretty_op(OpTree& op) {
  using Form = void (Reader::*)(OpTree&);
  constexpr std::pair<std::string_view, Form> kForms[] = {
      {"stablehlo.constant", &Reader::constant},
      {"chlo.constant", &Reader::constant},
      {"func.call", &Reader::call},
      {"stablehlo.custom_call", &Reader::custom_call},
      {"stablehlo.composite", &Reader::composite},
      {"stablehlo.convolution", &Reader::convolution},
      {"stablehlo.reduce", &Reader::reduce},
      {"stablehlo.while", &Reader::while_loop},
  };
  for (const auto& [name, form] : kForms)
    if (op.name == name) return (this->*form)(op);
  clauses(op);
}

/// What most ops have: operands, words and `name = value` between commas, then attributes in
/// braces, then types.
void Reader::clauses(OpTree& op) {
  const auto over = [&] {
    return at(":") || at("{") || at("}") || at(TokenKind::end) || token().first_on_line;
  };
  if (!over()) do
      clause(op);
    while (accept(","));
  if (accept("{")) merge(op, dictionary("}"));
  if (accept(":")) signature(op);
  if (at("{") && !token().first_on_line) {
    take();
    merge(op, dictionary("}"));
  }
}

void Reader::clause(OpTree& op) {
  const std::size_t offset = token().offset;
  if (at(TokenKind::value)) {
    op.operands.push_back(operand());
    if (at("[")) slice_ranges(op);
  } else if (accept("(")) {
    while (!at(")")) {
      clause(op);
      if (!at(")")) expect(",", "between operands");
    }
    take();
  } else if (at("dense")) {
    TypeTree type;
    op.attributes["value"] = dense(type);
  } else if (at(TokenKind::identifier)) {
    const Token word = take();
    if (accept("=")) return named_clause(op, word);
    // Words that stand alone are told apart by their number.
    std::string name = generic_name(op.name, "0");
    if (op.attributes.contains(name)) name = generic_name(op.name, "1");
    op.attributes[name] = make(Attribute::Keyword{std::string(word.text)}, offset);
  } else if (at(TokenKind::symbol) || at(TokenKind::string) || at(TokenKind::hash)) {
    op.attributes["0"] = attribute();
  } else {
    fail_expected("an operand, an attribute or ':' and a type");
  }
}

/// The value is no attribute as in braces: a colon behind it would be that of the op's type.
void Reader::named_clause(OpTree& op, const Token& name) {
  const std::size_t offset = token().offset;
  const auto put = [&](std::string_view pretty, Attribute value) {
    if (!op.attributes.emplace(generic_name(op.name, pretty), std::move(value)).second)
      fail(name.offset, fmt::format("expected '{} = …' once", pretty));
  };
  const bool is_batching = name.text == "batching_dims";
  if (op.name == "stablehlo.dot_general" && (is_batching || name.text == "contracting_dims")) {
    const Ints lhs = ints();
    expect("x", "between the axes of the operands");
    const Ints rhs = ints();
    Attribute& numbers = op.attributes["dot_dimension_numbers"];
    if (!std::holds_alternative<Attribute::Dictionary>(numbers.value))
      numbers = make(Attribute::Dictionary{}, offset);
    auto& fields = std::get<Attribute::Dictionary>(numbers.value);
    const std::string_view suffix = is_batching ? "batching_dimensions" : "contracting_dimensions";
    fields[fmt::format("lhs_{}", suffix)] = make(array_of(lhs), offset);
    fields[fmt::format("rhs_{}", suffix)] = make(array_of(rhs), offset);
  } else if (op.name == "stablehlo.reduce_precision" && name.text == "format") {
    const std::string_view format = at(TokenKind::identifier) ? token().text : "";
    const auto m = format.find('m');
    std::int64_t exponent = 0, mantissa = 0;
    const auto read = [&](std::string_view digits, std::int64_t& number) {
      const auto [last, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), number);
      return error == std::errc() && last == digits.data() + digits.size();
    };
    if (!format.starts_with("e") || m == std::string_view::npos ||
        !read(format.substr(1, m - 1), exponent) || !read(format.substr(m + 1), mantissa))
      fail_expected("a format such as e5m10");
    take();
    put("exponent_bits", make(exponent, offset));
    put("mantissa_bits", make(mantissa, offset));
  } else if (at(TokenKind::real)) {
    put(name.text, make(std::strtod(std::string(take().text).c_str(), nullptr), offset));
  } else if (at(TokenKind::integer) || at("-")) {
    put(name.text, make(integer("an integer"), offset));
  } else if (at("true") || at("false")) {
    put(name.text, make(take().is("true"), offset));
  } else if (at(TokenKind::string)) {
    put(name.text, make(string("a string"), offset));
  } else if (accept("<")) {
    put(name.text, make(dictionary(">"), offset));
  } else if (at(TokenKind::identifier) && !at("array") && !at("dense")) {
    put(name.text, make(Attribute::Keyword{std::string(take().text)}, offset));
  } else {
    put(name.text, attribute());
  }
}

/// [0:4, 1:6:2]
void Reader::slice_ranges(OpTree& op) {
  const std::size_t offset = token().offset;
  Ints start, limit, strides;
  expect("[", "before ranges");
  while (!at("]")) {
    if (!start.empty()) expect(",", "between ranges");
    start.push_back(integer("where a range begins"));
    expect(":", "in a range");
    limit.push_back(integer("where a range ends"));
    strides.push_back(accept(":") ? integer("a stride") : 1);
  }
  take();
  op.attributes["start_indices"] = make(array_of(start), offset);
  op.attributes["limit_indices"] = make(array_of(limit), offset);
  op.attributes["strides"] = make(array_of(strides), offset);
}

// ---- ops with a form of their own

void Reader::constant(OpTree& op) {
  if (accept("{")) merge(op, dictionary("}"));
  if (!at("dense")) fail_expected("dense<…>");
  TypeTree type;
  op.attributes["value"] = dense(type);
  op.types = {type};
}

/// call @f(%0) : (…) -> …
void Reader::call(OpTree& op) {
  if (!at(TokenKind::symbol)) fail_expected("the name of a function");
  op.attributes["callee"] = attribute();
  operand_list(op);
  if (accept("{")) merge(op, dictionary("}"));
  expect(":", "and a type after a call");
  signature(op);
}

void Reader::custom_call(OpTree& op) {
  const std::size_t offset = token().offset;
  if (!at(TokenKind::symbol)) fail_expected("the name of what is called");
  const Token name = take();
  op.attributes["call_target_name"] = make(std::string(name.text), offset);
  operand_list(op);
  if (accept("{")) merge(op, dictionary("}"));
  expect(":", "and a type after a custom call");
  signature(op);
}

/// stablehlo.composite "name" %0 {decomposition = @f} : (…) -> …
void Reader::composite(OpTree& op) {
  const std::size_t offset = token().offset;
  op.attributes["name"] = make(string("the name of a composite"), offset);
  clauses(op);
}

/// (%0, %1) dim_numbers = […]x[…]->[…], window = {…} {…} : (…) -> …
void Reader::convolution(OpTree& op) {
  operand_list(op);
  expect("dim_numbers", "after a convolution's operands");
  expect("=", "after dim_numbers");
  const std::size_t offset = token().offset;
  op.attributes["dimension_numbers"] = make(convolution_numbers(), offset);
  if (accept(",")) {
    expect("window", "after a convolution's axes");
    expect("=", "after window");
    convolution_window(op);
  }
  if (accept("{")) merge(op, dictionary("}"));
  expect(":", "and a type after a convolution");
  signature(op);
}

void Reader::convolution_window(OpTree& op) {
  expect("{", "before a window");
  for (bool first = true; !at("}"); first = false) {
    if (!first) expect(",", "between a window's entries");
    const Token name = token();
    if (!at(TokenKind::identifier)) fail_expected("an entry of a window");
    take();
    expect("=", "after the name of a window's entry");
    const std::size_t offset = token().offset;
    const auto put = [&](std::string_view generic, Array value) {
      op.attributes[std::string(generic)] = make(std::move(value), offset);
    };
    if (name.text == "stride") {
      put("window_strides", array_of(ints()));
    } else if (name.text == "lhs_dilate") {
      put("lhs_dilation", array_of(ints()));
    } else if (name.text == "rhs_dilate") {
      put("rhs_dilation", array_of(ints()));
    } else if (name.text == "pad") {
      Ints both;
      expect("[", "before padding");
      while (!at("]")) {
        if (!both.empty()) expect(",", "between the paddings of axes");
        const std::size_t pair = token().offset;
        const Ints low_high = ints();
        if (low_high.size() != 2) fail(pair, "expected low and high padding: [0, 1]");
        both.insert(both.end(), low_high.begin(), low_high.end());
      }
      take();
      const Ints dims{static_cast<std::int64_t>(both.size() / 2), 2};
      put("padding", array_of(both).reshaped(dims));
    } else if (name.text == "reverse") {
      Ints flags;
      expect("[", "before flags");
      while (!at("]")) {
        if (!flags.empty()) expect(",", "between flags");
        flags.push_back(flag() ? 1 : 0);
      }
      take();
      put("window_reversal", array_of(flags));
    } else {
      fail(name.offset, fmt::format("expected stride, pad, lhs_dilate, rhs_dilate or reverse, "
                                    "found {}",
                                    name.text));
    }
  }
  take();
}

/// (%0 init: %1), … applies stablehlo.add across dimensions = [0] : (…) -> …
/// (%0 init: %1), … across dimensions = [0] : (…) -> … reducer(%a: t, %b: t) … {…}
void Reader::reduce(OpTree& op) {
  std::vector<OperandTree> initial;
  do {
    expect("(", "before an operand of a reduce");
    op.operands.push_back(operand());
    expect("init", "after an operand of a reduce");
    expect(":", "after init");
    initial.push_back(operand());
    expect(")", "after an initial value");
  } while (accept(","));
  const std::size_t inputs = initial.size();
  op.operands.insert(op.operands.end(), initial.begin(), initial.end());
  std::optional<Token> applied;
  if (accept("applies")) {
    if (!at(TokenKind::identifier)) fail_expected("the op that a reduce applies");
    applied = take();
  }
  expect("across", "in a reduce");
  expect("dimensions", "in a reduce");
  expect("=", "in a reduce");
  const std::size_t offset = token().offset;
  op.attributes["dimensions"] = make(array_of(ints()), offset);
  if (accept("{")) merge(op, dictionary("}"));
  expect(":", "and a type after a reduce");
  signature(op);
  RegionTree region;
  region.offset = op.offset;
  if (applied) {
    if (inputs != 1 || !op.operand_types || op.operand_types->size() != 2)
      fail(applied->offset, "expected one operand and its initial value where an op is applied");
    if (!is_known(std::string(applied->text)))
      unsupported(std::string(applied->text), applied->offset);
    const TypeTree type = (*op.operand_types)[1];
    region.arguments = {{"%lhs", type, op.offset}, {"%rhs", type, op.offset}};
    OpTree combiner, end;
    combiner.name = applied->text;
    end.name = "return";
    combiner.offset = end.offset = applied->offset;
    combiner.results = {{"%result", 1, applied->offset}};
    combiner.operands = {{"%lhs", 0, op.offset}, {"%rhs", 0, op.offset}};
    combiner.types = end.types = {type};
    end.operands = {{"%result", 0, op.offset}};
    region.ops.push_back(std::move(combiner));
    region.ops.push_back(std::move(end));
  } else {
    expect("reducer", "after a reduce that applies no op");
    std::vector<BlockArgumentTree> elements;
    for (std::size_t i = 0; i < inputs; ++i) {
      expect("(", "before a pair of a reducer's arguments");
      for (const bool running : {true, false}) {
        if (!running) expect(",", "between a pair of a reducer's arguments");
        if (!at(TokenKind::value)) fail_expected("an argument of a reducer");
        const Token name = take();
        expect(":", "and a type after an argument");
        (running ? region.arguments : elements).push_back({name.text, type(), name.offset});
        trailing_location();
      }
      expect(")", "after a pair of a reducer's arguments");
    }
    region.arguments.insert(region.arguments.end(), elements.begin(), elements.end());
    const Nested nested(*this);
    expect("{", "before a reducer's body");
    block(region);
  }
  op.regions.push_back(std::move(region));
}

/// (%a = %0, %b = %1) : t, t attributes {…} cond {…} do {…}
void Reader::while_loop(OpTree& op) {
  std::vector<BlockArgumentTree> arguments;
  expect("(", "after while");
  while (!at(")")) {
    if (!arguments.empty()) expect(",", "between carried values");
    if (!at(TokenKind::value)) fail_expected("the name of a carried value");
    const Token name = take();
    expect("=", "after the name of a carried value");
    op.operands.push_back(operand());
    arguments.push_back({name.text, std::nullopt, name.offset});
  }
  take();
  if (accept(":")) op.types = type_list();
  if (op.types.size() != arguments.size())
    fail(op.offset, fmt::format("expected the types of {} carried values, found {}",
                                arguments.size(), op.types.size()));
  op.operand_types = op.types;
  for (std::size_t i = 0; i < arguments.size(); ++i) arguments[i].type = op.types[i];
  if (accept("attributes")) {
    expect("{", "before attributes");
    merge(op, dictionary("}"));
  }
  for (const std::string_view word : {"cond", "do"}) {
    expect(word, "before a region of a while");
    op.regions.push_back(region());
    op.regions.back().arguments = arguments;
  }
}

}  // namespace kiln::parsing
