// The pieces of a printed statement that the rest of the printer puts together.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "ir/graph.h"

namespace kiln::text {

/// A string literal of MLIR's, quotes included: what is not printable ASCII is \XX.
std::string quoted(std::string_view text);
/// "@name"; names that are no identifiers are quoted.
std::string symbol(std::string_view name);
/// What stands in dense<…> for a constant of this type; one element under a larger type is a splat.
std::string elements(const Array& value, const Type& type);
/// "[0, 1]"
std::string list(const Ints& values);
/// "tensor<2xf32>, tensor<i1>"
std::string types(std::span<const Value> values);

/// Ops that StableHLO's tools print in the generic form: "stablehlo.gather"(…) <{…}> ({…}).
bool is_generic(const Node& node);
/// The attributes of such an op, in its <{…}>; "" where there are none.
std::string properties(const Node& node);
/// What stands after the operands in the pretty form, with its leading space or comma:
/// ", dims = [0, 1]".
std::string pretty_attributes(const Node& node);
/// What a pretty form states after its colon: the one type of all, or operands and results.
std::string pretty_types(const Node& node);
/// "(tensor<2xf32>) -> tensor<3xf32>"
std::string signature(std::span<const Value> operands, const std::vector<Type>& results);

}  // namespace kiln::text
