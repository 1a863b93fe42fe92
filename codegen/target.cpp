#include "codegen/target.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <llvm/ADT/SmallVector.h>
#include <llvm/ADT/StringMap.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/TargetParser/X86TargetParser.h>

#include "ir/error.h"

namespace kiln {
namespace {

/// What user code is made of. A virtual machine often hides the rest (pku, xsaves, …), which no
/// kernel uses.
bool is_instruction_set(llvm::StringRef feature) {
  static constexpr std::array<std::string_view, 12> kPrefixes = {
      "sse", "ssse", "avx", "fma", "f16c", "bmi", "lzcnt", "popcnt", "movbe", "gfni", "amx", "adx"};
  return std::any_of(kPrefixes.begin(), kPrefixes.end(), [&](std::string_view prefix) {
    return feature.starts_with(llvm::StringRef(prefix));
  });
}

/// Widest registers for a set of features: the 512-bit ones count only with the extensions that
/// make them usable for every element type.
template <class Has>
void set_width(Target& target, Has&& has) {
  const bool wide = has("avx512f") && has("avx512vl") && has("avx512bw") && has("avx512dq");
  target.vector_bytes = wide ? 64 : has("avx") ? 32 : 16;
  target.vector_registers = wide ? 32 : 16;
}

const llvm::StringMap<bool>& host_features() {
  static const llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  return features;
}

}  // namespace

const Target& Target::host() {
  static const Target target = [] {
    Target host;
    host.cpu = llvm::sys::getHostCPUName().str();
    std::vector<std::string> features;
    for (const auto& feature : host_features())
      features.push_back((feature.second ? "+" : "-") + feature.first().str());
    std::sort(features.begin(), features.end());  // equal text on equal machines: it is a cache key
    host.features = fmt::format("{}", fmt::join(features, ","));
    set_width(host, [](const char* name) { return host_features().lookup(name); });
    return host;
  }();
  return target;
}

Target Target::named(std::string_view name) {
  if (name == "native") return host();
  const std::vector<std::string> names = known();
  if (std::find(names.begin(), names.end(), name) == names.end())
    throw Error(
        fmt::format("unknown target '{}': expected one of {}", name, fmt::join(names, ", ")));

  llvm::SmallVector<llvm::StringRef, 128> listed;
  llvm::X86::getFeaturesForCPU(llvm::StringRef(name), listed);
  llvm::StringMap<bool> features;
  for (llvm::StringRef feature : listed) {
    features[feature] = true;
    llvm::X86::updateImpliedFeatures(feature, true, features);
  }
  std::vector<std::string> missing;
  for (const auto& feature : features)
    if (is_instruction_set(feature.first()) && !host_features().lookup(feature.first()))
      missing.push_back(feature.first().str());
  std::sort(missing.begin(), missing.end());
  if (!missing.empty())
    throw Error(fmt::format("target '{}' cannot run on this machine ({}), which lacks {}", name,
                            host().cpu, fmt::join(missing, ", ")));

  Target target;
  target.cpu = std::string(name);
  set_width(target, [&](const char* feature) { return features.lookup(feature); });
  return target;
}

std::string Target::key() const {
  return fmt::format("{} {} {} {}", cpu, features, vector_bytes, vector_registers);
}

std::vector<std::string> Target::known() {
  llvm::SmallVector<llvm::StringRef, 128> names;
  llvm::X86::fillValidCPUArchList(names, /*Only64Bit=*/true);
  std::vector<std::string> all = {"native"};
  for (llvm::StringRef name : names) all.push_back(name.str());
  std::sort(all.begin() + 1, all.end());
  return all;
}

int usable_processors() {
  cpu_set_t usable;
  if (::sched_getaffinity(0, sizeof usable, &usable) == 0) return std::max(1, CPU_COUNT(&usable));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace kiln
