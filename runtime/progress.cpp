#include "runtime/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace kiln {
namespace {

constexpr std::string_view kWipe = "\r\x1b[K";  // to the line's start, then clear to its end

std::string duration(double seconds) {
  if (seconds < 99.5) return fmt::format("{:.0f} s", seconds);
  const auto minutes = static_cast<long long>(seconds / 60);
  if (minutes < 100) return fmt::format("{} min {:02} s", minutes, static_cast<int>(seconds) % 60);
  return fmt::format("{} h {:02} min", minutes / 60, minutes % 60);
}

std::string bar(double part, int width) {
  const int done = std::clamp(static_cast<int>(part * width), 0, width);
  std::string text(static_cast<std::size_t>(width), ' ');
  std::fill_n(text.begin(), done, '=');
  if (done < width) text[static_cast<std::size_t>(done)] = '>';
  return "[" + text + "]";
}

int terminal_columns(int descriptor) {
  winsize size = {};
  // A terminal of unknown width says 0.
  return ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void put(int descriptor, std::string_view text) {
  // A line that cannot be drawn is no reason to stop working.
  [[maybe_unused]] const ssize_t written = ::write(descriptor, text.data(), text.size());
}

}  // namespace

std::string progress_line(const ProgressState& state, int columns) {
  const double part = state.steps > 0 ? static_cast<double>(state.step) / state.steps : 0;
  std::vector<std::string> pieces = {fmt::format("epoch {}/{}", state.epoch, state.epochs), "",
                                     fmt::format("{:3.0f}%", 100 * part)};
  if (state.steps_per_second > 0)
    pieces.push_back(fmt::format("{:.{}f} steps/s", state.steps_per_second,
                                 state.steps_per_second < 10 ? 1 : 0));
  pieces.push_back(fmt::format("loss {:.4g}", state.loss));
  if (state.steps_per_second > 0) pieces.push_back(duration(state.seconds_left) + " left");

  const auto joined = [&] {
    std::string line;
    for (const std::string& piece : pieces)
      if (!piece.empty()) line += (line.empty() ? "" : "  ") + piece;
    return line;
  };
  constexpr int widest = 30, narrowest = 5;
  const int room = columns - static_cast<int>(joined().size()) - 4;  // two brackets, two spaces
  if (room >= narrowest) pieces[1] = bar(part, std::min(room, widest));
  while (pieces.size() > 1 && static_cast<int>(joined().size()) > columns) pieces.pop_back();
  return joined().substr(0, static_cast<std::size_t>(std::max(columns, 0)));
}

Progress::Progress(int epochs, std::int64_t steps_per_epoch, bool quiet, int descriptor)
    : descriptor_(descriptor), shown_(!quiet && ::isatty(descriptor) == 1) {
  state_.epochs = epochs;
  state_.steps = steps_per_epoch;
}

void Progress::begin_epoch(int epoch) {
  state_.epoch = epoch + 1;
  state_.step = 0;
}

void Progress::step(double loss) {
  ++state_.step;
  if (!shown_) return;
  state_.loss = loss;
  const Clock::time_point now = Clock::now();
  // The first step may have compiled the program: the speed is that of the steps after it.
  if (start_ == Clock::time_point{})
    start_ = now;
  else
    ++steps_timed_;
  if (now >= next_draw_) draw(now);
}

void Progress::draw(Clock::time_point now) {
  next_draw_ = now + std::chrono::milliseconds(100);
  const double seconds = std::chrono::duration<double>(now - start_).count();
  if (steps_timed_ > 0 && seconds > 0) {
    state_.steps_per_second = static_cast<double>(steps_timed_) / seconds;
    const std::int64_t left = (state_.epochs - state_.epoch + 1) * state_.steps - state_.step;
    state_.seconds_left = static_cast<double>(left) / state_.steps_per_second;
  }
  // One column stays free: a full line would wrap on some terminals.
  put(descriptor_, std::string(kWipe) + progress_line(state_, terminal_columns(descriptor_) - 1));
  drawn_ = true;
}

void Progress::clear() {
  if (drawn_) put(descriptor_, kWipe);
  drawn_ = false;
}

}  // namespace kiln
