#include "ir/type.h"

#include <array>

namespace kiln {
namespace {

struct DTypeInfo {
  std::string_view name;
  int size;
};

constexpr std::array<DTypeInfo, kDTypeCount> kInfo = {{{"i1", 1},
                                                       {"i8", 1},
                                                       {"i16", 2},
                                                       {"i32", 4},
                                                       {"i64", 8},
                                                       {"ui8", 1},
                                                       {"ui16", 2},
                                                       {"ui32", 4},
                                                       {"ui64", 8},
                                                       {"f32", 4},
                                                       {"f64", 8}}};

constexpr std::int64_t kMaxElements = std::int64_t{1} << 48;

}  // namespace

int size_of(DType dtype) { return kInfo[static_cast<std::size_t>(dtype)].size; }

std::string_view name_of(DType dtype) { return kInfo[static_cast<std::size_t>(dtype)].name; }

DType dtype_named(std::string_view name) {
  for (std::size_t i = 0; i < kInfo.size(); ++i)
    if (kInfo[i].name == name) return static_cast<DType>(i);
  throw Error(
      fmt::format("unknown element type '{}': expected one of i1, i8…i64, ui8…ui64, f32, "
                  "f64",
                  name));
}

std::string join(std::span<const std::int64_t> values, std::string_view separator) {
  return fmt::format("{}", fmt::join(values, separator));
}

std::int64_t element_count(std::span<const std::int64_t> dims) {
  // Those beside a 0 count too: strides are products of them.
  std::int64_t count = 1;
  bool empty = false;
  for (std::int64_t extent : dims) {
    if (extent < 0 || extent > kMaxElements / count)
      throw Error(
          fmt::format("shape [{}] is impossible: extents must be >= 0 and the product of those "
                      "that are not 0 at most 2^48",
                      join(dims, ", ")));
    empty = empty || extent == 0;
    if (extent != 0) count *= extent;
  }
  return empty ? 0 : count;
}

Ints row_major_strides(std::span<const std::int64_t> dims) {
  Ints strides(dims.size());
  std::int64_t stride = 1;
  for (std::size_t i = dims.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= dims[i];
  }
  return strides;
}

std::string Type::str() const {
  std::string text = "tensor<";
  for (std::int64_t extent : dims) text += fmt::format("{}x", extent);
  return text + std::string(name_of(dtype)) + ">";
}

std::string Type::pretty() const { return fmt::format("{}[{}]", name_of(dtype), join(dims, ", ")); }

}  // namespace kiln
