#include "passes/evaluate.h"

#include <algorithm>
#include <map>
#include <unordered_set>

#include "ir/op.h"

namespace kiln {

using loop::Reg;
using space::Expr;

namespace {

using loop::Affine;
using loop::Index;
using loop::kLanes;
using loop::Val;

Reg apply(loop::Builder& builder, const Node& node, const std::vector<Reg>& operands) {
  int lanes = 1;
  for (Reg operand : operands) lanes = std::max(lanes, builder.type(operand).lanes);
  std::vector<Val> values;
  for (Reg operand : operands) values.emplace_back(builder, builder.splat(operand, lanes));
  return definition(node.op()).lowering.scalar(node, values).reg();
}

/// offset + Σ coordinate · stride.
Index address_in(loop::Builder& builder, const space::Source& source,
                 std::span<const Index> coordinates) {
  internal_check(coordinates.size() == source.strides.size(), "a coordinate for each axis");
  Index address(builder, Affine(source.offset), 0, 1);
  for (std::size_t i = 0; i < coordinates.size(); ++i)
    if (source.strides[i] != 0) address = address + coordinates[i] * source.strides[i];
  return address;
}

/// A point in the loops that are open.
class OpenPoint : public Point {
 public:
  OpenPoint(Evaluator& evaluator, const Expr& expr) : evaluator_(evaluator), expr_(expr) {}

  loop::Builder& builder() override { return evaluator_.builder(); }
  Index at(int axis) override {
    const int dim = expr_.axes[static_cast<std::size_t>(axis)];
    if (dim < 0) return {builder(), Affine(0), 0, 1};
    const bool across = dim == evaluator_.vector_dim();
    return {builder(), evaluator_.at(dim), across ? 1 : 0, across ? kLanes : 1};
  }
  Val read(int operand, std::span<const Index> coordinates, std::optional<Val> inside) override {
    return read_source(builder(), expr_.sources[static_cast<std::size_t>(operand)], coordinates,
                       inside, evaluator_.active());
  }

 private:
  Evaluator& evaluator_;
  const Expr& expr_;
};

/// A point anywhere: dimensions are variables, and what is read is remembered.
class AnyPoint : public Point {
 public:
  AnyPoint(const space::Kernel& space, const Expr& expr) : expr_(expr), builder_(kernel_) {
    for (const space::Buffer& buffer : space.buffers)
      builder_.buffer(buffer.dtype, loop::Buffer::Kind::in, buffer.count);
    for (std::size_t d = 0; d < space.dims.size(); ++d) vars_.push_back(builder_.variable("d"));
  }

  loop::Builder& builder() override { return builder_; }
  Index at(int axis) override {
    const int dim = expr_.axes[static_cast<std::size_t>(axis)];
    if (dim < 0) return {builder_, Affine(0), 0, 1};
    return {builder_, Affine::of(vars_[static_cast<std::size_t>(dim)]), 0, 1};
  }
  Val read(int operand, std::span<const Index> coordinates, std::optional<Val> inside) override {
    const space::Source& source = expr_.sources[static_cast<std::size_t>(operand)];
    const Val value = read_source(builder_, source, coordinates, inside, 1);
    const Index address = address_in(builder_, source, coordinates);
    space::Access access{source.buffer, address.affine().constant, {}};
    for (loop::Var var : vars_) access.strides.push_back(address.affine().coefficient(var));
    plain_ = value.reg();
    if (source.kind != space::Source::Kind::memory || inside || address.data()) only_plain_ = false;
    if (source.kind == space::Source::Kind::memory) reads_.push_back(std::move(access));
    return value;
  }

  std::vector<space::Access> take_reads() { return std::move(reads_); }
  /// Whether `value` is what the one read gave, at an affine place.
  bool is_load(Val value) const {
    return only_plain_ && reads_.size() == 1 && plain_ == value.reg();
  }

 private:
  const Expr& expr_;
  loop::Kernel kernel_;
  loop::Builder builder_;
  std::vector<loop::Var> vars_;
  std::vector<space::Access> reads_;
  Reg plain_ = -1;  // the last value read
  bool only_plain_ = true;
};

}  // namespace

space::Expr with_known_reads(const space::Kernel& space, space::Expr expr) {
  AnyPoint point(space, expr);
  const Val value = definition(expr.node->op()).lowering.point(*expr.node, expr.input, point);
  const bool load = point.is_load(value);
  std::vector<space::Access> reads = point.take_reads();
  if (!load) {
    expr.reads = std::move(reads);
    return expr;
  }
  Expr plain;
  plain.kind = Expr::Kind::load;
  plain.dtype = expr.dtype;
  plain.access = std::move(reads[0]);
  for (std::size_t d = 0; d < plain.access.strides.size(); ++d)
    if (plain.access.strides[d] != 0) plain.dims |= space::bit(static_cast<int>(d));
  return plain;
}

std::optional<Choice> choice_or_zero(const space::Kernel& space, int number) {
  const auto expr = [&](int e) -> const Expr& { return space.exprs[static_cast<std::size_t>(e)]; };
  const Expr& select = expr(number);
  if (select.kind != Expr::Kind::apply || select.node->op() != Op::select) return std::nullopt;
  const Expr& otherwise = expr(select.operands[2]);
  if (otherwise.kind != Expr::Kind::constant || !is_float(otherwise.dtype)) return std::nullopt;
  if (otherwise.node->attrs<ConstantAttrs>().value.as_double(0) != 0) return std::nullopt;
  return Choice{select.operands[0], select.operands[1]};
}

Reg constant_of(loop::Builder& builder, const Node& node, int lanes) {
  std::uint64_t bits = 0;
  const auto bytes = node.attrs<ConstantAttrs>().value.bytes();
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::byte*>(&bits));
  return builder.constant_bits({node.type().dtype, lanes}, bits);
}

std::vector<Reg> evaluate_region(loop::Builder& builder, const Region& region,
                                 std::span<const Reg> arguments) {
  const int lanes = arguments.empty() ? 1 : builder.type(arguments[0]).lanes;
  std::map<std::pair<const Node*, int>, Reg> values;
  for (const Node* node : topological(region.results)) {
    Reg& value = values[{node, 0}];
    if (node->op() == Op::parameter) {
      value = arguments[static_cast<std::size_t>(node->attrs<ParameterAttrs>().index)];
    } else if (node->op() == Op::constant) {
      value = constant_of(builder, *node, lanes);
    } else {
      std::vector<Reg> operands;
      for (Value operand : node->operands())
        operands.push_back(values.at({operand.node, operand.index}));
      // Of one element, a view is that element.
      value = traits(*node).view ? operands[0] : apply(builder, *node, operands);
    }
  }
  std::vector<Reg> results;
  for (Value result : region.results) results.push_back(values.at({result.node, result.index}));
  return results;
}

Val read_source(loop::Builder& builder, const space::Source& source,
                std::span<const Index> coordinates, std::optional<Val> inside, int active) {
  const auto where_inside = [&](Val value) {
    return inside ? select(*inside, value, value.like(0)) : value;
  };
  if (source.kind == space::Source::Kind::constant)
    return where_inside({builder, constant_of(builder, *source.node)});
  const Index address = address_in(builder, source, coordinates);
  if (source.kind == space::Source::Kind::iota)
    return where_inside(address.value().convert(source.dtype));
  // One lane where all read the same element.
  int lanes = address.stride() != 0 ? kLanes : 1;
  if (address.data()) lanes = std::max(lanes, address.data()->type().lanes);
  if (inside) lanes = std::max(lanes, inside->type().lanes);
  std::optional<Reg> offset, mask;
  if (address.data()) offset = address.data()->reg();
  if (inside) mask = inside->reg();
  return {builder, builder.load(source.buffer, address.affine(), lanes,
                                lanes == 1 ? 0 : address.stride(), active, offset, mask)};
}

void write_source(loop::Builder& builder, const space::Source& source,
                  std::span<const Index> coordinates, Val value, std::optional<Val> inside,
                  int active) {
  const Index address = address_in(builder, source, coordinates);
  std::optional<Reg> offset, mask;
  if (address.data()) offset = address.data()->reg();
  if (inside) mask = inside->reg();
  builder.store(source.buffer, address.affine(), value.reg(), address.stride(), active, offset,
                mask);
}

void declare_buffers(loop::Builder& builder, const space::Kernel& space) {
  using Kind = loop::Buffer::Kind;
  for (const space::Buffer& buffer : space.buffers)
    builder.buffer(buffer.dtype, buffer.output ? Kind::out : Kind::in, buffer.count);
}

loop::Affine chunk_coordinate(loop::Builder& builder, loop::Var chunk, std::int64_t below,
                              std::int64_t count, const std::string& name) {
  const std::int64_t chunks = builder.kernel().chunks;
  if (count == 1) return 0;
  if (below == 1 && count == chunks) return loop::Affine::of(chunk);
  return loop::Affine::of(
      builder.define(name, loop::Affine::of(chunk), below, below * count == chunks ? 0 : count));
}

Evaluator::Evaluator(const space::Kernel& space, loop::Kernel& kernel, bool multiply_adds)
    : space_(space),
      signs_(signs(space)),
      builder_(kernel),
      at_(space.dims.size()),
      multiply_adds_(multiply_adds) {
  kernel.name = space.name;
  declare_buffers(builder_, space);
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
    const auto block = blocks_.find(static_cast<int>(d));
    if (place.own && block != blocks_.end())
      element = element + (*at_[d] + block->second * -1) * stride;
    else if (!place.own || !space_.dims[d].parallel)
      element = element + *at_[d] * stride;
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
      if (const auto sum = chosen_sum(expr)) return *sum;
      if (const auto divided = quotient(expr)) return *divided;
      std::vector<Reg> operands;
      for (int operand : expr.operands) {
        operands.push_back(eval(operand));
        if (signs_[index(operand)].not_positive) builder_.know_not_positive(operands.back());
      }
      return apply(builder_, *expr.node, operands);
    }
    case Expr::Kind::indexed: {
      OpenPoint point(*this, expr);
      return definition(expr.node->op()).lowering.point(*expr.node, expr.input, point).reg();
    }
    case Expr::Kind::reduced:
      break;
  }
  throw InternalError("a reduced value is read before it is computed");
}

/// select(c, a, 0) + b, where b cannot be -0, as select(c, a + b, b): an addition under a mask.
std::optional<Reg> Evaluator::chosen_sum(const Expr& expr) {
  if (expr.node->op() != Op::add || !is_float(expr.dtype)) return std::nullopt;
  for (const auto& [chosen, other] : {std::pair(expr.operands[0], expr.operands[1]),
                                      std::pair(expr.operands[1], expr.operands[0])}) {
    const std::optional<Choice> choice = choice_or_zero(space_, chosen);
    if (!choice || !signs_[index(other)].not_negative) continue;
    const Val value(builder_, eval(choice->value)), rest(builder_, eval(other));
    return select({builder_, eval(choice->condition)}, value + rest, rest).reg();
  }
  return std::nullopt;
}

/// The quotient by a divisor whose reciprocal is known.
std::optional<Reg> Evaluator::quotient(const Expr& expr) {
  if (expr.node->op() != Op::divide) return std::nullopt;
  for (auto scope = divisors_.rbegin(); scope != divisors_.rend(); ++scope) {
    const auto found = scope->find(expr.operands[1]);
    if (found == scope->end()) continue;
    const Sign& sign = signs_[index(expr.operands[0])];
    const Val dividend(builder_, eval(expr.operands[0]));
    return math::divide(dividend, found->second, sign.not_negative && sign.at_most_one).reg();
  }
  return std::nullopt;
}

/// If an expression divides by what stands still in the loops over `closed`, and these go around
/// often enough.
void Evaluator::prepare_divisor(const Expr& expr, space::DimSet closed, int level) {
  if (!multiply_adds_ || expr.kind != Expr::Kind::apply || expr.node->op() != Op::divide ||
      !is_float(expr.dtype))
    return;
  const int by = expr.operands[1];
  if ((space_.exprs[index(by)].dims & closed) != 0 || space_.exprs[index(by)].level > level) return;
  std::int64_t rounds = 1;
  for (std::size_t d = 0; d < space_.dims.size(); ++d)
    if (space::has(expr.dims & closed, static_cast<int>(d)))
      rounds *= static_cast<int>(d) == vector_dim_
                    ? (space_.dims[d].extent + loop::kLanes - 1) / loop::kLanes
                    : space_.dims[d].extent;
  constexpr std::int64_t kEnoughRounds = 4;
  if (rounds < kEnoughRounds) return;
  for (const auto& scope : divisors_)
    if (scope.contains(by)) return;
  divisors_.back().insert_or_assign(by, math::divisor({builder_, eval(by)}));
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
    prepare_divisor(expr, closed, level);
    for (int operand : expr.operands) self(self, operand);
  };
  for (int root : roots) visit(visit, root);
}

std::vector<Reg> Evaluator::combine(const space::Reduction& reduction, std::span<const Reg> running,
                                    std::span<const Reg> inputs) {
  if (reduction.is_contraction()) {
    using loop::Opcode;
    if (is_float(reduction.dtype) && !reduction.rounds_products)
      return {builder_.let(Opcode::fma, {inputs[0], inputs[1], running[0]})};
    const bool bits = is_bool(reduction.dtype);
    const Reg product = builder_.let(bits ? Opcode::bit_and : Opcode::mul, {inputs[0], inputs[1]});
    return {builder_.let(bits ? Opcode::bit_or : Opcode::add, {running[0], product})};
  }
  std::vector<Reg> arguments(running.begin(), running.end());
  arguments.insert(arguments.end(), inputs.begin(), inputs.end());
  return evaluate_region(builder_, *reduction.region, arguments);
}

}  // namespace kiln
