// Dense host tensors: constants of the graph, results of the interpreter, buffers of the runtime.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "ir/type.h"

namespace kiln {

/// The DType that holds a C++ type (bool is i1).
template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, bool>)
    return DType::i1;
  else if constexpr (std::is_same_v<T, float>)
    return DType::f32;
  else if constexpr (std::is_same_v<T, double>)
    return DType::f64;
  else {
    static_assert(std::is_integral_v<T>, "no DType holds this C++ type");
    constexpr int size = sizeof(T);
    if constexpr (std::is_signed_v<T>)
      return size == 1 ? DType::i8 : size == 2 ? DType::i16 : size == 4 ? DType::i32 : DType::i64;
    else
      return size == 1   ? DType::ui8
             : size == 2 ? DType::ui16
             : size == 4 ? DType::ui32
                         : DType::ui64;
  }
}

/// Calls `f(T{})` with the C++ type that `dtype` holds.
template <class F>
decltype(auto) visit_dtype(DType dtype, F&& f) {
  switch (dtype) {
    case DType::i1:
      return f(bool{});
    case DType::i8:
      return f(std::int8_t{});
    case DType::i16:
      return f(std::int16_t{});
    case DType::i32:
      return f(std::int32_t{});
    case DType::i64:
      return f(std::int64_t{});
    case DType::ui8:
      return f(std::uint8_t{});
    case DType::ui16:
      return f(std::uint16_t{});
    case DType::ui32:
      return f(std::uint32_t{});
    case DType::ui64:
      return f(std::uint64_t{});
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
  }
  std::abort();
}

/// A dense row-major tensor in host memory, 64-byte aligned. Copies share the memory; `clone` does
/// not. Whoever writes to a shared array says so by holding the only copy.
class Array {
 public:
  Array() = default;
  /// Zero-filled.
  explicit Array(Type type);

  /// From values in row-major order; their number must be that of the shape.
  template <class T>
  static Array of(Ints dims, std::span<const T> values) {
    Array array(Type{dtype_of<T>(), std::move(dims)});
    array.check_count(values.size());
    std::copy(values.begin(), values.end(), array.data<T>().begin());
    return array;
  }
  template <class T>
  static Array of(Ints dims, std::initializer_list<T> values) {
    return of(std::move(dims), std::span<const T>(values.begin(), values.size()));
  }
  /// Rank 0.
  template <class T>
  static Array scalar(T value) {
    return of<T>({}, {value});
  }
  /// Every element is `value`, converted to `type.dtype`.
  static Array full(Type type, double value);

  bool empty() const { return memory_ == nullptr; }
  /// Whether a copy of this array shares its memory.
  bool shared() const { return memory_.use_count() > 1; }
  const Type& type() const { return type_; }
  DType dtype() const { return type_.dtype; }
  const Ints& dims() const { return type_.dims; }
  std::int64_t count() const {
    return static_cast<std::int64_t>(byte_count_) / size_of(type_.dtype);
  }

  /// The elements; throws Error when T is not what the array holds.
  template <class T>
  std::span<T> data() {
    check_dtype(dtype_of<T>());
    return {reinterpret_cast<T*>(memory_.get()), static_cast<std::size_t>(count())};
  }
  template <class T>
  std::span<const T> data() const {
    check_dtype(dtype_of<T>());
    return {reinterpret_cast<const T*>(memory_.get()), static_cast<std::size_t>(count())};
  }
  std::span<std::byte> bytes() { return {memory_.get(), byte_count_}; }
  std::span<const std::byte> bytes() const { return {memory_.get(), byte_count_}; }

  /// Element `index` in row-major order as a double (64-bit integers may round).
  double as_double(std::int64_t index) const;
  /// The one element of a one-element array, as a double; throws Error otherwise.
  double item() const;
  /// The same elements under another shape of equal count.
  Array reshaped(Ints dims) const;
  /// A copy with memory of its own.
  Array clone() const;
  /// Element-wise conversion, as StableHLO's `convert` does it (floats to integers saturate, NaN to
  /// 0).
  Array converted(DType dtype) const;
  /// Equal types and equal bits.
  bool same_bits(const Array& other) const;

 private:
  void check_dtype(DType wanted) const;
  void check_count(std::size_t given) const;

  Type type_;
  std::shared_ptr<std::byte[]> memory_;
  std::size_t byte_count_ = 0;
};

}  // namespace kiln
