// What the frontend's functions share: operands checked and brought to one shape, errors that say
// what was expected, what was found and where it came from. For frontend/*.cpp.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/tensor.h"

namespace kiln {

/// "f32[2, 3] (from models/net.cpp:12)".
std::string described(const Value& value);
inline std::string described(const Tensor& x) { return described(x.value()); }

/// The tensor's value, which must be there and belong to the trace that goes on.
Value used(const Tensor& x, std::string_view op, Where where);
/// The same, of floats.
Value used_float(const Tensor& x, std::string_view op, Where where);
/// The same, of integers (not booleans).
Value used_integer(const Tensor& x, std::string_view op, Where where);

/// An axis of x counted from the front; negative ones count from the end.
int checked_axis(const Tensor& x, std::int64_t axis, std::string_view op, Where where);
/// Several, each named once, in the order asked for.
Ints checked_axes(const Tensor& x, const Ints& axes, std::string_view op, Where where);
/// Several in ascending order; all of them where none is named.
Ints reduced_axes(const Tensor& x, const Ints& axes, std::string_view op, Where where);

/// first, first + 1, …
Ints iota_axes(int first, int count);
/// The extents with those of `axes` set to `extent`.
Ints with_extents(Ints dims, const Ints& axes, std::int64_t extent);

/// NumPy's rule for two shapes; nothing where they do not go together.
std::optional<Ints> common_shape(const Ints& a, const Ints& b);
/// The value stretched to `dims`, its axes aligned at the right.
Value stretched(Value x, const Ints& dims, Where where);
/// The operands as values of one shape and element type; numbers become constants.
std::vector<Value> broadcast_together(std::string_view op, std::initializer_list<Operand> operands,
                                      Where where);

}  // namespace kiln
