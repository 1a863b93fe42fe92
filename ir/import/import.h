// From an op of StableHLO's text to values of the graph. The parser (ir/parse*.cpp) brings pretty and
// generic forms to one shape, an ImportOp; here a table says what each becomes: a primitive's node,
// or, where an op is none of kiln's primitives, the nodes it is decomposed into.
//
//   clamp %lo, %x, %hi   ->   minimum(maximum(%x, %lo), %hi)
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ir/graph.h"

namespace kiln {

/// An attribute as MLIR's text has it.
struct Attribute {
  struct Unit {};
  struct Symbol {  // @name
    std::string name;
  };
  struct Keyword {  // #stablehlo<comparison_direction LT>, or a bare LT of a pretty form: "LT"
    std::string word;
  };
  struct Opaque {  // whatever kiln has no use for, as it stands in the text
    std::string text;
  };
  using List = std::vector<Attribute>;
  /// {a = 1, b}; also #stablehlo.gather<offset_dims = [0], …> and its kin.
  using Dictionary = std::map<std::string, Attribute, std::less<>>;
  /// An Array is dense<…> : tensor<…> (expanded to its full shape unless a splat) or array<i64: …>.
  std::variant<Unit, bool, std::int64_t, double, std::string, Symbol, Keyword, Type, Array, List,
               Dictionary, Opaque>
      value;
  Location where;
};

/// One op, brought to the generic form. Its regions are closed: of a while, the captured values are
/// further operands and further block arguments of both regions (passed on by the body); of a case
/// or an if, further operands and the block arguments of each branch; a region of a reduce, scatter,
/// sort, … must not capture anything but constants (which the parser moves inside).
struct ImportOp {
  std::string name;  // with the dialect: "stablehlo.add", "chlo.erf"
  std::vector<Value> operands;
  Attribute::Dictionary attributes;
  std::vector<Type> results;
  std::vector<Region> regions;
  Location where;
};

/// Whether there is a row for the op of this name.
bool can_import(std::string_view name);

/// The op's results, of the types stated (checked against what the shape rule infers; both are named
/// where they differ). Throws Error at the op's place when its attributes or types are wrong;
/// UnsupportedError (ir/parse.h) where what it asks for is outside kiln's scope.
std::vector<Value> import_op(Graph& graph, const ImportOp& op);

}  // namespace kiln
