#include "passes/overwrite.h"

#include <algorithm>
#include <optional>

#include "ir/op.h"
#include "passes/trip_count.h"

namespace kiln {
namespace {

/// Of an op that copies an operand and then changes some of it: the buffer of that operand, if it
/// lies in the result's order (-1: it does not).
int updated_buffer(const space::Kernel& kernel, int output) {
  const Traits& t = traits(*kernel.sequential);
  if (!t.updates) return -1;
  const auto result = static_cast<std::size_t>(output) -
                      (kernel.buffers.size() - kernel.sequential->types().size());
  const space::Source& source = kernel.sources[result];
  const Ints &dims = kernel.sequential->type(static_cast<int>(result)).dims,
             strides = row_major_strides(dims);
  if (source.kind != space::Source::Kind::memory || source.offset != 0) return -1;
  for (std::size_t axis = 0; axis < dims.size(); ++axis)
    if (dims[axis] != 1 && source.strides[axis] != strides[axis]) return -1;
  // Nothing else may be read there: it is written meanwhile.
  for (const space::Source& other : kernel.sources)
    if (&other != &source && other.kind == space::Source::Kind::memory &&
        other.buffer == source.buffer)
      return -1;
  return source.buffer;
}

}  // namespace

bool may_overwrite(const space::Kernel& kernel, int output, const std::vector<int>& inputs) {
  if (inputs.empty()) return true;
  if (kernel.kind == "stream") return false;  // its sums lie where results will be, from the start
  if (kernel.sequential != nullptr)
    return inputs.size() == 1 && inputs[0] == updated_buffer(kernel, output);
  const auto is_input = [&](int buffer) {
    return std::find(inputs.begin(), inputs.end(), buffer) != inputs.end();
  };
  const auto target =
      std::find_if(kernel.stores.begin(), kernel.stores.end(),
                   [&](const space::Store& s) { return s.access.buffer == output; });
  internal_check(target != kernel.stores.end(), "a kernel stores its results");
  // An expression is tainted when it needs the old value.
  std::vector<bool> tainted(kernel.exprs.size());
  for (std::size_t e = 0; e < kernel.exprs.size(); ++e) {
    const space::Expr& expr = kernel.exprs[e];
    if (expr.kind == space::Expr::Kind::load && is_input(expr.access.buffer)) {
      if (expr.access.strides != target->access.strides ||
          expr.access.offset != target->access.offset)
        return false;
      tainted[e] = true;
    }
    // Read somewhere else than at the point being written.
    for (const space::Source& source : expr.sources)
      if (source.kind == space::Source::Kind::memory && is_input(source.buffer)) return false;
    for (int operand : expr.operands)
      if (tainted[static_cast<std::size_t>(operand)]) tainted[e] = true;
  }
  const auto needs_old = [&](int expr) { return tainted[static_cast<std::size_t>(expr)]; };
  // What has a lower level is done for all of a row, or block of rows, when the store comes. (A
  // contraction may run in blocks, each of which leaves its sums where the result will be.)
  for (const space::Reduction& reduction : kernel.reductions)
    if (std::any_of(reduction.inputs.begin(), reduction.inputs.end(), needs_old) ||
        std::any_of(reduction.initial.begin(), reduction.initial.end(), needs_old))
      if (reduction.is_contraction() || reduction.level >= target->level) return false;
  // Stores of one level and domain share their loops, where all values come before any store.
  for (const space::Store& store : kernel.stores)
    if (needs_old(store.expr) && store.level >= target->level &&
        (store.dims != target->dims || store.level != target->level))
      return false;
  return true;
}

namespace {

/// The number of the parameter that a region's result is an update of, if that is all there is
/// between them.
std::optional<int> updated_parameter(Value result) {
  for (;;) {
    result = storage(result);
    const Node& node = *result.node;
    const bool identity =
        node.op() == Op::transpose && node.type() == node.operand(0).type() &&
        std::is_sorted(node.attrs<DimsAttrs>().dims.begin(), node.attrs<DimsAttrs>().dims.end());
    if (node.op() == Op::parameter) return static_cast<int>(node.attrs<ParameterAttrs>().index);
    if (identity)
      result = node.operand(0);
    else if (traits(node).updates)
      result = node.operand(result.index);
    else if (traits(node).control || node.op() == Op::call)
      result = updated(result);
    else
      return std::nullopt;
    if (!result) return std::nullopt;
  }
}

}  // namespace

Value updated(Value value) {
  value = storage(value);
  const Node& node = *value.node;
  if (node.op() == Op::while_) return node.operand(value.index);
  if (node.op() != Op::call && node.op() != Op::case_) return {};
  const int first = node.op() == Op::case_ ? 1 : 0;
  for (const Region& region : node.regions())
    if (const auto parameter =
            updated_parameter(region.results[static_cast<std::size_t>(value.index)]))
      return node.operand(first + *parameter);
  return {};
}

bool is_copy(const space::Kernel& kernel) {
  return kernel.sequential == nullptr && kernel.reductions.empty() && kernel.exprs.size() == 1 &&
         kernel.stores.size() == 1 && kernel.exprs[0].kind == space::Expr::Kind::load &&
         kernel.exprs[0].access.strides == kernel.stores[0].access.strides &&
         kernel.exprs[0].access.offset == kernel.stores[0].access.offset;
}

Value storage(Value value) {
  for (;;) {
    const Node& node = *value.node;
    if (node.op() == Op::reshape)
      value = node.operand(0);
    else if (node.op() == Op::while_ && is_invariant(node, value.index))
      value = node.operand(value.index);
    else
      return value;
  }
}

}  // namespace kiln
