#include "passes/schedule.h"

#include <algorithm>
#include <numeric>
#include <queue>
#include <tuple>

namespace kiln {
namespace {

std::size_t at(int i) { return static_cast<std::size_t>(i); }

/// The jobs that touch each piece.
std::vector<std::vector<int>> users_of(std::span<const Touched> jobs, std::size_t pieces) {
  std::vector<std::vector<int>> users(pieces);
  for (std::size_t job = 0; job < jobs.size(); ++job)
    for (const int piece : jobs[job].pieces) users[at(piece)].push_back(static_cast<int>(job));
  return users;
}

/// Always runs the job that makes memory grow least; of equals the first of the given order.
/// Backwards, lives end where they begin: the same rule finds the order from its end.
class ListScheduler {
 public:
  ListScheduler(const Dependencies& dependencies, std::span<const Touched> jobs,
                std::span<const Piece> pieces, std::span<const std::vector<int>> users,
                std::span<const int> given, bool backwards)
      : dependencies_(dependencies),
        jobs_(jobs),
        pieces_(pieces),
        users_(users),
        backwards_(backwards),
        rank_(jobs.size()),
        growth_(jobs.size()),
        waits_for_(jobs.size()) {
    for (std::size_t i = 0; i < given.size(); ++i)
      rank_[at(given[i])] = static_cast<int>(backwards ? given.size() - i : i);
    for (std::size_t job = 0; job < jobs.size(); ++job)
      waits_for_[job] = static_cast<int>(earlier(static_cast<int>(job)).size());
    for (std::size_t piece = 0; piece < pieces.size(); ++piece) {
      const std::vector<int>& touching = users[piece];
      left_.push_back(static_cast<int>(touching.size()));
      sum_left_.push_back(std::accumulate(touching.begin(), touching.end(), std::int64_t{0}));
      started_.push_back(backwards && pieces[piece].kept);
      if (!started_.back())
        for (const int job : touching) growth_[at(job)] += pieces[piece].bytes;
      if (left_.back() == 1) last_left(static_cast<int>(piece));
    }
  }

  std::vector<int> run() {
    for (std::size_t job = 0; job < jobs_.size(); ++job)
      if (waits_for_[job] == 0) offer(static_cast<int>(job));
    std::vector<int> order;
    std::vector<bool> done(jobs_.size());
    while (!ready_.empty()) {
      const auto [growth, rank, job] = ready_.top();
      ready_.pop();
      if (done[at(job)] || growth != growth_[at(job)]) continue;  // offered again since
      done[at(job)] = true;
      order.push_back(job);
      for (const int piece : jobs_[at(job)].pieces) touch(piece, job);
      for (const int next : backwards_ ? dependencies_.before(job) : dependencies_.after(job))
        if (--waits_for_[at(next)] == 0) offer(next);
    }
    if (backwards_) std::reverse(order.begin(), order.end());
    return order;
  }

 private:
  const std::vector<int>& earlier(int job) const {
    return backwards_ ? dependencies_.after(job) : dependencies_.before(job);
  }

  void offer(int job) { ready_.emplace(growth_[at(job)], rank_[at(job)], job); }

  void grows_less(int job, std::int64_t bytes) {
    growth_[at(job)] -= bytes;
    if (waits_for_[at(job)] == 0) offer(job);
  }

  void touch(int piece, int job) {
    if (!started_[at(piece)]) {
      started_[at(piece)] = true;
      for (const int other : users_[at(piece)])
        if (other != job) grows_less(other, pieces_[at(piece)].bytes);
    }
    sum_left_[at(piece)] -= job;
    if (--left_[at(piece)] == 1) last_left(piece);
  }

  /// One job is left that touches the piece: it will free it.
  void last_left(int piece) {
    if (backwards_ || !pieces_[at(piece)].kept)
      grows_less(static_cast<int>(sum_left_[at(piece)]), pieces_[at(piece)].bytes);
  }

  const Dependencies& dependencies_;
  std::span<const Touched> jobs_;
  std::span<const Piece> pieces_;
  std::span<const std::vector<int>> users_;
  const bool backwards_;
  std::vector<int> rank_;             // in the given order
  std::vector<std::int64_t> growth_;  // of memory, should the job run next
  std::vector<int> waits_for_;
  std::vector<int> left_;               // of a piece: jobs to come that touch it
  std::vector<std::int64_t> sum_left_;  // of their numbers
  std::vector<bool> started_;
  using Offer = std::tuple<std::int64_t, int, int>;
  std::priority_queue<Offer, std::vector<Offer>, std::greater<>> ready_;
};

Schedule evaluate(std::vector<int> order, std::span<const Touched> jobs,
                  std::span<const Piece> pieces, std::span<const std::vector<int>> users) {
  Schedule result{std::move(order), std::vector<int>(pieces.size()), 0};
  std::iota(result.lies_in.begin(), result.lies_in.end(), 0);
  std::vector<int> left(pieces.size());  // jobs to come; the end counts where a piece is kept
  std::vector<bool> started(pieces.size()), taken(pieces.size());
  for (std::size_t piece = 0; piece < pieces.size(); ++piece)
    left[piece] = static_cast<int>(users[piece].size()) + (pieces[piece].kept ? 1 : 0);
  std::int64_t live = 0;
  for (const int job : result.order) {
    const Touched& touched = jobs[at(job)];
    for (const auto& [fresh, old] : touched.overlays) {
      if (started[at(fresh)] || !started[at(old)] || left[at(old)] != 1 || taken[at(old)]) continue;
      started[at(fresh)] = taken[at(old)] = true;
      result.lies_in[at(fresh)] = result.lies_in[at(old)];
    }
    for (const int piece : touched.pieces)
      if (!started[at(piece)]) {
        started[at(piece)] = true;
        live += pieces[at(piece)].bytes;
      }
    result.peak = std::max(result.peak, live);
    for (const int piece : touched.pieces)
      if (--left[at(piece)] == 0 && !taken[at(piece)]) live -= pieces[at(piece)].bytes;
  }
  return result;
}

}  // namespace

Schedule schedule(const Dependencies& dependencies, std::span<const Touched> jobs,
                  std::span<const Piece> pieces) {
  const std::vector<std::vector<int>> users = users_of(jobs, pieces.size());
  const std::vector<int> given = dependencies.order();
  Schedule best = evaluate(given, jobs, pieces, users);
  for (const bool backwards : {false, true}) {
    Schedule other =
        evaluate(ListScheduler(dependencies, jobs, pieces, users, given, backwards).run(), jobs,
                 pieces, users);
    if (other.peak < best.peak) best = std::move(other);
  }
  return best;
}

}  // namespace kiln
