// A function run once, on arrays, in any of the ways there are to run one.
//
// They have one meaning: reference defines it op by op, exact says how far rounding takes it from
// the truth, unfused and fused are compiled.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace kiln {

/// reference: interpreted op by op. exact: the same with all floats in f64. unfused: one kernel per
/// op. fused: what users run.
enum class RunMode : std::uint8_t { reference, exact, unfused, fused };

inline constexpr RunMode kRunModes[] = {RunMode::reference, RunMode::exact, RunMode::unfused,
                                        RunMode::fused};

std::string_view name_of(RunMode mode);
/// The mode with that name; throws Error listing the names when there is none.
RunMode run_mode_named(std::string_view name);

/// The function's results; floats are f64 in exact mode. The arguments stay as they are, also where
/// the function updates them in place. Compiled code runs on settings().pool(). Throws Error when
/// the arguments' number or types are not the function's own.
std::vector<Array> run_function(const Function& function, std::span<const Array> arguments,
                                RunMode mode);

}  // namespace kiln
