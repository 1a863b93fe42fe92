// One line on the terminal that tells how far long work has come.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace kiln {

/// What a progress line shows.
struct ProgressState {
  int epoch = 0;  ///< from 1; 0 before the first
  int epochs = 0;
  std::int64_t step = 0;        ///< steps done of this epoch
  std::int64_t steps = 0;       ///< steps of an epoch
  double loss = 0;              ///< NaN is shown as such
  double steps_per_second = 0;  ///< 0 while unknown
  double seconds_left = 0;      ///< until the last epoch's end; shown where the speed is known
};

/// The line, at most `columns` wide:
/// "epoch 2/10 [=========>          ]  47%  3120 steps/s  loss 0.1234  8 s left".
/// Where that is too wide the bar goes first, then what stands furthest right.
std::string progress_line(const ProgressState& state, int columns);

/// Draws the line with \r, at most ten times a second, on a terminal; in a pipe, a file, or when
/// quiet it draws nothing at all. The line is wiped before the object goes, and by `clear`.
///
///   Progress progress(epochs, loader.batches(), quiet);
///   for each epoch: progress.begin_epoch(epoch); for each step: …; progress.step(loss);
///                   progress.clear(); print the epoch's result
///
/// A step costs a read of the clock, or nothing where nothing is drawn.
class Progress {
 public:
  /// `descriptor` is where the line goes: standard error unless a test wants it elsewhere.
  Progress(int epochs, std::int64_t steps_per_epoch, bool quiet = false, int descriptor = 2);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `epoch` counts from 0. A resumed run begins with a later one.
  void begin_epoch(int epoch);
  /// One step is done; `loss` is its loss, or the last one known.
  void step(double loss);
  /// Wipes the line, for something else to be printed; the next step may draw it again.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  void draw(Clock::time_point now);

  int descriptor_;
  bool shown_;  // whether anything is ever drawn
  bool drawn_ = false;
  ProgressState state_;
  std::int64_t steps_timed_ = 0;  // since start_
  Clock::time_point start_;       // of the first step
  Clock::time_point next_draw_;
};

}  // namespace kiln
