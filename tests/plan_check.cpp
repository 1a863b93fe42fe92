#include "tests/plan_check.h"

#include <algorithm>
#include <map>

#include "passes/overwrite.h"

namespace kiln {
namespace {

class Walk {
 public:
  Walk(const StepPlan& plan, const std::function<int(int)>& choose)
      : plan_(plan), choose_(choose) {}

  std::string steps(const Steps& steps) {
    for (const Step& step : steps)
      if (std::string found = std::visit([&](const auto& is) { return this->step(is); }, step.is);
          !found.empty())
        return found;
    return "";
  }

 private:
  struct Written {
    std::int64_t bytes;
  };

  std::string step(const Loop& loop) {
    const std::int64_t trips = loop.trips ? std::min<std::int64_t>(*loop.trips, 2) : choose_(3);
    for (std::int64_t trip = 0;; ++trip) {
      if (!loop.trips) {
        if (std::string found = steps(loop.condition); !found.empty()) return found;
        if (std::string found = read("a condition", loop.holds, 1); !found.empty()) return found;
      }
      if (trip == trips) return "";
      if (std::string found = steps(loop.body); !found.empty()) return found;
    }
  }

  std::string step(const Branches& node) {
    if (std::string found = read("a case", node.index, 4); !found.empty()) return found;
    return steps(
        node.branches[static_cast<std::size_t>(choose_(static_cast<int>(node.branches.size())))]);
  }

  std::string read(const std::string& who, const BufferRef& ref, std::int64_t bytes) const {
    if (ref.kind != BufferRef::Kind::arena || bytes == 0) return "";
    const auto found = memory_.find(ref.offset);
    if (found != memory_.end() && found->second.bytes == bytes) return "";
    return fmt::format("{} reads arena+{}, which does not hold one value of {} bytes", who,
                       ref.offset, bytes);
  }

  std::string step(int number) {
    const auto l = static_cast<std::size_t>(number);
    const Launch& launch = plan_.program.launches[l];
    const space::Kernel& kernel = plan_.space_of(launch);
    const auto& buffers = kernel.buffers;
    if (buffers.size() != launch.buffers.size()) return fmt::format("launch {}: buffers", l);
    const auto bytes_of = [&](std::size_t b) {
      return buffers[b].count * size_of(buffers[b].dtype);
    };
    const auto meet = [&](std::size_t a, std::size_t b) {
      const BufferRef &x = launch.buffers[a], &y = launch.buffers[b];
      return x.kind == y.kind && x.index == y.index && x.offset < y.offset + bytes_of(b) &&
             y.offset < x.offset + bytes_of(a);
    };
    for (std::size_t b = 0; b < buffers.size(); ++b) {
      const BufferRef& ref = launch.buffers[b];
      if (ref.kind != BufferRef::Kind::arena || bytes_of(b) == 0) continue;
      if (ref.offset % 64 != 0 || ref.offset + bytes_of(b) > plan_.program.arena_bytes)
        return fmt::format("launch {}: arena+{} of {} bytes", l, ref.offset, bytes_of(b));
      if (buffers[b].output) continue;
      if (std::string found = read(fmt::format("launch {}", l), ref, bytes_of(b)); !found.empty())
        return found;
    }
    for (std::size_t w = 0; w < buffers.size(); ++w) {
      if (!buffers[w].output || bytes_of(w) == 0) continue;
      std::vector<int> old;  // inputs where it writes
      for (std::size_t b = 0; b < buffers.size(); ++b) {
        if (b == w || !meet(b, w)) continue;
        if (buffers[b].output || launch.buffers[b] != launch.buffers[w])
          return fmt::format("launch {} writes buffer {} over buffer {}", l, w, b);
        old.push_back(static_cast<int>(b));
      }
      if (!may_overwrite(kernel, static_cast<int>(w), old))
        return fmt::format("launch {} writes where it still reads", l);
      const BufferRef& ref = launch.buffers[w];
      if (ref.kind != BufferRef::Kind::arena) continue;
      std::erase_if(memory_, [&](const auto& entry) {
        return entry.first < ref.offset + bytes_of(w) &&
               ref.offset < entry.first + entry.second.bytes;
      });
      memory_[ref.offset] = {bytes_of(w)};
    }
    return "";
  }

  const StepPlan& plan_;
  const std::function<int(int)>& choose_;
  std::map<std::int64_t, Written> memory_;  // begin → what lies there
};

void collect(const Steps& steps, bool inside, std::vector<int>& launches) {
  for (const Step& step : steps) {
    if (const int* launch = std::get_if<int>(&step.is)) {
      if (inside) launches.push_back(*launch);
    } else if (const Loop* loop = std::get_if<Loop>(&step.is)) {
      collect(loop->condition, true, launches);
      collect(loop->body, true, launches);
    } else {
      for (const Steps& branch : std::get<Branches>(step.is).branches)
        collect(branch, inside, launches);
    }
  }
}

}  // namespace

std::string overlap(const StepPlan& plan, const std::function<int(int)>& choose) {
  return Walk(plan, choose).steps(plan.program.steps);
}

std::vector<int> launches_in_loops(const Program& program) {
  std::vector<int> launches;
  collect(program.steps, false, launches);
  return launches;
}

}  // namespace kiln
