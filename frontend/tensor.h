// Tensor: the handle a model is written with. Operations on it build graph nodes; nothing runs.
//
// Binary operations broadcast as NumPy's do: shapes are aligned at the right, extents of 1 stretch.
// A wrong shape throws Error at that very call, naming the op, both shapes, where each operand came
// from and what was expected. Names and semantics are PyTorch's. The functions are in families of
// their own; frontend/functions.h has them all.
#pragma once

#include <concepts>
#include <initializer_list>
#include <optional>
#include <source_location>
#include <span>
#include <vector>

#include "ir/graph.h"

namespace kiln {

using Where = std::source_location;

/// A value of the graph being traced; cheap to copy. Numbers become constants of the other
/// operand's type where they meet a tensor.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Value value) : value_(value) {}

  Value value() const { return value_; }
  const Type& type() const { return value_.type(); }
  DType dtype() const { return type().dtype; }
  const Ints& shape() const { return type().dims; }
  /// Extent of an axis; negative axes count from the end.
  std::int64_t size(int axis, Where where = Where::current()) const;
  int dim() const { return type().rank(); }

 private:
  Value value_;
};

/// An operand that may be a plain number.
class Operand {
 public:
  template <std::convertible_to<Tensor> T>                          // a Parameter, too
  Operand(const T& tensor) : tensor_(tensor), is_number_(false) {}  // NOLINT: either is an operand
  Operand(double number) : number_(number) {}                       // NOLINT
  const Tensor& tensor() const { return tensor_; }
  bool is_number() const { return is_number_; }
  double number() const { return number_; }

 private:
  Tensor tensor_;
  double number_ = 0;
  bool is_number_ = true;
};

// Operators cannot take a default argument, so the call site rides in the operand.
struct At : Operand {
  template <std::convertible_to<Tensor> T>
  At(const T& tensor, Where w = Where::current()) : Operand(tensor), where(w) {}  // NOLINT
  At(double number, Where w = Where::current()) : Operand(number), where(w) {}    // NOLINT
  Where where;
};
// The functions add, sub, …, lt, … of frontend/elementwise.h. There is no == or !=: eq and ne
// compare tensors.
Tensor operator+(const At& a, const At& b);
Tensor operator-(const At& a, const At& b);
Tensor operator*(const At& a, const At& b);
Tensor operator/(const At& a, const At& b);
Tensor operator-(const At& a);
Tensor operator<(const At& a, const At& b);
Tensor operator<=(const At& a, const At& b);
Tensor operator>(const At& a, const At& b);
Tensor operator>=(const At& a, const At& b);

/// The value, through which no gradient flows.
Tensor stop_gradient(const Tensor& x, Where where = Where::current());

}  // namespace kiln
