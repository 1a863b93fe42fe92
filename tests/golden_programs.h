// What the golden data's cases compute, written in the DSL: an operation by the manifest's name, a
// model as its article writes it.
#pragma once

#include <functional>
#include <map>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "frontend/functions.h"

namespace kiln::golden {

using Named = std::map<std::string, Tensor>;
/// Inputs and parameters by name → outputs by name. What is absent is an empty tensor.
using Program = std::function<Named(Named& in, const nlohmann::json& attrs)>;

/// The program of a case; throws std::out_of_range where there is none.
const Program& program_of(const nlohmann::json& golden_case);

}  // namespace kiln::golden
