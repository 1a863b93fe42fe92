// For `reference` cells. Of element-wise rows: a scalar function over whole arrays, each result
// rounded to its declared type; float functions run in double inside and are rounded once. Of the
// others: walks over points, elements of any type moved as they are.
#pragma once

#include <algorithm>
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

/// One operand, integers only (a boolean is none).
template <auto F>
std::vector<Array> integer_unary(const Node& node, std::span<const Array> operands) {
  Array result(node.type());
  visit_dtype(result.dtype(), [&]<class T>(T) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      const auto x = operands[0].data<T>();
      const auto out = result.data<T>();
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<T>(F(x[i]));
    } else {
      internal_check(false, "an integer operand");
    }
  });
  return {result};
}

/// Two operands, integers only.
template <auto F>
std::vector<Array> integer_binary(const Node& node, std::span<const Array> operands) {
  Array result(node.type());
  visit_dtype(result.dtype(), [&]<class T>(T) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      const auto a = operands[0].data<T>(), b = operands[1].data<T>();
      const auto out = result.data<T>();
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<T>(F(a[i], b[i]));
    } else {
      internal_check(false, "integer operands");
    }
  });
  return {result};
}

/// Two operands, floats only.
template <auto F>
std::vector<Array> float_binary(const Node& node, std::span<const Array> operands) {
  Array result(node.type());
  visit_dtype(result.dtype(), [&]<class T>(T) {
    if constexpr (std::is_floating_point_v<T>) {
      const auto a = operands[0].data<T>(), b = operands[1].data<T>();
      const auto out = result.data<T>();
      for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = static_cast<T>(F(static_cast<Wide<T>>(a[i]), static_cast<Wide<T>>(b[i])));
    } else {
      internal_check(false, "float operands");
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

/// An integer's bits, as the unsigned integer of its width.
template <class T>
std::make_unsigned_t<T> bits(T x) {
  return static_cast<std::make_unsigned_t<T>>(x);
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

/// Calls f(coordinates) for every point of a domain, last axis fastest.
template <class F>
void for_each_point(const Ints& dims, F&& f) {
  Ints point(dims.size(), 0);
  for (std::int64_t left = element_count(dims); left > 0; --left) {
    f(std::as_const(point));
    for (std::size_t axis = dims.size(); axis-- > 0;) {
      if (++point[axis] < dims[axis]) break;
      point[axis] = 0;
    }
  }
}

/// a · b + sum as sums of products are meant: floats with one rounding, booleans as or of ands.
template <class T>
T multiply_add(T a, T b, T sum) {
  if constexpr (std::is_floating_point_v<T>)
    return std::fma(a, b, sum);
  else if constexpr (std::is_same_v<T, bool>)
    return sum || (a && b);
  else
    return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b) +
                          static_cast<std::uint64_t>(sum));
}

/// to[there] = from[here], of arrays of one dtype.
inline void copy_element(const Array& from, std::int64_t here, Array& to, std::int64_t there) {
  const std::int64_t size = size_of(from.dtype());
  std::copy_n(from.bytes().begin() + here * size, size, to.bytes().begin() + there * size);
}

/// Where the point lies in memory, given its strides.
inline std::int64_t offset_of(const Ints& point, const Ints& strides) {
  std::int64_t offset = 0;
  for (std::size_t axis = 0; axis < point.size(); ++axis) offset += point[axis] * strides[axis];
  return offset;
}

/// The integer indices[i]; one that i64 cannot hold is its largest number.
inline std::int64_t index_at(const Array& indices, std::int64_t i) {
  return visit_dtype(indices.dtype(), [&]<class T>(T) -> std::int64_t {
    const T value = indices.data<T>()[static_cast<std::size_t>(i)];
    constexpr auto kLargest = std::numeric_limits<std::int64_t>::max();
    if constexpr (std::is_same_v<T, std::uint64_t>)
      return value > static_cast<std::uint64_t>(kLargest) ? kLargest
                                                          : static_cast<std::int64_t>(value);
    else
      return static_cast<std::int64_t>(value);
  });
}

/// from[i] as an array of rank 0.
inline Array element(const Array& from, std::int64_t i) {
  Array one(Type{from.dtype(), {}});
  copy_element(from, i, one, 0);
  return one;
}

}  // namespace kiln::reference
