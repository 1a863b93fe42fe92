#include "ir/array.h"

#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>

namespace kiln {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kPage = 4096, kLarge = 1 << 16, kApart = 5 * kAlignment;

std::size_t machine_memory() {
  static const auto kBytes = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) *
                             static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return kBytes;
}

std::atomic<std::size_t> held_bytes = 0;    // by all arrays
std::atomic<std::size_t> large_blocks = 0;  // so far

/// Linux gives out more memory than there is and ends the process that uses it, so what the machine
/// cannot hold is refused here.
std::shared_ptr<std::byte[]> aligned_zeros(std::size_t bytes) {
  // Whole cache lines, at least one: an empty tensor still has an address.
  const std::size_t rounded = std::max(kAlignment, (bytes + kAlignment - 1) & ~(kAlignment - 1));
  const std::size_t held = held_bytes.fetch_add(rounded) + rounded;
  // Large blocks come from the system as zeros, and calloc knows: their pages cost nothing before
  // they are used. All would begin at one place of a page: see passes/arena.h, `aligned`.
  const std::size_t apart = rounded < kLarge ? 0 : large_blocks++ % (kPage / kApart) * kApart;
  void* block = held > machine_memory() ? nullptr : std::calloc(rounded + apart + kAlignment, 1);
  if (block == nullptr) {
    held_bytes -= rounded;
    throw Error(
        fmt::format("out of memory: {} bytes were asked for beside {} in use; this machine "
                    "has {}",
                    rounded, held - rounded, machine_memory()));
  }
  void* aligned = static_cast<std::byte*>(block) + apart;
  std::size_t space = rounded + kAlignment;
  std::align(kAlignment, rounded, aligned, space);
  return {static_cast<std::byte*>(aligned), [block, rounded](std::byte*) {
            std::free(block);
            held_bytes -= rounded;
          }};
}

// StableHLO leaves out-of-range conversion to the implementation; as XLA, it saturates, NaN → 0.
template <class To, class From>
To convert_element(From value) {
  if constexpr (std::is_same_v<To, bool>) {
    return value != From{};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if (std::isnan(value)) return To{};
    using Limits = std::numeric_limits<To>;
    if (value <= static_cast<From>(Limits::min())) return Limits::min();
    if (value >= static_cast<From>(Limits::max())) return Limits::max();
    return static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace

Array::Array(Type type)
    : type_(std::move(type)), byte_count_(static_cast<std::size_t>(type_.bytes())) {
  memory_ = aligned_zeros(byte_count_);
}

Array Array::full(Type type, double value) {
  Array array(std::move(type));
  visit_dtype(array.dtype(), [&]<class T>(T) {
    for (T& element : array.data<T>()) element = convert_element<T>(value);
  });
  return array;
}

double Array::as_double(std::int64_t index) const {
  internal_check(index >= 0 && index < count(), "element index inside the array");
  return visit_dtype(dtype(), [&]<class T>(T) {
    return static_cast<double>(data<T>()[static_cast<std::size_t>(index)]);
  });
}

double Array::item() const {
  if (count() != 1)
    throw Error(fmt::format("item() expects an array of one element, found {}", type_.pretty()));
  return as_double(0);
}

Array Array::reshaped(Ints dims) const {
  if (element_count(dims) != count())
    throw Error(fmt::format("cannot reshape {} to [{}]: the number of elements differs",
                            type_.pretty(), join(dims, ", ")));
  Array result = *this;
  result.type_.dims = std::move(dims);
  return result;
}

Array Array::clone() const {
  Array copy(type_);
  if (byte_count_ != 0) std::memcpy(copy.memory_.get(), memory_.get(), byte_count_);
  return copy;
}

Array Array::converted(DType wanted) const {
  if (wanted == dtype()) return *this;
  Array result(Type{wanted, type_.dims});
  visit_dtype(dtype(), [&]<class From>(From) {
    visit_dtype(wanted, [&]<class To>(To) {
      const std::span<const From> from = data<From>();
      const std::span<To> to = result.data<To>();
      for (std::size_t i = 0; i < from.size(); ++i) to[i] = convert_element<To>(from[i]);
    });
  });
  return result;
}

bool Array::same_bits(const Array& other) const {
  return type_ == other.type_ &&
         (byte_count_ == 0 || std::memcmp(memory_.get(), other.memory_.get(), byte_count_) == 0);
}

void Array::check_dtype(DType wanted) const {
  if (wanted != type_.dtype)
    throw Error(fmt::format("the array holds {}, not {}", name_of(type_.dtype), name_of(wanted)));
}

void Array::check_count(std::size_t given) const {
  if (static_cast<std::int64_t>(given) != count())
    throw Error(fmt::format("{} needs {} values, found {}", type_.pretty(), count(), given));
}

}  // namespace kiln
