// What passes/error_bound.cpp and its parts (_combine, _regions) share: nodes with their floats in
// f64, and bounds that grow.
#pragma once

#include <limits>
#include <span>
#include <unordered_map>
#include <vector>

#include "ir/op.h"
#include "passes/error_bound.h"

namespace kiln::error_bound {

inline constexpr double kInfinite = std::numeric_limits<double>::infinity();

/// With f32 as f64.
Type wide(Type type);
/// One unit in the last place, relative; the least distance of two numbers.
double unit(DType dtype);
double tiny(DType dtype);
/// Whether a number of this magnitude, or NaN, may be none of the dtype's.
bool may_overflow(double magnitude, DType dtype);
/// |a - b| where equal infinities and two NaNs are no apart, and a NaN is infinitely far from a
/// number.
double apart(double a, double b);
/// The bound plus the rounding of the value itself; infinite where it may overflow.
double rounded(double value, double bound, DType dtype, double ulps);

/// Whether nothing may be off.
bool exact(const Bounded& operand);
/// The operand moved to each end of its bound, to 0 where that lies between, and to NaN where there
/// is no bound.
std::vector<Array> corners(const Bounded& operand);
/// The bound reaches as far as this other outcome.
void reach(Bounded& result, const Array& other);
/// |x| in f64.
Array magnitude(const Array& array);
/// Nothing is promised.
void give_up(Bounded& result);

/// Ops with their floats in f64, evaluated one at a time.
class Wide {
 public:
  /// The node's op on operands of these types, in a graph of its own; regions and constants in f64.
  const Node& node(const Node& node);
  /// The same op with other operand types, or another region.
  const Node& like(const Node& node, std::span<const Type> operands, std::vector<Region> regions);
  /// Lives as long as what is known of its nodes here does.
  Graph& graph() { return graph_; }
  static std::vector<Array> run(const Node& wide, std::span<const Array> operands) {
    return definition(wide.op()).reference(wide, operands);
  }

 private:
  Region region(const Region& region);

  Graph graph_;
  std::unordered_map<const Node*, const Node*> nodes_;
  std::unordered_map<const Node*, std::vector<Value>> inside_;  // of regions
};

/// What these values are, given the parameters that they depend on.
std::vector<Bounded> analyse(Wide& wide, std::span<const Value> results,
                             std::vector<Bounded> arguments);

// Bounds of what combines elements: `results` hold the values already.
void contraction(Wide& wide, const Node& node, std::span<const Bounded> operands, Bounded& result);
/// reduce and reduce_window.
void reduction(Wide& wide, const Node& node, std::span<const Bounded> operands,
               std::vector<Bounded>& results);
void scatter(Wide& wide, const Node& node, std::span<const Bounded> operands,
             std::vector<Bounded>& results);
/// reduce, reduce_window and scatter, whatever their region.
void region_in_order(Wide& wide, const Node& node, std::span<const Bounded> operands,
                     std::vector<Bounded>& results);
void sort(Wide& wide, const Node& node, std::span<const Bounded> operands,
          std::vector<Bounded>& results);

}  // namespace kiln::error_bound
