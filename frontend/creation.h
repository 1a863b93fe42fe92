// Tensors from nothing: constants of the graph being traced.
#pragma once

#include <concepts>
#include <type_traits>

#include "frontend/tensor.h"

namespace kiln {

/// Every element is `value`, which an integer type must hold exactly.
Tensor full(Ints dims, double value, DType dtype = DType::f32, Where where = Where::current());
Tensor zeros(Ints dims, DType dtype = DType::f32, Where where = Where::current());
Tensor ones(Ints dims, DType dtype = DType::f32, Where where = Where::current());
/// Of the shape and element type of x.
Tensor full_like(const Tensor& x, double value, Where where = Where::current());
Tensor zeros_like(const Tensor& x, Where where = Where::current());
Tensor ones_like(const Tensor& x, Where where = Where::current());
Tensor constant(const Array& value, Where where = Where::current());

/// 0, 1, … n - 1.
Tensor arange(std::int64_t n, DType dtype = DType::i64, Where where = Where::current());
/// start, start + step, … before end.
Tensor arange_between(double start, double end, double step, DType dtype,
                      Where where = Where::current());
/// The same, of i64 where all three are integers, else of f32.
template <class Start, class End, class Step = int>
  requires(std::is_arithmetic_v<Start> && std::is_arithmetic_v<End> && std::is_arithmetic_v<Step>)
Tensor arange(Start start, End end, Step step = 1, Where where = Where::current()) {
  constexpr bool integers = std::integral<Start> && std::integral<End> && std::integral<Step>;
  return arange_between(static_cast<double>(start), static_cast<double>(end),
                        static_cast<double>(step), integers ? DType::i64 : DType::f32, where);
}
/// `count` numbers at equal distances, start and end among them.
Tensor linspace(double start, double end, std::int64_t count, DType dtype = DType::f32,
                Where where = Where::current());

/// Ones on the diagonal of rows x columns (a square by default).
Tensor eye(std::int64_t rows, std::int64_t columns = -1, DType dtype = DType::f32,
           Where where = Where::current());
/// The lower (upper) triangle of the last two axes: elements right of (left of) the diagonal
/// `offset` to the right of the main one become 0.
Tensor tril(const Tensor& x, std::int64_t offset = 0, Where where = Where::current());
Tensor triu(const Tensor& x, std::int64_t offset = 0, Where where = Where::current());
/// Integer classes → a last axis of `classes` zeros and ones of `dtype`; a class outside has none.
Tensor one_hot(const Tensor& index, std::int64_t classes, DType dtype = DType::f32,
               Where where = Where::current());

}  // namespace kiln
