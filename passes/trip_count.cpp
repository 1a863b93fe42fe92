#include "passes/trip_count.h"

#include <limits>

#include "ir/interpret.h"
#include "ir/op.h"

namespace kiln {
namespace {

__extension__ typedef __int128
    Wide;  // holds sums and products of the numbers below without overflow

constexpr int kMaxConstantNodes = 64;

bool is_parameter(Value value, int index) {
  return value.node->op() == Op::parameter && value.node->attrs<ParameterAttrs>().index == index;
}

/// A value as ops, where a kernel made it.
Value expanded(Value value) {
  const Node& call = *value.node;
  if (call.op() != Op::call) return value;
  const Region& region = call.regions()[0];
  return inline_region({region.parameters, {region.results[static_cast<std::size_t>(value.index)]}},
                       call.operands())[0];
}

/// The integer that a scalar computed from constants alone is.
std::optional<std::int64_t> constant_value(Value value) {
  const Type& type = value.type();
  if (type.rank() != 0 || !is_integer(type.dtype) || type.dtype == DType::ui64) return std::nullopt;
  std::vector<const Node*> stack{value.node};
  for (int count = 0; !stack.empty(); ++count) {
    const Node* node = stack.back();
    stack.pop_back();
    const Traits& t = traits(*node);
    const bool simple = node->op() == Op::constant || t.elementwise || t.view || t.calls;
    if (!simple || node->types().size() != 1 || node->type().rank() > 1 ||
        node->type().count() != 1 || count > kMaxConstantNodes)
      return std::nullopt;
    for (Value operand : node->operands()) stack.push_back(operand.node);
  }
  const Array result = interpret(Region{{}, {value}}, {})[0];
  return visit_dtype(type.dtype,
                     [&]<class T>(T) { return static_cast<std::int64_t>(result.data<T>()[0]); });
}

/// The same of a value inside a loop's region.
std::optional<std::int64_t> constant_inside(const Node& loop, Value value) {
  if (value.node->op() == Op::parameter) {
    const auto carried = static_cast<int>(value.node->attrs<ParameterAttrs>().index);
    return is_invariant(loop, carried) ? constant_value(loop.operand(carried)) : std::nullopt;
  }
  return constant_value(value);
}

/// What the body adds to a carried value.
std::optional<std::int64_t> step_of(const Node& loop, int carried) {
  const Node& next = *expanded(loop.regions()[1].results[static_cast<std::size_t>(carried)]).node;
  if (next.op() == Op::add) {
    for (int side : {0, 1})
      if (is_parameter(next.operand(side), carried))
        return constant_inside(loop, next.operand(1 - side));
  } else if (next.op() == Op::subtract && is_parameter(next.operand(0), carried)) {
    const auto step = constant_inside(loop, next.operand(1));
    if (step && *step != std::numeric_limits<std::int64_t>::min()) return -*step;
  }
  return std::nullopt;
}

Direction mirrored(Direction direction) {
  switch (direction) {
    case Direction::LT:
      return Direction::GT;
    case Direction::LE:
      return Direction::GE;
    case Direction::GT:
      return Direction::LT;
    case Direction::GE:
      return Direction::LE;
    case Direction::EQ:
    case Direction::NE:
      return direction;
  }
  return direction;
}

/// How often `start + step · t` compares with the limit that way before it does not.
std::optional<Wide> trips_of(Wide start, Wide step, Direction direction, Wide limit) {
  // Turned so that the counter grows: a countdown is the same with all signs changed.
  if (direction == Direction::GT || direction == Direction::GE) {
    start = -start, step = -step, limit = -limit;
    direction = mirrored(direction);
  }
  if (direction == Direction::NE) {
    if (start == limit) return 0;
    if (step == 0 || (limit - start) % step != 0 || (limit - start) / step < 0) return std::nullopt;
    return (limit - start) / step;
  }
  if (direction == Direction::EQ) {
    if (start != limit) return 0;
    return step != 0 ? std::optional<Wide>(1) : std::nullopt;
  }
  const Wide end = direction == Direction::LE ? limit + 1 : limit;
  if (start >= end) return 0;
  if (step <= 0) return std::nullopt;
  return (end - start + step - 1) / step;
}

bool fits(Wide value, DType dtype) {
  return visit_dtype(dtype, [&]<class T>(T) {
    return value >= static_cast<Wide>(std::numeric_limits<T>::min()) &&
           value <= static_cast<Wide>(std::numeric_limits<T>::max());
  });
}

}  // namespace

bool is_invariant(const Node& loop, int carried) {
  return is_parameter(loop.regions()[1].results[static_cast<std::size_t>(carried)], carried);
}

std::optional<TripCounter> trip_counter(const Node& loop) {
  const Node& decision = *expanded(loop.regions()[0].results[0]).node;
  if (decision.op() != Op::compare) return std::nullopt;
  for (int side : {0, 1}) {
    const Value counted = decision.operand(side);
    if (counted.node->op() != Op::parameter) continue;
    const auto carried = static_cast<int>(counted.node->attrs<ParameterAttrs>().index);
    const auto start = constant_value(loop.operand(carried)), step = step_of(loop, carried),
               limit = constant_inside(loop, decision.operand(1 - side));
    if (!start || !step || !limit) continue;
    const Direction direction = decision.attrs<CompareAttrs>().direction;
    const auto trips = trips_of(*start, *step, side == 0 ? direction : mirrored(direction), *limit);
    if (!trips || !fits(*trips, DType::i64)) continue;
    if (!fits(*start + *trips * *step, counted.type().dtype)) continue;
    return TripCounter{carried, *start, *step, static_cast<std::int64_t>(*trips)};
  }
  return std::nullopt;
}

}  // namespace kiln
