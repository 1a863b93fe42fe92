// Root-relative includes would hide a wrong dependency from the linker, so the seams between the
// folders are checked here, on the text of the sources.
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/source_folder.h"

namespace {

namespace fs = std::filesystem;

// What each folder may include of ours: whole folders ("ir/") or single headers. What is missing
// here (tests) may include everything.
const std::map<std::string, std::vector<std::string>> may_include = {
    {"ir", {"ir/"}},
    {"passes", {"ir/", "passes/"}},
    {"frontend", {"ir/", "frontend/", "passes/autodiff.h"}},
    {"codegen", {"ir/", "passes/", "codegen/"}},
    {"runtime", {"ir/", "passes/", "frontend/", "codegen/", "runtime/"}},
    {"models", {"ir/", "frontend/", "runtime/", "models/"}},
};

const std::set<std::string> folders = {"codegen", "frontend", "ir",   "models",
                                       "passes",  "runtime",  "tests"};

// The includes in `text`, the source at the root-relative `path`, that cross a seam the wrong way:
// "path:line: includes header".
std::vector<std::string> violations(const std::string& path, const std::string& text) {
  static const std::regex include_line(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"].*)");
  const std::string folder = path.substr(0, path.find('/'));
  const auto allowed = may_include.find(folder);

  const auto is_allowed = [&](const std::string& header, bool quoted) {
    const std::string top = header.substr(0, header.find('/'));
    if (top == "llvm" || top == "llvm-c") return folder == "codegen" && path.ends_with(".cpp");
    if (!folders.contains(top)) return !quoted;  // ours are named from the root
    if (allowed == may_include.end()) return true;
    for (const std::string& prefix : allowed->second) {
      if (header.starts_with(prefix)) return true;
    }
    return false;
  };

  std::vector<std::string> found;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::smatch match;
    if (std::regex_match(line, match, include_line) && !is_allowed(match[2], match[1] == "\"")) {
      found.push_back(path + ":" + std::to_string(number) + ": includes " + match[2].str());
    }
  }
  return found;
}

std::string read(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("every_include_respects_the_seams_between_folders") {
  const fs::path root = kiln::source_folder();
  std::vector<std::string> found;
  for (const std::string& folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".h" && extension != ".cpp") continue;
      const std::string path = entry.path().lexically_relative(root).generic_string();
      for (std::string& violation : violations(path, read(entry.path()))) {
        found.push_back(std::move(violation));
      }
    }
  }
  CAPTURE(found);
  CHECK(found.empty());
}

TEST_CASE("the_top_level_folders_are_the_seven_agreed_ones") {
  std::set<std::string> found;
  for (const auto& entry : fs::directory_iterator(kiln::source_folder())) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory() && !name.starts_with('.') && name != "build") found.insert(name);
  }
  CHECK(found == folders);
}

TEST_CASE("an_include_across_a_seam_is_caught_where_it_stands") {
  const std::string planted = "// A pass.\n#include <vector>\n#include \"codegen/kernel.h\"\n";
  CHECK(violations("passes/fuse.cpp", planted) ==
        std::vector<std::string>{"passes/fuse.cpp:3: includes codegen/kernel.h"});
  CHECK(violations("runtime/jit.cpp", planted).empty());
  CHECK(violations("tests/fuse_test.cpp", planted).empty());

  const auto crosses = [](const std::string& path, const std::string& header) {
    return violations(path, "  #  include \"" + header + "\" // why\n").size() == 1;
  };
  CHECK(crosses("ir/graph.h", "passes/rewrite.h"));
  CHECK(crosses("ir/ops/elementwise.cpp", "frontend/tensor.h"));
  CHECK(crosses("frontend/tensor.cpp", "passes/pipeline.h"));
  CHECK_FALSE(crosses("frontend/tensor.cpp", "passes/autodiff.h"));
  CHECK(crosses("codegen/jit.cpp", "runtime/thread_pool.h"));
  CHECK(crosses("runtime/session.h", "models/digits.h"));
  CHECK(crosses("models/digits.cpp", "codegen/kernel.h"));
  CHECK(crosses("models/main.cpp", "passes/pipeline.h"));
  CHECK(crosses("passes/fuse.cpp", "../codegen/kernel.h"));
}

TEST_CASE("llvm_headers_are_seen_only_by_the_sources_of_codegen") {
  const std::string text = "#include <llvm/IR/Module.h>\n";
  CHECK(violations("codegen/emit.cpp", text).empty());
  CHECK(violations("codegen/kernel.h", text).size() == 1);
  CHECK(violations("runtime/session.cpp", text).size() == 1);
  CHECK(violations("tests/jit_test.cpp", text).size() == 1);
}
