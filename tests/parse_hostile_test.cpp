// Hostile text is read, or refused with a place; never a crash, a hang or terabytes.
#include "ir/interpret.h"
#include "ir/parse.h"
#include "ir/parse_lexer.h"
#include "runtime/function_io.h"
#include "tests/catch.h"
#include "tests/hostile_text.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;

constexpr double kMostWork = 2e4;  // elements; of what takes more only the text is tested

/// What is said of a text that is refused; "" of one that is read. A bug fails the test.
std::string complaint(const std::string& text) {
  const Reading reading = read_hostile(text);
  if (!reading.bug.empty())
    FAIL(reading.bug << "\n" << reading.complaint << "\n" << text.substr(0, 6000));
  return reading.complaint;
}
bool reads(const std::string& text) { return complaint(text).empty(); }

std::string repeated(std::string_view part, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += part;
  return text;
}

/// @main calls @f39 twice, that calls @f38 twice, …: 2^40 ops, should they all be made. `call` is
/// the op, of @callee and %x; `facts` are the callees' attributes.
std::string doubling(const std::string& call, const std::string& facts = "") {
  const auto with = [](std::string text, const std::string& from, const std::string& to) {
    return text.replace(text.find(from), from.size(), to);
  };
  std::string text;
  for (int i = 0; i <= 40; ++i) {
    const bool is_main = i == 40;
    const std::string op = with(call, "@callee", fmt::format("@f{}", i - 1));
    text += fmt::format("func.func {}(%a: tensor<f32>) -> tensor<f32> {}{{\n",
                        is_main ? "@main" : fmt::format("private @f{}", i), is_main ? "" : facts);
    text += i == 0 ? "%1 = stablehlo.sine %a : tensor<f32>\n"
                   : "%0 = " + with(op, "%x", "%a") + "\n%1 = " + with(op, "%x", "%0") + "\n";
    text += "return %1 : tensor<f32>\n}\n";
  }
  return text;
}

}  // namespace

TEST_CASE("spoiled_texts_are_read_and_run_or_refused_with_a_place") {
  Random random(41);
  int read = 0, refused = 0, ran = 0;
  for (const std::string& seed : hostile_seeds()) {
    CHECK(complaint(seed) == "");
    for (int round = 0; round < 50; ++round) {
      std::string text = spoiled(seed, random);
      const Reading reading = read_repaired(text);
      if (!reading.bug.empty())
        FAIL(reading.bug << "\n" << reading.complaint << "\n" << text.substr(0, 6000));
      ++(reading.complaint.empty() ? read : refused);
      for (const Function& function : reading.functions) {
        if (work_of(function) > kMostWork) continue;
        try {
          interpret(function, drawn_arguments(function, 1));
          ++ran;
        } catch (const std::exception& error) {
          FAIL(error.what() << "\n" << text.substr(0, 6000));
        }
      }
    }
  }
  CHECK(read > refused / 10);
  CHECK(ran > read / 2);
}

TEST_CASE("ops_of_any_operands_attributes_and_regions_are_read_and_run_or_refused") {
  Random random(42);
  int read = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = hostile_op(random);
    const Reading reading = read_repaired(text);
    if (!reading.bug.empty()) FAIL(reading.bug << "\n" << reading.complaint << "\n" << text);
    for (const Function& function : reading.functions) {
      if (work_of(function) > kMostWork) continue;
      try {
        interpret(function, drawn_arguments(function, 1));
        ++read;
      } catch (const std::exception& error) {
        FAIL(error.what() << "\n" << text);
      }
    }
  }
  CHECK(read > 200);
}

TEST_CASE("a_text_cut_anywhere_is_an_error") {
  for (const std::string& text : hostile_seeds()) {
    if (text.size() > 3000) continue;
    const parsing::Source source(text, "");
    parsing::Lexer lexer(source, 0, text.size());
    for (; !lexer.token().is(parsing::TokenKind::end); lexer.take()) {
      const std::string cut = text.substr(0, lexer.token().offset);
      if (reads(cut) && cut.find("func.func") != std::string::npos)
        FAIL("read, though cut:\n" << cut);
    }
  }
}

TEST_CASE("bytes_that_are_no_text_are_an_error") {
  Random random(32);
  for (int round = 0; round < 200; ++round) {
    std::string bytes = round % 2 == 0 ? "" : "func.func @f() -> tensor<f32> {";
    for (int i = 0; i < 200; ++i) bytes += static_cast<char>(random.below(256));
    CHECK(!reads(bytes));
  }
}

TEST_CASE("messages_show_what_cannot_be_printed_as_question_marks") {
  const std::string text("func.func @f\0() \xFF\xC3\xA9\t {", 22);
  CHECK(complaint(text) ==
        "hostile.mlir:1:13: expected MLIR's text, found a character that has no place in it\n"
        "  func.func @f?() ?\xC3\xA9  {\n"
        "              ^");
  CHECK(complaint("func.func @f(%" + repeated("a", 1000000)).size() < 5000);
}

TEST_CASE("deep_nesting_is_an_error") {
  const int deep = 100000;
  const std::string head = "func.func @main() -> tensor<f32> {\n";
  CHECK(!reads(head + "%0 = \"stablehlo.add\"() {a = " + repeated("[", deep)));
  CHECK(!reads(head + "%0 = \"stablehlo.add\"() {a = " + repeated("{b = ", deep)));
  CHECK(!reads(head + repeated("%0 = \"stablehlo.case\"(%1) ({\n", deep)));
  CHECK(!reads(head + repeated("stablehlo.while() cond {\n", deep)));
  CHECK(!reads(head + repeated("foo.bar {\n", deep)));
  CHECK(!reads(head + "%0 = foo.bar : " + repeated("tuple<", deep)));
  CHECK(!reads(head + "%0 = stablehlo.add : " + repeated("(", deep)));
  CHECK(!reads(head + "%0 = stablehlo.constant dense<" + repeated("[", deep)));
  CHECK(!reads(repeated("module {\n", deep)));
  CHECK(!reads("#loc = " + repeated("loc(callsite(", deep)));
  CHECK(!reads("#a = " + repeated("#stablehlo.x<a = ", deep)));
  // Calls nest as deep as their functions do.
  std::string chain;
  for (int i = 0; i < 1000; ++i)
    chain += fmt::format(
        "func.func private @f{}(%a: tensor<f32>) -> tensor<f32> {{\n"
        "%0 = call @f{}(%a) : (tensor<f32>) -> tensor<f32>\n return %0 : tensor<f32>\n}}\n",
        i, i + 1);
  CHECK_THAT(complaint(chain + "func.func @main(%a: tensor<f32>) -> tensor<f32> {\n"
                               "%0 = call @f0(%a) : (tensor<f32>) -> tensor<f32>\n"
                               "return %0 : tensor<f32>\n}\n"),
             ContainsSubstring("nested at most 200 deep"));
}

TEST_CASE("huge_sizes_are_an_error_or_take_no_memory") {
  const auto constant = [](const std::string& value, const std::string& type) {
    return "func.func @main() -> " + type + " {\n  %0 = stablehlo.constant dense<" + value +
           "> : " + type + "\n  return %0 : " + type + "\n}\n";
  };
  CHECK(!reads(constant("0.0", "tensor<1000000000000xf32>")));
  CHECK(!reads(constant("0.0", "tensor<100000x100000xf32>")));
  CHECK(!reads(constant("", "tensor<0x2000000000x2000000000x2000000000xf32>")));
  CHECK(!reads(constant("0.0", "tensor<99999999999999999999999xf32>")));
  CHECK(!reads(constant("0.0", "tensor<" + repeated("1x", 1000) + "f32>")));
  CHECK(reads(constant("0.0", "tensor<2000000000xf32>")));  // a splat is one element
  CHECK(!reads(constant("[0.0]", "tensor<2000000000xf32>")));
  CHECK(!reads(constant("\"0x00\"", "tensor<2000000000xf32>")));
  CHECK(!reads(constant("", "tensor<2000000000xf32>")));
  CHECK(!reads(constant("[]", "tensor<1000000x0xf32>")));
  CHECK(!reads(constant("300", "tensor<i8>")));
  CHECK(!reads(constant("-1", "tensor<ui8>")));
  CHECK(!reads(constant("18446744073709551616", "tensor<ui64>")));
  CHECK(!reads(constant("-9223372036854775809", "tensor<i64>")));
  CHECK(reads(constant("-9223372036854775808", "tensor<i64>")));
  CHECK(reads(constant("18446744073709551615", "tensor<ui64>")));
  CHECK(!reads(constant("1.0e999", "tensor<f64>")));
  CHECK(!reads(constant("0x1FFFFFFFF", "tensor<f32>")));
  // A list of padding for axes that are not there.
  const std::string list = "tensor<2000000000xi64>";
  CHECK_THAT(complaint("func.func @main(%x: tensor<2xf32>, %z: tensor<f32>) -> tensor<4xf32> {\n"
                       "  %l = stablehlo.constant dense<1> : " +
                       list +
                       "\n"
                       "  %0 = stablehlo.dynamic_pad %x, %z, %l, %l, %l : (tensor<2xf32>, "
                       "tensor<f32>, " +
                       list + ", " + list + ", " + list +
                       ") -> tensor<4xf32>\n"
                       "  return %0 : tensor<4xf32>\n}\n"),
             ContainsSubstring("expected operand 2 of type tensor<1xi64>"));
}

TEST_CASE("short_texts_that_stand_for_very_long_ones_are_an_error") {
  const std::string type = " : (tensor<f32>) -> tensor<f32>", call = "call @callee(%x)" + type,
                    composite = "\" %x {decomposition = @callee}" + type;
  for (const std::string& text :
       {doubling(call), doubling(call, "attributes {kiln.kernel = \"map\"} "),
        doubling("stablehlo.composite \"other" + composite),
        doubling("stablehlo.composite \"kiln.own" + composite)})
    CHECK_THAT(complaint(text), ContainsSubstring("expected at most 250000 ops"));

  std::string aliases = "#a0 = [0, 1]\n";
  for (int i = 1; i < 64; ++i) aliases += fmt::format("#a{0} = [#a{1}, #a{1}]\n", i, i - 1);
  CHECK_THAT(complaint(aliases), ContainsSubstring("expected aliases that stand for at most"));
}

TEST_CASE("much_that_is_not_supported_is_listed_in_time") {
  std::string text = "func.func @main(%a: tensor<f32>) -> tensor<f32> {\n";
  for (int i = 0; i < 50000; ++i) text += fmt::format("  %{} = foo.bar %a : tensor<f32>\n", i);
  text += "  return %a : tensor<f32>\n}\n";
  CHECK_THAT(complaint(text), ContainsSubstring("hostile.mlir:50001: foo.bar is not supported"));
}

TEST_CASE("what_a_function_says_of_itself_is_checked") {
  const auto text = [](const std::string& facts, const std::string& stated) {
    return "func.func @main(%a: tensor<f32> {tf.aliasing_output = 0 : i32}, %b: tensor<f32>" +
           facts + ") -> tensor<f32> {\n  %0 = call @g(%a, %b) : (tensor<f32>, tensor<f32>) -> " +
           stated + "\n  return %0 : " + stated +
           "\n}\nfunc.func private @g(%a: tensor<f32>, %b: tensor<f32>) -> tensor<f32> {\n"
           "  %0 = stablehlo.add %a, %b : tensor<f32>\n  return %0 : tensor<f32>\n}\n";
  };
  CHECK(reads(text("", "tensor<f32>")));
  CHECK_THAT(complaint(text(" {tf.aliasing_output = 0 : i32}", "tensor<f32>")),
             ContainsSubstring("named by one tf.aliasing_output, found 0 again"));
  CHECK_THAT(complaint(text(" {tf.aliasing_output = 1 : i32}", "tensor<f32>")),
             ContainsSubstring("expected tf.aliasing_output to name a result of type tensor<f32>"));
  CHECK_THAT(complaint(text("", "tensor<7xf32>")),
             ContainsSubstring("expected tensor<f32> as the type of result 0 of @g, found "
                               "tensor<7xf32>"));
  CHECK_THAT(complaint("func.func @main() {\n}\n"), ContainsSubstring("expected a return"));
}

}  // namespace kiln
