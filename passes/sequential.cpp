#include "passes/sequential.h"

#include "ir/op.h"
#include "passes/evaluate.h"

namespace kiln {

std::vector<Type> scratch_types(const Node& node) {
  // Of a sort: the order of the elements, before and after merging.
  if (node.op() == Op::sort) return {{DType::i64, {2, node.type().count()}}};
  return {};
}

namespace {

using loop::Index;
using space::Source;

void copy(loop::Builder& builder, const Source& from, const Source& to, const Ints& dims,
          std::vector<Index> at) {
  const std::int64_t extent = dims[at.size()];
  at.emplace_back(builder, loop::Affine(0), 0, 1);
  if (at.size() < dims.size()) {
    builder.loop("c", {0}, {extent}, 1, [&](loop::Var v) {
      at.back() = Index(builder, loop::Affine::of(v), 0, 1);
      copy(builder, from, to, dims, at);
    });
    return;
  }
  vectors(builder, "c", extent, [&](const loop::Affine& first, int active) {
    at.back() = Index(builder, first, 1, loop::kLanes);
    const loop::Val value = read_source(builder, from, at, std::nullopt, active);
    write_source(builder, to, at, value.across(loop::kLanes), std::nullopt, active);
  });
}

}  // namespace

Source result_source(const space::Kernel& space, std::size_t result) {
  const Type& type = space.sequential->type(static_cast<int>(result));
  Source source;
  source.dtype = type.dtype;
  source.buffer =
      static_cast<int>(space.buffers.size() - space.sequential->types().size() + result);
  source.strides = row_major_strides(type.dims);
  return source;
}

void copy_operand(loop::Builder& builder, const space::Kernel& space, std::size_t i) {
  const Type& type = space.sequential->type(static_cast<int>(i));
  Source from = space.sources[i], to = result_source(space, i);
  Ints dims = type.dims;
  if (to.strides.empty() || from.kind == Source::Kind::constant || from.strides == to.strides) {
    // Both in one order: a single axis.
    from.strides = to.strides = {1};
    dims = {type.count()};
  }
  copy(builder, from, to, dims, {});
}

loop::Kernel sequential(const space::Kernel& space) {
  const Op op = space.sequential->op();
  loop::Kernel kernel = op == Op::sort      ? sort_loops(space)
                        : op == Op::scatter ? scatter_loops(space)
                                            : update_loops(space);
  loop::verify(kernel);
  return kernel;
}

}  // namespace kiln
