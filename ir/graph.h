// Graph IR: an immutable, hash-consed SSA graph with StableHLO's ops and semantics.
//
// A Graph owns nodes; `Graph::make` is the only factory: it infers and checks the result types with
// the op's table row (ir/op.h) and gives back the node that already computes this, if there is one.
// So common subexpressions never exist, and a node's id orders the graph: operands have smaller
// ids.
//
// Regions (the body of a reduce, of a loop, of a fused kernel) are closed: they see their
// parameters and nothing else. What a while or a case needs from outside are operands of it: a
// while's carried values (those it does not change included), a case's operands after the index. A
// parameter is identified by its number and type alone, so equal regions are the very same nodes,
// whatever they were called.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "ir/array.h"
#include "ir/error.h"
#include "ir/type.h"

namespace kiln {

/// The primitives, named as in StableHLO (a trailing underscore avoids a C++ keyword). The families
/// are contiguous, each has its file in ir/ops/.
enum class Op : std::uint8_t {
  // leaves
  parameter,
  constant,
  iota,
  // element-wise, one operand
  abs,
  bitcast_convert,
  cbrt,
  ceil,
  convert,
  cosine,
  count_leading_zeros,
  digamma,
  erf,
  erf_inv,
  erfc,
  exponential,
  exponential_minus_one,
  floor,
  is_finite,
  lgamma,
  log,
  log_plus_one,
  logistic,
  negate,
  not_,
  popcnt,
  round_nearest_even,
  rsqrt,
  sign,
  sine,
  sqrt,
  tan,
  tanh,
  // element-wise, several operands
  add,
  and_,
  atan2,
  compare,
  divide,
  maximum,
  minimum,
  multiply,
  or_,
  power,
  remainder,
  select,
  shift_left,
  shift_right_arithmetic,
  shift_right_logical,
  subtract,
  xor_,
  // movement
  broadcast_in_dim,
  reshape,
  transpose,
  // indexing: each result element is read from a computed place
  concatenate,
  dynamic_slice,
  dynamic_update_slice,
  gather,
  pad,
  reverse,
  slice,
  // contraction and reduction
  dot_general,
  reduce,
  // the same over windows
  convolution,
  reduce_window,
  // element after element
  scatter,
  sort,
  // control flow
  case_,
  while_,
  // calls of closed regions
  call,
  composite,
};
inline constexpr int kOpCount = static_cast<int>(Op::composite) + 1;

class Graph;
class Node;

/// One result of a node.
struct Value {
  const Node* node = nullptr;
  int index = 0;

  const Type& type() const;
  Graph& graph() const;
  explicit operator bool() const { return node != nullptr; }
  bool operator==(const Value&) const = default;
};

/// A closed piece of graph: parameters 0 … n-1 of these types, and what is computed of them.
struct Region {
  std::vector<Type> parameters;
  std::vector<Value> results;

  bool operator==(const Region&) const = default;
};

enum class Direction : std::uint8_t { EQ, NE, GE, GT, LE, LT };
std::string_view name_of(Direction direction);

// What an op knows beside its operands. `fields()` lists all that is part of its identity.
struct NoAttrs {
  auto fields() const { return std::tie(); }
};
struct ParameterAttrs {
  std::int64_t index = 0;
  auto fields() const { return std::tie(index); }
};
/// A one-element array under a larger result type is a splat; equal elements are always stored so.
struct ConstantAttrs {
  Array value;
  auto fields() const { return std::tie(value); }
};
/// iota: the axis it counts along. concatenate: the axis along which operands follow each other.
struct AxisAttrs {
  std::int64_t dim = 0;
  auto fields() const { return std::tie(dim); }
};
struct CompareAttrs {
  Direction direction = Direction::EQ;
  auto fields() const { return std::tie(direction); }
};
/// broadcast_in_dim: dims[i] is the result axis of operand axis i. transpose: result axis i is
/// operand axis dims[i]. reduce: the axes reduced. reverse: the axes turned round. dynamic_slice:
/// the extents of the slice.
struct DimsAttrs {
  Ints dims;
  auto fields() const { return std::tie(dims); }
};
struct DotAttrs {
  Ints lhs_batch, rhs_batch, lhs_contracting, rhs_contracting;
  auto fields() const { return std::tie(lhs_batch, rhs_batch, lhs_contracting, rhs_contracting); }
};
struct SliceAttrs {
  Ints start, limit, strides;
  auto fields() const { return std::tie(start, limit, strides); }
};
/// Elements before, after and between those of each axis; low and high may be negative.
struct PadAttrs {
  Ints low, high, interior;
  auto fields() const { return std::tie(low, high, interior); }
};
/// StableHLO's gather; its attributes' names.
struct GatherAttrs {
  Ints offset_dims, collapsed_slice_dims, operand_batching_dims, start_indices_batching_dims,
      start_index_map;
  std::int64_t index_vector_dim = 0;
  Ints slice_sizes;
  bool indices_are_sorted = false;
  auto fields() const {
    return std::tie(offset_dims, collapsed_slice_dims, operand_batching_dims,
                    start_indices_batching_dims, start_index_map, index_vector_dim, slice_sizes,
                    indices_are_sorted);
  }
};
/// StableHLO's scatter. Operands: n inputs, the indices, n updates.
struct ScatterAttrs {
  Ints update_window_dims, inserted_window_dims, input_batching_dims, scatter_indices_batching_dims,
      scatter_dims_to_operand_dims;
  std::int64_t index_vector_dim = 0;
  bool indices_are_sorted = false, unique_indices = false;
  auto fields() const {
    return std::tie(update_window_dims, inserted_window_dims, input_batching_dims,
                    scatter_indices_batching_dims, scatter_dims_to_operand_dims, index_vector_dim,
                    indices_are_sorted, unique_indices);
  }
};
/// Of every axis of a reduce_window's inputs. Operands: n inputs, then n initial values.
struct WindowAttrs {
  Ints extents, strides, base_dilations, window_dilations, low, high;
  auto fields() const {
    return std::tie(extents, strides, base_dilations, window_dilations, low, high);
  }
};
/// StableHLO's convolution: which axis is what, then one entry per spatial axis, in the order in
/// which the *_spatial lists name them.
struct ConvolutionAttrs {
  std::int64_t input_batch = 0, input_feature = 0;
  Ints input_spatial;
  std::int64_t kernel_input_feature = 0, kernel_output_feature = 0;
  Ints kernel_spatial;
  std::int64_t output_batch = 0, output_feature = 0;
  Ints output_spatial;
  Ints strides, low, high, lhs_dilation, rhs_dilation, reversed;  // reversed: 0 or 1
  std::int64_t feature_group_count = 1, batch_group_count = 1;
  auto fields() const {
    return std::tie(input_batch, input_feature, input_spatial, kernel_input_feature,
                    kernel_output_feature, kernel_spatial, output_batch, output_feature,
                    output_spatial, strides, low, high, lhs_dilation, rhs_dilation, reversed,
                    feature_group_count, batch_group_count);
  }
};
struct SortAttrs {
  std::int64_t dim = 0;    // counted from the front: readers of text turn a negative one round
  bool is_stable = false;  // kiln's sort always is
  auto fields() const { return std::tie(dim, is_stable); }
};
/// call: a fused kernel (`kind` is its class). composite: "kiln.stop_gradient" and the like.
struct CallAttrs {
  std::string name;
  std::string kind;
  auto fields() const { return std::tie(name, kind); }
};
/// What is large, once for all copies: most nodes have none of it, and all have room for the
/// largest.
template <class A>
class Shared {
 public:
  Shared(A attrs) : attrs_(std::make_shared<const A>(std::move(attrs))) {}  // NOLINT: it is one
  const A& operator*() const { return *attrs_; }
  auto fields() const { return attrs_->fields(); }

 private:
  std::shared_ptr<const A> attrs_;
};
using Attrs =
    std::variant<NoAttrs, ParameterAttrs, ConstantAttrs, AxisAttrs, CompareAttrs, DimsAttrs,
                 SliceAttrs, PadAttrs, Shared<GatherAttrs>, Shared<ScatterAttrs>, Shared<DotAttrs>,
                 Shared<WindowAttrs>, Shared<ConvolutionAttrs>, SortAttrs, CallAttrs>;

/// Calls f with the attributes that an op has.
template <class F>
decltype(auto) visit_attrs(F&& f, const Attrs& attrs) {
  return std::visit(
      [&](const auto& a) -> decltype(auto) {
        if constexpr (requires { *a; })
          return f(*a);
        else
          return f(a);
      },
      attrs);
}

/// The attributes as those of an op that has A (null: it has others).
template <class A>
const A* attrs_if(const Attrs& attrs) {
  if constexpr (std::is_constructible_v<Attrs, std::in_place_type_t<A>, A>)
    return std::get_if<A>(&attrs);
  else if (const auto* shared = std::get_if<Shared<A>>(&attrs))
    return &**shared;
  else
    return nullptr;
}
/// The same of an op that is known to have them.
template <class A>
const A& attrs_as(const Attrs& attrs) {
  if constexpr (std::is_constructible_v<Attrs, std::in_place_type_t<A>, A>)
    return std::get<A>(attrs);
  else
    return *std::get<Shared<A>>(attrs);
}

class Node {
 public:
  Op op() const { return op_; }
  /// Creation order; operands have smaller ids.
  int id() const { return id_; }
  const std::vector<Value>& operands() const { return operands_; }
  Value operand(int i) const { return operands_[static_cast<std::size_t>(i)]; }
  const std::vector<Type>& types() const { return types_; }
  const Type& type(int result = 0) const { return types_[static_cast<std::size_t>(result)]; }
  const Attrs& attrs() const { return attrs_; }
  template <class A>
  const A& attrs() const {
    return attrs_as<A>(attrs_);
  }
  const std::vector<Region>& regions() const { return regions_; }
  Graph& graph() const { return *graph_; }

 private:
  friend class Graph;
  Node() = default;

  Graph* graph_ = nullptr;
  int id_ = 0;
  Op op_ = Op::parameter;
  std::vector<Value> operands_;
  std::vector<Type> types_;
  Attrs attrs_;
  std::vector<Region> regions_;
  std::vector<Location> locations_;
};

class Graph {
 public:
  Graph() = default;
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  /// The node computing this. `result` is the type asked for where operands and attributes do not
  /// imply it (constant, iota, parameter, reshape, broadcast_in_dim, convert). Throws Error, naming
  /// the op, the operand types and where the operands came from, when the types do not fit.
  const Node* make(Op op, std::vector<Value> operands, Attrs attrs = {},
                   std::optional<Type> result = std::nullopt, std::vector<Region> regions = {},
                   const Location& where = {});
  Value parameter(std::int64_t index, Type type);
  Value constant(const Array& value, const Location& where = {});
  /// Every element of a tensor of this type is `value`, rounded to the dtype.
  Value splat(Type type, double value, const Location& where = {});

  /// Everywhere a node was written: locations stay outside its identity.
  const std::vector<Location>& locations(const Node* node) const { return node->locations_; }
  /// Of one of this graph's nodes: it was written here, too.
  void add_location(const Node* node, const Location& where);
  int size() const { return static_cast<int>(nodes_.size()); }

 private:
  /// By what a node computes: everything but its id.
  struct Hash {
    std::size_t operator()(const Node* node) const;
  };
  struct Equal {
    bool operator()(const Node* a, const Node* b) const;
  };

  std::deque<Node> nodes_;  // where they stand, they stay
  std::unordered_set<const Node*, Hash, Equal> interned_;
};

/// An argument of a function: `alias` is the result that takes its place when the function is a
/// step whose state is updated in place (-1: none).
struct Argument {
  Type type;
  std::string name;
  int alias = -1;
};

/// A named function over a graph: what is traced, transformed, printed and compiled.
struct Function {
  std::shared_ptr<Graph> graph;
  std::string name = "main";
  std::vector<Argument> arguments;
  std::vector<Value> results;
  std::vector<std::string> result_names;

  Value argument(int index) const {
    return graph->parameter(index, arguments[static_cast<std::size_t>(index)].type);
  }
};

/// The nodes that `results` need, operands before users (ascending id). Regions are not entered.
std::vector<const Node*> topological(std::span<const Value> results);

/// Rewrites what `results` need: `rewrite(node, new operands)` gives a node's new results, and for
/// a node whose operands did not change is still asked. Used by every pass that rebuilds a graph.
template <class F>
std::vector<Value> rebuild(std::span<const Value> results, F&& rewrite) {
  std::unordered_map<const Node*, std::vector<Value>> done;
  for (const Node* node : topological(results)) {
    std::vector<Value> operands;
    for (Value operand : node->operands())
      operands.push_back(done.at(operand.node)[static_cast<std::size_t>(operand.index)]);
    done[node] = rewrite(node, operands);
  }
  std::vector<Value> rebuilt;
  for (Value result : results)
    rebuilt.push_back(done.at(result.node)[static_cast<std::size_t>(result.index)]);
  return rebuilt;
}

/// The node again with other operands (and its old locations).
std::vector<Value> remake(const Node* node, const std::vector<Value>& operands);

/// The region's results with its parameters replaced.
std::vector<Value> inline_region(const Region& region, std::span<const Value> arguments);

inline const Type& Value::type() const { return node->type(index); }
inline Graph& Value::graph() const { return node->graph(); }

}  // namespace kiln
