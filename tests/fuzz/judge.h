// Whether a graph means the same in every mode: the heart of `./dev fuzz`.
#pragma once

#include <span>
#include <string>

#include "ir/graph.h"
#include "tests/fuzz/plant.h"

namespace kiln::fuzz {

/// What is wrong, in words; empty where nothing is. The graph is run in `reference`, `unfused` and
/// `fused` mode, at several thread counts; each result must lie within the bound that running error
/// analysis derives (passes/error_bound), and the bits must not depend on the threads. The graph
/// printed and read again must print the same and give the same bits. With a plant, the compiled
/// modes get its bug.
std::string judge(const Function& function, std::span<const Array> inputs,
                  const Plant* plant = nullptr);

}  // namespace kiln::fuzz
