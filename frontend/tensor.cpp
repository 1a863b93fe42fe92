#include "frontend/tensor.h"

#include <algorithm>
#include <numeric>

#include "frontend/trace.h"
#include "ir/build.h"
#include "ir/op.h"

namespace kiln {
namespace {

std::string described(Value value) {
  const auto& places = value.graph().locations(value.node);
  return value.type().pretty() + (places.empty() ? "" : " (from " + places.front().str() + ")");
}

/// The tensor's value, which must be there and belong to the trace that goes on.
Value used(const Tensor& x, std::string_view op, Where where) {
  if (!x.value()) throw Error(where, fmt::format("{}: expected a tensor, found an empty one", op));
  if (Trace* trace = Trace::active(); trace != nullptr && &trace->graph() != &x.value().graph())
    throw Error(where, fmt::format("{}: {} belongs to another trace; what a function keeps between "
                                   "calls is a variable",
                                   op, described(x.value())));
  return x.value();
}

int checked_axis(const Tensor& x, std::int64_t axis, std::string_view op, Where where) {
  const int rank = used(x, op, where).type().rank();
  if (axis < -rank || axis >= rank)
    throw Error(where,
                fmt::format("{}: axis {} does not exist in {}", op, axis, described(x.value())));
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

Ints iota_axes(int first, int count) {
  Ints axes(static_cast<std::size_t>(count));
  std::iota(axes.begin(), axes.end(), first);
  return axes;
}

/// The value stretched to `dims`, its axes aligned at the right.
Value stretched(Value x, const Ints& dims, Where where) {
  if (x.type().dims == dims) return x;
  const int rank = x.type().rank();
  return build::broadcast(x, dims, iota_axes(static_cast<int>(dims.size()) - rank, rank), where);
}

/// NumPy's rule for two shapes; nothing where they do not go together.
std::optional<Ints> common_shape(const Ints& a, const Ints& b) {
  const std::size_t rank = std::max(a.size(), b.size());
  Ints dims(rank);
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) return std::nullopt;
    dims[rank - 1 - i] = x == 1 ? y : x;
  }
  return dims;
}

/// The operands as values of one shape and element type.
std::vector<Value> broadcast_together(std::string_view op, std::initializer_list<Operand> operands,
                                      Where where) {
  const Operand* first = nullptr;
  Ints dims;
  for (const Operand& operand : operands) {
    if (operand.is_number()) continue;
    const Tensor& tensor = operand.tensor();
    used(tensor, op, where);
    if (first == nullptr) {
      first = &operand;
      dims = tensor.shape();
      continue;
    }
    if (tensor.dtype() != first->tensor().dtype())
      throw Error(where,
                  fmt::format("{}: expected operands of one element type, found {} and {}; "
                              "convert one with to(x, dtype)",
                              op, described(first->tensor().value()), described(tensor.value())));
    const auto together = common_shape(dims, tensor.shape());
    if (!together)
      throw Error(where,
                  fmt::format("{}: expected shapes that broadcast together (aligned at the "
                              "right, extents equal or 1), found {} and {}",
                              op, described(first->tensor().value()), described(tensor.value())));
    dims = *together;
  }
  if (first == nullptr)
    throw Error(where, fmt::format("{}: expected at least one tensor, found only numbers", op));
  const Value model = first->tensor().value();
  const DType dtype = model.type().dtype;
  for (const Operand& operand : operands)
    if (operand.is_number() && !is_float(dtype) &&
        Array::full(Type{dtype, {}}, operand.number()).item() != operand.number())
      throw Error(where, fmt::format("{}: expected a number that {} holds, found {} for {}", op,
                                     name_of(dtype), operand.number(), described(model)));
  std::vector<Value> values;
  for (const Operand& operand : operands)
    values.push_back(operand.is_number()
                         ? model.graph().splat(Type{model.type().dtype, dims}, operand.number())
                         : stretched(operand.tensor().value(), dims, where));
  return values;
}

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

/// Canonical axes: all of them where none is named.
Ints reduced_axes(const Tensor& x, const Ints& axes, std::string_view op, Where where) {
  if (axes.empty()) return iota_axes(0, used(x, op, where).type().rank());
  Ints result;
  for (std::int64_t axis : axes) result.push_back(checked_axis(x, axis, op, where));
  std::sort(result.begin(), result.end());
  if (std::adjacent_find(result.begin(), result.end()) != result.end())
    throw Error(where, fmt::format("{}: an axis is named twice in [{}]", op, join(axes, ", ")));
  return result;
}

Tensor reduction(Op combiner, std::string_view name, const Tensor& x, const Ints& axes,
                 bool keepdim, Where where) {
  const Ints reduced = reduced_axes(x, axes, name, where);
  if (reduced.empty()) return x;
  const Value result = build::reduce(x.value(), combiner, reduced, where);
  if (!keepdim) return Tensor(result);
  Ints dims = x.shape();
  for (std::int64_t axis : reduced) dims[static_cast<std::size_t>(axis)] = 1;
  return Tensor(build::reshape(result, dims, where));
}

/// i1 [..., classes]: whether the class is the index.
Tensor is_class(const Tensor& index, std::int64_t classes, Where where) {
  // Counted in 32 bits at least: a count in 8 would come round to the index again.
  const Tensor wide = size_of(index.dtype()) < 4 ? to(index, DType::i32, where) : index;
  Ints dims = wide.shape();
  dims.push_back(classes);
  const Tensor number(build::iota(wide.value().graph(), Type{wide.dtype(), dims},
                                  static_cast<std::int64_t>(dims.size()) - 1, where));
  return eq(unsqueeze(wide, -1, where), number, where);
}

}  // namespace

std::int64_t Tensor::size(int axis, Where where) const {
  return shape()[static_cast<std::size_t>(checked_axis(*this, axis, "size", where))];
}

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

Tensor where(const Tensor& condition, const Operand& yes, const Operand& no, Where w) {
  if (yes.is_number() && no.is_number())
    throw Error(w, "where: expected a tensor among the two choices, found only numbers");
  auto v = broadcast_together("where", {yes, no}, w);
  const auto dims = common_shape(used(condition, "where", w).type().dims, v[0].type().dims);
  if (condition.dtype() != DType::i1 || !dims)
    throw Error(w, fmt::format("where: expected an i1 condition that broadcasts with the choices, "
                               "found {} and {}",
                               described(condition.value()), v[0].type().pretty()));
  return Tensor(build::select(stretched(condition.value(), *dims, w), stretched(v[0], *dims, w),
                              stretched(v[1], *dims, w), w));
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

Tensor reshape(const Tensor& x, Ints dims, Where w) {
  const std::int64_t count = used(x, "reshape", w).type().count();
  const auto fail = [&, asked = dims]() -> Error {
    return {w, fmt::format("reshape: {} has {} elements, which do not fit [{}]",
                           described(x.value()), count, join(asked, ", "))};
  };
  std::int64_t* unknown = nullptr;
  std::int64_t known = 1;
  for (std::int64_t& extent : dims) {
    if (extent == -1 && unknown == nullptr)
      unknown = &extent;
    else if (extent < 0 || (extent > 0 && known > (std::int64_t{1} << 48) / extent))
      throw fail();
    else
      known *= extent;
  }
  if (unknown != nullptr && known > 0 && count % known == 0)
    *unknown = count / known;
  else if (unknown != nullptr || known != count)
    throw fail();
  return Tensor(build::reshape(x.value(), dims, w));
}

Tensor flatten(const Tensor& x, int first, Where w) {
  const auto axis = static_cast<std::size_t>(checked_axis(x, first, "flatten", w));
  Ints dims(x.shape().begin(), x.shape().begin() + static_cast<std::ptrdiff_t>(axis));
  dims.push_back(element_count(std::span(x.shape()).subspan(axis)));
  return reshape(x, dims, w);
}

Tensor permute(const Tensor& x, Ints axes, Where w) {
  const Ints asked = axes;
  for (std::int64_t& axis : axes) axis = checked_axis(x, axis, "permute", w);
  Ints sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  if (sorted != iota_axes(0, used(x, "permute", w).type().rank()))
    throw Error(w, fmt::format("permute: expected each axis of {} once, found [{}]",
                               described(x.value()), join(asked, ", ")));
  return Tensor(build::transpose(x.value(), axes, w));
}

Tensor transpose(const Tensor& x, int a, int b, Where w) {
  Ints axes = iota_axes(0, used(x, "transpose", w).type().rank());
  std::swap(axes[static_cast<std::size_t>(checked_axis(x, a, "transpose", w))],
            axes[static_cast<std::size_t>(checked_axis(x, b, "transpose", w))]);
  return permute(x, axes, w);
}

Tensor unsqueeze(const Tensor& x, int axis, Where w) {
  const int rank = used(x, "unsqueeze", w).type().rank() + 1;
  if (axis < -rank || axis >= rank)
    throw Error(w, fmt::format("unsqueeze: axis {} does not fit {}", axis, described(x.value())));
  Ints dims = x.shape();
  dims.insert(dims.begin() + (axis < 0 ? axis + rank : axis), 1);
  return reshape(x, dims, w);
}

Tensor squeeze(const Tensor& x, int axis, Where w) {
  const int at = checked_axis(x, axis, "squeeze", w);
  Ints dims = x.shape();
  if (dims[static_cast<std::size_t>(at)] == 1) dims.erase(dims.begin() + at);
  return reshape(x, dims, w);
}

Tensor expand(const Tensor& x, Ints dims, Where w) {
  if (common_shape(used(x, "expand", w).type().dims, dims) != dims)
    throw Error(w, fmt::format("expand: {} does not stretch to [{}]", described(x.value()),
                               join(dims, ", ")));
  return Tensor(stretched(x.value(), dims, w));
}

Tensor sum(const Tensor& x, const Ints& axes, bool keepdim, Where w) {
  if (is_bool(used(x, "sum", w).type().dtype))
    return sum(to(x, DType::i64, w), axes, keepdim, w);  // a count
  return reduction(Op::add, "sum", x, axes, keepdim, w);
}
Tensor mean(const Tensor& x, const Ints& axes, bool keepdim, Where w) {
  if (!is_float(used(x, "mean", w).type().dtype))
    throw Error(w, fmt::format("mean: expected a float tensor, found {}", described(x.value())));
  std::int64_t count = 1;
  for (std::int64_t axis : reduced_axes(x, axes, "mean", w))
    count *= x.shape()[static_cast<std::size_t>(axis)];
  return div(sum(x, axes, keepdim, w), static_cast<double>(count), w);
}
Tensor amax(const Tensor& x, const Ints& axes, bool keepdim, Where w) {
  return reduction(Op::maximum, "amax", x, axes, keepdim, w);
}
Tensor amin(const Tensor& x, const Ints& axes, bool keepdim, Where w) {
  return reduction(Op::minimum, "amin", x, axes, keepdim, w);
}

Tensor argmax(const Tensor& x, int axis, Where w) {
  // The smallest index among those that hold the maximum (or the NaNs, where there are any).
  const int at = checked_axis(x, axis, "argmax", w);
  if (x.shape()[static_cast<std::size_t>(at)] == 0)
    throw Error(w, fmt::format("argmax: axis {} of {} is empty", axis, described(x.value())));
  const Tensor top = amax(x, {at}, true, w);
  const Tensor nan = ne(x, x, w);
  const Tensor holds =
      kiln::where(ne(top, top, w), to(nan, DType::i64, w), to(eq(x, top, w), DType::i64, w), w);
  const Tensor index(build::iota(x.value().graph(), Type{DType::i64, x.shape()}, at, w));
  const double beyond = static_cast<double>(x.shape()[static_cast<std::size_t>(at)]);
  return amin(kiln::where(gt(holds, 0.0, w), index, beyond, w), {at}, false, w);
}

Tensor softmax(const Tensor& x, int axis, Where w) {
  const int at = checked_axis(x, axis, "softmax", w);
  // The shift cancels, so its gradient is exactly zero.
  const Tensor shift = stop_gradient(amax(x, {at}, true, w), w);
  const Tensor e = exp(sub(x, shift, w), w);
  return div(e, sum(e, {at}, true, w), w);
}

Tensor log_softmax(const Tensor& x, int axis, Where w) {
  const int at = checked_axis(x, axis, "log_softmax", w);
  const Tensor shifted = sub(x, stop_gradient(amax(x, {at}, true, w), w), w);
  return sub(shifted, log(sum(exp(shifted, w), {at}, true, w), w), w);
}

Tensor matmul(const Tensor& a, const Tensor& b, Where w) {
  const auto fail = [&](std::string_view expected) -> Error {
    return {w, fmt::format("matmul: expected {}, found {} and {}", expected, described(a.value()),
                           described(b.value()))};
  };
  for (const Tensor* operand : {&a, &b})
    if (used(*operand, "matmul", w).type().rank() == 0) throw fail("operands of rank 1 or more");
  if (a.dtype() != b.dtype()) throw fail("operands of one element type");
  // A vector is a matrix of one row (left) or one column (right), which the result then loses.
  const Tensor lhs = a.dim() == 1 ? unsqueeze(a, 0, w) : a;
  const Tensor rhs = b.dim() == 1 ? unsqueeze(b, 1, w) : b;
  if (lhs.size(-1) != rhs.size(-2))
    throw fail(fmt::format("the last axis of the first ({}) to equal the {} of the second ({})",
                           lhs.size(-1), b.dim() == 1 ? "length" : "second-last axis",
                           rhs.size(-2)));
  const Ints lhs_lead(lhs.shape().begin(), lhs.shape().end() - 2);
  const Ints rhs_lead(rhs.shape().begin(), rhs.shape().end() - 2);
  Tensor product;
  if (rhs_lead.empty()) {
    // One matrix for all batches: the batch axes are rows.
    product = Tensor(
        build::dot_general(lhs.value(), rhs.value(), DotAttrs{{}, {}, {lhs.dim() - 1}, {0}}, w));
  } else {
    const auto lead = common_shape(lhs_lead, rhs_lead);
    if (!lead) throw fail("batch axes that broadcast together");
    const auto batched = [&](const Tensor& x) {
      Ints dims = *lead;
      dims.insert(dims.end(), x.shape().end() - 2, x.shape().end());
      return stretched(x.value(), dims, w);
    };
    const int batches = static_cast<int>(lead->size());
    const Ints batch = iota_axes(0, batches);
    product = Tensor(build::dot_general(batched(lhs), batched(rhs),
                                        DotAttrs{batch, batch, {batches + 1}, {batches}}, w));
  }
  if (b.dim() == 1) product = squeeze(product, -1, w);
  if (a.dim() == 1) product = squeeze(product, b.dim() == 1 ? -1 : -2, w);
  return product;
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Where w) {
  for (const Tensor* tensor : {&x, &weight}) used(*tensor, "linear", w);
  if (weight.dim() != 2)
    throw Error(
        w, fmt::format("linear: expected a weight [out, in], found {}", described(weight.value())));
  if (x.dim() < 1 || x.size(-1) != weight.size(1) || x.dtype() != weight.dtype())
    throw Error(w, fmt::format("linear: expected an input [..., {}] for weight {}, found {}",
                               weight.size(1), described(weight.value()), described(x.value())));
  if (bias.value() && bias.type() != Type{weight.dtype(), {weight.size(0)}})
    throw Error(w, fmt::format("linear: expected a bias of {} for weight {}, found {}",
                               weight.size(0), described(weight.value()), described(bias.value())));
  const Tensor product(
      build::dot_general(x.value(), weight.value(), DotAttrs{{}, {}, {x.dim() - 1}, {1}}, w));
  return bias.value() ? add(product, bias, w) : product;
}

Tensor full(Ints dims, double value, DType dtype, Where w) {
  return Tensor(Trace::current("full", w).graph().splat(Type{dtype, std::move(dims)}, value, w));
}

Tensor arange(std::int64_t n, DType dtype, Where w) {
  if (n < 0) throw Error(w, fmt::format("arange: expected a length >= 0, found {}", n));
  return Tensor(build::iota(Trace::current("arange", w).graph(), Type{dtype, {n}}, 0, w));
}

Tensor constant(const Array& value, Where w) {
  return Tensor(Trace::current("constant", w).graph().constant(value, w));
}

Tensor one_hot(const Tensor& index, std::int64_t classes, DType dtype, Where w) {
  if (classes < 0)
    throw Error(w, fmt::format("one_hot: expected a number of classes >= 0, found {}", classes));
  if (!is_integer(used(index, "one_hot", w).type().dtype))
    throw Error(
        w, fmt::format("one_hot: expected integer classes, found {}", described(index.value())));
  return to(is_class(index, classes, w), dtype, w);
}

Tensor stop_gradient(const Tensor& x, Where w) {
  Graph& graph = used(x, "stop_gradient", w).graph();
  const Value inside = graph.parameter(0, x.type());
  return Tensor(Value{graph.make(Op::composite, {x.value()}, CallAttrs{"kiln.stop_gradient", ""},
                                 std::nullopt, {Region{{x.type()}, {inside}}}, w),
                      0});
}

Tensor cross_entropy(const Tensor& logits, const Tensor& target, Where w) {
  for (const Tensor* tensor : {&logits, &target}) used(*tensor, "cross_entropy", w);
  const bool indices = is_integer(target.dtype());
  const bool fits =
      logits.dim() == 2 && (indices ? target.dim() == 1 && target.size(0) == logits.size(0)
                                    : target.type() == logits.type());
  if (!fits)
    throw Error(w, fmt::format("cross_entropy: expected logits [N, C] with integer classes [N] or "
                               "probabilities [N, C], found {} and {}",
                               described(logits.value()), described(target.value())));
  // log Σ exp(x - m) - (x - m)[target]: a class that is not the target adds exactly nothing, be its
  // logit -inf, and no gradient but that of the logarithm.
  const Tensor shifted = sub(logits, stop_gradient(amax(logits, {1}, true, w), w), w);
  const Tensor log_sum = log(sum(exp(shifted, w), {1}, false, w), w);
  if (!indices)
    return mean(
        neg(sum(mul(target, sub(shifted, unsqueeze(log_sum, 1, w), w), w), {1}, false, w), w), {},
        false, w);
  const Tensor hit = is_class(target, logits.size(1), w);
  return mean(sub(log_sum, sum(kiln::where(hit, shifted, 0.0, w), {1}, false, w), w), {}, false, w);
}

Tensor mse_loss(const Tensor& prediction, const Tensor& target, Where w) {
  for (const Tensor* tensor : {&prediction, &target}) used(*tensor, "mse_loss", w);
  if (prediction.type() != target.type() || !is_float(target.dtype()))
    throw Error(w, fmt::format("mse_loss: expected floats of equal shapes, found {} and {}",
                               described(prediction.value()), described(target.value())));
  return mean(square(sub(prediction, target, w), w), {}, false, w);
}

}  // namespace kiln
