// The loop IR's invariants, in the order in which they are checked:
//   - parameters come before locals; a buffer has a count >= 0;
//   - a register is defined once, before it is used, and used only inside the block that defines
//   it;
//   - variables likewise;
//   - operands and results have the types that loop.h states;
//   - a buffer exists, holds the element type that is loaded or stored, and an `in` buffer is not
//     stored to;
//   - every access of an active lane stays inside the buffer's count, for every value of the
//     variables that the loops' bounds allow. What cannot be proved counts as wrong, except under
//     an offset or a mask: those who made them see to that;
//   - loops step forward.

#include <algorithm>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "ir/loop.h"

namespace kiln::loop {
namespace {

struct Range {
  std::int64_t low, high;  // inclusive
};

/// What is known of a variable while it is in scope.
struct Known {
  std::optional<Range> range;  // begin, end, definitions
  const For* loop = nullptr;   // loop variables: their bounds, which may name outer variables
  bool in_scope = false;
  std::int64_t multiple = 1;  // of which it is one
};

class Verifier {
 public:
  explicit Verifier(const Kernel& kernel)
      : kernel_(kernel),
        registers_(kernel.registers.size(), State::undefined),
        variables_(kernel.variables.size()) {}

  void run() {
    bool locals = false;
    for (const Buffer& buffer : kernel_.buffers) {
      const bool local = buffer.kind == Buffer::Kind::local;
      check(!locals || local, "parameters come before locals");
      check(buffer.count >= 0, "a buffer has a count");
      locals |= local;
    }
    check(kernel_.chunks >= 1 && variables_.size() >= 2, "a kernel has chunks, from begin to end");
    variables_[kBegin] = {Range{0, kernel_.chunks - 1}, nullptr, true};
    variables_[kEnd] = {Range{1, kernel_.chunks}, nullptr, true};
    scope([&] { block(kernel_.body); });
  }

 private:
  enum class State : std::uint8_t { undefined, usable, left };

  void check(bool holds, std::string_view what) const {
    if (holds) return;
    throw InternalError(fmt::format(
        "internal error in kernel @{}: {}{} (this is a bug in kiln)", kernel_.name, what,
        current_ ? fmt::format(", in: {}", str(kernel_, *current_)) : std::string()));
  }

  // ---- Registers and variables ----

  State& state(Reg reg) {
    check(reg >= 0 && static_cast<std::size_t>(reg) < registers_.size(), "a register exists");
    return registers_[static_cast<std::size_t>(reg)];
  }

  VType use(Reg reg) {
    check(state(reg) != State::undefined, "a register is defined before its use");
    check(state(reg) == State::usable, "a register is used inside the block that defines it");
    return type(reg);
  }

  /// Of a register that is known to exist.
  VType type(Reg reg) const { return kernel_.registers[static_cast<std::size_t>(reg)]; }

  VType define(Reg reg) {
    check(state(reg) == State::undefined, "a register is defined once");
    state(reg) = State::usable;
    made_.push_back(reg);
    check(type(reg).lanes >= 1, "a register has lanes");
    return type(reg);
  }

  void use(const Affine& affine) const {
    Var last = -1;
    for (const auto& [var, coefficient] : affine.terms) {
      check(var > last && coefficient != 0, "an affine expression is canonical");
      check(static_cast<std::size_t>(var) < variables_.size() && known(var).in_scope,
            "a variable is used inside the block that defines it");
      last = var;
    }
  }

  const Known& known(Var var) const { return variables_[static_cast<std::size_t>(var)]; }

  void enter(Var var, Known facts) {
    check(var > kEnd && static_cast<std::size_t>(var) < variables_.size() && !known(var).in_scope &&
              !known(var).range && !known(var).loop,
          "a variable is defined once");
    facts.in_scope = true;
    variables_[static_cast<std::size_t>(var)] = facts;
    entered_.push_back(var);
  }

  // ---- Ranges ----

  /// Bounds of a value are found by putting each variable's own extreme in its place, innermost
  /// first, so that i1 - i0 with i1 from i0 to i0 + 8 is known to be below 8.
  std::int64_t greatest(const Affine& affine) const { return extreme(affine, true); }
  std::int64_t least(const Affine& affine) const { return extreme(affine, false); }

  std::int64_t extreme(const Affine& affine, bool greatest_wanted) const {
    if (affine.is_constant()) return affine.constant;
    const auto [var, coefficient] = affine.terms.back();
    const bool upwards = (coefficient > 0) == greatest_wanted;
    const Affine rest = affine + Affine::of(var, -coefficient);
    const Known& facts = known(var);
    if (facts.range)
      return extreme(rest + (upwards ? facts.range->high : facts.range->low) * coefficient,
                     greatest_wanted);
    // Every bound of the variable bounds the result, so the tightest counts.
    std::optional<std::int64_t> tightest;
    const std::vector<Affine>& bounds = upwards ? facts.loop->upper : facts.loop->lower;
    for (const Affine& bound : bounds) {
      const Affine last = upwards ? bound + -last_gap(*facts.loop, bound) : bound;
      const std::int64_t value = extreme(rest + last * coefficient, greatest_wanted);
      if (!tightest || (greatest_wanted ? value < *tightest : value > *tightest)) tightest = value;
    }
    return *tightest;
  }

  /// How far below `upper` the loop's last value is, at least.
  std::int64_t last_gap(const For& loop, const Affine& upper) const {
    std::int64_t gap = loop.step;
    for (const Affine& lower : loop.lower) {
      const std::optional<std::int64_t> rest =
          remainder(upper + lower * -1 + Affine(-1), loop.step);
      if (!rest) return 1;
      gap = std::min(gap, *rest + 1);
    }
    return gap;
  }

  /// Of a value divided by `divisor`, if it is the same wherever the variables stand: a loop's
  /// variable is a multiple of its step away from where the loop begins.
  std::optional<std::int64_t> remainder(const Affine& affine, std::int64_t divisor) const {
    std::int64_t sum = affine.constant % divisor;
    for (const auto& [var, coefficient] : affine.terms) {
      if (coefficient * known(var).multiple % divisor == 0) continue;
      const For* loop = known(var).loop;
      if (loop == nullptr || loop->lower.size() != 1 || coefficient * loop->step % divisor != 0)
        return std::nullopt;
      const std::optional<std::int64_t> begin = remainder(loop->lower[0] * coefficient, divisor);
      if (!begin) return std::nullopt;
      sum += *begin;
    }
    sum %= divisor;
    return sum < 0 ? sum + divisor : sum;
  }

  void access(int buffer, const Affine& index, std::int64_t span) {
    use(index);
    if (!reachable_) return;
    const std::int64_t low = least(index) + std::min<std::int64_t>(span, 0);
    const std::int64_t high = greatest(index) + std::max<std::int64_t>(span, 0);
    const std::int64_t count = kernel_.buffers[static_cast<std::size_t>(buffer)].count;
    check(low >= 0 && high < count,
          fmt::format("elements {} to {} of %{} are touched, which has {}", low, high, buffer,
                      count));
  }

  /// Of a load or a store of so many lanes.
  template <class Access>
  void access(const Access& is, int lanes) {
    if (is.offset) {
      const VType offset = use(*is.offset);
      check(offset.dtype == DType::i64 && (offset.lanes == 1 || offset.lanes == lanes),
            "an offset is an i64 of one lane or of all");
    }
    if (is.mask)
      check(use(*is.mask) == VType{DType::i1, lanes}, "a mask is an i1 of as many lanes");
    if (is.offset || is.mask)
      use(is.index);
    else
      access(is.buffer, is.index, is.stride * (is.active - 1));
  }

  const Buffer& buffer(int index) const {
    check(index >= 0 && static_cast<std::size_t>(index) < kernel_.buffers.size(),
          "a buffer exists");
    return kernel_.buffers[static_cast<std::size_t>(index)];
  }

  // ---- Statements ----

  /// What inside() defines can be used only inside.
  template <class F>
  void scope(F&& inside) {
    const std::size_t made = made_.size();
    const std::size_t entered = entered_.size();
    inside();
    for (; made_.size() > made; made_.pop_back()) state(made_.back()) = State::left;
    for (; entered_.size() > entered; entered_.pop_back())
      variables_[static_cast<std::size_t>(entered_.back())].in_scope = false;
  }

  void block(const Block& statements) {
    const Statement* outer = current_;
    for (const Statement& statement : statements) {
      current_ = &statement;
      std::visit([this](const auto& is) { verify(is); }, statement.is);
    }
    current_ = outer;
  }

  void verify(const Let& let) {
    std::vector<VType> types;
    for (Reg reg : let.arguments) types.push_back(use(reg));
    const VType result = define(let.result);
    const auto one_operand = [&](bool fits) {
      check(types.size() == 1 && fits, "operand and result fit");
    };
    switch (let.opcode) {
      case Opcode::constant:
        check(types.empty(), "a constant has no operands");
        check(size_of(result.dtype) == 8 ||
                  let.literal >> (is_bool(result.dtype) ? 1 : 8 * size_of(result.dtype)) == 0,
              "a constant's bits fit its type");
        break;
      case Opcode::index:
        check(types.empty() && result.dtype == DType::i64, "an index is i64");
        use(let.affine);
        break;
      case Opcode::splat:
        one_operand(types.size() == 1 && types[0] == VType{result.dtype, 1});
        break;
      case Opcode::convert:
        one_operand(types.size() == 1 && types[0].lanes == result.lanes);
        break;
      case Opcode::bitcast:
        one_operand(types.size() == 1 && types[0].lanes == result.lanes &&
                    size_of(types[0].dtype) == size_of(result.dtype) && !is_bool(result.dtype) &&
                    !is_bool(types[0].dtype));
        break;
      default:
        try {
          check(result_type(let.opcode, types) == result, "the result has the operation's type");
        } catch (const InternalError& error) {
          check(false, error.what());
        }
    }
  }

  void verify(const Load& load) {
    const Buffer& from = buffer(load.buffer);
    check(state(load.result) == State::undefined, "a register is defined once");
    const VType loaded = type(load.result);
    check(loaded.dtype == from.dtype, "a load has its buffer's element type");
    check(load.active >= 1 && load.active <= loaded.lanes, "active lanes are lanes");
    access(load, loaded.lanes);
    define(load.result);
  }

  void verify(const Store& store) {
    const Buffer& to = buffer(store.buffer);
    const VType stored = use(store.value);
    check(stored.dtype == to.dtype, "a store has its buffer's element type");
    check(to.kind != Buffer::Kind::in, "an input is not stored to");
    check(store.active >= 1 && store.active <= stored.lanes, "active lanes are lanes");
    check(store.stride != 0 || store.active == 1 || store.offset,
          "lanes are stored to places of their own");
    access(store, stored.lanes);
  }

  void verify(const Define& define) {
    use(define.affine);
    check(define.divisor >= 1 && define.modulus >= 0, "a definition divides by a positive number");
    Range range{least(define.affine), greatest(define.affine)};
    check(!reachable_ || range.low >= 0, "a definition divides what is not negative");
    range = {range.low / define.divisor, range.high / define.divisor};
    if (const std::int64_t modulus = define.modulus; modulus != 0) {
      const bool one_period = range.low / modulus == range.high / modulus;
      range = one_period ? Range{range.low % modulus, range.high % modulus} : Range{0, modulus - 1};
    }
    enter(define.variable, {range, nullptr, true});
  }

  void verify(const Limit& limit) {
    check(use(limit.value) == VType{DType::i64, 1}, "a limit is a scalar i64");
    check(limit.multiple >= 1 && limit.most >= 0 && limit.most % limit.multiple == 0,
          "the most that a limit may be is one of its multiples");
    enter(limit.variable, {Range{0, limit.most}, nullptr, true, limit.multiple});
  }

  void verify(const Prefetch& prefetch) {
    use(prefetch.index);
    check(buffer(prefetch.buffer).kind != Buffer::Kind::in || !prefetch.write,
          "an input is not stored to");
  }

  void verify(const TransposeTile& tile) {
    check(size_of(buffer(tile.source).dtype) == 4 &&
              buffer(tile.source).dtype == buffer(tile.target).dtype,
          "a transposed tile has elements of 4 bytes");
    check(buffer(tile.target).kind != Buffer::Kind::in, "an input is not stored to");
    check(tile.rows >= 1 && tile.rows <= tile.padded_rows && tile.padded_rows <= kLanes &&
              tile.columns >= 1,
          "a transposed tile fits the registers");
    check(tile.source_stride >= 0 && tile.target_stride >= 0, "a tile's strides are not negative");
    access(tile.source, tile.source_index, (tile.rows - 1) * tile.source_stride + tile.columns - 1);
    access(tile.target, tile.target_index,
           (tile.columns - 1) * tile.target_stride + tile.padded_rows - 1);
  }

  void verify(const For& loop) {
    check(loop.step > 0, "a loop steps forward");
    check(!loop.lower.empty() && !loop.upper.empty(), "a loop has bounds");
    for (const Affine& bound : loop.lower) use(bound);
    for (const Affine& bound : loop.upper) use(bound);
    for (const Carried& each : loop.carried) use(each.initial);
    scope([&] {
      for (const Carried& each : loop.carried)
        check(define(each.inside) == type(each.initial), "a carried value keeps its type");
      enter(loop.variable, {std::nullopt, &loop, true});
      const bool outside = reachable_;
      const Affine variable = Affine::of(loop.variable);
      reachable_ = outside && greatest(variable) >= least(variable);
      block(loop.body);
      reachable_ = outside;
      for (const Carried& each : loop.carried)
        check(use(each.next) == type(each.initial), "a carried value keeps its type");
    });
    for (const Carried& each : loop.carried)
      check(define(each.result) == type(each.initial), "a carried value keeps its type");
  }

  void verify(const If& branch) {
    check(use(branch.condition) == VType{DType::i1, 1}, "an if asks a scalar i1");
    for (const Merged& each : branch.merged) use(each.otherwise);
    scope([&] {
      block(branch.body);
      for (const Merged& each : branch.merged)
        check(use(each.inside) == type(each.otherwise), "both ways of an if give one type");
    });
    for (const Merged& each : branch.merged)
      check(define(each.result) == type(each.otherwise), "both ways of an if give one type");
  }

  const Kernel& kernel_;
  std::vector<State> registers_;
  std::vector<Known> variables_;
  std::vector<Reg> made_;     // in the blocks around the current place
  std::vector<Var> entered_;  // likewise
  const Statement* current_ = nullptr;
  bool reachable_ = true;  // false inside a loop that provably runs no round
};

}  // namespace

void verify(const Kernel& kernel) { Verifier(kernel).run(); }

}  // namespace kiln::loop
