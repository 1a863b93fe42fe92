#include "runtime/run_program.h"

#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <vector>

#include "ir/error.h"

extern char** environ;  // NOLINT: POSIX has it so

namespace kiln {
namespace {

[[noreturn]] void fail(std::string_view program, int error) {
  throw Error(fmt::format("cannot run {}: {}", program, std::generic_category().message(error)));
}

/// A nameless file in memory. A program that reads or writes one never waits for us, as it might at
/// a pipe, nor we for it.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view program) : descriptor_(::memfd_create("kiln", MFD_CLOEXEC)) {
    if (descriptor_ < 0) fail(program, errno);
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  int descriptor() const { return descriptor_; }

  bool put(std::string_view text) const {
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t written = ::write(descriptor_, text.data() + at, text.size() - at);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return false;
      at += static_cast<std::size_t>(written);
    }
    return ::lseek(descriptor_, 0, SEEK_SET) == 0;
  }

  std::string content() const {
    std::string text;
    ::lseek(descriptor_, 0, SEEK_SET);
    std::array<char, 1 << 14> buffer;
    for (;;) {
      const ssize_t got = ::read(descriptor_, buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return text;
      text.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }

 private:
  int descriptor_;
};

std::string first_words(const std::string& text) {
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) end = text.size();
    // gnuplot shows the place in a line of its own: only blanks and a caret.
    const std::string line = text.substr(begin, end - begin);
    const std::size_t word = line.find_first_not_of(" \t^");
    if (word != std::string::npos && !line.starts_with("gnuplot>")) return line.substr(word, 200);
    begin = end + 1;
  }
  return "it said nothing";
}

}  // namespace

ProgramResult run_program(std::span<const std::string> command, std::string_view input) {
  internal_check(!command.empty(), "a command begins with its program");
  const std::string& program = command[0];
  const MemoryFile in(program), out(program), err(program);
  if (!in.put(input)) fail(program, errno);

  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));  // it is not written to
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  if (const int error = ::posix_spawn_file_actions_init(&actions); error != 0) fail(program, error);
  ::posix_spawn_file_actions_adddup2(&actions, in.descriptor(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, out.descriptor(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err.descriptor(), STDERR_FILENO);
  pid_t child = -1;
  const int error =
      ::posix_spawnp(&child, program.c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  // EACCES: PATH holds a folder that may not be searched, or a file of that name that may not run.
  if (error == ENOENT || error == EACCES || error == ENOTDIR) return {};
  if (error != 0) fail(program, error);

  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) fail(program, errno);
  return {true, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), out.content(),
          err.content()};
}

std::string problem_of(const ProgramResult& result, std::string_view program,
                       std::string_view package) {
  if (!result.found) return fmt::format("{} is not installed (apt install {})", program, package);
  return fmt::format("{} failed with status {}: {}", program, result.status,
                     first_words(result.errors));
}

}  // namespace kiln
