#include "runtime/isolated.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <system_error>

#include "ir/error.h"

namespace kiln {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kThrew = 99;  // exit status of a child whose job threw

[[noreturn]] void fail(const char* what) {
  throw Error(fmt::format("cannot {}: {}", what, std::generic_category().message(errno)));
}

[[noreturn]] void work(const std::function<std::string()>& job, int out) {
  int status = 0;
  std::string message;
  try {
    message = job();
  } catch (const std::exception& error) {
    message = error.what();
    status = kThrew;
  }
  std::string_view rest = message;
  while (!rest.empty()) {
    const ssize_t written = ::write(out, rest.data(), rest.size());
    if (written < 0 && errno != EINTR) break;
    if (written > 0) rest.remove_prefix(static_cast<std::size_t>(written));
  }
  ::_exit(status);  // nothing of the parent's is flushed or destroyed twice
}

/// One job in its process, whose message comes through a pipe.
class Child {
 public:
  Child(const std::function<std::string()>& job, IsolatedResult& result)
      : result_(&result), started_(Clock::now()) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("make a pipe");
    std::fflush(nullptr);
    child_ = ::fork();
    if (child_ < 0) fail("start a process");
    if (child_ == 0) {
      ::close(ends[0]);
      work(job, ends[1]);
    }
    ::close(ends[1]);
    pipe_ = ends[0];
  }

  int pipe() const { return pipe_; }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - started_).count(); }

  /// Takes in what the child has written; true once it has ended.
  bool read() {
    std::array<char, 4096> buffer;
    const ssize_t bytes = ::read(pipe_, buffer.data(), buffer.size());
    if (bytes < 0 && errno == EINTR) return false;
    if (bytes > 0) {
      result_->message.append(buffer.data(), static_cast<std::size_t>(bytes));
      return false;
    }
    finish();
    return true;
  }
  void kill(const std::string& why) {
    ::kill(child_, SIGKILL);
    finish();
    result_->death = why;
  }

 private:
  void finish() {
    ::close(pipe_);
    int status = 0;
    while (::waitpid(child_, &status, 0) < 0 && errno == EINTR) {
    }
    result_->seconds = seconds();
    if (WIFSIGNALED(status))
      result_->death = fmt::format("signal {}", WTERMSIG(status));
    else if (WEXITSTATUS(status) == kThrew)
      result_->death = result_->message;
    else if (WEXITSTATUS(status) != 0)
      result_->death = fmt::format("exit status {}", WEXITSTATUS(status));
    if (!result_->death.empty()) result_->message.clear();
  }

  IsolatedResult* result_;
  Clock::time_point started_;
  pid_t child_ = -1;
  int pipe_ = -1;
};

}  // namespace

std::vector<IsolatedResult> run_isolated(std::span<const std::function<std::string()>> jobs,
                                         int at_a_time, double timeout) {
  std::vector<IsolatedResult> results(jobs.size());
  std::vector<Child> running;
  std::size_t next = 0;
  while (next < jobs.size() || !running.empty()) {
    for (; next < jobs.size() && running.size() < static_cast<std::size_t>(at_a_time); ++next)
      running.emplace_back(jobs[next], results[next]);
    std::vector<pollfd> pipes;
    for (const Child& child : running) pipes.push_back({child.pipe(), POLLIN, 0});
    constexpr int kLookAgainMs = 100;
    ::poll(pipes.data(), pipes.size(), kLookAgainMs);
    for (std::size_t i = running.size(); i-- > 0;) {
      bool ended = pipes[i].revents != 0 && running[i].read();
      if (!ended && running[i].seconds() > timeout) {
        running[i].kill(fmt::format("took more than {} s", timeout));
        ended = true;
      }
      if (ended) running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  return results;
}

}  // namespace kiln
