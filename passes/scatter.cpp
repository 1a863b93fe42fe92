// Scatter: the inputs are copied to the results (unless they lie there), then each update is
// combined with the element it falls on, in row-major order of the updates, as repeated indices may
// meet there. An update whose place is outside is dropped. Where a window lies along the updates'
// last axis, 16 neighbours are updated at once: within one window places are distinct.
#include <algorithm>

#include "ir/op.h"
#include "ir/placement.h"
#include "passes/evaluate.h"
#include "passes/sequential.h"

namespace kiln {
namespace {

using loop::Affine;
using loop::Index;
using loop::kLanes;
using loop::Reg;
using loop::Val;
using space::Source;

class Scatterer {
 public:
  explicit Scatterer(const space::Kernel& space)
      : space_(space),
        node_(*space.sequential),
        placement_(node_),
        inputs_(node_.types().size()),
        dims_(node_.operand(static_cast<int>(inputs_) + 1).type().dims),
        builder_(kernel_) {
    kernel_.name = space.name;
    declare_buffers(builder_, space);
    const Ints& window = node_.attrs<ScatterAttrs>().update_window_dims;
    const auto is_window = [&](std::size_t axis) {
      return std::find(window.begin(), window.end(), static_cast<std::int64_t>(axis)) !=
             window.end();
    };
    vector_ = !dims_.empty() && is_window(dims_.size() - 1);
    for (std::size_t axis = 0; axis < dims_.size(); ++axis)
      if (!is_window(axis)) start_depth_ = axis + 1;
  }

  loop::Kernel run() {
    builder_.loop("chunk", {Affine::of(loop::kBegin)}, {Affine::of(loop::kEnd)}, 1, [&](loop::Var) {
      for (std::size_t i = 0; i < inputs_ && !space_.in_place; ++i)
        copy_operand(builder_, space_, i);
      if (!placement_.nothing()) updates(0);
    });
    return std::move(kernel_);
  }

 private:
  Index number(std::int64_t value) { return {builder_, Affine(value), 0, 1}; }

  Source result(std::size_t i) const { return result_source(space_, i); }

  // ---- updates

  void updates(std::size_t axis) {
    if (axis == start_depth_) find_start();
    if (axis == dims_.size()) {
      update(1);
    } else if (vector_ && axis + 1 == dims_.size()) {
      vectors(builder_, "u", dims_[axis], [&](const Affine& first, int active) {
        at_.push_back(Index(builder_, first, 1, kLanes));
        update(active);
        at_.pop_back();
      });
    } else {
      builder_.loop("u", {0}, {dims_[axis]}, 1, [&](loop::Var v) {
        at_.push_back(Index(builder_, Affine::of(v), 0, 1));
        updates(axis + 1);
        at_.pop_back();
      });
    }
  }

  Index at(std::int64_t axis) const { return at_[static_cast<std::size_t>(axis)]; }

  /// Where the window begins: known once the axes that are not the window's are open.
  void find_start() {
    start_.clear();
    for (std::int64_t component = 0; component < placement_.components(); ++component) {
      const std::vector<Index> place = placement_.index_place<Index>(
          [&](std::int64_t axis) { return at(axis); }, number(component));
      const Val start = read_source(builder_, space_.sources[inputs_], place, std::nullopt);
      start_.push_back(Index(start.convert(DType::i64)));
    }
  }

  void update(int active) {
    const std::vector<Index> place = placement_.operand_place<Index>(
        [&](std::int64_t axis) { return at(axis); },
        [&](std::int64_t component) { return start_[static_cast<std::size_t>(component)]; },
        number(0));
    std::optional<Val> inside;
    for (std::int64_t component = 0; component < placement_.components(); ++component) {
      const Val value = place[static_cast<std::size_t>(placement_.axis(component))].value();
      const Val fits = (value >= value.like(0)) &
                       (value < value.like(static_cast<double>(placement_.extent(component))));
      inside = inside ? *inside & fits : fits;
    }
    if (inside && inside->type().lanes == 1)
      builder_.when(inside->reg(), {}, [&]() -> std::vector<Reg> {
        combine(place, std::nullopt, active);
        return {};
      });
    else
      combine(place, inside, active);
  }

  void combine(const std::vector<Index>& place, std::optional<Val> inside, int active) {
    const int lanes = vector_ ? kLanes : 1;
    std::vector<Reg> arguments;
    for (std::size_t i = 0; i < inputs_; ++i)
      arguments.push_back(
          read_source(builder_, result(i), place, inside, active).across(lanes).reg());
    for (std::size_t i = 0; i < inputs_; ++i)
      arguments.push_back(
          read_source(builder_, space_.sources[inputs_ + 1 + i], at_, std::nullopt, active)
              .across(lanes)
              .reg());
    const std::vector<Reg> values = evaluate_region(builder_, node_.regions()[0], arguments);
    for (std::size_t i = 0; i < inputs_; ++i)
      write_source(builder_, result(i), place, {builder_, values[i]}, inside, active);
  }

  const space::Kernel& space_;
  const Node& node_;
  const Placement placement_;
  const std::size_t inputs_;
  const Ints& dims_;  // of the updates
  loop::Kernel kernel_;
  loop::Builder builder_;
  bool vector_ = false;          // the last axis is a window's
  std::size_t start_depth_ = 0;  // so many axes of the updates say which window it is
  std::vector<Index> at_;        // along the updates' axes
  std::vector<Index> start_;     // by component
};

}  // namespace

loop::Kernel scatter_loops(const space::Kernel& space) { return Scatterer(space).run(); }

}  // namespace kiln
