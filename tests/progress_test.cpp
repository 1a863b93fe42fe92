#include "runtime/progress.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <thread>

#include "tests/catch.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;

/// A terminal of our own, to see what is drawn on it.
class Terminal {
 public:
  Terminal() : controller_(::posix_openpt(O_RDWR | O_NOCTTY)) {
    if (controller_ < 0 || ::grantpt(controller_) != 0 || ::unlockpt(controller_) != 0) return;
    line_ = ::open(::ptsname(controller_), O_RDWR | O_NOCTTY);
    const winsize size = {24, 60, 0, 0};
    ::ioctl(line_, TIOCSWINSZ, &size);
    ::fcntl(controller_, F_SETFL, O_NONBLOCK);
  }
  ~Terminal() {
    ::close(line_);
    ::close(controller_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  bool works() const { return line_ >= 0; }
  int descriptor() const { return line_; }
  std::string shown() {
    std::string text(10000, '\0');
    const ssize_t size = ::read(controller_, text.data(), text.size());
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return text;
  }

 private:
  int controller_;
  int line_ = -1;
};

ProgressState half_way() { return {2, 10, 50, 100, 0.12345, 3120.4, 8.2}; }

TEST_CASE("progress_line_shows_epoch_bar_speed_loss_and_time_left", "[progress]") {
  CHECK(progress_line(half_way(), 100) ==
        "epoch 2/10  [===============>              ]   50%  3120 steps/s  loss 0.1235  8 s left");
  CHECK(progress_line({1, 1, 1, 4, 2.5, 0, 0}, 40) == "epoch 1/1  [==>        ]   25%  loss 2.5");
}

TEST_CASE("progress_line_is_never_wider_than_the_terminal", "[progress]") {
  for (int columns = 0; columns < 120; ++columns)
    CHECK(static_cast<int>(progress_line(half_way(), columns).size()) <= columns);
  CHECK(progress_line(half_way(), 52) == "epoch 2/10   50%  3120 steps/s  loss 0.1235");
}

TEST_CASE("progress_line_shows_long_times_and_a_loss_that_is_no_number", "[progress]") {
  ProgressState state = half_way();
  state.seconds_left = 125;
  CHECK_THAT(progress_line(state, 100), ContainsSubstring("2 min 05 s left"));
  state.seconds_left = 3 * 3600 + 60;
  state.loss = std::numeric_limits<double>::quiet_NaN();
  state.steps_per_second = 2.25;
  CHECK_THAT(progress_line(state, 100), ContainsSubstring("3 h 01 min left") &&
                                            ContainsSubstring("loss nan") &&
                                            ContainsSubstring("2.2 steps/s"));
}

TEST_CASE("progress_draws_on_a_terminal_and_wipes_its_line_at_the_end", "[progress]") {
  Terminal terminal;
  if (!terminal.works()) return;
  {
    Progress progress(2, 3, false, terminal.descriptor());
    progress.begin_epoch(0);
    progress.step(0.5);
    const std::string first = terminal.shown();
    CHECK_THAT(first, ContainsSubstring("\r\x1b[Kepoch 1/2"));
    CHECK_THAT(first, ContainsSubstring("33%") && ContainsSubstring("loss 0.5"));
    CHECK(first.find('\n') == std::string::npos);
    std::this_thread::sleep_for(std::chrono::milliseconds(110));
    progress.step(0.25);
    CHECK_THAT(terminal.shown(), ContainsSubstring("67%") && ContainsSubstring("steps/s"));
  }
  CHECK(terminal.shown() == "\r\x1b[K");
}

TEST_CASE("progress_draws_at_most_ten_times_a_second", "[progress]") {
  Terminal terminal;
  if (!terminal.works()) return;
  Progress progress(1, 100000, false, terminal.descriptor());
  progress.begin_epoch(0);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 100000; ++i) progress.step(1.0);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::string shown = terminal.shown();
  CHECK(std::count(shown.begin(), shown.end(), '\r') <= 1 + static_cast<int>(seconds * 10));
}

TEST_CASE("progress_draws_nothing_when_quiet_or_in_a_pipe", "[progress]") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_NONBLOCK) == 0);
  Terminal terminal;
  {
    Progress piped(1, 2, false, ends[1]), quiet(1, 2, true, terminal.descriptor());
    for (Progress* progress : {&piped, &quiet}) {
      progress->begin_epoch(0);
      progress->step(1.0);
      progress->step(1.0);
      progress->clear();
    }
  }
  char byte = 0;
  CHECK(::read(ends[0], &byte, 1) < 0);
  CHECK(terminal.shown().empty());
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace kiln
