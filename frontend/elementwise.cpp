#include "frontend/elementwise.h"

#include "frontend/checks.h"
#include "frontend/select.h"
#include "ir/build.h"
#include "ir/op.h"

namespace kiln {
namespace {

Tensor elementwise(Op op, const Operand& a, const Operand& b, Where where) {
  const auto v = broadcast_together(definition(op).name, {a, b}, where);
  return Tensor(build::binary(op, v[0], v[1], where));
}

Tensor elementwise(Op op, const Tensor& x, Where where) {
  return Tensor(build::unary(op, used(x, definition(op).name, where), where));
}

Tensor comparison(Direction direction, const Operand& a, const Operand& b, Where where) {
  const auto v = broadcast_together("compare", {a, b}, where);
  return Tensor(build::compare(v[0], v[1], direction, where));
}

}  // namespace

Tensor add(const Operand& a, const Operand& b, Where w) { return elementwise(Op::add, a, b, w); }
Tensor sub(const Operand& a, const Operand& b, Where w) {
  return elementwise(Op::subtract, a, b, w);
}
Tensor mul(const Operand& a, const Operand& b, Where w) {
  return elementwise(Op::multiply, a, b, w);
}
Tensor div(const Operand& a, const Operand& b, Where w) {
  for (const Operand* operand : {&a, &b})
    if (!operand->is_number() && !is_float(used(operand->tensor(), "div", w).type().dtype))
      throw Error(w, fmt::format("div: true division needs float operands, found {}; convert them "
                                 "with to(x, DType::f32)",
                                 described(operand->tensor().value())));
  return elementwise(Op::divide, a, b, w);
}
Tensor pow(const Operand& a, const Operand& b, Where w) { return elementwise(Op::power, a, b, w); }
Tensor maximum(const Operand& a, const Operand& b, Where w) {
  return elementwise(Op::maximum, a, b, w);
}
Tensor minimum(const Operand& a, const Operand& b, Where w) {
  return elementwise(Op::minimum, a, b, w);
}
Tensor eq(const Operand& a, const Operand& b, Where w) {
  return comparison(Direction::EQ, a, b, w);
}
Tensor ne(const Operand& a, const Operand& b, Where w) {
  return comparison(Direction::NE, a, b, w);
}
Tensor lt(const Operand& a, const Operand& b, Where w) {
  return comparison(Direction::LT, a, b, w);
}
Tensor le(const Operand& a, const Operand& b, Where w) {
  return comparison(Direction::LE, a, b, w);
}
Tensor gt(const Operand& a, const Operand& b, Where w) {
  return comparison(Direction::GT, a, b, w);
}
Tensor ge(const Operand& a, const Operand& b, Where w) {
  return comparison(Direction::GE, a, b, w);
}

Tensor neg(const Tensor& x, Where w) { return elementwise(Op::negate, x, w); }
Tensor abs(const Tensor& x, Where w) { return elementwise(Op::abs, x, w); }
Tensor exp(const Tensor& x, Where w) { return elementwise(Op::exponential, x, w); }
Tensor expm1(const Tensor& x, Where w) { return elementwise(Op::exponential_minus_one, x, w); }
Tensor log(const Tensor& x, Where w) { return elementwise(Op::log, x, w); }
Tensor log1p(const Tensor& x, Where w) { return elementwise(Op::log_plus_one, x, w); }
Tensor sqrt(const Tensor& x, Where w) { return elementwise(Op::sqrt, x, w); }
Tensor rsqrt(const Tensor& x, Where w) { return elementwise(Op::rsqrt, x, w); }
Tensor sin(const Tensor& x, Where w) { return elementwise(Op::sine, x, w); }
Tensor cos(const Tensor& x, Where w) { return elementwise(Op::cosine, x, w); }
Tensor erf(const Tensor& x, Where w) { return elementwise(Op::erf, x, w); }
Tensor tanh(const Tensor& x, Where w) { return elementwise(Op::tanh, x, w); }
Tensor sigmoid(const Tensor& x, Where w) { return elementwise(Op::logistic, x, w); }
Tensor floor(const Tensor& x, Where w) { return elementwise(Op::floor, x, w); }
Tensor square(const Tensor& x, Where w) { return mul(x, x, w); }
Tensor relu(const Tensor& x, Where w) { return kiln::where(le(x, 0.0, w), 0.0, x, w); }
Tensor to(const Tensor& x, DType dtype, Where w) {
  const Value value = used(x, "to", w);
  return dtype == x.dtype() ? x : Tensor(build::convert(value, dtype, w));
}

Tensor operator+(const At& a, const At& b) { return add(a, b, a.where); }
Tensor operator-(const At& a, const At& b) { return sub(a, b, a.where); }
Tensor operator*(const At& a, const At& b) { return mul(a, b, a.where); }
Tensor operator/(const At& a, const At& b) { return div(a, b, a.where); }
Tensor operator-(const At& a) { return neg(a.tensor(), a.where); }

}  // namespace kiln
