#include "frontend/losses.h"

#include "frontend/checks.h"
#include "frontend/functions.h"

namespace kiln {
namespace {

void check_pair(const Tensor& prediction, const Tensor& target, std::string_view loss, Where w) {
  used_float(prediction, loss, w);
  used(target, loss, w);
  if (prediction.type() != target.type())
    throw Error(w, fmt::format("{}: expected floats of equal shapes, found {} and {}", loss,
                               described(prediction), described(target)));
}

Tensor reduced(const Tensor& x, Reduction reduction, Where w) {
  switch (reduction) {
    case Reduction::none:
      return x;
    case Reduction::mean:
      return mean(x, {}, false, w);
    case Reduction::sum:
      return sum(x, {}, false, w);
    case Reduction::batchmean:
      return div(sum(x, {}, false, w), static_cast<double>(x.dim() > 0 ? x.size(0, w) : 1), w);
  }
  return x;
}

/// Where the classes are: 1, or 0 of a single sample.
int class_axis(const Tensor& logits) { return logits.dim() == 1 ? 0 : 1; }

/// The logits' extents without those of the classes.
Ints sample_shape(const Tensor& logits) {
  Ints dims = logits.shape();
  dims.erase(dims.begin() + class_axis(logits));
  return dims;
}

/// A weight [C] as it multiplies the logits.
Tensor along_classes(const Tensor& weight, const Tensor& logits, Where w) {
  Ints dims(static_cast<std::size_t>(logits.dim()), 1);
  dims[static_cast<std::size_t>(class_axis(logits))] = weight.size(0, w);
  return reshape(weight, dims, w);
}

void check_classes(const Tensor& logits, const Tensor& target, const Tensor& weight,
                   std::string_view loss, Where w) {
  used_float(logits, loss, w);
  const bool shaped = logits.dim() >= 1;
  const bool classes =
      shaped && is_integer(target.dtype()) && target.shape() == sample_shape(logits);
  const bool probabilities = shaped && loss == "cross_entropy" && target.type() == logits.type();
  if (!classes && !probabilities)
    throw Error(w, fmt::format("{}: expected logits [N, C] (or [N, C, ...], or [C]) with integer "
                               "classes [N]{}, found {} and {}",
                               loss, loss == "cross_entropy" ? " or probabilities [N, C]" : "",
                               described(logits), described(target)));
  if (weight.value() &&
      used(weight, loss, w).type() != Type{logits.dtype(), {logits.size(class_axis(logits))}})
    throw Error(
        w, fmt::format("{}: expected a weight for each of the {} classes of {}, found {}", loss,
                       logits.size(class_axis(logits)), described(logits), described(weight)));
}

bool holds(DType dtype, std::int64_t number) {
  if (number < 0 && is_unsigned(dtype)) return false;
  return Array::scalar(number)
      .converted(dtype)
      .converted(DType::i64)
      .same_bits(Array::scalar(number));
}

/// The loss of classes: `offsets` are logarithms of probabilities but for a common term of each
/// sample, `common` that term (none: 0).
Tensor of_classes(const Tensor& offsets, const Tensor& common, const Tensor& target,
                  const CrossEntropyOptions& options, Where w) {
  const int axis = class_axis(offsets);
  const std::int64_t classes = offsets.size(axis, w);
  Tensor hit = one_hot(target, classes, DType::i1, w);
  if (axis != hit.dim() - 1) hit = movedim(hit, -1, axis, w);
  // A class that is not the target adds exactly nothing, be its logit -inf.
  const auto at_target = [&](const Tensor& x) {
    return sum(kiln::where(hit, x, 0.0, w), {axis}, false, w);
  };
  const Tensor picked = at_target(offsets);
  Tensor loss = common.value() ? sub(common, picked, w) : neg(picked, w);
  Tensor weight, counted;  // of each sample
  if (options.weight.value()) {
    weight = at_target(expand(along_classes(options.weight, offsets, w), offsets.shape(), w));
    loss = mul(loss, weight, w);
  }
  if (options.label_smoothing != 0) {
    Tensor each = common.value() ? sub(unsqueeze(common, axis, w), offsets, w) : neg(offsets, w);
    if (options.weight.value()) each = mul(each, along_classes(options.weight, offsets, w), w);
    const double share = options.label_smoothing;
    loss = add(mul(loss, 1 - share, w),
               mul(sum(each, {axis}, false, w), share / static_cast<double>(classes), w), w);
  }
  if (options.ignore_index && holds(target.dtype(), *options.ignore_index)) {
    counted = ne(target, static_cast<double>(*options.ignore_index), w);
    loss = kiln::where(counted, loss, 0.0, w);
    weight = weight.value() ? kiln::where(counted, weight, 0.0, w) : to(counted, loss.dtype(), w);
  }
  if (options.reduction != Reduction::mean || !weight.value())
    return reduced(loss, options.reduction, w);
  return div(sum(loss, {}, false, w), sum(weight, {}, false, w), w);
}

}  // namespace

Tensor mse_loss(const Tensor& prediction, const Tensor& target, Reduction reduction, Where w) {
  check_pair(prediction, target, "mse_loss", w);
  return reduced(square(sub(prediction, target, w), w), reduction, w);
}

Tensor l1_loss(const Tensor& prediction, const Tensor& target, Reduction reduction, Where w) {
  check_pair(prediction, target, "l1_loss", w);
  return reduced(abs(sub(prediction, target, w), w), reduction, w);
}

Tensor smooth_l1_loss(const Tensor& prediction, const Tensor& target, double beta,
                      Reduction reduction, Where w) {
  if (!(beta >= 0))
    throw Error(w, fmt::format("smooth_l1_loss: expected beta >= 0, found {}", beta));
  if (beta == 0) return l1_loss(prediction, target, reduction, w);
  check_pair(prediction, target, "smooth_l1_loss", w);
  const Tensor d = sub(prediction, target, w), size = abs(d, w);
  return reduced(
      kiln::where(lt(size, beta, w), mul(square(d, w), 0.5 / beta, w), sub(size, beta / 2, w), w),
      reduction, w);
}

Tensor huber_loss(const Tensor& prediction, const Tensor& target, double delta, Reduction reduction,
                  Where w) {
  if (!(delta > 0)) throw Error(w, fmt::format("huber_loss: expected delta > 0, found {}", delta));
  check_pair(prediction, target, "huber_loss", w);
  const Tensor d = sub(prediction, target, w), size = abs(d, w);
  return reduced(kiln::where(le(size, delta, w), mul(square(d, w), 0.5, w),
                             mul(sub(size, delta / 2, w), delta, w), w),
                 reduction, w);
}

Tensor cross_entropy(const Tensor& logits, const Tensor& target, CrossEntropyOptions options,
                     Where w) {
  for (const Tensor* tensor : {&logits, &target}) used(*tensor, "cross_entropy", w);
  check_classes(logits, target, options.weight, "cross_entropy", w);
  const double share = options.label_smoothing;
  if (!(share >= 0 && share <= 1))
    throw Error(
        w, fmt::format("cross_entropy: expected a label smoothing from 0 to 1, found {}", share));
  // log Σ exp(x - m) - (x - m)[target]: no gradient but that of the logarithm.
  const int axis = class_axis(logits);
  const Tensor shifted = sub(logits, stop_gradient(amax(logits, {axis}, true, w), w), w);
  const Tensor log_sum = log(sum(exp(shifted, w), {axis}, false, w), w);
  if (is_integer(target.dtype())) return of_classes(shifted, log_sum, target, options, w);
  Tensor weight = target;
  if (share != 0)
    weight = add(mul(target, 1 - share, w), share / static_cast<double>(logits.size(axis, w)), w);
  if (options.weight.value()) weight = mul(weight, along_classes(options.weight, logits, w), w);
  return reduced(
      neg(sum(mul(weight, sub(shifted, unsqueeze(log_sum, axis, w), w), w), {axis}, false, w), w),
      options.reduction, w);
}

Tensor nll_loss(const Tensor& log_probabilities, const Tensor& target, NllOptions options,
                Where w) {
  for (const Tensor* tensor : {&log_probabilities, &target}) used(*tensor, "nll_loss", w);
  check_classes(log_probabilities, target, options.weight, "nll_loss", w);
  return of_classes(log_probabilities, {}, target,
                    {.weight = options.weight,
                     .ignore_index = options.ignore_index,
                     .reduction = options.reduction},
                    w);
}

Tensor binary_cross_entropy(const Tensor& probability, const Tensor& target, const Tensor& weight,
                            Reduction reduction, Where w) {
  check_pair(probability, target, "binary_cross_entropy", w);
  // The inner bound keeps the derivative of what the outer one cuts finite.
  const auto bounded_log = [&](const Tensor& p) {
    return maximum(log(maximum(p, 1e-38, w), w), -100.0, w);
  };
  Tensor loss = neg(add(mul(target, bounded_log(probability), w),
                        mul(sub(1.0, target, w), bounded_log(sub(1.0, probability, w)), w), w),
                    w);
  if (weight.value()) loss = mul(loss, weight, w);
  return reduced(loss, reduction, w);
}

Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target,
                                        BceOptions options, Where w) {
  check_pair(logits, target, "binary_cross_entropy_with_logits", w);
  // -log σ(x) = max(-x, 0) + log(1 + e^-|x|); the maximum shares its gradient at 0, which is right.
  const Tensor tail = log1p(exp(neg(abs(logits, w), w), w), w);
  Tensor loss;
  if (options.pos_weight.value()) {
    const Tensor weight = add(mul(sub(options.pos_weight, 1.0, w), target, w), 1.0, w);
    const Tensor negative = add(maximum(neg(logits, w), 0.0, w), tail, w);
    loss = add(mul(sub(1.0, target, w), logits, w), mul(weight, negative, w), w);
  } else {
    loss = add(sub(maximum(logits, 0.0, w), mul(logits, target, w), w), tail, w);
  }
  if (options.weight.value()) loss = mul(loss, options.weight, w);
  return reduced(loss, options.reduction, w);
}

Tensor kl_div(const Tensor& log_probabilities, const Tensor& target, Reduction reduction,
              bool log_target, Where w) {
  check_pair(log_probabilities, target, "kl_div", w);
  if (log_target)
    return reduced(mul(exp(target, w), sub(target, log_probabilities, w), w), reduction, w);
  const Tensor some = gt(target, 0.0, w);
  const Tensor entropy = mul(target, log(kiln::where(some, target, 1.0, w), w), w);
  return reduced(sub(entropy, mul(target, log_probabilities, w), w), reduction, w);
}

}  // namespace kiln
