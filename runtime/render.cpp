#include "runtime/render.h"

#include <vector>

#include "ir/text.h"
#include "runtime/run_program.h"

namespace kiln {

std::string render_dot(const std::string& dot, const std::string& format) {
  if (format == "dot") return dot;
  const std::vector<std::string> command{"dot", "-T" + format};
  const ProgramResult drawn = run_program(command, dot);
  if (!drawn.succeeded())
    throw Error(fmt::format("drawing {} needs Graphviz: {}; --format dot prints what it would draw",
                            format, problem_of(drawn, "dot", "graphviz")));
  return drawn.output;
}

std::string render_graph(const Function& function, const std::string& format) {
  return render_dot(to_dot(function), format);
}

}  // namespace kiln
