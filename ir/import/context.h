// What the rows of the import table work with. Each family of rows has its file in ir/import/.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/import/import.h"
#include "ir/op.h"

namespace kiln::importing {

/// One op being imported: its graph, and what it was given, asked for with complaints at its place.
class Context {
 public:
  Context(Graph& graph, const ImportOp& op) : graph_(graph), op_(op) {}

  Graph& graph() const { return graph_; }
  const ImportOp& op() const { return op_; }
  const Location& where() const { return op_.where; }
  const std::vector<Value>& operands() const { return op_.operands; }
  Value operand(int i) const { return op_.operands[static_cast<std::size_t>(i)]; }
  const Type& type(int i) const { return operand(i).type(); }
  const Region& region(int i = 0) const { return op_.regions[static_cast<std::size_t>(i)]; }
  /// The type that the text states of a result.
  const Type& stated(int result = 0) const;

  /// "stablehlo.slice: expected …, found …"
  [[noreturn]] void fail(const std::string& expected, const std::string& found) const;
  /// Outside kiln's scope: the op itself, or what it asks for.
  [[noreturn]] void unsupported(std::string_view what = "") const;

  // Attributes. Where there is no default, one that is missing is an error, as is one of another
  // kind.
  bool has(std::string_view name) const;
  bool flag(std::string_view name) const;  // false where it is missing
  std::int64_t integer(std::string_view name, std::optional<std::int64_t> missing = {}) const;
  double number(std::string_view name) const;
  std::string word(std::string_view name, std::optional<std::string> missing = {}) const;
  const Array& array(std::string_view name) const;
  Ints ints(std::string_view name) const;
  /// One for each of `count` axes: a splat is repeated, a list that is missing is all `missing`.
  Ints ints_per_axis(std::string_view name, int count,
                     std::optional<std::int64_t> missing = {}) const;
  /// The low and high padding of each of `count` axes, from an array of two columns; 0 where it is
  /// missing.
  std::pair<Ints, Ints> padding(int count) const;
  /// The same questions asked of what stands inside a dictionary, such as dimension numbers.
  class Fields;
  Fields fields(std::string_view name) const;

  /// The elements of an operand that must be a constant.
  Ints constant_ints(int operand) const;
  /// Complains unless operand `i` has this type.
  void expect_type(int i, const Type& type) const;
  void expect_float(int i) const;

  /// A node at the op's place; the first of its results.
  Value make(Op op, std::vector<Value> operands, Attrs attrs = {},
             std::optional<Type> result = std::nullopt, std::vector<Region> regions = {}) const;
  /// The same; all of its results.
  std::vector<Value> make_all(Op op, std::vector<Value> operands, Attrs attrs = {},
                              std::vector<Region> regions = {}) const;

 private:
  Graph& graph_;
  const ImportOp& op_;
};

class Context::Fields {
 public:
  Fields(const Context& context, std::string_view name, const Attribute::Dictionary& dictionary)
      : context_(context), name_(name), dictionary_(dictionary) {}
  /// Empty where it is missing, as StableHLO prints an empty list.
  Ints ints(std::string_view field) const;
  std::int64_t integer(std::string_view field, std::int64_t missing = 0) const;

 private:
  const Context& context_;
  std::string_view name_;
  const Attribute::Dictionary& dictionary_;
};

/// What an op becomes.
using ImportFn = std::vector<Value>(const Context& context);

inline constexpr int kAny = -1;

/// One op of the text. The numbers of operands and regions are checked before `import` is called.
struct Row {
  std::string_view name;
  int operands;
  int regions;
  ImportFn* import;
};

/// The integer type of this size.
DType integer_as_wide(DType dtype, bool is_signed);
/// The same bits as a type of the same size.
Value bitcast(Value x, DType dtype);
/// A constant of x's type whose elements have these (lowest) bits; little-endian.
Value bits_like(Value x, std::uint64_t bits);
/// Integers that are ordered as IEEE 754 totally orders floats: -NaN, -inf, …, -0, 0, …, inf, NaN.
Value total_order_key(Value x);
/// The float whose total_order_key this is.
Value from_total_order(Value order, DType dtype);
/// A scalar as a tensor of this shape.
Value broadcast_scalar(Value x, const Type& to);
/// A region of scalars applied element by element to tensors of one shape (which `dims` gives,
/// should there be none). Regions that do more than element-wise ops are unsupported.
std::vector<Value> map_region(const Context& context, const Region& region,
                              std::span<const Value> arguments, const Ints& dims);

// The families; each defined in ir/import/.
std::span<const Row> elementwise_imports();
std::span<const Row> structure_imports();
std::span<const Row> contraction_imports();
std::span<const Row> window_imports();
std::span<const Row> control_imports();
std::span<const Row> function_imports();
std::span<const Row> linear_algebra_imports();
std::span<const Row> normalization_imports();
std::span<const Row> random_imports();

}  // namespace kiln::importing
