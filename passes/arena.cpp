#include "passes/arena.h"

#include <algorithm>
#include <map>

namespace kiln {
namespace {

/// Places intervals one after another in the given order, each into the tightest gap it fits.
std::int64_t best_fit(const std::vector<Interval*>& order) {
  std::int64_t arena = 0;
  std::vector<Interval*> placed;
  for (Interval* interval : order) {
    std::vector<const Interval*> rivals;
    for (const Interval* other : placed)
      if (other->first <= interval->last && interval->first <= other->last) rivals.push_back(other);
    std::sort(rivals.begin(), rivals.end(),
              [](const Interval* a, const Interval* b) { return a->offset < b->offset; });
    std::int64_t at = 0, best = -1, best_gap = 0;
    for (const Interval* rival : rivals) {
      const std::int64_t gap = rival->offset - at;
      if (gap >= interval->bytes && (best < 0 || gap < best_gap)) best = at, best_gap = gap;
      at = std::max(at, rival->offset + rival->bytes);
    }
    interval->offset = best >= 0 ? best : at;
    arena = std::max(arena, interval->offset + interval->bytes);
    placed.push_back(interval);
  }
  return arena;
}

}  // namespace

std::int64_t most_live(const std::vector<Interval>& intervals) {
  std::map<int, std::int64_t> change;  // of the bytes that live, by position
  for (const Interval& interval : intervals) {
    change[interval.first] += interval.bytes;
    change[interval.last + 1] -= interval.bytes;
  }
  std::int64_t live = 0, most = 0;
  for (const auto& [position, bytes] : change) most = std::max(most, live += bytes);
  return most;
}

std::int64_t place(std::vector<Interval>& intervals) {
  using Before = bool (*)(const Interval*, const Interval*);
  constexpr Before kOrders[] = {
      [](const Interval* a, const Interval* b) { return a->bytes > b->bytes; },
      [](const Interval* a, const Interval* b) { return a->first < b->first; },
      [](const Interval* a, const Interval* b) { return a->last - a->first > b->last - b->first; },
      [](const Interval* a, const Interval* b) {
        return a->bytes * (a->last - a->first + 1) > b->bytes * (b->last - b->first + 1);
      },
  };
  std::vector<Interval*> order;
  for (Interval& interval : intervals) order.push_back(&interval);
  std::int64_t best = -1;
  std::vector<std::int64_t> offsets;
  for (Before before : kOrders) {
    std::stable_sort(order.begin(), order.end(), before);
    const std::int64_t arena = best_fit(order);
    if (best >= 0 && arena >= best) continue;
    best = arena;
    offsets.clear();
    for (const Interval& interval : intervals) offsets.push_back(interval.offset);
  }
  for (std::size_t i = 0; i < intervals.size(); ++i) intervals[i].offset = offsets[i];
  return std::max<std::int64_t>(best, 0);
}

}  // namespace kiln
