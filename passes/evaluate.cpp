#include "passes/evaluate.h"

#include <algorithm>
#include <unordered_set>

#include "ir/op.h"

namespace kiln {

using loop::Reg;
using space::Expr;

Evaluator::Evaluator(const space::Kernel& space, loop::Kernel& kernel)
    : space_(space), builder_(kernel), at_(space.dims.size()) {
  kernel.name = space.name;
  for (const space::Buffer& buffer : space.buffers)
    builder_.buffer(buffer.dtype, buffer.output ? loop::Buffer::Kind::out : loop::Buffer::Kind::in,
                    buffer.count);
}

void Evaluator::open(int dim, loop::Affine at) { at_[index(dim)] = std::move(at); }

void Evaluator::open_vector(int dim, loop::Affine at, int active) {
  vector_dim_ = dim;
  active_ = active;
  open(dim, std::move(at));
}

void Evaluator::close(int dim) { at_[index(dim)].reset(); }

std::pair<loop::Affine, std::int64_t> Evaluator::address(const Place& place) const {
  loop::Affine element(place.access.offset);
  std::int64_t lane_stride = 0;
  for (std::size_t d = 0; d < place.access.strides.size(); ++d) {
    const std::int64_t stride = place.access.strides[d];
    if (stride == 0) continue;
    internal_check(at_[d].has_value(), "an access's dimensions are open");
    if (!place.own || !space_.dims[d].parallel) element = element + *at_[d] * stride;
    if (static_cast<int>(d) == vector_dim_) lane_stride = stride;
  }
  return {element, lane_stride};
}

const Place& Evaluator::relocated(const Place& place) const {
  if (!place.own)
    for (const auto& [access, there] : relocated_)
      if (access == place.access) return there;
  return place;
}

Reg Evaluator::load(const Place& asked) {
  const Place& place = relocated(asked);
  const auto [element, stride] = address(place);
  return stride == 0 ? builder_.load(place.access.buffer, element, 1, 0)
                     : builder_.load(place.access.buffer, element, loop::kLanes, stride, active_);
}

void Evaluator::store(const Place& asked, Reg value) {
  const Place& place = relocated(asked);
  const auto [element, stride] = address(place);
  if (stride == 0) {
    internal_check(builder_.type(value).lanes == 1, "a point without lanes stores a scalar");
    builder_.store(place.access.buffer, element, value, 1, 1);
  } else {
    builder_.store(place.access.buffer, element, builder_.splat(value, loop::kLanes), stride,
                   active_);
  }
}

Reg Evaluator::eval(int number) {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
    if (const auto found = scope->find(number); found != scope->end()) return found->second;
  const auto kept = kept_.find(number);
  const Reg reg = kept != kept_.end() && kept->second.second ? load(kept->second.first)
                                                             : fresh(space_.exprs[index(number)]);
  scopes_.back()[number] = reg;
  return reg;
}

Reg Evaluator::fresh(const Expr& expr) {
  switch (expr.kind) {
    case Expr::Kind::load:
      return load({expr.access, false});
    case Expr::Kind::constant:
      return constant(*expr.node);
    case Expr::Kind::iota: {
      const Reg count = builder_.index(at(expr.dim), expr.dim == vector_dim_ ? loop::kLanes : 1);
      return expr.dtype == DType::i64 ? count : builder_.convert(count, expr.dtype);
    }
    case Expr::Kind::apply: {
      std::vector<Reg> operands;
      for (int operand : expr.operands) operands.push_back(eval(operand));
      return apply(*expr.node, std::move(operands));
    }
    case Expr::Kind::reduced:
      break;
  }
  throw InternalError("a reduced value is read before it is computed");
}

Reg Evaluator::constant(const Node& node, int lanes) {
  std::uint64_t bits = 0;
  const auto bytes = node.attrs<ConstantAttrs>().value.bytes();
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::byte*>(&bits));
  return builder_.constant_bits({node.type().dtype, lanes}, bits);
}

Reg Evaluator::apply(const Node& node, std::vector<Reg> operands) {
  int lanes = 1;
  for (Reg operand : operands) lanes = std::max(lanes, builder_.type(operand).lanes);
  std::vector<loop::Val> values;
  for (Reg operand : operands) values.emplace_back(builder_, builder_.splat(operand, lanes));
  return definition(node.op()).scalar(node, values).reg();
}

void Evaluator::prepare(const std::vector<int>& roots, space::DimSet closed, int level) {
  std::unordered_set<int> seen;
  const auto visit = [&](auto& self, int number) -> void {
    if (!seen.insert(number).second) return;
    const Expr& expr = space_.exprs[index(number)];
    if (expr.kind == Expr::Kind::constant) return;
    if ((expr.dims & closed) == 0 && expr.level <= level) {
      eval(number);
      return;
    }
    if (const auto kept = kept_.find(number); kept != kept_.end() && kept->second.second) return;
    for (int operand : expr.operands) self(self, operand);
  };
  for (int root : roots) visit(visit, root);
}

std::vector<Reg> Evaluator::combine(const space::Reduction& reduction, std::span<const Reg> running,
                                    std::span<const Reg> inputs) {
  if (reduction.is_contraction()) {
    using loop::Opcode;
    if (is_float(reduction.dtype))
      return {builder_.let(Opcode::fma, {inputs[0], inputs[1], running[0]})};
    const bool bits = is_bool(reduction.dtype);
    const Reg product = builder_.let(bits ? Opcode::bit_and : Opcode::mul, {inputs[0], inputs[1]});
    return {builder_.let(bits ? Opcode::bit_or : Opcode::add, {running[0], product})};
  }
  const Region& region = *reduction.region;
  const int lanes = builder_.type(running[0]).lanes;
  std::unordered_map<const Node*, Reg> values;
  for (const Node* node : topological(region.results)) {
    if (node->op() == Op::parameter) {
      const auto i = index(static_cast<int>(node->attrs<ParameterAttrs>().index));
      values[node] = i < running.size() ? running[i] : inputs[i - running.size()];
    } else if (node->op() == Op::constant) {
      values[node] = constant(*node, lanes);
    } else {
      std::vector<Reg> operands;
      for (Value operand : node->operands()) operands.push_back(values.at(operand.node));
      values[node] = apply(*node, std::move(operands));
    }
  }
  std::vector<Reg> results;
  for (Value result : region.results) results.push_back(values.at(result.node));
  return results;
}

}  // namespace kiln
