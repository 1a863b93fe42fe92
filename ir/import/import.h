// From an op of StableHLO's text to values of the graph. The parser (ir/parse*.cpp) brings pretty
// and generic forms to one shape, an ImportOp; here a table says what each becomes: a primitive's
// node, or, where an op is none of kiln's primitives, the nodes it is decomposed into.
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
/// or an if, further operands and the block arguments of each branch; a region of a reduce,
/// scatter, sort, … must not capture anything but constants (which the parser moves inside). A
/// composite has one region, the function it is decomposed into, its operands the region's
/// parameters.
///
/// Attributes have the names of the generic form, also where the text is pretty:
/// - A splat (dense<1> : tensor<2xi64>) has rank 0, array<i64: 1> has rank 1.
/// - An integer may be an Array of one element; a list of integers an Array or a List.
/// - A convolution: `dimension_numbers`, a Dictionary of input_batch_dimension,
///   input_feature_dimension, input_spatial_dimensions, kernel_input_feature_dimension,
///   kernel_output_feature_dimension, kernel_spatial_dimensions, output_batch_dimension,
///   output_feature_dimension, output_spatial_dimensions; the window is window_strides, padding,
///   lhs_dilation, rhs_dilation, window_reversal, each left out where the text leaves it out.
/// - dot_general: `dot_dimension_numbers`, gather: `dimension_numbers`, scatter:
///   `scatter_dimension_numbers`, each a Dictionary with the fields of #stablehlo.dot, .gather,
///   .scatter.
/// - compare: comparison_direction, compare_type. rng_bit_generator: rng_algorithm (Keywords).
/// - reduce_precision: exponent_bits, mantissa_bits. composite: name (a string). Of ops with
///   `dims = […]`: broadcast_dimensions, permutation, dimensions, iota_dimension, dimension.
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

/// The op's results, of the types stated (checked against what the shape rule infers; both are
/// named where they differ). Throws Error at the op's place when its attributes or types are wrong;
/// UnsupportedError (ir/parse.h) where what it asks for is outside kiln's scope.
std::vector<Value> import_op(Graph& graph, const ImportOp& op);

}  // namespace kiln
