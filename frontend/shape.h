// The same elements in another shape, order or number. Negative axes count from the end.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "frontend/tensor.h"

namespace kiln {

/// The elements in row-major order under another shape of equal count; one extent may be -1.
Tensor reshape(const Tensor& x, Ints dims, Where where = Where::current());
/// Merges the axes first … last into one; a scalar becomes a vector of one.
Tensor flatten(const Tensor& x, int first = 0, int last = -1, Where where = Where::current());
/// Splits one axis into several; one extent may be -1.
Tensor unflatten(const Tensor& x, int axis, const Ints& dims, Where where = Where::current());
/// Result axis i is axis axes[i] of x.
Tensor permute(const Tensor& x, const Ints& axes, Where where = Where::current());
/// Swaps two axes.
Tensor transpose(const Tensor& x, int a, int b, Where where = Where::current());
/// Axes source[i] become axes destination[i]; the others keep their order.
Tensor movedim(const Tensor& x, const Ints& source, const Ints& destination,
               Where where = Where::current());
Tensor movedim(const Tensor& x, int source, int destination, Where where = Where::current());
/// A new axis of extent 1 before `axis` of the result.
Tensor unsqueeze(const Tensor& x, int axis, Where where = Where::current());
/// Without an axis if its extent is 1, else x itself; without all such axes.
Tensor squeeze(const Tensor& x, int axis, Where where = Where::current());
Tensor squeeze(const Tensor& x, Where where = Where::current());

/// Stretches axes of extent 1 and adds axes at the left; -1 keeps an extent.
Tensor expand(const Tensor& x, Ints dims, Where where = Where::current());
Tensor broadcast_to(const Tensor& x, const Ints& dims, Where where = Where::current());
/// The whole tensor times[i] times along axis i; times may name more axes than x has, at the left.
Tensor repeat(const Tensor& x, Ints times, Where where = Where::current());
/// The same where times may also name fewer axes, the last ones.
Tensor tile(const Tensor& x, Ints times, Where where = Where::current());
/// Each slice along the axis `times` times in a row (slice i times[i] times); without an axis x is
/// flattened first.
Tensor repeat_interleave(const Tensor& x, std::int64_t times, std::optional<int> axis = {},
                         Where where = Where::current());
Tensor repeat_interleave(const Tensor& x, const Ints& times, std::optional<int> axis = {},
                         Where where = Where::current());

/// One after another along an axis; all other extents are equal.
Tensor cat(const std::vector<Tensor>& tensors, int axis = 0, Where where = Where::current());
/// Tensors of one shape along a new axis.
Tensor stack(const std::vector<Tensor>& tensors, int axis = 0, Where where = Where::current());
/// Pieces of this extent along an axis, the last one perhaps shorter; or of these extents, which
/// add up to the axis.
std::vector<Tensor> split(const Tensor& x, std::int64_t size, int axis = 0,
                          Where where = Where::current());
std::vector<Tensor> split(const Tensor& x, const Ints& sizes, int axis = 0,
                          Where where = Where::current());
/// At most `count` pieces of one extent, the last one perhaps shorter.
std::vector<Tensor> chunk(const Tensor& x, std::int64_t count, int axis = 0,
                          Where where = Where::current());
/// The slices along an axis, without it.
std::vector<Tensor> unbind(const Tensor& x, int axis = 0, Where where = Where::current());

/// `length` slices along an axis from `start` on; a negative start counts from the end.
Tensor narrow(const Tensor& x, int axis, std::int64_t start, std::int64_t length,
              Where where = Where::current());
/// Python's start:stop:step. Bounds beyond the axis are moved to it; a negative step goes
/// backwards.
struct Slice {
  std::optional<std::int64_t> start = {};
  std::optional<std::int64_t> stop = {};
  std::int64_t step = 1;
};
/// As many whole axes as are left over.
struct Ellipsis {};
/// A new axis of extent 1.
struct NewAxis {};
/// A number picks one slice and drops the axis; negative ones count from the end.
using Index = std::variant<std::int64_t, Slice, Ellipsis, NewAxis>;
/// x[i, 2:5, …] as Python writes it:
///   index(x, {0, Slice{2, 5}, Ellipsis{}, NewAxis{}})
Tensor index(const Tensor& x, std::span<const Index> indices, Where where = Where::current());
Tensor index(const Tensor& x, std::initializer_list<Index> indices, Where where = Where::current());
/// One slice along an axis, without it.
Tensor select(const Tensor& x, int axis, std::int64_t at, Where where = Where::current());
/// The elements i, i + offset of two axes, as a new last axis; the two are gone.
Tensor diagonal(const Tensor& x, std::int64_t offset = 0, int first = 0, int second = 1,
                Where where = Where::current());

/// The axes turned round.
Tensor flip(const Tensor& x, const Ints& axes, Where where = Where::current());
/// Elements move up by `shifts`, those beyond the end come back at the start; without axes x is
/// flattened for it.
Tensor roll(const Tensor& x, const Ints& shifts, const Ints& axes = {},
            Where where = Where::current());

/// What stands outside: a constant; the inside mirrored (the edge itself not repeated); the edge;
/// the other side.
enum class Padding : std::uint8_t { constant, reflect, replicate, circular };
/// pads: elements before and after the last axis, then those of the axis before it, and so on, as
/// torch.nn.functional.pad takes them; negative ones take elements away.
Tensor pad(const Tensor& x, const Ints& pads, Padding mode = Padding::constant, double value = 0,
           Where where = Where::current());

}  // namespace kiln
