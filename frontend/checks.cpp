#include "frontend/checks.h"

#include <algorithm>
#include <numeric>

#include "frontend/trace.h"
#include "ir/build.h"

namespace kiln {

std::string described(const Value& value) {
  const auto& places = value.graph().locations(value.node);
  return value.type().pretty() + (places.empty() ? "" : " (from " + places.front().str() + ")");
}

Value used(const Tensor& x, std::string_view op, Where where) {
  if (!x.value()) throw Error(where, fmt::format("{}: expected a tensor, found an empty one", op));
  if (Trace* trace = Trace::active(); trace != nullptr && &trace->graph() != &x.value().graph())
    throw Error(where, fmt::format("{}: {} belongs to another trace; what a function keeps between "
                                   "calls is a variable",
                                   op, described(x.value())));
  return x.value();
}

Value used_float(const Tensor& x, std::string_view op, Where where) {
  if (!is_float(used(x, op, where).type().dtype))
    throw Error(where, fmt::format("{}: expected a float tensor, found {}", op, described(x)));
  return x.value();
}

Value used_integer(const Tensor& x, std::string_view op, Where where) {
  if (!is_integer(used(x, op, where).type().dtype))
    throw Error(where, fmt::format("{}: expected an integer tensor, found {}", op, described(x)));
  return x.value();
}

int checked_axis(const Tensor& x, std::int64_t axis, std::string_view op, Where where) {
  const int rank = used(x, op, where).type().rank();
  if (axis < -rank || axis >= rank)
    throw Error(where,
                fmt::format("{}: axis {} does not exist in {}", op, axis, described(x.value())));
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

Ints iota_axes(int first, int count) {
  Ints axes(static_cast<std::size_t>(count));
  std::iota(axes.begin(), axes.end(), first);
  return axes;
}

Ints with_extents(Ints dims, const Ints& axes, std::int64_t extent) {
  for (std::int64_t axis : axes) dims[static_cast<std::size_t>(axis)] = extent;
  return dims;
}

Value stretched(Value x, const Ints& dims, Where where) {
  if (x.type().dims == dims) return x;
  const int rank = x.type().rank();
  return build::broadcast(x, dims, iota_axes(static_cast<int>(dims.size()) - rank, rank), where);
}

std::optional<Ints> common_shape(const Ints& a, const Ints& b) {
  const std::size_t rank = std::max(a.size(), b.size());
  Ints dims(rank);
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) return std::nullopt;
    dims[rank - 1 - i] = x == 1 ? y : x;
  }
  return dims;
}

std::vector<Value> broadcast_together(std::string_view op, std::initializer_list<Operand> operands,
                                      Where where) {
  const Operand* first = nullptr;
  Ints dims;
  for (const Operand& operand : operands) {
    if (operand.is_number()) continue;
    const Tensor& tensor = operand.tensor();
    used(tensor, op, where);
    if (first == nullptr) {
      first = &operand;
      dims = tensor.shape();
      continue;
    }
    if (tensor.dtype() != first->tensor().dtype())
      throw Error(where,
                  fmt::format("{}: expected operands of one element type, found {} and {}; "
                              "convert one with to(x, dtype)",
                              op, described(first->tensor().value()), described(tensor.value())));
    const auto together = common_shape(dims, tensor.shape());
    if (!together)
      throw Error(where,
                  fmt::format("{}: expected shapes that broadcast together (aligned at the "
                              "right, extents equal or 1), found {} and {}",
                              op, described(first->tensor().value()), described(tensor.value())));
    dims = *together;
  }
  if (first == nullptr)
    throw Error(where, fmt::format("{}: expected at least one tensor, found only numbers", op));
  const Value model = first->tensor().value();
  const DType dtype = model.type().dtype;
  for (const Operand& operand : operands)
    if (operand.is_number() && !is_float(dtype) &&
        Array::full(Type{dtype, {}}, operand.number()).item() != operand.number())
      throw Error(where, fmt::format("{}: expected a number that {} holds, found {} for {}", op,
                                     name_of(dtype), operand.number(), described(model)));
  std::vector<Value> values;
  for (const Operand& operand : operands)
    values.push_back(operand.is_number()
                         ? model.graph().splat(Type{model.type().dtype, dims}, operand.number())
                         : stretched(operand.tensor().value(), dims, where));
  return values;
}

Ints checked_axes(const Tensor& x, const Ints& axes, std::string_view op, Where where) {
  Ints result;
  for (std::int64_t axis : axes) result.push_back(checked_axis(x, axis, op, where));
  Ints sorted = result;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    throw Error(where, fmt::format("{}: an axis of {} is named twice in [{}]", op, described(x),
                                   join(axes, ", ")));
  return result;
}

Ints reduced_axes(const Tensor& x, const Ints& axes, std::string_view op, Where where) {
  if (axes.empty()) return iota_axes(0, used(x, op, where).type().rank());
  Ints result = checked_axes(x, axes, op, where);
  std::sort(result.begin(), result.end());
  return result;
}

}  // namespace kiln
