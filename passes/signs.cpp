#include "passes/signs.h"

#include <cmath>

#include "ir/op.h"

namespace kiln {
namespace {

using space::Expr;
using space::Kernel;

Sign of_constant(const Node& node) {
  if (!is_float(node.type().dtype)) return {};
  const double value = node.attrs<ConstantAttrs>().value.as_double(0);
  return {!std::signbit(value), value <= 0, value <= 1};
}

class Signs {
 public:
  explicit Signs(const Kernel& kernel) : kernel_(kernel) {}

  std::vector<Sign> run() {
    for (const Expr& expr : kernel_.exprs) signs_.push_back(of(expr));
    return std::move(signs_);
  }

 private:
  const Sign& sign(int expr) const { return signs_[static_cast<std::size_t>(expr)]; }
  const Expr& expr(int number) const { return kernel_.exprs[static_cast<std::size_t>(number)]; }

  Sign of(const Expr& expr) const {
    if (!is_float(expr.dtype)) return {};
    switch (expr.kind) {
      case Expr::Kind::constant:
        return of_constant(*expr.node);
      case Expr::Kind::iota:
        return {.not_negative = true};
      case Expr::Kind::apply:
        return of_operation(expr);
      case Expr::Kind::reduced:
        return of_reduction(kernel_.reductions[static_cast<std::size_t>(expr.reduction)]);
      case Expr::Kind::load:
      case Expr::Kind::indexed:
        return {};
    }
    return {};
  }

  Sign of_operation(const Expr& expr) const {
    const std::vector<int>& in = expr.operands;
    switch (expr.node->op()) {
      case Op::exponential:
        return {.not_negative = true, .at_most_one = sign(in[0]).not_positive};
      case Op::logistic:
        return {.not_negative = true, .at_most_one = true};
      case Op::abs:
        return {.not_negative = true};
      case Op::negate:
        return {.not_positive = sign(in[0]).not_negative};
      case Op::convert:
        return {.not_negative =
                    is_bool(this->expr(in[0]).dtype) || is_unsigned(this->expr(in[0]).dtype)};
      case Op::multiply:
        if (in[0] == in[1]) return {.not_negative = true};
        [[fallthrough]];
      case Op::divide:
        return {.not_negative = sign(in[0]).not_negative && sign(in[1]).not_negative};
      case Op::add:
        return {sign(in[0]).not_negative && sign(in[1]).not_negative,
                sign(in[0]).not_positive && sign(in[1]).not_positive};
      case Op::subtract:
        return {.not_positive = is_maximum_over(in[1], in[0])};
      case Op::select:
        return {sign(in[1]).not_negative && sign(in[2]).not_negative,
                sign(in[1]).not_positive && sign(in[2]).not_positive,
                sign(in[1]).at_most_one && sign(in[2]).at_most_one};
      default:
        return {};
    }
  }

  Sign of_reduction(const space::Reduction& reduction) const {
    if (reduction.is_contraction() || reduction.inputs.size() != 1) return {};
    if (simple_combiner(*reduction.region) != Op::add) return {};
    // Chains and lanes may begin with -0; the initial value is added all the same.
    const Sign initial = sign(reduction.initial[0]), input = sign(reduction.inputs[0]);
    return {initial.not_negative && input.not_negative, initial.not_positive && input.not_positive};
  }

  /// Whether `reduced` is the maximum of `of` over dimensions: where both stand at one point, it is
  /// no less.
  bool is_maximum_over(int reduced, int of) const {
    const Expr& found = expr(reduced);
    if (found.kind != Expr::Kind::reduced) return false;
    const space::Reduction& reduction =
        kernel_.reductions[static_cast<std::size_t>(found.reduction)];
    return !reduction.is_contraction() && reduction.inputs == std::vector{of} &&
           simple_combiner(*reduction.region) == Op::maximum;
  }

  const Kernel& kernel_;
  std::vector<Sign> signs_;
};

}  // namespace

std::vector<Sign> signs(const Kernel& kernel) { return Signs(kernel).run(); }

}  // namespace kiln
