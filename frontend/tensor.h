// Tensor: the handle a model is written with. Operations on it build graph nodes; nothing runs.
//
// Binary operations broadcast as NumPy's do: shapes are aligned at the right, extents of 1 stretch.
// A wrong shape throws Error at that very call, naming the op, both shapes, where each operand came
// from and what was expected. Names and semantics are PyTorch's.
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

// Element-wise. Operands broadcast; at least one is a tensor.
Tensor add(const Operand& a, const Operand& b, Where where = Where::current());
Tensor sub(const Operand& a, const Operand& b, Where where = Where::current());
Tensor mul(const Operand& a, const Operand& b, Where where = Where::current());
/// True division: integers are an error, as convert them first.
Tensor div(const Operand& a, const Operand& b, Where where = Where::current());
Tensor pow(const Operand& a, const Operand& b, Where where = Where::current());
/// NaN if either is; at a tie each side gets half the gradient.
Tensor maximum(const Operand& a, const Operand& b, Where where = Where::current());
Tensor minimum(const Operand& a, const Operand& b, Where where = Where::current());
Tensor eq(const Operand& a, const Operand& b, Where where = Where::current());
Tensor ne(const Operand& a, const Operand& b, Where where = Where::current());
Tensor lt(const Operand& a, const Operand& b, Where where = Where::current());
Tensor le(const Operand& a, const Operand& b, Where where = Where::current());
Tensor gt(const Operand& a, const Operand& b, Where where = Where::current());
Tensor ge(const Operand& a, const Operand& b, Where where = Where::current());
/// condition ? yes : no, all broadcast together.
Tensor where(const Tensor& condition, const Operand& yes, const Operand& no,
             Where where = Where::current());

Tensor neg(const Tensor& x, Where where = Where::current());
Tensor abs(const Tensor& x, Where where = Where::current());
Tensor exp(const Tensor& x, Where where = Where::current());
Tensor expm1(const Tensor& x, Where where = Where::current());
Tensor log(const Tensor& x, Where where = Where::current());
Tensor log1p(const Tensor& x, Where where = Where::current());
Tensor sqrt(const Tensor& x, Where where = Where::current());
Tensor rsqrt(const Tensor& x, Where where = Where::current());
Tensor sin(const Tensor& x, Where where = Where::current());
Tensor cos(const Tensor& x, Where where = Where::current());
Tensor erf(const Tensor& x, Where where = Where::current());
Tensor tanh(const Tensor& x, Where where = Where::current());
Tensor sigmoid(const Tensor& x, Where where = Where::current());
Tensor floor(const Tensor& x, Where where = Where::current());
Tensor square(const Tensor& x, Where where = Where::current());
/// select(x <= 0, 0, x): gradient 0 at the kink, NaN stays NaN.
Tensor relu(const Tensor& x, Where where = Where::current());
/// Another element type; floats to integers truncate and saturate, NaN → 0.
Tensor to(const Tensor& x, DType dtype, Where where = Where::current());

// Operators cannot take a default argument, so the call site rides in the operand.
struct At : Operand {
  template <std::convertible_to<Tensor> T>
  At(const T& tensor, Where w = Where::current()) : Operand(tensor), where(w) {}  // NOLINT
  At(double number, Where w = Where::current()) : Operand(number), where(w) {}    // NOLINT
  Where where;
};
inline Tensor operator+(const At& a, const At& b) { return add(a, b, a.where); }
inline Tensor operator-(const At& a, const At& b) { return sub(a, b, a.where); }
inline Tensor operator*(const At& a, const At& b) { return mul(a, b, a.where); }
inline Tensor operator/(const At& a, const At& b) { return div(a, b, a.where); }
inline Tensor operator-(const At& a) { return neg(a.tensor(), a.where); }

// Shapes.
Tensor reshape(const Tensor& x, Ints dims, Where where = Where::current());  // one -1 is inferred
/// Merges axes from `first` on into one.
Tensor flatten(const Tensor& x, int first = 0, Where where = Where::current());
Tensor permute(const Tensor& x, Ints axes, Where where = Where::current());
/// Swaps two axes.
Tensor transpose(const Tensor& x, int a, int b, Where where = Where::current());
Tensor unsqueeze(const Tensor& x, int axis, Where where = Where::current());
Tensor squeeze(const Tensor& x, int axis, Where where = Where::current());
/// Stretches axes of extent 1 and adds axes at the left.
Tensor expand(const Tensor& x, Ints dims, Where where = Where::current());

// Reductions over `axes` (all where empty). The sum of booleans is their count, in i64.
Tensor sum(const Tensor& x, const Ints& axes = {}, bool keepdim = false,
           Where where = Where::current());
Tensor mean(const Tensor& x, const Ints& axes = {}, bool keepdim = false,
            Where where = Where::current());
/// NaN wins; tied maxima share the gradient equally.
Tensor amax(const Tensor& x, const Ints& axes = {}, bool keepdim = false,
            Where where = Where::current());
Tensor amin(const Tensor& x, const Ints& axes = {}, bool keepdim = false,
            Where where = Where::current());
/// Index of the first maximum along an axis, i64; NaN counts as largest.
Tensor argmax(const Tensor& x, int axis, Where where = Where::current());
Tensor softmax(const Tensor& x, int axis, Where where = Where::current());
Tensor log_softmax(const Tensor& x, int axis, Where where = Where::current());

/// torch.matmul: vectors, matrices, and batches of them whose leading axes broadcast.
Tensor matmul(const Tensor& a, const Tensor& b, Where where = Where::current());
/// x · weightᵀ + bias: x [..., in], weight [out, in], bias [out] or none.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              Where where = Where::current());

// Constants, of the graph being traced.
Tensor full(Ints dims, double value, DType dtype = DType::f32, Where where = Where::current());
Tensor arange(std::int64_t n, DType dtype = DType::i64, Where where = Where::current());
Tensor constant(const Array& value, Where where = Where::current());
/// i64 classes → a last axis of `classes` zeros and ones of `dtype`.
Tensor one_hot(const Tensor& index, std::int64_t classes, DType dtype = DType::f32,
               Where where = Where::current());

/// The value, through which no gradient flows.
Tensor stop_gradient(const Tensor& x, Where where = Where::current());

// Losses; the mean over the batch unless said otherwise.
/// logits [N, C]; target: integer classes [N], or probabilities of logits' shape.
Tensor cross_entropy(const Tensor& logits, const Tensor& target, Where where = Where::current());
Tensor mse_loss(const Tensor& prediction, const Tensor& target, Where where = Where::current());

}  // namespace kiln
