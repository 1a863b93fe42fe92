#include "runtime/isolated.h"

#include <unistd.h>

#include <csignal>
#include <stdexcept>

#include "tests/catch.h"

namespace kiln {

TEST_CASE("a_crash_a_hang_or_an_exception_ends_one_isolated_job_alone") {
  const std::string large(300'000, 'x');
  const std::vector<std::function<std::string()>> jobs = {
      [] { return "fine"; },
      []() -> std::string {
        std::raise(SIGKILL);
        return "";
      },
      []() -> std::string {
        ::pause();
        return "";
      },
      []() -> std::string { throw std::runtime_error("on purpose"); },
      []() -> std::string { ::_exit(3); },
      [&] { return large; },
      [] { return ""; },
  };
  const std::vector<IsolatedResult> results = run_isolated(jobs, 3, 2);
  const std::vector<std::string> messages = {"fine", "", "", "", "", large, ""};
  const std::vector<std::string> deaths = {
      "", "signal 9", "took more than 2 s", "on purpose", "exit status 3", "", ""};
  REQUIRE(results.size() == jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    INFO(i);
    CHECK(results[i].message == messages[i]);
    CHECK(results[i].death == deaths[i]);
  }
  CHECK(results[2].seconds >= 2);
}

}  // namespace kiln
