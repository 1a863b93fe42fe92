// Triangular systems and Cholesky's decomposition: a loop over rows or columns of all matrices of a
// batch, each step a product with what is known so far.
#include <numeric>
#include <utility>

#include "ir/build_control.h"
#include "ir/import/context.h"
#include "ir/import/expression.h"

namespace kiln::importing {
namespace {

using Values = std::vector<Value>;

/// The axes before the last two are a batch.
struct Matrices {
  std::int64_t rank, rows, columns;
  explicit Matrices(const Type& type)
      : rank(type.rank()), rows(type.dims[index(rank - 2)]), columns(type.dims[index(rank - 1)]) {}
  static std::size_t index(std::int64_t axis) { return static_cast<std::size_t>(axis); }
};

void expect_square(const Context& context) {
  context.expect_float(0);
  const Type& type = context.type(0);
  if (type.rank() < 2 || Matrices(type).rows != Matrices(type).columns)
    context.fail("square matrices, the last two axes of a tensor", type.str());
}

Value transposed(Value x) {
  Ints permutation(x.type().dims.size());
  std::iota(permutation.begin(), permutation.end(), 0);
  std::iter_swap(permutation.end() - 1, permutation.end() - 2);
  return build::transpose(x, permutation);
}

/// a · b, matrix by matrix; or a · bᵀ.
Value product(Value a, Value b, bool transpose_b = false) {
  const std::int64_t rank = a.type().rank();
  DotAttrs attrs;
  for (std::int64_t axis = 0; axis < rank - 2; ++axis) {
    attrs.lhs_batch.push_back(axis);
    attrs.rhs_batch.push_back(axis);
  }
  attrs.lhs_contracting = {rank - 1};
  attrs.rhs_contracting = {transpose_b ? rank - 1 : rank - 2};
  return build::dot_general(a, b, attrs);
}

/// One row (or column) of all matrices, read or written at a computed place.
Values place(Value x, Value i, std::int64_t axis) {
  Values starts(x.type().dims.size(), build::like(i, 0));
  starts[static_cast<std::size_t>(axis)] = i;
  return starts;
}
Value line(Value x, Value i, std::int64_t axis) {
  Ints sizes = x.type().dims;
  sizes[static_cast<std::size_t>(axis)] = 1;
  return build::dynamic_slice(x, place(x, i, axis), sizes);
}
Value with_line(Value x, Value line, Value i, std::int64_t axis) {
  return build::dynamic_update_slice(x, line, place(x, i, axis));
}

Expr number_along(Value x, std::int64_t axis) {
  return build::iota(x.graph(), {DType::i64, x.type().dims}, axis);
}

/// x of l · x = b, from the first row on. Of l the lower triangle is read, its diagonal taken as 1
/// where it is said to be.
Value solved(const Context& context, Value l, Value b, bool unit_diagonal) {
  const std::int64_t rank = l.type().rank(), rows = rank - 2, columns = rank - 1;
  const Expr row = number_along(l, rows), column = number_along(l, columns);
  const Value zero = build::like(l, 0);
  const Value below = where(row > column, l, zero);
  Ints diagonal_dims = l.type().dims;
  diagonal_dims.back() = 1;
  const Value diagonal = build::reshape(
      build::reduce(where(row == column, l, zero), Op::add, {columns}), diagonal_dims);
  const auto step = [&](Value i, std::span<const Value> known) {
    const Value x = known[0];
    Value next = Expr(line(b, i, rows)) - Expr(product(line(below, i, rows), x));
    if (!unit_diagonal) {
      Ints axes(next.type().dims.size());
      std::iota(axes.begin(), axes.end(), 0);
      const Value pivot = build::broadcast(line(diagonal, i, rows), next.type().dims, axes);
      next = Expr(next) / Expr(pivot);
    }
    return Values{with_line(x, next, i, rows)};
  };
  return build::counted(context.graph(), Matrices(l.type()).rows, {build::like(b, 0)}, step,
                        context.where())[0];
}

Values import_triangular_solve(const Context& context) {
  expect_square(context);
  Value a = context.operand(0), b = context.operand(1);
  const bool left = context.flag("left_side");
  bool lower = context.flag("lower");
  Ints expected = a.type().dims;
  if (b.type().rank() == a.type().rank())
    (left ? expected.back() : *(expected.end() - 2)) =
        left ? b.type().dims.back() : *(b.type().dims.end() - 2);
  context.expect_type(1, Type{a.type().dtype, expected});

  // x · a = b is aᵀ · xᵀ = bᵀ; what is upper becomes lower when rows and columns are turned round.
  const std::string operation = context.word("transpose_a", "NO_TRANSPOSE");
  if (operation != "NO_TRANSPOSE" && operation != "TRANSPOSE" && operation != "ADJOINT")
    context.fail("NO_TRANSPOSE, TRANSPOSE or ADJOINT as transpose_a", operation);
  if ((operation == "NO_TRANSPOSE") != left) {
    a = transposed(a);
    lower = !lower;
  }
  if (!left) b = transposed(b);
  if (b.type().count() == 0) return {context.operand(1)};
  const std::int64_t rank = a.type().rank();
  if (!lower) {
    a = build::reverse(a, {rank - 2, rank - 1});
    b = build::reverse(b, {rank - 2});
  }
  Value x = solved(context, a, b, context.flag("unit_diagonal"));
  if (!lower) x = build::reverse(x, {rank - 2});
  return {left ? x : transposed(x)};
}

/// l of l · lᵀ = a, from the first column on; of a the triangle named is read.
Values import_cholesky(const Context& context) {
  expect_square(context);
  const bool lower = context.flag("lower");
  const Value a = lower ? context.operand(0) : transposed(context.operand(0));
  if (a.type().count() == 0) return {context.operand(0)};
  const std::int64_t rows = a.type().rank() - 2, columns = rows + 1;
  const auto step = [&](Value j, std::span<const Value> known) {
    const Value l = known[0];
    // What earlier columns leave of column j; its element j is the square of l's.
    const Value rest = Expr(line(a, j, columns)) - Expr(product(l, line(l, j, rows), true));
    const Value pivot = line(rest, j, rows);
    Ints axes(rest.type().dims.size());
    std::iota(axes.begin(), axes.end(), 0);
    const Value root = build::broadcast(build::unary(Op::sqrt, pivot), rest.type().dims, axes);
    const Expr row = number_along(rest, rows), here = broadcast_scalar(j, row.value().type());
    const Expr column = where(row == here, root, Expr(rest) / Expr(root));
    return Values{with_line(l, where(row < here, column.like(0), column), j, columns)};
  };
  const Value l = build::counted(context.graph(), Matrices(a.type()).rows, {build::like(a, 0)},
                                 step, context.where())[0];
  return {lower ? l : transposed(l)};
}

constexpr Row kRows[] = {
    {"stablehlo.cholesky", 1, 0, import_cholesky},
    {"stablehlo.triangular_solve", 2, 0, import_triangular_solve},
};

}  // namespace

std::span<const Row> linear_algebra_imports() { return kRows; }

}  // namespace kiln::importing
