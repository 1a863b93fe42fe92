// Batch normalisation, as StableHLO's specification writes it.
#include "ir/import/context.h"
#include "ir/import/expression.h"

namespace kiln::importing {
namespace {

using Values = std::vector<Value>;

/// The operand's axes: one of features, the others are averaged over.
class Normalization {
 public:
  /// Operands 1, 2, … up to `vectors` have one number for each feature.
  Normalization(const Context& context, int vectors)
      : context_(context), type_(context.type(0)), feature_(context.integer("feature_index")) {
    context.expect_float(0);
    if (feature_ < 0 || feature_ >= type_.rank())
      context.fail(fmt::format("an axis of {} as feature_index", type_.str()),
                   fmt::format("{}", feature_));
    const std::int64_t features = type_.dims[static_cast<std::size_t>(feature_)];
    for (int i = 1; i <= vectors; ++i) context.expect_type(i, Type{type_.dtype, {features}});
    for (std::int64_t axis = 0; axis < type_.rank(); ++axis)
      if (axis != feature_) averaged_.push_back(axis);
    count_ = 1;
    for (std::int64_t axis : averaged_)
      count_ *= static_cast<double>(type_.dims[static_cast<std::size_t>(axis)]);
  }

  Expr wide(Expr vector) const { return build::broadcast(vector, type_.dims, {feature_}); }
  Expr wide(int operand) const { return wide(Expr(context_.operand(operand))); }
  Expr sum(Expr x) const { return build::reduce(x, Op::add, averaged_, context_.where()); }
  Expr mean(Expr x) const { return sum(x) / count_; }
  double count() const { return count_; }
  /// The standard deviation; `epsilon` keeps it from 0.
  Expr deviation(Expr variance) const {
    return build::unary(Op::sqrt, variance + context_.number("epsilon"));
  }
  Expr normalized(Expr x, Expr scale, Expr offset, Expr mean, Expr variance) const {
    return wide(scale) * ((x - wide(mean)) / wide(deviation(variance))) + wide(offset);
  }

 private:
  const Context& context_;
  Type type_;
  std::int64_t feature_;
  Ints averaged_;
  double count_ = 1;
};

Values import_inference(const Context& context) {
  const Normalization axes(context, 4);
  return {axes.normalized(context.operand(0), context.operand(1), context.operand(2),
                          context.operand(3), context.operand(4))};
}

Values import_training(const Context& context) {
  const Normalization axes(context, 2);
  const Expr x = context.operand(0), mean = axes.mean(x), centered = x - axes.wide(mean);
  const Expr variance = axes.mean(centered * centered);
  return {axes.normalized(x, context.operand(1), context.operand(2), mean, variance), mean,
          variance};
}

/// Operands: what was normalised, scale, mean, variance, and the cotangent of the result.
Values import_grad(const Context& context) {
  const Normalization axes(context, 3);
  context.expect_type(4, context.type(0));
  const Expr x = context.operand(0), scale = context.operand(1), mean = context.operand(2),
             variance = context.operand(3), ct = context.operand(4);
  const Expr deviation = axes.wide(axes.deviation(variance)), centered = x - axes.wide(mean);
  const Expr of_offset = axes.sum(ct);
  const Expr shared = axes.wide(axes.sum(ct * centered)) * centered / (deviation * deviation);
  const Expr of_operand = axes.wide(scale) / deviation / axes.count() *
                          (ct * axes.count() - axes.wide(of_offset) - shared);
  return {of_operand, axes.sum(ct * (centered / deviation)), of_offset};
}

constexpr Row kRows[] = {
    {"stablehlo.batch_norm_inference", 5, 0, import_inference},
    {"stablehlo.batch_norm_training", 3, 0, import_training},
    {"stablehlo.batch_norm_grad", 5, 0, import_grad},
};

}  // namespace

std::span<const Row> normalization_imports() { return kRows; }

}  // namespace kiln::importing
