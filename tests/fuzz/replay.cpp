#include "tests/fuzz/replay.h"

#include <filesystem>
#include <sstream>

#include "ir/parse.h"
#include "ir/text.h"
#include "runtime/atomic_file.h"
#include "runtime/function_io.h"
#include "runtime/safetensors.h"

namespace kiln::fuzz {

void write_graph(const RandomGraph& graph, std::string_view comment, const std::string& base) {
  std::string text;
  std::istringstream lines{std::string(comment)};
  for (std::string line; std::getline(lines, line);) text += "// " + line + "\n";
  write_file(base + ".mlir", text + to_text(graph.function));
  NamedArrays inputs;
  for (std::size_t i = 0; i < graph.inputs.size(); ++i)
    inputs[argument_name(graph.function, i)] = graph.inputs[i];
  save_safetensors(base + ".safetensors", inputs);
}

RandomGraph read_graph(const std::string& path) {
  const ParsedModule module = parse_module(read_file(path), path);
  const ParsedFunction* main = module.main();
  if (!main) throw Error(fmt::format("{}: no function @main", path));
  RandomGraph graph{main->function, {}};
  if (graph.function.arguments.empty()) return graph;
  const std::string inputs = std::filesystem::path(path).replace_extension(".safetensors");
  graph.inputs = arguments_from(load_safetensors(inputs).tensors, graph.function, inputs);
  return graph;
}

}  // namespace kiln::fuzz
