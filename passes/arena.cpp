#include "passes/arena.h"

#include <algorithm>
#include <map>
#include <set>

namespace kiln {
namespace {

// Orders other than those in time look at all that is placed: with more intervals they take too
// long.
constexpr std::size_t kMaxSearched = 4096;

/// Memory that comes and goes: free places by where they are and by how long they are.
class FreeList {
 public:
  /// The tightest free place, else the end.
  std::int64_t take(std::int64_t bytes) {
    const auto tightest = by_size_.lower_bound({bytes, 0});
    if (tightest != by_size_.end()) {
      const auto [size, offset] = *tightest;
      erase(offset, size);
      if (size > bytes) insert(offset + bytes, size - bytes);
      return offset;
    }
    std::int64_t offset = end_;
    if (!by_offset_.empty()) {  // a free place at the end grows
      const auto [last, size] = *by_offset_.rbegin();
      if (last + size == end_) {
        offset = last;
        erase(last, size);
      }
    }
    end_ = offset + bytes;
    return offset;
  }
  void give(std::int64_t offset, std::int64_t bytes) {
    auto after = by_offset_.lower_bound(offset);
    if (after != by_offset_.end() && after->first == offset + bytes) {
      bytes += after->second;
      erase(after->first, after->second);
    }
    after = by_offset_.lower_bound(offset);
    if (after != by_offset_.begin()) {
      const auto [before, size] = *std::prev(after);
      if (before + size == offset) {
        erase(before, size);
        offset = before;
        bytes += size;
      }
    }
    insert(offset, bytes);
  }
  std::int64_t end() const { return end_; }

 private:
  void insert(std::int64_t offset, std::int64_t size) {
    by_offset_[offset] = size;
    by_size_.insert({size, offset});
  }
  void erase(std::int64_t offset, std::int64_t size) {
    by_offset_.erase(offset);
    by_size_.erase({size, offset});
  }
  std::map<std::int64_t, std::int64_t> by_offset_;
  std::set<std::pair<std::int64_t, std::int64_t>> by_size_;
  std::int64_t end_ = 0;
};

/// In the order in which they begin (or, from the end, in which they cease).
std::int64_t in_time(std::vector<Interval*> order, bool backwards) {
  const auto begin = [=](const Interval* i) { return backwards ? -i->last : i->first; };
  const auto end = [=](const Interval* i) { return backwards ? -i->first : i->last; };
  std::stable_sort(order.begin(), order.end(), [&](const Interval* a, const Interval* b) {
    return begin(a) != begin(b) ? begin(a) < begin(b) : a->bytes > b->bytes;
  });
  FreeList memory;
  std::multimap<int, const Interval*> alive;  // by their ends
  for (Interval* interval : order) {
    while (!alive.empty() && alive.begin()->first < begin(interval)) {
      const Interval* gone = alive.begin()->second;
      if (gone->bytes > 0) memory.give(gone->offset, gone->bytes);
      alive.erase(alive.begin());
    }
    interval->offset = interval->bytes > 0 ? memory.take(interval->bytes) : 0;
    alive.emplace(end(interval), interval);
  }
  return memory.end();
}

/// One after another in the given order, each into the tightest gap it fits.
std::int64_t best_fit(const std::vector<Interval*>& order) {
  std::int64_t arena = 0;
  std::vector<const Interval*> placed;  // by offset
  for (Interval* interval : order) {
    std::int64_t at = 0, best = -1, best_gap = 0;
    for (const Interval* other : placed) {
      if (other->first > interval->last || interval->first > other->last) continue;
      const std::int64_t gap = other->offset - at;
      if (gap >= interval->bytes && (best < 0 || gap < best_gap)) best = at, best_gap = gap;
      at = std::max(at, other->offset + other->bytes);
    }
    interval->offset = best >= 0 ? best : at;
    arena = std::max(arena, interval->offset + interval->bytes);
    placed.insert(std::upper_bound(
                      placed.begin(), placed.end(), interval,
                      [](const Interval* a, const Interval* b) { return a->offset < b->offset; }),
                  interval);
  }
  return arena;
}

}  // namespace

Peak most_live(const std::vector<Interval>& intervals) {
  std::map<int, std::int64_t> change;  // of the bytes that live, by position
  for (const Interval& interval : intervals) {
    if (!interval.used()) continue;
    change[interval.first] += interval.bytes;
    change[interval.last + 1] -= interval.bytes;
  }
  Peak peak;
  std::int64_t live = 0;
  for (const auto& [position, bytes] : change) {
    live += bytes;
    if (live > peak.bytes) peak = {position, live};
  }
  return peak;
}

std::int64_t place(std::vector<Interval>& intervals) {
  using Before = bool (*)(const Interval*, const Interval*);
  constexpr Before kOrders[] = {
      [](const Interval* a, const Interval* b) { return a->bytes > b->bytes; },
      [](const Interval* a, const Interval* b) { return a->last - a->first > b->last - b->first; },
      [](const Interval* a, const Interval* b) {
        return a->bytes * (a->last - a->first + 1) > b->bytes * (b->last - b->first + 1);
      },
  };
  std::vector<Interval*> order;
  for (Interval& interval : intervals)
    if (interval.used()) order.push_back(&interval);
  const std::int64_t bound = most_live(intervals).bytes;
  std::int64_t best = -1;
  std::vector<std::int64_t> offsets;
  const auto keep_best = [&](std::int64_t arena) {
    if (best >= 0 && arena >= best) return;
    best = arena;
    offsets.clear();
    for (const Interval& interval : intervals) offsets.push_back(interval.offset);
  };
  for (const bool backwards : {false, true})
    if (best != bound) keep_best(in_time(order, backwards));
  if (order.size() <= kMaxSearched)
    for (Before before : kOrders) {
      if (best == bound) break;
      std::stable_sort(order.begin(), order.end(), before);
      keep_best(best_fit(order));
    }
  for (std::size_t i = 0; i < intervals.size(); ++i) intervals[i].offset = offsets[i];
  return best;
}

}  // namespace kiln
