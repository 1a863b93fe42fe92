// Formulas over tensors of one shape, written as formulas.
#pragma once

#include "ir/build.h"

namespace kiln::importing {

/// A value with operators; numbers beside it are constants of its type.
class Expr {
 public:
  Expr(Value value) : value_(value) {}  // NOLINT: what a formula is made of
  operator Value() const { return value_; }
  Value value() const { return value_; }
  DType dtype() const { return value_.type().dtype; }
  Expr like(double number) const { return build::like(value_, number); }

  friend Expr operator+(Expr a, Expr b) { return build::add(a, b); }
  friend Expr operator-(Expr a, Expr b) { return build::subtract(a, b); }
  friend Expr operator*(Expr a, Expr b) { return build::multiply(a, b); }
  friend Expr operator/(Expr a, Expr b) { return build::divide(a, b); }
  friend Expr operator&(Expr a, Expr b) { return build::binary(Op::and_, a, b); }
  friend Expr operator|(Expr a, Expr b) { return build::binary(Op::or_, a, b); }
  friend Expr operator^(Expr a, Expr b) { return build::binary(Op::xor_, a, b); }
  friend Expr operator==(Expr a, Expr b) { return build::compare(a, b, Direction::EQ); }
  friend Expr operator<(Expr a, Expr b) { return build::compare(a, b, Direction::LT); }
  friend Expr operator<=(Expr a, Expr b) { return build::compare(a, b, Direction::LE); }
  friend Expr operator>(Expr a, Expr b) { return build::compare(a, b, Direction::GT); }
  friend Expr operator>=(Expr a, Expr b) { return build::compare(a, b, Direction::GE); }

  friend Expr operator+(Expr a, double b) { return a + a.like(b); }
  friend Expr operator+(double a, Expr b) { return b.like(a) + b; }
  friend Expr operator-(Expr a, double b) { return a - a.like(b); }
  friend Expr operator-(double a, Expr b) { return b.like(a) - b; }
  friend Expr operator*(Expr a, double b) { return a * a.like(b); }
  friend Expr operator*(double a, Expr b) { return b.like(a) * b; }
  friend Expr operator/(Expr a, double b) { return a / a.like(b); }
  friend Expr operator/(double a, Expr b) { return b.like(a) / b; }
  friend Expr operator==(Expr a, double b) { return a == a.like(b); }
  friend Expr operator<(Expr a, double b) { return a < a.like(b); }
  friend Expr operator<=(Expr a, double b) { return a <= a.like(b); }
  friend Expr operator>(Expr a, double b) { return a > a.like(b); }
  friend Expr operator>=(Expr a, double b) { return a >= a.like(b); }

  Expr operator-() const { return build::negate(value_); }
  Expr operator~() const { return build::unary(Op::not_, value_); }
  /// Shifts of bits, zeros coming in, by a number of places.
  Expr operator<<(int places) const { return build::binary(Op::shift_left, value_, like(places)); }
  Expr operator>>(int places) const {
    return build::binary(Op::shift_right_logical, value_, like(places));
  }

 private:
  Value value_;
};

inline Expr where(Expr condition, Expr yes, Expr no) { return build::select(condition, yes, no); }
inline Expr apply(Op op, Expr x) { return build::unary(op, x); }
inline Expr apply(Op op, Expr x, Expr y) { return build::binary(op, x, y); }

}  // namespace kiln::importing
