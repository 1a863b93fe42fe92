#include "passes/error_bound.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "ir/build.h"
#include "passes/error_bound_parts.h"

namespace kiln {
namespace error_bound {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kFunctionUlps = 4;  // of an elementary function, both sides' errors together

Array widened(const Array& array) { return array.converted(wide(array.type()).dtype); }

}  // namespace

Type wide(Type type) {
  if (type.dtype == DType::f32) type.dtype = DType::f64;
  return type;
}
double unit(DType dtype) {
  return dtype == DType::f32 ? 0x1p-23 : dtype == DType::f64 ? 0x1p-52 : 0;
}
double tiny(DType dtype) {
  return dtype == DType::f32 ? 0x1p-149 : dtype == DType::f64 ? 0x1p-1074 : 0;
}

bool may_overflow(double magnitude, DType dtype) {
  return !(magnitude <= (dtype == DType::f32 ? std::numeric_limits<float>::max()
                                             : std::numeric_limits<double>::max()));
}

double apart(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b) ? 0 : kInfinite;
  return a == b ? 0 : std::fabs(a - b);
}

double rounded(double value, double bound, DType dtype, double ulps) {
  if (!is_float(dtype)) return std::isnan(bound) ? kInfinite : bound;
  if (!std::isfinite(value)) return bound;  // exactly so, or not known
  const double total = bound + ulps * (unit(dtype) * (std::fabs(value) + bound) + tiny(dtype));
  return may_overflow(std::fabs(value) + total, dtype) ? kInfinite : total;
}

bool exact(const Bounded& operand) {
  return std::ranges::all_of(operand.bound.data<double>(), [](double e) { return e == 0; });
}

std::vector<Array> corners(const Bounded& operand) {
  enum { kLow, kHigh, kZero, kNowhere, kCorners };
  const auto bound = operand.bound.data<double>();
  std::vector<Array> all;
  for (int corner = 0; corner < kCorners; ++corner) {
    Array moved = operand.value.clone();
    bool differs = false;
    visit_dtype(moved.dtype(), [&]<class T>(T) {
      const auto x = moved.data<T>();
      for (std::size_t i = 0; i < x.size(); ++i) {
        const bool unknown = std::isinf(bound[i]);
        if (bound[i] == 0 || (corner == kNowhere && !unknown)) continue;
        if constexpr (std::is_same_v<T, bool>) {
          x[i] = corner == kHigh;
        } else if constexpr (std::is_floating_point_v<T>) {
          if (corner == kZero && std::fabs(x[i]) > bound[i]) continue;
          x[i] = corner == kLow    ? x[i] - bound[i]
                 : corner == kHigh ? x[i] + bound[i]
                 : corner == kZero ? 0
                                   : kNaN;
        } else if (unknown) {
          x[i] = corner == kLow    ? std::numeric_limits<T>::min()
                 : corner == kHigh ? std::numeric_limits<T>::max()
                                   : T(0);
        } else {
          // Wrapping, as the graph's own arithmetic.
          const auto step =
              static_cast<std::uint64_t>(static_cast<std::int64_t>(std::min(bound[i], 0x1p62)));
          const auto value = static_cast<std::uint64_t>(static_cast<std::int64_t>(x[i]));
          x[i] = static_cast<T>(corner == kLow    ? value - step
                                : corner == kHigh ? value + step
                                                  : value);
        }
        differs = true;
      }
    });
    if (differs) all.push_back(moved);
  }
  if (all.empty()) all.push_back(operand.value);
  return all;
}

void reach(Bounded& result, const Array& other) {
  const auto bound = result.bound.data<double>();
  for (std::size_t i = 0; i < bound.size(); ++i) {
    const auto at = static_cast<std::int64_t>(i);
    bound[i] = std::max(bound[i], apart(other.as_double(at), result.value.as_double(at)));
  }
}

Array magnitude(const Array& array) {
  Array result = array.converted(DType::f64).clone();
  for (double& x : result.data<double>()) x = std::fabs(x);
  return result;
}

void give_up(Bounded& result) { std::ranges::fill(result.bound.data<double>(), kInfinite); }

const Node& Wide::node(const Node& node) {
  const auto found = nodes_.find(&node);
  if (found != nodes_.end()) return *found->second;
  std::vector<Type> types;
  for (Value operand : node.operands()) types.push_back(wide(operand.type()));
  std::vector<Region> regions;
  for (const Region& region : node.regions()) regions.push_back(this->region(region));
  return *(nodes_[&node] = &like(node, types, std::move(regions)));
}

const Node& Wide::like(const Node& node, std::span<const Type> operands,
                       std::vector<Region> regions) {
  std::vector<Value> parameters;
  for (std::size_t i = 0; i < operands.size(); ++i)
    parameters.push_back(graph_.parameter(static_cast<std::int64_t>(i), operands[i]));
  Attrs attrs = node.attrs();
  if (auto* constant = std::get_if<ConstantAttrs>(&attrs))
    constant->value = widened(constant->value);
  // A type asked for has its floats as the operands' have them.
  return *graph_.make(node.op(), parameters, attrs, wide(node.type()), std::move(regions));
}

Region Wide::region(const Region& region) {
  for (const Node* node : topological(region.results)) {
    if (inside_.contains(node)) continue;
    std::vector<Value> operands;
    for (Value operand : node->operands())
      operands.push_back(inside_.at(operand.node)[static_cast<std::size_t>(operand.index)]);
    std::vector<Region> regions;
    for (const Region& inner : node->regions()) regions.push_back(this->region(inner));
    Attrs attrs = node->attrs();
    if (auto* constant = std::get_if<ConstantAttrs>(&attrs))
      constant->value = widened(constant->value);
    const Node* again = graph_.make(node->op(), operands, attrs, wide(node->type()), regions);
    std::vector<Value>& results = inside_[node];
    for (std::size_t i = 0; i < again->types().size(); ++i)
      results.push_back({again, static_cast<int>(i)});
  }
  Region made;
  for (const Type& type : region.parameters) made.parameters.push_back(wide(type));
  for (Value result : region.results)
    made.results.push_back(inside_.at(result.node)[static_cast<std::size_t>(result.index)]);
  return made;
}

namespace {

/// Integer ops whose results say nothing of their neighbours'.
bool mixes_bits(Op op) {
  switch (op) {
    case Op::and_:
    case Op::or_:
    case Op::xor_:
    case Op::popcnt:
    case Op::count_leading_zeros:
    case Op::shift_left:
    case Op::shift_right_arithmetic:
    case Op::shift_right_logical:
    case Op::power:
      return true;
    default:
      return false;
  }
}

/// Ops that are not monotone: what may happen inside the bounds.
void between_corners(Op op, std::span<const Bounded> operands, Bounded& result) {
  const auto bound = result.bound.data<double>();
  const auto value = [&](std::size_t operand, std::size_t i) {
    return operands[operand].value.as_double(static_cast<std::int64_t>(i));
  };
  const auto reach = [&](std::size_t operand, std::size_t i) {
    return operands[operand].bound.data<double>()[i];
  };
  for (std::size_t i = 0; i < bound.size(); ++i) {
    if (op == Op::sine || op == Op::cosine) {
      bound[i] = std::max(bound[i], std::min(reach(0, i), 2.0));
    } else if (op == Op::compare) {
      const double both = reach(0, i) + reach(1, i);
      if (both > 0 && apart(value(0, i), value(1, i)) <= both) bound[i] = 1;
    } else if (op == Op::remainder) {
      const double x = std::fabs(value(0, i)), y = std::fabs(value(1, i));
      const double least = y - reach(1, i), most = y + reach(1, i);
      const bool jumps = !(least > 0) || std::trunc((x - reach(0, i)) / most) !=
                                             std::trunc((x + reach(0, i)) / least);
      if (reach(0, i) + reach(1, i) > 0 && jumps) bound[i] = std::max(bound[i], 2 * most);
    } else if (op == Op::atan2) {  // jumps where y passes zero left of the origin
      const bool jumps = std::fabs(value(0, i)) <= reach(0, i) && value(1, i) <= reach(1, i);
      if (reach(0, i) + reach(1, i) > 0 && jumps)
        bound[i] = std::max(bound[i], 2 * std::numbers::pi);
    } else if (mixes_bits(op) && !is_float(result.value.dtype())) {
      double off = 0;
      for (std::size_t operand = 0; operand < operands.size(); ++operand)
        off = std::max(off, reach(operand, i));
      if (off > 0 && !is_bool(operands[0].value.dtype())) bound[i] = kInfinite;
    }
  }
}

void round(DType dtype, Bounded& result, double ulps, double least) {
  const auto bound = result.bound.data<double>();
  for (std::size_t i = 0; i < bound.size(); ++i)
    bound[i] = rounded(result.value.as_double(static_cast<std::int64_t>(i)),
                       bound[i] + least * ulps * unit(dtype), dtype, ulps);
}

void elementwise(const Node& node, const Node& wide, std::span<const Bounded> operands,
                 Bounded& result) {
  std::vector<std::vector<Array>> points{{}};
  for (const Bounded& operand : operands) {
    std::vector<std::vector<Array>> more;
    for (const auto& point : points)
      for (const Array& corner : corners(operand)) {
        more.push_back(point);
        more.back().push_back(corner);
      }
    points = std::move(more);
  }
  for (const auto& point : points) reach(result, Wide::run(wide, point)[0]);
  between_corners(node.op(), operands, result);
  const double ulps = traits(node).transcendental || node.op() == Op::rsqrt ? kFunctionUlps : 1;
  // Near their zeros these two promise no more than of numbers about 1 (ir/math.h).
  const double least = node.op() == Op::lgamma || node.op() == Op::digamma ? 1 : 0;
  round(node.type().dtype, result, ulps, least);
}

/// How many operands, from the first on, are what is moved; the others say where.
std::size_t moved_operands(const Node& node) {
  switch (node.op()) {
    case Op::dynamic_slice:
    case Op::gather:
      return 1;
    case Op::dynamic_update_slice:
      return 2;
    default:
      return node.operands().size();
  }
}

/// Elements that are moved take their bounds with them.
void movement(Wide& wide, const Node& node, std::span<const Bounded> operands, Bounded& result) {
  const std::size_t moved = moved_operands(node);
  std::vector<Array> bounds;
  std::vector<Type> types;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (i >= moved && !exact(operands[i])) return give_up(result);
    bounds.push_back(i < moved ? operands[i].bound : operands[i].value);
    types.push_back(bounds.back().type());
  }
  if (traits(node).view) {  // made with its result's shape
    Graph graph;
    const Node* same = graph.make(node.op(), {graph.parameter(0, types[0])}, node.attrs(),
                                  Type{DType::f64, node.type().dims});
    result.bound = Wide::run(*same, bounds)[0];
    return;
  }
  result.bound = Wide::run(wide.like(node, types, {}), bounds)[0];
}

class Analysis {
 public:
  Analysis(Wide& wide, std::vector<Bounded> arguments)
      : wide_(wide), arguments_(std::move(arguments)) {}

  std::vector<Bounded> run(std::span<const Value> results) {
    for (const Node* node : topological(results)) done_[node] = evaluate(*node);
    std::vector<Bounded> bounded;
    for (Value value : results)
      bounded.push_back(done_.at(value.node)[static_cast<std::size_t>(value.index)]);
    return bounded;
  }

 private:
  std::vector<Bounded> evaluate(const Node& node) {
    if (node.op() == Op::parameter)
      return {arguments_[static_cast<std::size_t>(node.attrs<ParameterAttrs>().index)]};
    std::vector<Bounded> operands;
    for (Value operand : node.operands())
      operands.push_back(done_.at(operand.node)[static_cast<std::size_t>(operand.index)]);
    const Traits& t = traits(node);
    if (t.calls) return Analysis(wide_, operands).run(node.regions()[0].results);
    if (node.op() == Op::case_) return choice(node, operands);
    if (node.op() == Op::while_) return loop(node, std::move(operands));
    if (node.op() == Op::bitcast_convert) return {bits(node, operands[0])};

    std::vector<Array> values;
    for (const Bounded& operand : operands) values.push_back(operand.value);
    const Node& wide = wide_.node(node);
    std::vector<Bounded> bounded;
    for (const Array& result : Wide::run(wide, values))
      bounded.push_back({result, Array(Type{DType::f64, result.dims()})});
    if (t.elementwise)
      elementwise(node, wide, operands, bounded[0]);
    else if (t.contraction)
      contraction(wide_, node, operands, bounded[0]);
    else if (t.reduction || node.op() == Op::reduce_window)
      reduction(wide_, node, operands, bounded);
    else if (node.op() == Op::scatter)
      scatter(wide_, node, operands, bounded);
    else if (node.op() == Op::sort)
      sort(wide_, node, operands, bounded);
    else if (!t.leaf)
      movement(wide_, node, operands, bounded[0]);
    return bounded;
  }

  /// Bits of an f32 are those of the declared type; of what is not exact nothing is known, and
  /// which NaN a NaN is, is nobody's promise.
  static Bounded bits(const Node& node, const Bounded& operand) {
    const Array given = operand.value.converted(node.operand(0).type().dtype);
    const Array result = definition(node.op()).reference(node, std::vector{given})[0];
    Bounded bounded{widened(result), Array(Type{DType::f64, result.dims()})};
    if (!exact(operand)) give_up(bounded);
    for (std::int64_t i = 0; i < given.count(); ++i)
      if (is_float(given.dtype()) && std::isnan(given.as_double(i)))
        bounded.bound.data<double>()[static_cast<std::size_t>(i)] = kInfinite;
    return bounded;
  }

  std::vector<Bounded> nothing(const Node& node) const {
    std::vector<Bounded> bounded;
    for (const Type& type : node.types()) {
      bounded.push_back({Array(error_bound::wide(type)), Array(Type{DType::f64, type.dims})});
      give_up(bounded.back());
    }
    return bounded;
  }

  std::vector<Bounded> choice(const Node& node, const std::vector<Bounded>& operands) {
    if (!exact(operands[0])) return nothing(node);
    const auto branches = static_cast<double>(node.regions().size());
    const double index = operands[0].value.as_double(0);
    const Region& branch = index >= 0 && index < branches
                               ? node.regions()[static_cast<std::size_t>(index)]
                               : node.regions().back();
    return Analysis(wide_, {operands.begin() + 1, operands.end()}).run(branch.results);
  }

  std::vector<Bounded> loop(const Node& node, std::vector<Bounded> carried) {
    const Region &condition = node.regions()[0], &body = node.regions()[1];
    for (;;) {
      const Bounded again = Analysis(wide_, carried).run(condition.results)[0];
      if (!exact(again)) return nothing(node);
      if (again.value.as_double(0) == 0) return carried;
      carried = Analysis(wide_, carried).run(body.results);
    }
  }

  Wide& wide_;
  std::vector<Bounded> arguments_;
  std::unordered_map<const Node*, std::vector<Bounded>> done_;
};

}  // namespace

std::vector<Bounded> analyse(Wide& wide, std::span<const Value> results,
                             std::vector<Bounded> arguments) {
  return Analysis(wide, std::move(arguments)).run(results);
}

}  // namespace error_bound

std::vector<Bounded> error_bounds(const Function& function, std::span<const Array> inputs) {
  error_bound::Wide wide;
  std::vector<Bounded> arguments;
  for (const Array& input : inputs)
    arguments.push_back({error_bound::widened(input), Array(Type{DType::f64, input.dims()})});
  return error_bound::analyse(wide, function.results, std::move(arguments));
}

std::string violation(const Array& got, const Bounded& expected) {
  for (std::int64_t i = 0; i < got.count(); ++i) {
    const double bound = expected.bound.as_double(i);
    const double off = error_bound::apart(got.as_double(i), expected.value.as_double(i));
    if (!(off <= bound))
      return fmt::format("element {} of {}: {} instead of {} ± {}", i, got.type().pretty(),
                         got.as_double(i), expected.value.as_double(i), bound);
  }
  return "";
}

double promised(const Bounded& expected) {
  std::int64_t some = 0;
  for (double bound : expected.bound.data<double>()) some += !std::isinf(bound);
  const std::int64_t all = expected.bound.count();
  return all == 0 ? 1 : static_cast<double>(some) / static_cast<double>(all);
}

}  // namespace kiln
