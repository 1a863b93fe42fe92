// Where the slices of a gather or a scatter lie in its operand: the index arithmetic of both, once,
// for coordinates that are numbers (the reference) or loop IR (kernels).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace kiln {

/// The slices are the axes `window_axes` of a tensor (a gather's result, a scatter's updates) whose
/// other axes, the batch, enumerate the start indices.
class Placement {
 public:
  /// Throws through shape_error what the specification asks of the attributes and does not hold.
  static Placement of_gather(const GatherAttrs& attrs, const Type& operand, const Type& indices);
  static Placement of_scatter(const ScatterAttrs& attrs, const Type& operand, const Type& indices,
                              const Type& updates);
  /// Those of a node that was checked when it was made.
  explicit Placement(const Node& node);

  /// A gather of the slices that this writes, and the scatter to the places that this reads.
  const GatherAttrs& gather() const { return attrs_; }
  ScatterAttrs scatter() const;

  /// The extents of the tensor of slices.
  const Ints& dims() const { return dims_; }
  /// How many numbers make a start index.
  std::int64_t components() const {
    return static_cast<std::int64_t>(attrs_.start_index_map.size());
  }
  /// The operand's axis that a component moves the slice along, its extent and the slice's.
  std::int64_t axis(std::int64_t component) const {
    return attrs_.start_index_map[static_cast<std::size_t>(component)];
  }
  std::int64_t extent(std::int64_t component) const {
    return operand_.dims[static_cast<std::size_t>(axis(component))];
  }
  std::int64_t slice_extent(std::int64_t component) const {
    return attrs_.slice_sizes[static_cast<std::size_t>(axis(component))];
  }
  /// Whether a slice has no element along an axis that the tensor of slices does not have: then
  /// there is nothing to read or write, whatever that tensor's size.
  bool nothing() const;

  /// The start indices as i64, moved so that slices lie inside.
  Value clamped(Value indices) const;
  /// Of a scatter: the element of its input that each update meets, -1 where that lies outside, in
  /// row-major order of the updates.
  std::vector<std::int64_t> targets(const Array& indices) const;
  /// What a scatter's updates meet in a tensor of its input's shape: a gather that does not move
  /// slices; outside there are zeros.
  Value read(Value from, Value indices) const;

  /// Coordinates, in the indices, of a component of the start index of the slice that the point at
  /// belongs to: at(axis) is the point's coordinate, `component` the component as a coordinate.
  template <class Coordinate, class At>
  std::vector<Coordinate> index_place(At&& at, Coordinate component) const {
    std::vector<Coordinate> place;
    std::size_t next = 0;
    for (std::int64_t axis = 0; axis < indices_.rank(); ++axis)
      place.push_back(axis == attrs_.index_vector_dim ? component : at(batch_axes_[next++]));
    return place;
  }

  /// Coordinates, in the operand, of the point; start(component) is where its slice starts.
  template <class Coordinate, class At, class Start>
  std::vector<Coordinate> operand_place(At&& at, Start&& start, Coordinate zero) const {
    const auto index = [](std::int64_t i) { return static_cast<std::size_t>(i); };
    std::vector<Coordinate> place(operand_.dims.size(), zero);
    for (std::size_t i = 0; i < attrs_.offset_dims.size(); ++i)
      place[index(window_axes_[i])] = at(attrs_.offset_dims[i]);
    for (std::size_t i = 0; i < attrs_.operand_batching_dims.size(); ++i) {
      const std::int64_t axis = attrs_.start_indices_batching_dims[i];
      const std::int64_t batch = axis - (axis < attrs_.index_vector_dim ? 0 : 1);
      place[index(attrs_.operand_batching_dims[i])] = at(batch_axes_[index(batch)]);
    }
    for (std::int64_t component = 0; component < components(); ++component) {
      Coordinate& coordinate = place[index(axis(component))];
      coordinate = coordinate + start(component);
    }
    return place;
  }

 private:
  struct Names {
    std::string_view window, dropped, batching, indices_batching, map;
  };
  Placement(GatherAttrs attrs, const Type& operand, const Type& indices, const Names& names);
  Value clamped(Value indices, const Ints& lowest, const Ints& highest) const;
  Value per_component(Graph& graph, const Ints& numbers, DType dtype) const;

  GatherAttrs attrs_;
  Type operand_, indices_;
  Ints dims_;
  Ints batch_axes_;   // of the tensor of slices: those not in offset_dims
  Ints window_axes_;  // of the operand, one for each of offset_dims
};

}  // namespace kiln
