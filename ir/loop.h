// Loop IR: what a kernel does, loop by loop and vector by vector, before LLVM sees it.
//
// A kernel works on the half-open range [begin, end) of its parallel chunks and is given pointers,
// never addresses, so equal kernels are compiled once. Values are SSA registers of a vector type
// with a *logical* number of lanes (16 wherever code is vectorised): the hardware's width decides
// how many machine registers that takes, never what is computed. Addresses are affine in loop
// variables.
//
//   kernel @bias_relu(%0: f32 in, %1: f32 in, %2: f32 out) chunks 64 {
//     for i0 = begin to end {
//       for i1 = 0 to 256 step 16 {
//         %a = load f32x16 %0[256*i0 + i1]
//         %b = load f32x16 %1[i1]
//         %c = add %a, %b
//         %z = constant f32x16 0
//         %p = cmp le %c, %z
//         %d = select %p, %z, %c
//         store %d, %2[256*i0 + i1]
//       }
//     }
//   }
//
// Nothing here is undefined: every opcode states its corner cases, and what it leaves out (division
// by zero, say) its users exclude with a select.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "ir/type.h"

namespace kiln::loop {

/// The logical vector length. Splits of a reduction follow from it, so it never depends on the CPU.
inline constexpr int kLanes = 16;

struct VType {
  DType dtype = DType::f32;
  int lanes = 1;  // 1 is a scalar
  bool operator==(const VType&) const = default;
  std::string str() const;  // "f32x16", "f32"
};

using Reg = int;  // index into Kernel::registers
using Var = int;  // index into Kernel::variables

/// constant + Σ coefficient · variable; canonical: sorted by variable, no zero coefficients.
struct Affine {
  std::int64_t constant = 0;
  std::vector<std::pair<Var, std::int64_t>> terms;

  Affine() = default;
  Affine(std::int64_t value) : constant(value) {}  // NOLINT: a number is an affine expression
  static Affine of(Var variable, std::int64_t coefficient = 1);
  Affine operator+(const Affine& other) const;
  Affine operator*(std::int64_t factor) const;
  std::int64_t coefficient(Var variable) const;
  bool is_constant() const { return terms.empty(); }
  bool operator==(const Affine&) const = default;
};

/// Pure operations on registers. Operands and result have one type unless said otherwise.
enum class Opcode : std::uint8_t {
  constant,  // Let::literal in every lane (raw bits of the element type)
  index,     // Let::affine + lane, as i64
  splat,     // scalar → every lane
  add,       // integers wrap
  sub,
  mul,
  div,  // integers: the divisor is not 0 and the quotient is representable; floats: IEEE
  rem,  // sign of the dividend; integers: as div; floats: fmod
  fma,  // a * b + c, one rounding; floats only
  /// a * 2^b with one rounding, floats only; b is integral, |b| <= 252 (f32) or 2044 (f64), and
  /// a * 2^(b/2) is normal, or a is 0, infinite or NaN, or b is 0. A NaN b gives anything.
  scale,
  neg,
  abs,   // floats, signed integers (wraps)
  min,   // floats: NaN if either is, -0 < +0
  max,   // the same
  sqrt,  // IEEE, correctly rounded
  floor,
  ceil,
  trunc,
  round_even,  // to nearest, ties to even
  bit_and,     // i1 and integers
  bit_or,
  bit_xor,
  bit_not,
  shl,  // shift amount is in [0, width)
  shr,  // arithmetic for signed, logical for unsigned types
  popcnt,
  clz,  // of 0: the width
  eq,   // comparisons: result i1 of the same lanes; ordered, so NaN compares false …
  ne,   // … except here: NaN != anything
  lt,
  le,
  gt,
  ge,
  select,      // i1 ? b : c
  convert,     // to the result's dtype; float → integer truncates, saturates, NaN → 0; to i1: != 0
  bitcast,     // between dtypes of equal size
  reduce_add,  // vector → scalar by halving: lane i with lane i + lanes/2, and so on, a fixed tree;
               // the lanes are a power of two. Of as many vectors as lanes: lane i is the i-th's
  reduce_mul,
  reduce_min,
  reduce_max,
  reduce_and,
  reduce_or,
  reduce_xor,
};

std::string_view name_of(Opcode opcode);

/// %result = opcode arguments.
struct Let {
  Reg result;
  Opcode opcode;
  std::vector<Reg> arguments;
  std::uint64_t literal = 0;  // constant
  Affine affine;              // index
};

/// %result = load buffer[index + lane · stride] for lanes < active; other lanes are zero and their
/// addresses are not touched. stride 1 is a vector load, 0 loads one element into every lane (with
/// lanes == 1 a scalar load), any other gathers. `offset`, an i64 of one lane or of the result's
/// lanes, is added to each lane's index; lanes where `mask` (i1, of the result's lanes) is false
/// are as those not active. What can be reached under an offset or a mask, its maker sees to.
struct Load {
  Reg result;
  int buffer;
  Affine index;
  std::int64_t stride = 1;
  int active = kLanes;
  std::optional<Reg> offset = {}, mask = {};
};

/// buffer[index + lane · stride] = value for lanes < active; offset and mask as in a load. Lanes
/// that store to one place do so in their order.
struct Store {
  int buffer;
  Affine index;
  Reg value;
  std::int64_t stride = 1;
  int active = kLanes;
  std::optional<Reg> offset = {}, mask = {};
};

/// variable = (affine / divisor) mod modulus (modulus 0: no mod); all values are >= 0.
/// Decodes a chunk number into coordinates.
struct Define {
  Var variable;
  Affine affine;
  std::int64_t divisor = 1;
  std::int64_t modulus = 0;
};

/// variable = value (a scalar i64) rounded up to a multiple, but at least 0 and at most `most`, a
/// multiple itself: where a loop ends, if data decide it.
struct Limit {
  Var variable;
  Reg value;
  std::int64_t most = 0;
  std::int64_t multiple = 1;
};

/// target[column·target_stride + row] = source[row·source_stride + column] for row < rows ≤ kLanes
/// and column < columns: tiles transposed in registers, one, or as many as a packed panel has.
/// Elements of 4 bytes. Rows beyond `rows`, up to `padded_rows`, are written as zeros.
struct TransposeTile {
  int source;
  Affine source_index;
  std::int64_t source_stride;
  int target;
  Affine target_index;
  std::int64_t target_stride;
  int rows = kLanes;
  int columns = kLanes;
  int padded_rows = kLanes;
};

/// Asks for the cache line of an element that will be read, or written: a hint, without effect on
/// any result. The element need not lie in the buffer.
struct Prefetch {
  int buffer;
  Affine index;
  bool write = false;
};

struct Statement;
using Block = std::vector<Statement>;

/// A value carried around a loop: `inside` is `initial` in the first round, then the round before's
/// `next`; after the loop `result` is the last one (`initial` if there was no round).
struct Carried {
  Reg initial, inside, next, result;
};

/// for variable = max(lower) to min(upper), exclusive, step > 0.
struct For {
  Var variable;
  std::vector<Affine> lower;
  std::vector<Affine> upper;
  std::int64_t step = 1;
  std::vector<Carried> carried;
  Block body;
};

/// One value of an If: `inside` if its body ran, else `otherwise`.
struct Merged {
  Reg otherwise, inside, result;
};

/// Runs the body only where the condition, a scalar i1, holds: rare work (huge arguments of sin)
/// that every vector would pay for otherwise.
struct If {
  Reg condition;
  std::vector<Merged> merged;
  Block body;
};

struct Statement {
  std::variant<Let, Load, Store, Define, Limit, TransposeTile, Prefetch, For, If> is;
};

/// A pointer the kernel is given, or (local) memory of its own, 64-byte aligned.
struct Buffer {
  enum class Kind : std::uint8_t { in, out, inout, local };
  DType dtype = DType::f32;
  Kind kind = Kind::in;
  std::int64_t count = 0;  // elements that may be touched
};

/// The range of chunks [begin, end) are the variables kBegin and kEnd.
inline constexpr Var kBegin = 0;
inline constexpr Var kEnd = 1;

struct Kernel {
  std::string name;
  std::vector<Buffer> buffers;  // parameters first, then locals
  std::int64_t chunks = 1;
  std::vector<VType> registers;
  std::vector<std::string> variables = {"begin", "end"};
  Block body;

  int parameter_count() const;
  std::string str() const;      // the text above
  std::string content() const;  // the same without its name: what equality means
};

/// One statement as Kernel::str() prints it (of a loop: its first line), for messages.
std::string str(const Kernel& kernel, const Statement& statement);

/// The type an operation gives; checks the operands' types. Not for convert, bitcast, splat.
VType result_type(Opcode opcode, std::span<const VType> arguments);

/// Appends statements to a kernel, checking operand types. The only way registers are made.
class Builder {
 public:
  explicit Builder(Kernel& kernel) : kernel_(kernel), block_(&kernel.body) {}

  Kernel& kernel() { return kernel_; }
  VType type(Reg reg) const { return kernel_.registers[static_cast<std::size_t>(reg)]; }
  int buffer(DType dtype, Buffer::Kind kind, std::int64_t count);
  Var variable(std::string name);

  Reg constant(VType type, double value);  // rounded to the type
  Reg constant_bits(VType type, std::uint64_t bits);
  Reg index(Affine affine, int lanes);
  Reg let(Opcode opcode, std::vector<Reg> arguments);  // type inferred; not for convert, bitcast
  Reg convert(Reg value, DType dtype);
  Reg bitcast(Reg value, DType dtype);
  Reg splat(Reg value, int lanes);  // the value itself when it has them already
  /// `offset` and `mask` as Load has them; a mask of one lane holds for all.
  Reg load(int buffer, Affine index, int lanes, std::int64_t stride = 1, int active = kLanes,
           std::optional<Reg> offset = {}, std::optional<Reg> mask = {});
  void store(int buffer, Affine index, Reg value, std::int64_t stride = 1, int active = kLanes,
             std::optional<Reg> offset = {}, std::optional<Reg> mask = {});
  void transpose_tile(TransposeTile tile);
  Var define(std::string name, Affine affine, std::int64_t divisor, std::int64_t modulus);
  void prefetch(int buffer, Affine index, bool write);
  Var limit(std::string name, Reg value, std::int64_t most, std::int64_t multiple);

  /// States that no lane is above 0 (NaN may be): formulas may leave out what guards against it.
  void know_not_positive(Reg reg) { not_positive_.insert(reg); }
  bool is_not_positive(Reg reg) const { return not_positive_.contains(reg); }

  /// A loop carrying `initial`; body(variable, inside) returns the next values. Returns the
  /// results.
  template <class F>
  std::vector<Reg> loop(std::string name, std::vector<Affine> lower, std::vector<Affine> upper,
                        std::int64_t step, const std::vector<Reg>& initial, F&& body) {
    For loop{variable(std::move(name)), std::move(lower), std::move(upper), step, {}, {}};
    std::vector<Reg> inside;
    for (Reg reg : initial) inside.push_back(fresh(type(reg)));
    Block* outer = std::exchange(block_, &loop.body);
    const std::size_t known = constants_.size();
    const std::vector<Reg> next = body(loop.variable, inside);
    constants_.resize(known);  // what was made inside dominates nothing outside
    block_ = outer;
    return finish(std::move(loop), initial, inside, next);
  }
  /// A loop that carries nothing.
  template <class F>
  void loop(std::string name, std::vector<Affine> lower, std::vector<Affine> upper,
            std::int64_t step, F&& body) {
    loop(std::move(name), std::move(lower), std::move(upper), step, {},
         [&](Var variable, const std::vector<Reg>&) -> std::vector<Reg> {
           body(variable);
           return {};
         });
  }
  /// `otherwise`, or where the scalar i1 `condition` holds what body() returns instead.
  template <class F>
  std::vector<Reg> when(Reg condition, const std::vector<Reg>& otherwise, F&& body) {
    If branch{condition, {}, {}};
    Block* outer = std::exchange(block_, &branch.body);
    const std::size_t known = constants_.size();
    const std::vector<Reg> inside = body();
    constants_.resize(known);
    block_ = outer;
    return finish(std::move(branch), otherwise, inside);
  }

 private:
  /// Constants made in the blocks around the current place, so that each is made once.
  struct Known {
    VType type;
    std::uint64_t bits;
    Reg reg;
  };

  Reg fresh(VType type);
  Reg append(Let let, VType type);
  std::vector<Reg> finish(For loop, const std::vector<Reg>& initial, const std::vector<Reg>& inside,
                          const std::vector<Reg>& next);
  std::vector<Reg> finish(If branch, const std::vector<Reg>& otherwise,
                          const std::vector<Reg>& inside);

  Kernel& kernel_;
  Block* block_;
  std::vector<Known> constants_;
  std::unordered_set<Reg> not_positive_;
};

/// Checks the invariants: registers defined before use and once, types fit, buffers exist and
/// what active lanes touch stays inside them for every value the loops' bounds allow (what cannot
/// be proved counts as wrong), loops step forward. Throws InternalError naming the statement.
void verify(const Kernel& kernel);

/// A register with operators, so that formulas read as formulas. Where one operand has one lane and
/// another has more, it stands in all of them.
class Val {
 public:
  Val(Builder& builder, Reg reg) : builder_(&builder), reg_(reg) {}
  Reg reg() const { return reg_; }
  VType type() const { return builder_->type(reg_); }
  Builder& builder() const { return *builder_; }
  /// A constant of this value's type.
  Val like(double value) const { return {*builder_, builder_->constant(type(), value)}; }
  Val op(Opcode opcode) const { return {*builder_, builder_->let(opcode, {reg_})}; }
  Val op(Opcode opcode, Val b) const {
    const int lanes = std::max(type().lanes, b.type().lanes);
    return {*builder_,
            builder_->let(opcode, {builder_->splat(reg_, lanes), builder_->splat(b.reg_, lanes)})};
  }
  /// The same value in this many lanes.
  Val across(int lanes) const { return {*builder_, builder_->splat(reg_, lanes)}; }
  Val convert(DType dtype) const { return {*builder_, builder_->convert(reg_, dtype)}; }
  Val bitcast(DType dtype) const { return {*builder_, builder_->bitcast(reg_, dtype)}; }

 private:
  Builder* builder_;
  Reg reg_;
};

inline Val operator+(Val a, Val b) { return a.op(Opcode::add, b); }
inline Val operator-(Val a, Val b) { return a.op(Opcode::sub, b); }
inline Val operator*(Val a, Val b) { return a.op(Opcode::mul, b); }
inline Val operator/(Val a, Val b) { return a.op(Opcode::div, b); }
inline Val operator-(Val a) { return a.op(Opcode::neg); }
inline Val operator&(Val a, Val b) { return a.op(Opcode::bit_and, b); }
inline Val operator|(Val a, Val b) { return a.op(Opcode::bit_or, b); }
inline Val operator^(Val a, Val b) { return a.op(Opcode::bit_xor, b); }
inline Val operator~(Val a) { return a.op(Opcode::bit_not); }
inline Val operator<<(Val a, Val b) { return a.op(Opcode::shl, b); }
inline Val operator>>(Val a, Val b) { return a.op(Opcode::shr, b); }
inline Val operator+(Val a, double b) { return a + a.like(b); }
inline Val operator-(Val a, double b) { return a - a.like(b); }
inline Val operator*(Val a, double b) { return a * a.like(b); }
inline Val operator/(Val a, double b) { return a / a.like(b); }
inline Val operator<(Val a, Val b) { return a.op(Opcode::lt, b); }
inline Val operator<=(Val a, Val b) { return a.op(Opcode::le, b); }
inline Val operator>(Val a, Val b) { return a.op(Opcode::gt, b); }
inline Val operator>=(Val a, Val b) { return a.op(Opcode::ge, b); }
inline Val operator==(Val a, Val b) { return a.op(Opcode::eq, b); }
inline Val operator!=(Val a, Val b) { return a.op(Opcode::ne, b); }
inline Val of_three(Opcode opcode, Val a, Val b, Val c) {
  const int lanes = std::max({a.type().lanes, b.type().lanes, c.type().lanes});
  return {a.builder(), a.builder().let(opcode, {a.across(lanes).reg(), b.across(lanes).reg(),
                                                c.across(lanes).reg()})};
}
inline Val fma(Val a, Val b, Val c) { return of_three(Opcode::fma, a, b, c); }
inline Val select(Val condition, Val yes, Val no) {
  return of_three(Opcode::select, condition, yes, no);
}

/// A coordinate: affine in loop variables, moving by `stride` from lane to lane, plus what was
/// computed of data (an i64 register). Sums and multiples of affine coordinates stay affine, so
/// that they cost nothing and memory is walked with strides.
class Index {
 public:
  Index(Builder& builder, Affine affine, std::int64_t stride, int lanes)
      : builder_(&builder), affine_(std::move(affine)), stride_(stride), lanes_(lanes) {}
  /// A coordinate that data decide: an i64.
  explicit Index(Val value);

  const Affine& affine() const { return affine_; }
  std::int64_t stride() const { return stride_; }
  /// What is not affine, as i64, of one lane or of `lanes`.
  const std::optional<Val>& data() const { return data_; }
  /// Nothing but a number.
  bool is_constant() const { return affine_.is_constant() && stride_ == 0 && !data_; }
  /// The whole coordinate in a register, i64: one lane where every lane has the same.
  Val value() const;

  Index operator+(const Index& other) const;
  Index operator+(std::int64_t offset) const;
  Index operator*(std::int64_t factor) const;

 private:
  Builder* builder_;
  Affine affine_;
  std::int64_t stride_ = 0;
  int lanes_ = 1;
  std::optional<Val> data_;
};

}  // namespace kiln::loop
