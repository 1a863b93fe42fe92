// The op table: one row per primitive holds all that is known of it.
//
// Passes ask traits, never names. A row is a constexpr OpDef with designated initialisers in its
// family's file under ir/ops/; `complete()` is asserted there at compile time, so leaving a cell
// out fails the build. To add an op: its enumerator in ir/graph.h, its row here, nothing else.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/array.h"
#include "ir/graph.h"
#include "ir/loop.h"

namespace kiln {

/// What passes may assume of an op.
struct Traits {
  bool leaf = false;         // no operands: a parameter or a value known without computing
  bool elementwise = false;  // result element i depends on elements i of the operands alone
  bool view = false;         // moves elements, computes nothing: strides say where they come from
  bool indexed = false;      // reads each result element from a computed place of an operand
  bool reduction = false;    // combines elements along axes
  bool contraction = false;  // sums products along axes
  bool window = false;       // … of windows of its first operand
  bool sequential = false;   // a kernel of its own, element after element (scatter, sort)
  bool updates = false;      // result i is operand i with some elements changed
  bool control = false;      // runs its regions as often as data say (case, while)
  bool commutative = false;
  bool transcendental = false;  // costs far more than an addition: worth storing, not recomputing
  bool calls = false;           // runs its region
  bool chlo = false;            // of the dialect chlo, not stablehlo
};

/// What the shape rule sees of the node about to be made.
struct InferContext {
  const std::vector<Value>& operands;
  const Attrs& attrs;
  const std::optional<Type>& result;  // the type asked for
  const std::vector<Region>& regions;
  const Location& where;
  Graph& graph;

  const Type& type(int i) const { return operands[static_cast<std::size_t>(i)].type(); }
  template <class A>
  const A& get() const {
    return attrs_as<A>(attrs);
  }
};

using InferFn = std::vector<Type>(const InferContext& context);
/// Cotangents of the operands (empty Values where there is none), given those of the results. An
/// empty cotangent is zero.
using GradientFn = std::vector<Value>(const Node& node, std::span<const Value> cotangents);
/// The meaning, by definition: sums in index order, every result rounded to its type.
using ReferenceFn = std::vector<Array>(const Node& node, std::span<const Array> operands);
/// The op on scalars, as loop IR (element-wise ops).
using ScalarFn = loop::Val(const Node& node, std::span<const loop::Val> operands);

/// Where an indexed or a window op is being computed, and what it may read there.
class Point {
 public:
  virtual ~Point() = default;
  /// The coordinate along an axis of the result; of a window op the window's axes follow those.
  virtual loop::Index at(int axis) = 0;
  /// The element of an operand at these coordinates, one an axis. Every coordinate must be in
  /// range, except where `inside` (i1) is false: there nothing is touched and the result is 0.
  virtual loop::Val read(int operand, std::span<const loop::Index> coordinates,
                         std::optional<loop::Val> inside = std::nullopt) = 0;
  virtual loop::Builder& builder() = 0;
};
/// The mask of what is inside both; none is everywhere.
inline std::optional<loop::Val> both(std::optional<loop::Val> a, std::optional<loop::Val> b) {
  return !a ? b : !b ? a : *a & *b;
}
/// One element, as loop IR: of the result (indexed ops), of operand `input` as a window sees it
/// (window ops: what is outside the operand is the initial value, or 0 in a convolution).
using PointFn = loop::Val(const Node& node, int input, Point& point);

/// A function of a row. There is no empty one: a row that leaves a cell out does not compile.
template <class Function>
class Cell;
template <class Result, class... Arguments>
class Cell<Result(Arguments...)> {
 public:
  using Function = Result(Arguments...);
  template <std::convertible_to<Function*> F>
    requires(!std::same_as<F, std::nullptr_t>)
  constexpr Cell(F function) : function_(function) {}  // NOLINT: a cell is filled with a function
  Result operator()(Arguments... arguments) const {
    return function_(std::forward<Arguments>(arguments)...);
  }
  constexpr bool operator==(Function* other) const { return function_ == other; }

 private:
  Function* function_;
};

/// How an op becomes loop IR: on scalars, at a point, or (not_pointwise) as a loop structure.
class Lowering {
 public:
  template <std::convertible_to<ScalarFn*> F>
    requires(!std::same_as<F, std::nullptr_t>)
  constexpr Lowering(F function) : scalar_(function) {}  // NOLINT: a cell is filled with a function
  template <std::convertible_to<PointFn*> F>
    requires(!std::same_as<F, std::nullptr_t>)
  constexpr Lowering(F function) : point_(function) {}  // NOLINT
  loop::Val scalar(const Node& node, std::span<const loop::Val> operands) const {
    internal_check(scalar_ != nullptr, "an element-wise op has a scalar form");
    return scalar_(node, operands);
  }
  loop::Val point(const Node& node, int input, Point& point) const {
    internal_check(point_ != nullptr, "an indexed op has a form at a point");
    return point_(node, input, point);
  }

 private:
  ScalarFn* scalar_ = nullptr;
  PointFn* point_ = nullptr;
};

struct OpDef {
  Op op;
  std::string_view name;  // as in StableHLO's text, without the dialect
  int arity;              // kVariadic: any number
  Traits traits;
  Cell<InferFn> infer;
  Cell<GradientFn> gradient;  // not_differentiable where there is none
  Cell<ReferenceFn> reference;
  Lowering lowering;  // not_pointwise where the op is a loop structure, not an operation on scalars
};
inline constexpr int kVariadic = -1;

/// Marks an op without a derivative; autodiff says so by name when it meets one on its path.
std::vector<Value> not_differentiable(const Node& node, std::span<const Value> cotangents);
/// Marks an op whose derivative is zero everywhere it exists (floor, sign, comparisons).
std::vector<Value> zero_gradient(const Node& node, std::span<const Value> cotangents);
/// Marks an op whose derivative takes autodiff itself (its regions'): passes/autodiff has the rule.
std::vector<Value> differentiated_by_pass(const Node& node, std::span<const Value> cotangents);
/// Marks an op that has no scalar form.
loop::Val not_pointwise(const Node& node, std::span<const loop::Val> operands);

/// Every row of a family present, in the enumeration's order, with a name (its type sees to the
/// cells).
template <class Rows>
constexpr bool complete(const Rows& rows, Op first, Op last) {
  if (static_cast<int>(rows.size()) != static_cast<int>(last) - static_cast<int>(first) + 1)
    return false;
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (static_cast<int>(rows[i].op) != static_cast<int>(first) + static_cast<int>(i) ||
        rows[i].name.empty())
      return false;
  return true;
}

// The families, in the enumeration's order; each defined in ir/ops/.
std::span<const OpDef> leaf_rows();
std::span<const OpDef> unary_rows();
std::span<const OpDef> nary_rows();
std::span<const OpDef> movement_rows();
std::span<const OpDef> indexing_rows();
std::span<const OpDef> contraction_rows();
std::span<const OpDef> window_rows();
std::span<const OpDef> sequential_rows();
std::span<const OpDef> control_rows();
std::span<const OpDef> call_rows();

const OpDef& definition(Op op);
inline const Traits& traits(const Node& node) { return definition(node.op()).traits; }

/// Checks arity, runs the shape rule; its complaints become an Error naming op, operands, places.
std::vector<Type> infer_types(const OpDef& def, const InferContext& context);
/// For shape rules: what was expected, in words; infer_types adds the rest.
[[noreturn]] void shape_error(const std::string& expected);

/// How a reduce combines, read from its region: the element-wise op applied to the region's two
/// parameters, if that is all the region does.
std::optional<Op> simple_combiner(const Region& region);
/// The region of a reduce that combines by this binary op.
Region combiner_region(Graph& graph, Op op, DType dtype);

}  // namespace kiln
