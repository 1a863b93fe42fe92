// Errors: one thrown type for what the user did, one check for what we did.
#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace kiln {

/// A place in the user's source (a DSL call) or in a text file. `line` 0 means unknown. A graph has
/// one for every node and more, so it is small and copying it costs nothing.
struct Location {
  std::string_view file;  // lives as long as the program
  unsigned line = 0;
  unsigned column = 0;

  Location() = default;
  /// A place in a file of this name, which is kept.
  Location(std::string_view file_name, unsigned line_number, unsigned column_number);
  Location(const std::source_location& where)  // NOLINT: a call site is a location
      : file(where.file_name()), line(where.line()), column(where.column()) {}

  bool known() const { return line != 0; }
  /// "file:line", or "unknown" where nothing was recorded.
  std::string str() const { return known() ? fmt::format("{}:{}", file, line) : "unknown"; }
  bool operator==(const Location&) const = default;
};

/// What the user gave us cannot be used: a shape, a file, a flag, a text. The message says what was
/// expected, what was found and where. The `kiln` command prints it and exits with status 2.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
  Error(const Location& where, const std::string& message)
      : std::runtime_error(where.known() ? where.str() + ": " + message : message) {}
};

/// A bug in kiln itself. Never caught except to be printed.
class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// States an invariant of our own; failing it is a bug in kiln, whatever the user did.
inline void internal_check(bool holds, std::string_view what,
                           const std::source_location& where = std::source_location::current()) {
  if (!holds)
    throw InternalError(fmt::format("internal error at {}:{}: {} (this is a bug in kiln)",
                                    where.file_name(), where.line(), what));
}

}  // namespace kiln
