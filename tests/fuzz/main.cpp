// `./dev fuzz`: random graphs, fused and unfused against the reference; what fails is made small
// and written down.
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <thread>

#include <CLI/CLI.hpp>

#include "ir/text.h"
#include "runtime/isolated.h"
#include "tests/fuzz/judge.h"
#include "tests/fuzz/replay.h"
#include "tests/fuzz/shrink.h"

namespace kiln::fuzz {
namespace {

constexpr unsigned kSeconds = 120;  // a graph that takes longer hangs
constexpr std::chrono::minutes kShrinkTime{5};

/// What is wrong with a graph, judged in a process of its own; how that ended if not well. The
/// process must not have started threads: this one never compiles anything.
std::string judge_apart(const RandomGraph& graph, double seconds) {
  const std::function<std::string()> job = [&] { return judge(graph.function, graph.inputs); };
  const IsolatedResult result = run_isolated(std::span(&job, 1), 1, seconds)[0];
  return result.death.empty() ? result.message : "a crash: " + result.death;
}

std::string judge_seed(std::uint64_t seed, const Plant* plant) {
  const RandomGraph graph = random_graph(seed, options_of(seed));
  return judge(graph.function, graph.inputs, plant);
}

/// Seeds whose graphs fail, and how. Several processes share the work; each takes a batch of seeds
/// and says which one it is at, so that a crash costs that seed alone.
class Campaign {
 public:
  Campaign(std::uint64_t first, std::uint64_t graphs, int jobs, const Plant* plant)
      : next_(first), end_(first + graphs), jobs_(jobs), plant_(plant) {}

  /// Stops early once `enough` failures are known.
  std::map<std::uint64_t, std::string> run(std::size_t enough, bool progress) {
    const auto start = std::chrono::steady_clock::now();
    const std::uint64_t first = next_;
    while (failures_.size() < enough && (next_ < end_ || !workers_.empty())) {
      while (static_cast<int>(workers_.size()) < jobs_ && next_ < end_) spawn();
      std::vector<pollfd> waiting;
      for (const Worker& worker : workers_) waiting.push_back({worker.pipe, POLLIN, 0});
      ::poll(waiting.data(), waiting.size(), 1000);
      for (std::size_t i = waiting.size(); i-- > 0;)
        if (waiting[i].revents != 0) hear(i);
      if (progress) {
        const double seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        std::fprintf(stderr, "\r%llu graphs, %zu failures, %.1f graphs/s ",
                     static_cast<unsigned long long>(done_), failures_.size(),
                     static_cast<double>(done_) / seconds);
      }
    }
    stopping_ = true;
    for (const Worker& worker : workers_) ::kill(worker.process, SIGKILL);
    while (!workers_.empty()) finish(workers_.size() - 1);
    if (progress) std::fprintf(stderr, "\r%70s\r", "");
    graphs_ = next_ - first;
    return failures_;
  }
  std::uint64_t graphs() const { return graphs_; }

 private:
  struct Worker {
    pid_t process;
    int pipe;
    std::string heard;
    std::uint64_t at, end;  // the batch that is left
  };
  static constexpr std::uint64_t kBatch = 25;

  void spawn() {
    const std::uint64_t begin = next_;
    next_ = std::min(end_, next_ + kBatch);
    spawn(begin, next_);
  }

  void spawn(std::uint64_t begin, std::uint64_t end) {
    int ends[2];
    if (::pipe(ends) != 0) throw Error(fmt::format("cannot make a pipe: {}", std::strerror(errno)));
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child < 0) throw Error(fmt::format("cannot fork: {}", std::strerror(errno)));
    if (child == 0) {
      ::close(ends[0]);
      for (std::uint64_t seed = begin; seed < end; ++seed) {
        ::alarm(kSeconds);
        std::string said;
        try {
          said = judge_seed(seed, plant_);
        } catch (const std::exception& error) {
          said = fmt::format("an exception: {}", error.what());
        }
        std::replace(said.begin(), said.end(), '\n', ' ');
        said += '\n';
        if (::write(ends[1], said.data(), said.size()) < 0) break;
      }
      ::_exit(0);
    }
    ::close(ends[1]);
    workers_.push_back({child, ends[0], "", begin, end});
  }

  void fail(std::uint64_t seed, const std::string& how) {
    failures_[seed] = how;
    if (plant_) return;
    fmt::print("seed {}: {}\n", seed, how);
    std::fflush(stdout);
  }

  void hear(std::size_t i) {
    char buffer[4096];
    const ssize_t got = ::read(workers_[i].pipe, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) return;
    if (got <= 0) return finish(i);
    Worker& worker = workers_[i];
    worker.heard.append(buffer, static_cast<std::size_t>(got));
    for (std::size_t line; (line = worker.heard.find('\n')) != std::string::npos;) {
      if (line > 0) fail(worker.at, worker.heard.substr(0, line));
      worker.heard.erase(0, line + 1);
      ++worker.at, ++done_;
    }
  }

  void finish(std::size_t i) {
    const Worker worker = workers_[i];
    workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(i));
    ::close(worker.pipe);
    int status = 0;
    while (::waitpid(worker.process, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFSIGNALED(status) || stopping_) return;
    fail(worker.at, WTERMSIG(status) == SIGALRM
                        ? fmt::format("no end after {} seconds", kSeconds)
                        : fmt::format("a crash: {}", strsignal(WTERMSIG(status))));
    ++done_;
    if (worker.at + 1 < worker.end) spawn(worker.at + 1, worker.end);
  }

  std::uint64_t next_, end_, done_ = 0, graphs_ = 0;
  int jobs_;
  bool stopping_ = false;
  const Plant* plant_;
  std::vector<Worker> workers_;
  std::map<std::uint64_t, std::string> failures_;
};

/// Shrinks the seed's graph, as long as that takes a few minutes, and writes it as
/// FOLDER/fuzz-SEED.mlir with its inputs beside it.
void write_down(std::uint64_t seed, const std::string& failure, const std::string& folder) {
  const auto start = std::chrono::steady_clock::now();
  const auto fails = [&](const RandomGraph& candidate) {
    return std::chrono::steady_clock::now() - start < kShrinkTime &&
           !judge_apart(candidate, kSeconds / 4.0).empty();
  };
  const RandomGraph small = shrink(random_graph(seed, options_of(seed)), fails);
  const std::string comment =
      fmt::format("seed {}: {}\nshrunk: {}", seed, failure, judge_apart(small, kSeconds));
  const std::string base = fmt::format("{}/fuzz-{}", folder, seed);
  write_graph(small, comment, base);
  fmt::print("{}\n{}\nagain: ./dev fuzz --replay {}.mlir\n", comment, to_text(small.function),
             base);
}

int replay(const std::string& path) {
  const std::string found = judge_apart(read_graph(path), kSeconds);
  fmt::print("{}: {}\n", path, found.empty() ? "all modes agree" : found);
  return found.empty() ? 0 : 1;
}

int self_test(std::uint64_t first, std::uint64_t graphs, int jobs) {
  int caught = 0;
  for (const Plant& plant : plants()) {
    Campaign campaign(first, graphs, jobs, &plant);
    const auto failures = campaign.run(1, false);
    caught += !failures.empty();
    if (failures.empty())
      fmt::print("not caught: {}\n", plant.name);
    else
      fmt::print("caught:     {} (seed {}: {})\n", plant.name, failures.begin()->first,
                 failures.begin()->second.substr(0, 80));
    std::fflush(stdout);
  }
  const auto all = static_cast<int>(plants().size());
  fmt::print("{} of {} planted bugs caught within {} graphs\n", caught, all, graphs);
  return caught * 10 >= all * 9 ? 0 : 1;
}

int main(int argc, char** argv) {
  CLI::App app("Random graphs, fused and unfused against the reference.", "fuzz");
  std::uint64_t graphs = 500, first = 0;
  int jobs = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  bool planted = false, write = false;
  std::string folder = "build/fuzz", file;
  app.add_option("--graphs", graphs, "how many")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--seed", first, "of the first graph; the others follow")->capture_default_str();
  app.add_option("--jobs", jobs, "processes")->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--output", folder, "where failures are written")->capture_default_str();
  app.add_flag("--self-test", planted, "plant bugs, one at a time, and tell which are found");
  app.add_flag("--write", write, "write the graph of --seed as if it had failed, judge nothing");
  app.add_option("--replay", file, "judge a graph that was written, given its .mlir file");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return status == 0 ? 0 : 2;
  }
  if (planted) return self_test(first, graphs, jobs);
  if (!file.empty()) return replay(file);
  std::filesystem::create_directories(folder);
  if (write) {
    write_graph(random_graph(first, options_of(first)), fmt::format("seed {}", first),
                fmt::format("{}/fuzz-{}", folder, first));
    return 0;
  }

  fmt::print("seeds {} to {}\n", first, first + graphs - 1);
  std::fflush(stdout);
  Campaign campaign(first, graphs, jobs, nullptr);
  const auto failures = campaign.run(20, ::isatty(STDERR_FILENO) != 0);
  int crashes = 0;
  for (const auto& [seed, failure] : failures)
    crashes += failure.starts_with("a crash") || failure.starts_with("no end");
  fmt::print("{} graphs, {} mismatches, {} crashes\n", campaign.graphs(),
             failures.size() - static_cast<std::size_t>(crashes), crashes);
  std::fflush(stdout);
  int shrunk = 0;
  for (const auto& [seed, failure] : failures)
    if (shrunk++ < 3) write_down(seed, failure, folder);
  return failures.empty() ? 0 : 1;
}

}  // namespace
}  // namespace kiln::fuzz

int main(int argc, char** argv) {
  try {
    return kiln::fuzz::main(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "fuzz: {}\n", error.what());
    return 2;
  }
}
