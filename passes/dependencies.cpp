#include "passes/dependencies.h"

#include <algorithm>

#include "ir/error.h"

namespace kiln {

Dependencies::Dependencies(int jobs) : jobs_(static_cast<std::size_t>(jobs)) {
  for (int job = 0; job < jobs; ++job) at(job).position = job;
}

std::vector<int> Dependencies::reach(int from, std::vector<int> Job::* edges, int low,
                                     int high) const {
  const int visit = ++visits_;
  std::vector<int> found{from};
  at(from).visit = visit;
  for (std::size_t i = 0; i < found.size(); ++i)
    for (const int next : at(found[i]).*edges) {
      const Job& job = at(next);
      if (job.visit == visit || job.position < low || job.position > high) continue;
      job.visit = visit;
      found.push_back(next);
    }
  return found;
}

bool Dependencies::follows(int job, int earlier) const {
  if (at(job).position <= at(earlier).position) return job == earlier;
  reach(job, &Job::before, at(earlier).position, at(job).position);
  return at(earlier).visit == visits_;
}

void Dependencies::add(int earlier, int job) {
  internal_check(earlier != job, "a job does not wait for itself");
  std::vector<int>& known = at(job).before;
  if (std::find(known.begin(), known.end(), earlier) != known.end()) return;
  known.push_back(earlier);
  at(earlier).after.push_back(job);
  const int low = at(job).position, high = at(earlier).position;
  if (high < low) return;
  // What `earlier` waits for, then what waits for `job`, share the positions they had.
  std::vector<int> moved = reach(earlier, &Job::before, low, high);
  std::vector<int> later = reach(job, &Job::after, low, high);
  const auto in_order = [&](int a, int b) { return at(a).position < at(b).position; };
  std::sort(moved.begin(), moved.end(), in_order);
  std::sort(later.begin(), later.end(), in_order);
  moved.insert(moved.end(), later.begin(), later.end());
  std::vector<int> positions;
  for (const int one : moved) positions.push_back(at(one).position);
  std::sort(positions.begin(), positions.end());
  for (std::size_t i = 0; i < moved.size(); ++i) at(moved[i]).position = positions[i];
}

const std::vector<int>& Dependencies::before(int job) const { return at(job).before; }
const std::vector<int>& Dependencies::after(int job) const { return at(job).after; }

std::vector<int> Dependencies::order() const {
  std::vector<int> order(jobs_.size());
  for (std::size_t job = 0; job < jobs_.size(); ++job)
    order[static_cast<std::size_t>(jobs_[job].position)] = static_cast<int>(job);
  return order;
}

}  // namespace kiln
