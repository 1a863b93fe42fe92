// What convolution and reduce_window share: how windows lie over an operand, axis by axis.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ir/op.h"

namespace kiln::window {

/// One axis of a window op. The operand is spread out, with base_dilation - 1 gaps between its
/// elements, then padded by `low` and `high` gaps (cut where these are negative). Window `o` begins
/// at place o · stride of that; its element `k` lies k · dilation further on, and where windows are
/// reversed element `k` is the one that was at extent - 1 - k.
struct Axis {
  std::int64_t operand = 1, extent = 1;  // elements of the operand and of a window
  std::int64_t stride = 1, base_dilation = 1, dilation = 1, low = 0, high = 0;
  bool reversed = false;

  /// From the first to the last element of the operand, gaps counted; the same of a window.
  std::int64_t spread_operand() const { return spread(operand, base_dilation); }
  std::int64_t spread_window() const { return spread(extent, dilation); }
  /// How many windows fit: the result's extent.
  std::int64_t windows() const;
  /// The element of the operand that is element `k` of window `o`; none where a gap is.
  std::optional<std::int64_t> element(std::int64_t o, std::int64_t k) const;

  static std::int64_t spread(std::int64_t count, std::int64_t dilation) {
    return count == 0 ? 0 : (count - 1) * dilation + 1;
  }
};

/// Those of a reduce_window.
std::vector<Axis> reduce_window_axes(const Node& node);

/// For shape rules: complains unless the list has one entry for each of `axes` axes, none below
/// `least`.
void check_list(std::string_view name, const Ints& list, std::size_t axes, std::int64_t least);
/// For shape rules: complains unless places along the axis can be counted in 64 bits.
void check_places(const Axis& axis);

/// Element `k` of window `o` in loop IR. Where `inside` is false there is a gap, and `coordinate`
/// means nothing; without an `inside` there is none anywhere.
struct Element {
  loop::Index coordinate;
  std::optional<loop::Val> inside;
};
Element element(const Axis& axis, const loop::Index& o, const loop::Index& k);

// The cells of the two rows.
std::vector<Type> infer_convolution(const InferContext& context);
std::vector<Value> gradient_convolution(const Node& node, std::span<const Value> cotangents);
std::vector<Array> reference_convolution(const Node& node, std::span<const Array> operands);
loop::Val convolution_at(const Node& node, int input, Point& point);

std::vector<Type> infer_reduce_window(const InferContext& context);
std::vector<Value> gradient_reduce_window(const Node& node, std::span<const Value> cotangents);
std::vector<Array> reference_reduce_window(const Node& node, std::span<const Array> operands);
loop::Val reduce_window_at(const Node& node, int input, Point& point);

}  // namespace kiln::window
