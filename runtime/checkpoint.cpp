#include "runtime/checkpoint.h"

#include <algorithm>

#include "runtime/safetensors.h"
#include "runtime/settings.h"

namespace kiln {

std::uint64_t hash_of(const std::vector<VariablePtr>& variables) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto mix = [&](const void* data, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i)
      hash = (hash ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001b3;
  };
  for (const VariablePtr& variable : variables) {
    const std::string head = variable->name + variable->type.str();
    mix(head.data(), head.size());
    const auto bytes = value_of(variable).bytes();
    mix(bytes.data(), bytes.size());
  }
  return hash;
}

void save_checkpoint(const std::string& path, const std::vector<VariablePtr>& variables,
                     const std::map<std::string, std::string>& facts) {
  NamedArrays tensors;
  for (const VariablePtr& variable : variables) tensors.emplace(variable->name, value_of(variable));
  save_safetensors(path, tensors, facts);
}

std::map<std::string, std::string> load_checkpoint(const std::string& path,
                                                   const std::vector<VariablePtr>& variables) {
  const Safetensors file = load_safetensors(path);
  // All are checked before any is changed.
  for (const VariablePtr& variable : variables) {
    const auto found = file.tensors.find(variable->name);
    if (found == file.tensors.end())
      throw Error(
          fmt::format("{}: expected a tensor '{}', found none of that name", path, variable->name));
    if (found->second.type() != variable->type)
      throw Error(fmt::format("{}: expected tensor '{}' to be {}, found {}", path, variable->name,
                              variable->type.pretty(), found->second.type().pretty()));
  }
  for (const VariablePtr& variable : variables) {
    const Array& loaded = file.tensors.at(variable->name);
    std::copy(loaded.bytes().begin(), loaded.bytes().end(), value_of(variable).bytes().begin());
  }
  return {file.metadata.begin(), file.metadata.end()};
}

}  // namespace kiln
