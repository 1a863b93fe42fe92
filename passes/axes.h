// Which axes of a kernel's values run in one loop, by unification.
//
// Each axis of a member (a node the kernel computes) gets a dimension; an op says which axes of its
// result and its operands are the same (element-wise: all; a reduction: those kept; dot_general:
// batch, free, contracted). Views between members are followed; axes of extent 1 have no dimension.
// Two axes of one value that come out equal (x + xᵀ) are a contradiction: such nodes do not share a
// kernel. Operands that are not members are memory: they are read with whatever map is needed; those
// of an indexed op, a window op or a sequential one are always memory and have no dimensions here.
// A window op has dimensions for its window's axes, over which it combines.
#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

#include "ir/graph.h"

namespace kiln {

/// True for a reshape that only adds or drops axes of extent 1: an index map, unlike others.
bool is_unit_reshape(const Node& node);
/// Whether an op reads its operands at places it computes itself, so that they must be in memory:
/// indexed, window and sequential ops.
bool reads_memory(const Node& node);
/// A view a kernel can look through: a broadcast, a transposition, a unit reshape.
bool is_index_map(const Node& node);

class Axes {
 public:
  static constexpr int kUnit = -1;

  /// Takes a node into the kernel. Its operands' members must be in already. False when its axes
  /// contradict or the kernel has too many; the object is then spoilt (work on a copy).
  bool add(const Node* member);

  /// Once all members are in: memory that several of them read under different dimensions is read
  /// under the same ones where nothing contradicts it, so that one loop serves them all.
  void share_reads();

  bool contains(const Node* node) const { return result_.contains(node); }
  const std::vector<const Node*>& members() const { return members_; }
  /// The dimension of each axis of a member's results (kUnit for extent 1), canonical.
  std::vector<int> of_result(const Node* member) const;
  /// The same for the axes of a member's operand, as the member sees it.
  std::vector<int> of_operand(const Node* member, int operand) const;
  /// The dimensions a member sums or combines over (kUnit where an extent is 1).
  std::vector<int> reduced(const Node* member) const;
  std::int64_t extent(int dim) const { return extents_[static_cast<std::size_t>(dim)]; }
  /// Dimensions that every member's result has: the kernel's parallel ones.
  std::vector<int> parallel() const;
  /// Product of extents.
  std::int64_t volume(const std::vector<int>& dims) const;
  /// The points of the largest member (what it computes or sums over), and those of them that share
  /// one parallel point: a row.
  std::int64_t largest_volume() const;
  std::int64_t row_volume() const;

 private:
  int fresh(std::int64_t extent);
  int find(int dim) const;
  void unify(int a, int b);
  /// Unifies the axes under which a member sees an operand with those of the member behind it.
  void look_through(Value operand, const std::vector<int>& axes);
  bool contradictory() const;
  int dimensions() const;
  /// The largest product of a member's extents, the dimensions in `without` left out.
  std::int64_t largest(const std::vector<int>& without) const;

  std::vector<const Node*> members_;
  std::vector<std::int64_t> extents_;
  mutable std::vector<int> parent_;
  std::unordered_map<const Node*, std::vector<int>> result_;
  std::unordered_map<const Node*, std::vector<std::vector<int>>> operands_;
  std::unordered_map<const Node*, std::vector<int>> reduced_;
};

/// The axes under which `view`'s operand is seen when its result is seen under `axes`.
std::vector<int> through_view(const Node& view, const std::vector<int>& axes);

}  // namespace kiln
