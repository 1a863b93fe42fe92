// Programs lowered by JAX (tests/jax/generate.py) run in every mode and agree with what JAX
// computed.
#include <cmath>
#include <filesystem>
#include <string>

#include "ir/parse.h"
#include "runtime/atomic_file.h"
#include "runtime/function_io.h"
#include "runtime/run_function.h"
#include "tests/catch.h"
#include "tests/source_folder.h"
#include "tests/support.h"

namespace kiln {
namespace {

constexpr double kOfLargest = 1e-5;

}  // namespace

TEST_CASE("programs_lowered_by_jax_agree_with_jax_in_every_mode") {
  const std::filesystem::path folder = std::filesystem::path(source_folder()) / "tests/jax";
  int programs = 0, without_exact = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".mlir") continue;
    ++programs;
    const std::string path = entry.path().string();
    const ParsedModule module = parse_module(read_file(path), path);
    REQUIRE(module.main() != nullptr);
    const Function& function = module.main()->function;
    const std::string data = std::filesystem::path(path).replace_extension(".safetensors").string();
    const NamedArrays tensors = load_safetensors(data).tensors;
    const std::vector<Array> arguments = arguments_from(tensors, function, data);
    for (const RunMode mode : kRunModes) {
      std::vector<Array> results;
      try {
        results = run_function(function, arguments, mode);
      } catch (const Error& error) {
        // What orders floats by their bits has no meaning in f64.
        REQUIRE(mode == RunMode::exact);
        REQUIRE_THAT(error.what(), Catch::Matchers::ContainsSubstring("bitcast_convert"));
        ++without_exact;
        continue;
      }
      REQUIRE(tensors.size() == arguments.size() + results.size());
      for (std::size_t r = 0; r < results.size(); ++r) {
        INFO(entry.path().filename().string() << ", " << name_of(mode) << ", result " << r);
        const Array& expected = tensors.at(fmt::format("result{}", r));
        CHECK(difference(results[r].converted(expected.dtype()), expected,
                         {.relative = kOfLargest}) == kNone);
      }
    }
  }
  CHECK(programs == 10);
  CHECK(without_exact <= 1);  // the sort
}

}  // namespace kiln
