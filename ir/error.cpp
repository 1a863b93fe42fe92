#include "ir/error.h"

#include <mutex>
#include <set>

namespace kiln {
namespace {

/// The one copy of a file's name, of any thread's.
std::string_view kept(std::string_view name) {
  static std::mutex mutex;
  static std::set<std::string, std::less<>> names;
  const std::lock_guard lock(mutex);
  const auto found = names.find(name);
  return found != names.end() ? *found : *names.emplace(name).first;
}

}  // namespace

Location::Location(std::string_view file_name, unsigned line_number, unsigned column_number)
    : file(kept(file_name)), line(line_number), column(column_number) {}

}  // namespace kiln
