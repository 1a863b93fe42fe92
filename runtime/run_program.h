// Other programs, run without a shell.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace kiln {

struct ProgramResult {
  bool found = false;  ///< whether there is such a program; the rest holds only then
  int status = 0;      ///< its exit status; 128 + n where signal n ended it
  std::string output;  ///< all it wrote to standard output
  std::string errors;  ///< all it wrote to standard error

  bool succeeded() const { return found && status == 0; }
};

/// Runs `command` (the program, looked up in PATH, and its arguments) with `input` as its standard
/// input, and waits for it. Throws Error when the system lets no program be started.
ProgramResult run_program(std::span<const std::string> command, std::string_view input);

/// Why `result` is no success, in one line for the user: "gnuplot is not installed" or "gnuplot
/// failed with status 1: …" and its first words. `program` is its name and its Debian package's:
/// "gnuplot (apt install gnuplot-nox)" tells the user where to get it.
std::string problem_of(const ProgramResult& result, std::string_view program,
                       std::string_view package);

}  // namespace kiln
