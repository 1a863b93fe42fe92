// A traced step run in each of the ways there are, its state held by the test.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "frontend/trace.h"
#include "runtime/executable.h"
#include "runtime/safetensors.h"

namespace kiln {

enum class Way { reference, unfused, fused };
inline constexpr std::array kWays{Way::reference, Way::unfused, Way::fused};
inline const char* name_of(Way way) {
  return way == Way::reference ? "reference" : way == Way::unfused ? "unfused" : "fused";
}

class TracedStep {
 public:
  /// Variables begin with the values of their names, the others as their initialisers say.
  TracedStep(Traced traced, Way way, const NamedArrays& values = {});

  /// The outputs; the state goes on to the next step's.
  std::vector<Array> operator()(std::span<const Array> inputs);
  std::vector<Array> operator()(std::initializer_list<Array> inputs) {
    return (*this)(std::span(inputs.begin(), inputs.size()));
  }
  /// The value of the variable of that name now.
  const Array& state(const std::string& name) const;

 private:
  Traced traced_;
  std::vector<Array> state_;
  std::unique_ptr<Executable> executable_;  // none in the reference
};

}  // namespace kiln
