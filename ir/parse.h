// StableHLO's text form, read: what JAX lowers, what kiln prints, what people write.
//
// Pretty and generic forms parse. Ops that are not primitives of kiln (ir/op.h) are decomposed
// while reading (ir/import/): calls are inlined, clamp is minimum of maximum, and so on.
//
//   func.func @main(%arg0: tensor<2x3xf32>) -> tensor<2x3xf32> {
//     %0 = stablehlo.tanh %arg0 : tensor<2x3xf32>
//     return %0 : tensor<2x3xf32>
//   }
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace kiln {

/// A check.* custom call of StableHLO's test files, to be judged once the function has run.
/// `got` and `expected` count among the function's results.
struct Check {
  enum class Kind : std::uint8_t { equal, close, almost_equal };
  Kind kind = Kind::equal;
  int got = 0, expected = 0;
  std::int64_t min_ulps = 0, max_ulps = 3;  // close
  double tolerance = 1e-3;                  // almost_equal
  Location where;
};

/// A function of a module. Its first `outputs` results are what it returns; those behind them are
/// operands of its checks.
struct ParsedFunction {
  Function function;
  int outputs = 0;
  std::vector<Check> checks;
};

/// What a text holds. (Not `Module`: that is a layer's base class, in frontend.)
struct ParsedModule {
  std::vector<ParsedFunction> functions;  // public ones, or all where none is private but called
  /// The one called main; null if there is none.
  const ParsedFunction* main() const;
};

/// Constructs kiln does not support, all that a text holds: `what()` lists each with its place.
struct UnsupportedError : Error {
  struct Construct {
    std::string name;  // "stablehlo.fft", "complex<f32>", …: what tables of reasons count by
    Location where;
  };
  explicit UnsupportedError(std::vector<Construct> found);
  std::vector<Construct> constructs;
};

/// Parses one module. Errors carry file, line, column and a caret under the place, what was
/// expected and what was found; hostile text gets an error too, never a crash. `file` is for
/// messages.
ParsedModule parse_module(std::string_view text, const std::string& file = "<text>");
/// The parts of a file between lines `// -----`, each a module of its own; line numbers are the
/// file's.
std::vector<ParsedModule> parse_modules(std::string_view text, const std::string& file = "<text>");

}  // namespace kiln
