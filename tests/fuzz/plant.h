// Bugs to plant, one at a time, into what is compiled: whether the fuzzer finds them tells what it
// is worth (`./dev fuzz --self-test`).
#pragma once

#include <span>
#include <string_view>

#include "ir/graph.h"
#include "ir/program.h"

namespace kiln::fuzz {

/// One of the two is set: what a wrong graph pass, or what wrong lowering, would have done.
struct Plant {
  std::string_view name;
  void (*graph)(Function& function) = nullptr;
  void (*program)(Program& program) = nullptr;
};

std::span<const Plant> plants();

}  // namespace kiln::fuzz
