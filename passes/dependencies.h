// What must run before what, as edges are found one after another: a graph without cycles, kept in
// an order that can run (Pearce and Kelly's: an edge against the order moves only what lies between
// its ends). So asking whether an edge would close a cycle costs nothing where it goes along the
// order, and edges that are found late cost what they disturb, not the whole graph.
#pragma once

#include <vector>

namespace kiln {

class Dependencies {
 public:
  /// `jobs` jobs, which until edges say otherwise run as they are numbered.
  explicit Dependencies(int jobs);

  /// Whether `job` must run after `earlier`, or is that job.
  bool follows(int job, int earlier) const;
  /// `earlier` runs before `job`; that it need not run after it, the caller has asked.
  void add(int earlier, int job);

  /// The jobs that must run before this one, and after it; those of edges, not of paths.
  const std::vector<int>& before(int job) const;
  const std::vector<int>& after(int job) const;
  /// All jobs in an order that can run, as near to their numbers as edges let.
  std::vector<int> order() const;

 private:
  struct Job {
    std::vector<int> before, after;
    int position = 0;
    mutable int visit = 0;  // the last search that came by
  };
  /// Those that can be reached from `from` over edges of one kind and lie between two positions.
  std::vector<int> reach(int from, std::vector<int> Job::* edges, int low, int high) const;

  Job& at(int job) { return jobs_[static_cast<std::size_t>(job)]; }
  const Job& at(int job) const { return jobs_[static_cast<std::size_t>(job)]; }

  std::vector<Job> jobs_;
  mutable int visits_ = 0;
};

}  // namespace kiln
