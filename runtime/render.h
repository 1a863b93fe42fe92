// Pictures of graphs, drawn by Graphviz's dot run as a program.
#pragma once

#include <string>

#include "ir/graph.h"

namespace kiln {

/// Graphviz text as "dot" (itself) or "svg". Throws Error when dot is needed and not installed, or
/// fails.
std::string render_dot(const std::string& dot, const std::string& format);
/// The same of a function's graph.
std::string render_graph(const Function& function, const std::string& format);

}  // namespace kiln
