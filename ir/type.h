// Element types and static shapes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/error.h"

namespace kiln {

/// Element types, with StableHLO's names. i1 is a boolean, stored as one byte holding 0 or 1.
enum class DType : std::uint8_t { i1, i8, i16, i32, i64, ui8, ui16, ui32, ui64, f32, f64 };

inline constexpr int kDTypeCount = 11;

/// Bytes one element takes in memory (i1 takes one).
int size_of(DType dtype);
/// StableHLO's name: "f32", "i1", "ui8", …
std::string_view name_of(DType dtype);
/// The type with that StableHLO name; throws Error when there is none.
DType dtype_named(std::string_view name);

constexpr bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::f64; }
constexpr bool is_bool(DType dtype) { return dtype == DType::i1; }
constexpr bool is_signed(DType dtype) { return dtype >= DType::i8 && dtype <= DType::i64; }
constexpr bool is_unsigned(DType dtype) { return dtype >= DType::ui8 && dtype <= DType::ui64; }
constexpr bool is_integer(DType dtype) { return is_signed(dtype) || is_unsigned(dtype); }

/// Extents, strides, axes: small lists of signed 64-bit integers.
using Ints = std::vector<std::int64_t>;

/// "2x3", "" for rank 0.
std::string join(std::span<const std::int64_t> values, std::string_view separator);
/// Product of all extents; 1 for rank 0. Throws Error past 2^48 elements.
std::int64_t element_count(std::span<const std::int64_t> dims);
/// Strides, in elements, of a dense row-major tensor.
Ints row_major_strides(std::span<const std::int64_t> dims);

/// A tensor's static type: element type and extents. Rank 0 is a scalar; extents may be 0.
struct Type {
  DType dtype = DType::f32;
  Ints dims;

  int rank() const { return static_cast<int>(dims.size()); }
  std::int64_t count() const { return element_count(dims); }
  std::int64_t bytes() const { return count() * size_of(dtype); }
  /// StableHLO's form: "tensor<2x3xf32>".
  std::string str() const;
  /// The form people read in messages: "f32[2, 3]".
  std::string pretty() const;
  bool operator==(const Type&) const = default;
};

}  // namespace kiln
