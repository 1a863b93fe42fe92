#include "passes/sequential.h"

#include "ir/op.h"

namespace kiln {

std::vector<Type> scratch_types(const Node& node) {
  // Of a sort: the order of the elements, before and after merging.
  if (node.op() == Op::sort) return {{DType::i64, {2, node.type().count()}}};
  return {};
}

loop::Kernel sequential(const space::Kernel& space) {
  loop::Kernel kernel =
      space.sequential->op() == Op::sort ? sort_loops(space) : scatter_loops(space);
  loop::verify(kernel);
  return kernel;
}

}  // namespace kiln
