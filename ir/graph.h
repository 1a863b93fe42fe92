// Graph IR: an immutable, hash-consed SSA graph with StableHLO's ops and semantics.
//
// A Graph owns nodes; `Graph::make` is the only factory: it infers and checks the result types with
// the op's table row (ir/op.h) and gives back the node that already computes this, if there is one.
// So common subexpressions never exist, and a node's id orders the graph: operands have smaller
// ids.
//
// Regions (the body of a reduce, of a fused kernel) are closed: they see their parameters and
// nothing else. A parameter is identified by its number and type alone, so equal regions are the
// very same nodes, whatever they were called.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
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
  ceil,
  convert,
  cosine,
  erf,
  exponential,
  exponential_minus_one,
  floor,
  is_finite,
  log,
  log_plus_one,
  logistic,
  negate,
  not_,
  round_nearest_even,
  rsqrt,
  sign,
  sine,
  sqrt,
  tanh,
  // element-wise, several operands
  add,
  and_,
  compare,
  divide,
  maximum,
  minimum,
  multiply,
  or_,
  power,
  remainder,
  select,
  subtract,
  xor_,
  // movement
  broadcast_in_dim,
  reshape,
  transpose,
  // contraction and reduction
  dot_general,
  reduce,
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
struct IotaAttrs {
  std::int64_t dim = 0;
  auto fields() const { return std::tie(dim); }
};
struct CompareAttrs {
  Direction direction = Direction::EQ;
  auto fields() const { return std::tie(direction); }
};
/// broadcast_in_dim: dims[i] is the result axis of operand axis i. transpose: result axis i is
/// operand axis dims[i]. reduce: the axes reduced.
struct DimsAttrs {
  Ints dims;
  auto fields() const { return std::tie(dims); }
};
struct DotAttrs {
  Ints lhs_batch, rhs_batch, lhs_contracting, rhs_contracting;
  auto fields() const { return std::tie(lhs_batch, rhs_batch, lhs_contracting, rhs_contracting); }
};
/// call: a fused kernel (`kind` is its class). composite: "kiln.stop_gradient" and the like.
struct CallAttrs {
  std::string name;
  std::string kind;
  auto fields() const { return std::tie(name, kind); }
};
using Attrs = std::variant<NoAttrs, ParameterAttrs, ConstantAttrs, IotaAttrs, CompareAttrs,
                           DimsAttrs, DotAttrs, CallAttrs>;

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
    return std::get<A>(attrs_);
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
  const std::vector<Location>& locations(const Node* node) const;
  int size() const { return static_cast<int>(nodes_.size()); }

 private:
  std::vector<std::unique_ptr<Node>> nodes_;
  std::unordered_map<std::string, const Node*> interned_;
  std::unordered_map<const Node*, std::vector<Location>> locations_;
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
