// Work in processes of its own, so that a crash or a hang ends that piece of work alone.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace kiln {

struct IsolatedResult {
  std::string message;  // what the job returned
  std::string death;    // why it returned nothing: "signal 11", "took more than 60 s"; else empty
  double seconds = 0;
};

/// Runs each job in a child process, `at_a_time` of them together, and kills one that takes longer
/// than `timeout` seconds. A job that throws has died, too. Call it before the process has started
/// threads: children are forked. Throws Error when the system lets no process be started.
std::vector<IsolatedResult> run_isolated(std::span<const std::function<std::string()>> jobs,
                                         int at_a_time, double timeout);

}  // namespace kiln
