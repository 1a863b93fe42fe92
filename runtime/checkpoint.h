// Checkpoints: a training run's state in one safetensors file, under PyTorch's parameter names.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "frontend/trace.h"

namespace kiln {

/// FNV-1a over names, types and bits of the variables' values, in order: equal hashes mean that two
/// runs ended with the very same weights.
std::uint64_t hash_of(const std::vector<VariablePtr>& variables);

/// Writes the variables' values, and text beside them, atomically: a reader (or a run that is
/// killed) sees the old file or the new one, never a part.
void save_checkpoint(const std::string& path, const std::vector<VariablePtr>& variables,
                     const std::map<std::string, std::string>& facts = {});

/// Reads a checkpoint into the variables (by name) and returns the text beside them. Throws Error
/// when a variable is missing or has another type; tensors that no variable asks for are ignored.
std::map<std::string, std::string> load_checkpoint(const std::string& path,
                                                   const std::vector<VariablePtr>& variables);

}  // namespace kiln
