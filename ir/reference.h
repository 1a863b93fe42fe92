// Templates for the `reference` cell of element-wise rows: a scalar function over whole arrays,
// each result rounded to its declared type. float functions run in double inside and are rounded
// once.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

#include "ir/op.h"

namespace kiln::reference {

template <class T>
using Wide = std::conditional_t<std::is_same_v<T, float>, double, T>;

/// One operand, floats only.
template <auto F>
std::vector<Array> float_unary(const Node& node, std::span<const Array> operands) {
  Array result(node.type());
  visit_dtype(result.dtype(), [&]<class T>(T) {
    if constexpr (std::is_floating_point_v<T>) {
      const auto x = operands[0].data<T>();
      const auto out = result.data<T>();
      for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = static_cast<T>(F(static_cast<Wide<T>>(x[i])));
    } else {
      internal_check(false, "a float operand");
    }
  });
  return {result};
}

/// One operand of any dtype that F accepts; F sees the element itself.
template <auto F>
std::vector<Array> unary(const Node& node, std::span<const Array> operands) {
  Array result(node.type());
  visit_dtype(operands[0].dtype(), [&]<class T>(T) {
    const auto x = operands[0].data<T>();
    visit_dtype(result.dtype(), [&]<class R>(R) {
      const auto out = result.data<R>();
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<R>(F(x[i]));
    });
  });
  return {result};
}

/// Two operands of one dtype; F sees the elements.
template <auto F>
std::vector<Array> binary(const Node& node, std::span<const Array> operands) {
  Array result(node.type());
  visit_dtype(operands[0].dtype(), [&]<class T>(T) {
    const auto a = operands[0].data<T>();
    const auto b = operands[1].data<T>();
    visit_dtype(result.dtype(), [&]<class R>(R) {
      const auto out = result.data<R>();
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<R>(F(a[i], b[i]));
    });
  });
  return {result};
}

/// Integer arithmetic wraps: the operation in the unsigned type of the same width.
template <class T, class F>
T wrapping(T a, T b, F f) {
  if constexpr (std::is_same_v<T, bool>) {
    return static_cast<bool>(f(static_cast<unsigned>(a), static_cast<unsigned>(b)) & 1U);
  } else {
    // uint64 for all, since uint16 * uint16 would promote to a signed int.
    return static_cast<T>(f(static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b)));
  }
}

}  // namespace kiln::reference
