// What goes into a function and what comes out, by name: as files hold it and as people read it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "runtime/safetensors.h"

namespace kiln {

/// The argument's name in files: its own, else arg0, arg1, …
std::string argument_name(const Function& function, std::size_t argument);
/// The result's name in files: its own, else result0, result1, …
std::string result_name(const Function& function, std::size_t result);

/// The function's arguments, taken from `tensors` by name; tensors of other names are left alone.
/// Throws one Error that names all arguments that are missing or of another type; `source` says
/// there where the tensors come from.
std::vector<Array> arguments_from(const NamedArrays& tensors, const Function& function,
                                  const std::string& source);
/// The first `results.size()` results under their names; throws Error where two share one.
NamedArrays named_results(const Function& function, const std::vector<Array>& results);

/// Arguments drawn at random: floats of [-1, 1), integers of 0 … 9, booleans alternately likely.
/// The same for the same seed.
std::vector<Array> drawn_arguments(const Function& function, std::uint64_t seed);

/// An array for people: nested lists; of a large one the corners only. Floats have as many decimals
/// as they need, or those asked for.
///   [[1, 2.5],
///    [3, nan]]
std::string array_text(const Array& array, std::optional<int> decimals = {});

}  // namespace kiln
