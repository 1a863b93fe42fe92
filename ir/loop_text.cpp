// The loop IR's text, as the example at the top of loop.h shows it.

#include <bit>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ir/loop.h"

namespace kiln::loop {
namespace {

/// %a … %z, %aa …: letters, so that registers and buffers (%0, %1 …) cannot be confused.
std::string register_name(Reg reg) {
  std::string letters;
  for (int rest = reg + 1; rest > 0; rest = (rest - 1) / 26)
    letters.insert(letters.begin(), static_cast<char>('a' + (rest - 1) % 26));
  return "%" + letters;
}

std::string_view name_of(Buffer::Kind kind) {
  switch (kind) {
    case Buffer::Kind::in:
      return "in";
    case Buffer::Kind::out:
      return "out";
    case Buffer::Kind::inout:
      return "inout";
    case Buffer::Kind::local:
      return "local";
  }
  return "?";
}

/// A constant that reads back to the same bits.
std::string literal(DType dtype, std::uint64_t bits) {
  const auto floating = [&](auto value, std::uint64_t plain_nan) {
    if (std::isnan(value))
      return bits == plain_nan ? std::string("nan") : fmt::format("{:#x}", bits);
    return fmt::format("{}", value);  // the shortest text that reads back
  };
  if (dtype == DType::f32)
    return floating(std::bit_cast<float>(static_cast<std::uint32_t>(bits)), 0x7fc00000u);
  if (dtype == DType::f64) return floating(std::bit_cast<double>(bits), 0x7ff8000000000000u);
  if (!is_signed(dtype)) return fmt::format("{}", bits);
  const int unused = 64 - 8 * size_of(dtype);
  return fmt::format("{}", static_cast<std::int64_t>(bits << unused) >> unused);
}

class Printer {
 public:
  /// Canonical text calls variables by number: their names are no part of what a kernel does.
  Printer(const Kernel& kernel, bool canonical) : kernel_(kernel), canonical_(canonical) {}

  void kernel() {
    std::vector<std::string> parameters;
    for (std::size_t i = 0; i < kernel_.buffers.size(); ++i)
      if (const Buffer& buffer = kernel_.buffers[i]; buffer.kind != Buffer::Kind::local)
        parameters.push_back(
            fmt::format("%{}: {} {}", i, kiln::name_of(buffer.dtype), name_of(buffer.kind)));
    line(fmt::format("kernel @{}({}) chunks {} {{", canonical_ ? "" : kernel_.name,
                     fmt::join(parameters, ", "), kernel_.chunks));
    ++depth_;
    for (std::size_t i = 0; i < kernel_.buffers.size(); ++i)
      if (const Buffer& buffer = kernel_.buffers[i]; buffer.kind == Buffer::Kind::local)
        line(fmt::format("local %{}: {} x {}", i, kiln::name_of(buffer.dtype), buffer.count));
    block(kernel_.body);
    --depth_;
    line("}");
  }

  void statement(const Statement& statement) {
    std::visit([this](const auto& is) { print(is); }, statement.is);
  }

  /// With bodies left out a loop is its first line.
  void only_first_lines() { bodies_ = false; }
  std::string take() { return std::move(text_); }

 private:
  void line(std::string_view content) {
    text_.append(static_cast<std::size_t>(2 * depth_), ' ');
    text_ += content;
    text_ += '\n';
  }

  void block(const Block& statements) {
    for (const Statement& inner : statements) statement(inner);
  }

  std::string variable(Var var) const {
    return canonical_ && var > kEnd ? fmt::format("v{}", var)
                                    : kernel_.variables.at(static_cast<std::size_t>(var));
  }

  std::string affine(const Affine& affine) const {
    std::string text;
    const auto sign = [&](bool negative) {
      text += text.empty() ? (negative ? "-" : "") : (negative ? " - " : " + ");
    };
    for (const auto& [var, coefficient] : affine.terms) {
      sign(coefficient < 0);
      if (const std::int64_t size = std::abs(coefficient); size != 1)
        text += fmt::format("{}*", size);
      text += variable(var);
    }
    if (affine.constant != 0 || text.empty()) {
      sign(affine.constant < 0);
      text += fmt::format("{}", std::abs(affine.constant));
    }
    return text;
  }

  std::string bound(const std::vector<Affine>& bounds, std::string_view combiner) const {
    if (bounds.size() == 1) return affine(bounds.front());
    std::vector<std::string> all;
    for (const Affine& each : bounds) all.push_back(affine(each));
    return fmt::format("{}({})", combiner, fmt::join(all, ", "));
  }

  std::string type(Reg reg) const {
    return kernel_.registers.at(static_cast<std::size_t>(reg)).str();
  }

  std::string access(int buffer, const Affine& index, const std::optional<Reg>& offset = {}) const {
    return fmt::format("%{}[{}{}]", buffer, affine(index),
                       offset ? " + " + register_name(*offset) : std::string());
  }

  std::string lanes(std::int64_t stride, int active, Reg reg,
                    const std::optional<Reg>& mask) const {
    std::string text;
    if (stride != 1) text += fmt::format(" stride {}", stride);
    if (active < kernel_.registers.at(static_cast<std::size_t>(reg)).lanes)
      text += fmt::format(" active {}", active);
    if (mask) text += " where " + register_name(*mask);
    return text;
  }

  void print(const Let& let) {
    std::string text = fmt::format("{} = {}", register_name(let.result), loop::name_of(let.opcode));
    const VType result = kernel_.registers.at(static_cast<std::size_t>(let.result));
    switch (let.opcode) {
      case Opcode::constant:
        text += fmt::format(" {} {}", result.str(), literal(result.dtype, let.literal));
        break;
      case Opcode::index:
        text += fmt::format(" {} {}", result.str(), affine(let.affine));
        break;
      case Opcode::convert:
      case Opcode::bitcast:
      case Opcode::splat:
        text += " " + result.str();
        break;
      default:
        break;
    }
    for (std::size_t i = 0; i < let.arguments.size(); ++i)
      text += (i == 0 ? " " : ", ") + register_name(let.arguments[i]);
    line(text);
  }

  void print(const Load& load) {
    line(fmt::format("{} = load {} {}{}", register_name(load.result), type(load.result),
                     access(load.buffer, load.index, load.offset),
                     lanes(load.stride, load.active, load.result, load.mask)));
  }

  void print(const Store& store) {
    line(fmt::format("store {}, {}{}", register_name(store.value),
                     access(store.buffer, store.index, store.offset),
                     lanes(store.stride, store.active, store.value, store.mask)));
  }

  void print(const Define& define) {
    std::string text = affine(define.affine);
    if (define.divisor != 1) text = fmt::format("({}) / {}", text, define.divisor);
    if (define.modulus != 0) text = fmt::format("({}) mod {}", text, define.modulus);
    line(fmt::format("{} = {}", variable(define.variable), text));
  }

  void print(const Limit& limit) {
    line(fmt::format("{} = limit {} most {} multiple {}", variable(limit.variable),
                     register_name(limit.value), limit.most, limit.multiple));
  }

  void print(const Prefetch& prefetch) {
    line(fmt::format("prefetch {}{}", access(prefetch.buffer, prefetch.index),
                     prefetch.write ? " write" : ""));
  }

  void print(const TransposeTile& tile) {
    std::string text =
        fmt::format("transpose {} by {}, {} by {}", access(tile.source, tile.source_index),
                    tile.source_stride, access(tile.target, tile.target_index), tile.target_stride);
    text += fmt::format(" rows {} columns {}", tile.rows, tile.columns);
    if (tile.padded_rows > tile.rows) text += fmt::format(" padded_rows {}", tile.padded_rows);
    line(text);
  }

  void print(const For& loop) {
    std::vector<std::string> results, carried, next;
    for (const Carried& each : loop.carried) {
      results.push_back(register_name(each.result));
      carried.push_back(
          fmt::format("{} = {}", register_name(each.inside), register_name(each.initial)));
      next.push_back(register_name(each.next));
    }
    std::string head = results.empty() ? "" : fmt::format("{} = ", fmt::join(results, ", "));
    head += fmt::format("for {} = {} to {}", variable(loop.variable), bound(loop.lower, "max"),
                        bound(loop.upper, "min"));
    if (loop.step != 1) head += fmt::format(" step {}", loop.step);
    if (!carried.empty()) head += fmt::format(" carry {}", fmt::join(carried, ", "));
    body(head, loop.body, next);
  }

  void print(const If& branch) {
    std::vector<std::string> results, otherwise, inside;
    for (const Merged& each : branch.merged) {
      results.push_back(register_name(each.result));
      otherwise.push_back(register_name(each.otherwise));
      inside.push_back(register_name(each.inside));
    }
    std::string head = results.empty() ? "" : fmt::format("{} = ", fmt::join(results, ", "));
    head += fmt::format("if {}", register_name(branch.condition));
    if (!otherwise.empty()) head += fmt::format(" else {}", fmt::join(otherwise, ", "));
    body(head, branch.body, inside);
  }

  void body(const std::string& head, const Block& statements,
            const std::vector<std::string>& next) {
    line(head + " {");
    if (!bodies_) return;
    ++depth_;
    block(statements);
    if (!next.empty()) line(fmt::format("next {}", fmt::join(next, ", ")));
    --depth_;
    line("}");
  }

  const Kernel& kernel_;
  const bool canonical_;
  bool bodies_ = true;
  int depth_ = 0;
  std::string text_;
};

}  // namespace

std::string Kernel::str() const {
  Printer printer(*this, false);
  printer.kernel();
  return printer.take();
}

std::string Kernel::content() const {
  Printer printer(*this, true);
  printer.kernel();
  return printer.take();
}

std::string str(const Kernel& kernel, const Statement& statement) {
  Printer printer(kernel, false);
  printer.only_first_lines();
  printer.statement(statement);
  std::string text = printer.take();
  text.pop_back();  // the newline
  return text;
}

}  // namespace kiln::loop
