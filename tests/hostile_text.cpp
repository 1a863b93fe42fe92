#include "tests/hostile_text.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <regex>

#include "ir/op.h"
#include "ir/parse.h"
#include "ir/parse_lexer.h"
#include "ir/text.h"
#include "passes/pipeline.h"
#include "passes/trip_count.h"
#include "runtime/atomic_file.h"
#include "tests/source_folder.h"
#include "tests/text_samples.h"

namespace kiln {
namespace {

using parsing::Token;
using parsing::TokenKind;

constexpr const char* kForms = R"(#a = dense<[1, 0]> : tensor<2xi64>
#loc3 = loc("f.py":3:4)
module @jit_f attributes {mhlo.num_replicas = 1 : i32} {
  // a comment
  func.func public @main(%arg0: tensor<2x3xf32> {jax.arg = [1, "a\22", @f, unit, affine_map<(d0) -> (d0)>]} loc("x"(#loc3))) -> (tensor<3x2xf32> {jax.result_info = ""}) {
    %0 = "stablehlo.transpose"(%arg0) <{permutation = #a}> : (tensor<2x3xf32>) -> tensor<3x2xf32> loc(fused["a", #loc3])
    %1, %2 = "stablehlo.sort"(%0, %0) ({
    ^bb0(%a: tensor<f32>, %b: tensor<f32>, %c: tensor<f32>, %d: tensor<f32>):
      %x = stablehlo.compare LT, %a, %b, TOTALORDER : (tensor<f32>, tensor<f32>) -> tensor<i1>
      stablehlo.return %x : tensor<i1>
    }) {dimension = -1 : i64, is_stable = true} : (tensor<3x2xf32>, tensor<3x2xf32>) -> (tensor<3x2xf32>, tensor<3x2xf32>)
    check.expect_eq_const %2, dense<[[0x7FC00000, 1.0], [-2.5e3, 0.0], [1.0, 1.0]]> : tensor<3x2xf32>
    stablehlo.custom_call @check.expect_close(%1, %2) {has_side_effect = true} : (tensor<3x2xf32>, tensor<3x2xf32>) -> ()
    %3 = call @g(%2) : (tensor<3x2xf32>) -> tensor<3x2xf32>
    return %3 : tensor<3x2xf32>
  }
  func.func private @g(%arg0: tensor<3x2xf32>) -> tensor<3x2xf32> {
    %0 = stablehlo.convert %arg0 : (tensor<3x2xf32>) -> tensor<3x2xf64>
    %1 = stablehlo.convert %0 : (tensor<3x2xf64>) -> tensor<3x2xf32>
    return %1 : tensor<3x2xf32>
  }
}
)";

/// Ops that are decomposed while reading, in their pretty and generic forms.
constexpr const char* kDecomposed = R"(
func.func @main(%x: tensor<4x6xf32>, %y: tensor<4x6xf32>, %i: tensor<3xi32>, %p: tensor<i1>, %s: tensor<2xui64>, %z: tensor<2x3xf32>, %n: tensor<i32>) -> tensor<4x6xf32> {
  %low = stablehlo.constant dense<-1.0> : tensor<f32>
  %high = stablehlo.constant dense<1.0> : tensor<f32>
  %0 = stablehlo.clamp %low, %x, %high : (tensor<f32>, tensor<4x6xf32>, tensor<f32>) -> tensor<4x6xf32>
  %1 = "stablehlo.map"(%0, %y) ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %m = stablehlo.multiply %a, %b : tensor<f32>
    stablehlo.return %m : tensor<f32>
  }) {dimensions = array<i64: 0, 1>} : (tensor<4x6xf32>, tensor<4x6xf32>) -> tensor<4x6xf32>
  %2 = "stablehlo.if"(%p) ({
    stablehlo.return %1 : tensor<4x6xf32>
  }, {
    stablehlo.return %0 : tensor<4x6xf32>
  }) : (tensor<i1>) -> tensor<4x6xf32>
  %3 = "stablehlo.einsum"(%2, %y) {einsum_config = "ab,cb->ac"} : (tensor<4x6xf32>, tensor<4x6xf32>) -> tensor<4x4xf32>
  %4 = stablehlo.dot %3, %y : (tensor<4x4xf32>, tensor<4x6xf32>) -> tensor<4x6xf32>
  %5 = stablehlo.reduce_precision %4, format = e5m10 : tensor<4x6xf32>
  %6, %bits = stablehlo.rng_bit_generator %s, algorithm = THREE_FRY : (tensor<2xui64>) -> (tensor<2xui64>, tensor<4x6xui32>)
  %7 = stablehlo.convert %bits : (tensor<4x6xui32>) -> tensor<4x6xf32>
  %8 = "stablehlo.select_and_scatter"(%7, %z, %low) ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %m = stablehlo.compare GE, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
    stablehlo.return %m : tensor<i1>
  }, {
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %m = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %m : tensor<f32>
  }) {window_dimensions = array<i64: 2, 2>, window_strides = array<i64: 2, 2>, padding = dense<[[0, 0], [0, 0]]> : tensor<2x2xi64>} : (tensor<4x6xf32>, tensor<2x3xf32>, tensor<f32>) -> tensor<4x6xf32>
  %9 = "stablehlo.torch_index_select"(%8, %i) {dim = 1 : i64, batch_dims = 0 : i64} : (tensor<4x6xf32>, tensor<3xi32>) -> tensor<4x3xf32>
  %10, %places = chlo.top_k(%9, k = 2) : tensor<4x3xf32> -> (tensor<4x2xf32>, tensor<4x2xi32>)
  %11 = "stablehlo.cholesky"(%3) {lower = true} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %12 = "stablehlo.triangular_solve"(%11, %8) {left_side = true, lower = true, unit_diagonal = false, transpose_a = #stablehlo<transpose NO_TRANSPOSE>} : (tensor<4x4xf32>, tensor<4x6xf32>) -> tensor<4x6xf32>
  %13 = stablehlo.slice %12 [0:4, 1:6:2] : (tensor<4x6xf32>) -> tensor<4x3xf32>
  %14 = stablehlo.pad %13, %low, low = [0, 1], high = [0, -1], interior = [0, 2] : (tensor<4x3xf32>, tensor<f32>) -> tensor<4x7xf32>
  %15 = stablehlo.dynamic_slice %14, %n, %n, sizes = [4, 6] : (tensor<4x7xf32>, tensor<i32>, tensor<i32>) -> tensor<4x6xf32>
  return %15 : tensor<4x6xf32>
}
)";

constexpr const char* kWords[] = {
    "(",         ")",      "{",    "}",    "<",         ">",
    "[",         "]",      ":",    ",",    "->",        "-1",
    "x",         "%arg0",  "?",    "#",    "loc(",      "dense",
    "\"a\"",     "tensor", "true", "@f",   "%0#7",      "tensor<i1>",
    "64",        "0",      "1.5",  "*",    "module",    "tensor<1x2xf32>",
    "func.func", "return", "call", "^bb0", "array<i64", "complex<f32>",
};
constexpr const char* kNumbers[] = {
    "0",
    "-1",
    "1",
    "2",
    "3",
    "-2",
    "63",
    "64",
    "65535",
    "1000000",
    "2147483647",
    "2147483648",
    "-2147483649",
    "4294967296",
    "281474976710656",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551615",
    "99999999999999999999",
    "0x7F",
    "1.0e999",
};
constexpr const char* kElements[] = {"i1",   "i8",   "i16", "i32", "i64", "ui8",          "ui16",
                                     "ui32", "ui64", "f32", "f64", "f16", "complex<f64>", "bf16"};

std::vector<Token> tokens_of(const std::string& text) {
  std::vector<Token> tokens;
  try {
    const parsing::Source source(text, "");
    parsing::Lexer lexer(source, 0, text.size());
    while (!lexer.token().is(TokenKind::end)) tokens.push_back(lexer.take());
  } catch (const Error&) {  // spoiled before: as far as it goes
  }
  return tokens;
}

template <class List>
const auto& one_of(const List& list, Random& random) {
  return list[static_cast<std::size_t>(random.below(std::size(list)))];
}

std::string replaced_all(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), to);
    at += to.size();
  }
  return text;
}

std::string with_words_changed(std::string text, Random& random) {
  const std::vector<Token> tokens = tokens_of(text);
  if (tokens.empty()) return text;
  const Token one = one_of(tokens, random), other = one_of(tokens, random);
  const std::string of_other = text.substr(other.offset, other.length);
  switch (random.below(5)) {
    case 0:
      return text.erase(one.offset, one.length);
    case 1:
      return text.insert(one.offset, text.substr(one.offset, one.length) + " ");
    case 2:
      return text.replace(one.offset, one.length, of_other);
    case 3:
      return text.insert(one.offset, of_other + " ");
    default:
      return text.replace(one.offset, one.length, one_of(kWords, random));
  }
}

/// Of what stands in brackets, an attribute mostly, and of any other number.
std::string with_number_changed(std::string text, Random& random) {
  std::vector<Token> numbers;
  for (const Token& token : tokens_of(text))
    if (token.is(TokenKind::integer) || token.is(TokenKind::real)) numbers.push_back(token);
  if (numbers.empty()) return text;
  const Token one = one_of(numbers, random);
  const std::string to = random.chance(0.5F) ? std::to_string(static_cast<int>(random.below(8)) - 2)
                                             : std::string(one_of(kNumbers, random));
  return text.replace(one.offset, one.length, to);
}

/// An extent or an element type, changed wherever it stands.
std::string with_types_changed(const std::string& text, Random& random) {
  if (random.chance(0.5F)) {
    const std::string from = one_of(kElements, random), to = one_of(kElements, random);
    return replaced_all(replaced_all(text, "x" + from + ">", "x" + to + ">"),
                        "tensor<" + from + ">", "tensor<" + to + ">");
  }
  const std::string from = std::to_string(random.below(7)) + "x";
  const std::string to = std::to_string(random.below(9)) + "x";
  return replaced_all(replaced_all(text, "<" + from, "<" + to), "x" + from, "x" + to);
}

std::string with_bytes_changed(std::string text, Random& random) {
  if (text.empty()) return text;
  const auto at = static_cast<std::size_t>(random.below(text.size()));
  switch (random.below(4)) {
    case 0:
      return text.erase(at, 1 + static_cast<std::size_t>(random.below(4)));
    case 1:
      return text.insert(at, 1, static_cast<char>(random.below(256)));
    case 2:
      text[at] = random.chance(0.3F) ? '\0' : static_cast<char>(random.below(256));
      return text;
    default:
      return text.substr(0, at);
  }
}

std::string with_lines_changed(std::string text, Random& random) {
  const auto at = static_cast<std::size_t>(random.below(text.size() + 1));
  const std::size_t begin = text.rfind('\n', at) == std::string::npos ? 0 : text.rfind('\n', at),
                    end = std::min(text.find('\n', std::min(begin + 1, text.size())), text.size());
  if (random.chance(0.5F)) return text.erase(begin, end - begin);
  return text.insert(end, text.substr(begin, end - begin));
}

/// "file:line:column: what\n  the line\n  a caret", or, of what is not supported, a place in each
/// line.
std::string fault_of_message(const std::string& message) {
  static const std::regex kPlaced(R"(^hostile\.mlir:\d+:\d+: [^\n]+\n  [^\n]*\n *\^$)");
  return std::regex_match(message, kPlaced) ? "" : "a message without line, column and caret";
}

double count_of(const std::vector<Type>& types) {
  double count = 0;
  for (const Type& type : types) count += static_cast<double>(type.count());
  return count;
}

double work_of(const Region& region) {
  constexpr double kEndless = std::numeric_limits<double>::infinity();
  double work = 0;
  for (const Node* node : topological(region.results)) {
    double each = 0;  // for an element of the result, or a run of the regions
    for (const Region& inner : node->regions()) each += work_of(inner);
    const double result = count_of(node->types());
    double operands = 1;
    for (Value operand : node->operands()) operands += count_of({operand.type()});
    if (node->op() == Op::while_) {
      const auto counter = trip_counter(*node);
      work += counter ? each * static_cast<double>(counter->trips) : kEndless;
    } else if (node->op() == Op::reduce_window) {
      for (const std::int64_t extent : node->attrs<WindowAttrs>().extents)
        each = std::max(each, 1.0) * static_cast<double>(extent);
      work += each * result;
    } else if (traits(*node).contraction) {
      work += result * static_cast<double>(node->operand(1).type().count());
    } else {
      work += std::max(each, 1.0) * (operands + result);
    }
  }
  return work;
}

}  // namespace

std::vector<std::string> hostile_seeds() {
  constexpr std::size_t kLongest = 3000;
  std::vector<std::string> texts = {kForms, kDecomposed};
  for (int op = 0; op < kOpCount; ++op) {
    const std::vector<Function> samples = text_samples(static_cast<Op>(op));
    for (const std::size_t pick : {std::size_t{0}, samples.size() / 2, samples.size() - 1})
      if (const std::string text = to_text(samples[pick], {.locations = pick % 2 == 1});
          text.size() < kLongest)
        texts.push_back(text);
  }
  const auto folder = std::filesystem::path(source_folder()) / "tests/jax";
  std::vector<std::string> lowered;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".mlir") lowered.push_back(read_file(entry.path().string()));
  std::sort(lowered.begin(), lowered.end());  // a folder has no order
  texts.insert(texts.end(), lowered.begin(), lowered.end());
  return texts;
}

std::string spoiled(const std::string& text, Random& random) {
  std::string changed = text;
  for (std::uint64_t rounds = 1 + random.below(3); rounds > 0; --rounds) {
    const float kind = random.uniform();
    changed = kind < 0.4F   ? with_number_changed(changed, random)
              : kind < 0.6F ? with_types_changed(changed, random)
              : kind < 0.8F ? with_words_changed(changed, random)
              : kind < 0.9F ? with_bytes_changed(changed, random)
                            : with_lines_changed(changed, random);
  }
  return changed;
}

Reading read_hostile(const std::string& text) {
  Reading reading;
  try {
    for (ParsedModule& module : parse_modules(text, "hostile.mlir"))
      for (ParsedFunction& parsed : module.functions) {
        verify(parsed.function);
        const std::string printed = to_text(parsed.function);
        if (to_text(parse_module(printed).functions.at(0).function) != printed)
          reading.bug = "what is printed reads as something else";
        reading.functions.push_back(std::move(parsed.function));
      }
  } catch (const UnsupportedError& error) {
    reading.complaint = error.what();
    for (const auto& construct : error.constructs)
      if (!construct.where.known()) reading.bug = "an unsupported construct without a line";
  } catch (const Error& error) {
    reading.complaint = error.what();
    reading.bug = fault_of_message(reading.complaint);
  } catch (const std::exception& error) {
    reading.bug = error.what();
  }
  return reading;
}

Reading read_repaired(std::string& text) {
  static const std::regex kTypes(
      R"(^hostile\.mlir:(\d+):\d+: (.*expected.*?)(tensor<[^>]*>)(.*found.*?)(tensor<[^>]*>))");
  constexpr int kRepairs = 12;
  for (int repairs = 0;; ++repairs) {
    Reading reading = read_hostile(text);
    std::smatch match;
    if (repairs == kRepairs || !reading.bug.empty() ||
        !std::regex_search(reading.complaint, match, kTypes))
      return reading;
    // What stands in the text is what was found, or, of operands and results, what was expected.
    const std::string kind = match[2].str() + match[4].str();
    const bool inferred = kind.find("as the type of result") != std::string::npos;
    const bool header = kind.find("as result") != std::string::npos;
    const std::string from = match[inferred ? 5 : 3], to = match[inferred ? 3 : 5];
    std::size_t begin = 0;
    for (int line = 1; line < std::stoi(match[1]); ++line) begin = text.find('\n', begin) + 1;
    if (header) begin = std::min(text.rfind("func.func", begin), begin);
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::size_t at = text.rfind(from, end);
    if (at == std::string::npos || at < begin) return reading;
    text.replace(at, from.size(), to);
  }
}

double work_of(const Function& function) { return work_of(Region{{}, function.results}); }

}  // namespace kiln
