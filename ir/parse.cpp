#include "ir/parse.h"

#include <algorithm>

#include "ir/parse_build.h"
#include "ir/parse_reader.h"

namespace kiln {
namespace {

using namespace parsing;

constexpr std::string_view kDivider = "// -----";

/// The names of functions that others call.
void add_callees(const RegionTree& region, std::unordered_set<std::string>& callees) {
  for (const OpTree& op : region.ops) {
    for (const char* attribute : {"callee", "decomposition"})
      if (const auto found = op.attributes.find(attribute); found != op.attributes.end())
        if (const auto* symbol = std::get_if<Attribute::Symbol>(&found->second.value))
          callees.insert(symbol->name);
    for (const RegionTree& inner : op.regions) add_callees(inner, callees);
  }
}

ParsedModule parse_part(const Source& source, std::size_t begin, std::size_t end) {
  Unsupported unsupported;
  ParsedModule module;
  try {
    const ModuleTree tree = Reader(source, begin, end, unsupported).module();
    const bool has_public = std::any_of(tree.functions.begin(), tree.functions.end(),
                                        [](const auto& f) { return !f.is_private; });
    std::unordered_set<std::string> callees;
    for (const FunctionTree& function : tree.functions) add_callees(function.body, callees);
    Builder builder(source, tree, unsupported);
    for (const FunctionTree& function : tree.functions)
      if (has_public ? !function.is_private : !callees.contains(function.name))
        if (!function.is_declaration) module.functions.push_back(builder.function(function));
  } catch (const UnsupportedError&) {
    throw;
  } catch (const Error&) {
    // What is not supported may be why the rest could not be read.
    unsupported.complain();
    throw;
  }
  unsupported.complain();
  return module;
}

}  // namespace

const ParsedFunction* ParsedModule::main() const {
  const auto found = std::find_if(functions.begin(), functions.end(),
                                  [](const auto& f) { return f.function.name == "main"; });
  return found == functions.end() ? nullptr : &*found;
}

ParsedModule parse_module(std::string_view text, const std::string& file) {
  return parse_part(Source(text, file), 0, text.size());
}

std::vector<ParsedModule> parse_modules(std::string_view text, const std::string& file) {
  const Source source(text, file);
  std::vector<ParsedModule> modules;
  for (std::size_t begin = 0; begin <= text.size();) {
    std::size_t end = text.find(kDivider, begin);
    while (end != std::string_view::npos && end != 0 && text[end - 1] != '\n')
      end = text.find(kDivider, end + 1);  // not at the beginning of a line
    end = std::min(end, text.size());
    modules.push_back(parse_part(source, begin, end));
    begin = end == text.size() ? end + 1 : std::min(text.find('\n', end), text.size() - 1) + 1;
  }
  return modules;
}

}  // namespace kiln
