#include "passes/interleave.h"

#include <algorithm>
#include <unordered_map>

namespace kiln {
namespace {

using loop::Block;
using loop::Statement;

// Of the cores we know: how many statements begin at once, and when their results can be used.
constexpr int kWidth = 4;
constexpr int kLatency = 4;
constexpr std::size_t kWindow = 64;
constexpr std::size_t kTooFew = 8;

bool is_straight(const Statement& s) {
  return std::holds_alternative<loop::Let>(s.is) || std::holds_alternative<loop::Load>(s.is) ||
         std::holds_alternative<loop::Store>(s.is);
}

template <class Visit>
void for_each_operand(const Statement& s, Visit&& visit) {
  const auto maybe = [&](const std::optional<loop::Reg>& reg) {
    if (reg) visit(*reg);
  };
  if (const auto* let = std::get_if<loop::Let>(&s.is)) {
    std::for_each(let->arguments.begin(), let->arguments.end(), visit);
  } else if (const auto* load = std::get_if<loop::Load>(&s.is)) {
    maybe(load->offset);
    maybe(load->mask);
  } else if (const auto* store = std::get_if<loop::Store>(&s.is)) {
    visit(store->value);
    maybe(store->offset);
    maybe(store->mask);
  }
}

/// What must come before each statement of a run.
class Order {
 public:
  Order(const loop::Kernel& kernel, std::span<const Statement> run)
      : before_(run.size()), local_(kernel.buffers.size()) {
    for (std::size_t b = 0; b < local_.size(); ++b)
      local_[b] = kernel.buffers[b].kind == loop::Buffer::Kind::local;
    for (std::size_t i = 0; i < run.size(); ++i) {
      for_each_operand(run[i], [&](loop::Reg reg) {
        if (const auto made = made_.find(reg); made != made_.end())
          before_[i].push_back(made->second);
      });
      if (const auto* let = std::get_if<loop::Let>(&run[i].is)) made_[let->result] = i;
      if (const auto* load = std::get_if<loop::Load>(&run[i].is)) {
        made_[load->result] = i;
        for (const Access& access : accesses_)
          if (access.stores && access.buffer == load->buffer) before_[i].push_back(access.at);
        accesses_.push_back({i, load->buffer, false});
      }
      if (const auto* store = std::get_if<loop::Store>(&run[i].is)) {
        // What a kernel is given may be one place under two names.
        for (const Access& access : accesses_)
          if (access.buffer == store->buffer ||
              (!is_local(access.buffer) && !is_local(store->buffer)))
            before_[i].push_back(access.at);
        accesses_.push_back({i, store->buffer, true});
      }
    }
  }

  const std::vector<std::size_t>& before(std::size_t i) const { return before_[i]; }

 private:
  struct Access {
    std::size_t at;
    int buffer;
    bool stores;
  };
  bool is_local(int buffer) const { return local_[static_cast<std::size_t>(buffer)]; }

  std::vector<std::vector<std::size_t>> before_;
  std::vector<bool> local_;
  std::unordered_map<loop::Reg, std::size_t> made_;
  std::vector<Access> accesses_;
};

/// Whether no operation in the order given waits for another: what a register tile of a product is.
/// Then nothing is to be gained, and loads that moved ahead of their use would take registers. What
/// waits for a load alone does not count: a core looks ahead that far.
bool never_waits(std::span<const Statement> run, const Order& order) {
  for (std::size_t i = 0; i < run.size(); ++i)
    for (const std::size_t before : order.before(i))
      if (i - before < kWidth * kLatency && !std::holds_alternative<loop::Load>(run[before].is))
        return false;
  return true;
}

void schedule(const loop::Kernel& kernel, std::span<Statement> run) {
  const Order order(kernel, run);
  if (never_waits(run, order)) return;
  constexpr int kNotYet = -1;
  std::vector<int> begun(run.size(), kNotYet);
  std::vector<Statement> scheduled;
  scheduled.reserve(run.size());
  std::size_t first = 0;  // not yet begun
  for (int now = 0; scheduled.size() < run.size(); ++now) {
    int width = kWidth;
    for (std::size_t i = first; i < std::min(first + kWindow, run.size()) && width > 0; ++i) {
      const bool ready =
          begun[i] == kNotYet &&
          std::all_of(order.before(i).begin(), order.before(i).end(), [&](std::size_t before) {
            return begun[before] != kNotYet && begun[before] + kLatency <= now;
          });
      if (!ready) continue;
      begun[i] = now;
      --width;
      scheduled.push_back(std::move(run[i]));
    }
    while (first < run.size() && begun[first] != kNotYet) ++first;
  }
  std::move(scheduled.begin(), scheduled.end(), run.begin());
}

void schedule(const loop::Kernel& kernel, Block& block) {
  for (std::size_t begin = 0; begin < block.size();) {
    std::size_t end = begin;
    while (end < block.size() && is_straight(block[end])) ++end;
    if (end - begin >= kTooFew) schedule(kernel, std::span(block).subspan(begin, end - begin));
    if (end < block.size()) {
      if (auto* loop = std::get_if<loop::For>(&block[end].is)) schedule(kernel, loop->body);
      if (auto* branch = std::get_if<loop::If>(&block[end].is)) schedule(kernel, branch->body);
    }
    begin = end + 1;
  }
}

}  // namespace

void interleave(loop::Kernel& kernel) { schedule(kernel, kernel.body); }

}  // namespace kiln
