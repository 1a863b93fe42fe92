#include "tests/error_bound.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "ir/build.h"
#include "ir/op.h"

namespace kiln {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kFunctionUlps = 4;  // of an elementary function, both sides' errors together

Type in_f64(Type type) {
  if (type.dtype == DType::f32) type.dtype = DType::f64;
  return type;
}
Array in_f64(const Array& array) {
  return array.dtype() == DType::f32 ? array.converted(DType::f64) : array;
}

/// Copies nodes into another graph with their floats in f64.
class Widener {
 public:
  explicit Widener(Graph& to) : to_(to) {}

  Value operator()(Value value) {
    for (const Node* node : topological(std::vector{value})) copy(node);
    return {done_.at(value.node), value.index};
  }
  Region operator()(const Region& region) {
    Region again;
    for (const Type& type : region.parameters) again.parameters.push_back(in_f64(type));
    for (Value result : region.results) again.results.push_back((*this)(result));
    return again;
  }

 private:
  void copy(const Node* node) {
    if (done_.contains(node)) return;
    std::vector<Value> operands;
    for (Value operand : node->operands())
      operands.push_back({done_.at(operand.node), operand.index});
    std::vector<Region> regions;
    for (const Region& region : node->regions()) regions.push_back((*this)(region));
    Attrs attrs = node->attrs();
    if (auto* constant = std::get_if<ConstantAttrs>(&attrs))
      constant->value = in_f64(constant->value);
    done_[node] = to_.make(node->op(), operands, attrs, in_f64(node->type()), regions);
  }

  Graph& to_;
  std::map<const Node*, const Node*> done_;
};

/// One unit in the last place, relative; and the least distance of two numbers.
double unit(DType dtype) {
  return dtype == DType::f32 ? 0x1p-23 : dtype == DType::f64 ? 0x1p-52 : 0;
}
double tiny(DType dtype) { return dtype == DType::f32 ? 0x1p-149 : 0; }
double largest(DType dtype) {
  return dtype == DType::f32 ? static_cast<double>(std::numeric_limits<float>::max()) : kInfinite;
}

/// |a - b| where equal infinities and two NaNs are no apart, and a NaN is infinitely far from a
/// number.
double apart(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b) ? 0 : kInfinite;
  return a == b ? 0 : std::fabs(a - b);
}

/// The bound plus the rounding of the value itself; infinite where it may overflow.
double rounded(double value, double bound, DType dtype, double ulps) {
  if (!is_float(dtype)) return std::isnan(bound) ? kInfinite : bound;
  if (!std::isfinite(value)) return bound;  // exactly so, or not known
  const double total = bound + ulps * (unit(dtype) * (std::fabs(value) + bound) + tiny(dtype));
  return std::isnan(total) || std::fabs(value) + total > largest(dtype) ? kInfinite : total;
}

class Analysis {
 public:
  explicit Analysis(std::vector<Bounded> arguments) : arguments_(std::move(arguments)) {}

  /// `original` and `wide` are the same graph, the second in f64.
  std::vector<Bounded> run(std::span<const Value> original, std::span<const Value> wide) {
    pair(original, wide);
    for (const Node* node : topological(original)) done_[node] = evaluate(*node, *wide_.at(node));
    std::vector<Bounded> results;
    for (Value value : original)
      results.push_back(done_.at(value.node)[static_cast<std::size_t>(value.index)]);
    return results;
  }

 private:
  void pair(std::span<const Value> original, std::span<const Value> wide) {
    for (std::size_t i = 0; i < original.size(); ++i)
      if (wide_.emplace(original[i].node, wide[i].node).second)
        pair(original[i].node->operands(), wide[i].node->operands());
  }

  std::vector<Bounded> evaluate(const Node& node, const Node& wide) {
    if (node.op() == Op::parameter)
      return {arguments_[static_cast<std::size_t>(node.attrs<ParameterAttrs>().index)]};
    std::vector<Bounded> operands;
    for (Value operand : node.operands())
      operands.push_back(done_.at(operand.node)[static_cast<std::size_t>(operand.index)]);
    const Traits& t = traits(node);
    if (t.calls)
      return Analysis(operands).run(node.regions()[0].results, wide.regions()[0].results);
    std::vector<Array> values;
    for (const Bounded& operand : operands) values.push_back(operand.value);
    const std::vector<Array> results = definition(node.op()).reference(wide, values);
    std::vector<Bounded> bounded;
    for (const Array& result : results)
      bounded.push_back({result, Array(Type{DType::f64, result.dims()})});
    if (t.view)
      bounded[0].bound = view(wide, operands[0].bound);
    else if (t.elementwise)
      elementwise(node, wide, operands, bounded[0]);
    else if (t.contraction)
      contraction(node, wide, operands, bounded[0]);
    else if (t.reduction)
      reduction(node, wide, operands, bounded);
    return bounded;
  }

  static Array view(const Node& wide, const Array& bound) {
    Graph graph;
    const Value x = graph.parameter(0, bound.type());
    const Node* same = graph.make(wide.op(), {x}, wide.attrs(), Type{DType::f64, wide.type().dims});
    return definition(wide.op()).reference(*same, std::vector{bound})[0];
  }

  /// The operand moved to each end of its bound, to 0 where that lies between, and to NaN where
  /// there is no bound.
  static std::vector<Array> corners(const Bounded& operand) {
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

  static bool exact(const Bounded& operand) {
    for (double bound : operand.bound.data<double>())
      if (bound != 0) return false;
    return true;
  }

  static void widen(Bounded& result, const Array& other) {
    const auto bound = result.bound.data<double>();
    for (std::size_t i = 0; i < bound.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      bound[i] = std::max(bound[i], apart(other.as_double(at), result.value.as_double(at)));
    }
  }

  static void elementwise(const Node& node, const Node& wide, const std::vector<Bounded>& operands,
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
    for (const auto& point : points) widen(result, definition(node.op()).reference(wide, point)[0]);
    between_corners(node.op(), operands, result);
    const double ulps = traits(node).transcendental || node.op() == Op::rsqrt ? kFunctionUlps : 1;
    round(node.type().dtype, result, ulps);
  }

  /// Ops that are not monotone: what may happen inside the bounds.
  static void between_corners(Op op, const std::vector<Bounded>& operands, Bounded& result) {
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
      }
    }
  }

  static void round(DType dtype, Bounded& result, double ulps) {
    const auto bound = result.bound.data<double>();
    for (std::size_t i = 0; i < bound.size(); ++i)
      bound[i] =
          rounded(result.value.as_double(static_cast<std::int64_t>(i)), bound[i], dtype, ulps);
  }

  static Array magnitude(const Array& array) {
    Array result = array.converted(DType::f64).clone();
    for (double& x : result.data<double>()) x = std::fabs(x);
    return result;
  }

  /// Σ |a| |b|, with errors: |a| eb + ea |b| + ea eb, and k roundings of the sum.
  static void contraction(const Node& node, const Node& wide, const std::vector<Bounded>& operands,
                          Bounded& result) {
    Graph graph;
    const auto dot = [&](const Array& a, const Array& b) {
      const Node* same = build::dot_general(graph.parameter(0, a.type()),
                                            graph.parameter(1, b.type()), wide.attrs<DotAttrs>())
                             .node;
      return definition(Op::dot_general).reference(*same, std::vector{a, b})[0];
    };
    const Array a = magnitude(operands[0].value), b = magnitude(operands[1].value);
    const Array sum = dot(a, b), left = dot(operands[0].bound, b),
                right = dot(a, operands[1].bound), both = dot(operands[0].bound, operands[1].bound);
    double terms = 1;
    for (std::int64_t axis : wide.attrs<DotAttrs>().lhs_contracting)
      terms *= static_cast<double>(wide.operand(0).type().dims[static_cast<std::size_t>(axis)]);
    const DType dtype = node.type().dtype;
    const auto bound = result.bound.data<double>();
    for (std::size_t i = 0; i < bound.size(); ++i) {
      const double moved =
          left.data<double>()[i] + right.data<double>()[i] + both.data<double>()[i];
      if (is_bool(dtype))
        bound[i] = moved > 0 ? 1 : 0;
      else if (!is_float(dtype))
        bound[i] = moved > 0 ? kInfinite : 0;
      else
        bound[i] =
            rounded(sum.data<double>()[i],
                    moved + terms * (unit(dtype) * sum.data<double>()[i] + tiny(dtype)), dtype, 1);
      // Infinities and NaN come out in any order, if they went in exactly.
      if (is_float(dtype) && !std::isfinite(sum.data<double>()[i]))
        bound[i] = moved == 0 ? 0 : kInfinite;
    }
  }

  static void reduction(const Node& node, const Node& wide, const std::vector<Bounded>& operands,
                        std::vector<Bounded>& results) {
    const auto combiner = simple_combiner(node.regions()[0]);
    const Bounded& x = operands[0];
    // Which elements make which result.
    std::vector<std::vector<std::size_t>> rows(static_cast<std::size_t>(results[0].bound.count()));
    const Ints& axes = node.attrs<DimsAttrs>().dims;
    const Ints dims = x.value.dims(), strides = row_major_strides(dims);
    for (std::int64_t i = 0; i < x.value.count(); ++i) {
      std::int64_t target = 0;
      for (std::size_t axis = 0; axis < dims.size(); ++axis)
        if (std::find(axes.begin(), axes.end(), static_cast<std::int64_t>(axis)) == axes.end())
          target = target * dims[axis] + i / strides[axis] % dims[axis];
      rows[static_cast<std::size_t>(target)].push_back(static_cast<std::size_t>(i));
    }
    const DType dtype = node.type().dtype;
    if (combiner == Op::add || combiner == Op::maximum || combiner == Op::minimum ||
        combiner == Op::multiply) {
      const auto e = x.bound.data<double>();
      for (std::size_t r = 0; r < rows.size(); ++r) {
        double sum = std::fabs(operands[1].value.as_double(0)),
               moved = operands[1].bound.as_double(0);
        double most = moved, product = sum, outer = sum + moved;
        for (std::size_t i : rows[r]) {
          const double magnitude = std::fabs(x.value.as_double(static_cast<std::int64_t>(i)));
          sum += magnitude;
          moved += e[i];
          most = std::max(most, e[i]);
          product *= magnitude;
          outer *= magnitude + e[i];
        }
        const double terms = static_cast<double>(rows[r].size()) + 1;
        double bound = is_bool(dtype) ? (most > 0 ? 1 : 0) : most;
        if (!is_bool(dtype) && (combiner == Op::add || combiner == Op::multiply)) {
          const double scale = combiner == Op::add ? sum : outer;
          if (combiner == Op::multiply) moved = outer - product;
          bound =
              is_float(dtype)
                  ? rounded(scale, moved + terms * (unit(dtype) * scale + tiny(dtype)), dtype, 1)
                  : (moved > 0 ? kInfinite : 0);
          if (is_float(dtype) && !std::isfinite(scale))
            bound = most == 0 && combiner == Op::add ? 0 : kInfinite;
        }
        results[0].bound.data<double>()[r] = bound;
      }
      return;
    }
    // Another region: run in index order in every mode, so what counts is how its inputs may move.
    // Its floats are taken to be monotone in them (a maximum, a sum of parts); of integers made of
    // floats (the place of a maximum) nothing is known.
    bool all_exact = true;
    std::vector<std::vector<Array>> ends;
    for (const Bounded& operand : operands) {
      all_exact = all_exact && exact(operand);
      ends.push_back(corners(operand));
    }
    for (std::size_t which = 0; which < 4; ++which) {
      std::vector<Array> moved;
      for (const auto& end : ends) moved.push_back(end[std::min(which, end.size() - 1)]);
      const auto other = definition(Op::reduce).reference(wide, moved);
      for (std::size_t i = 0; i < results.size(); ++i) widen(results[i], other[i]);
    }
    for (std::size_t i = 0; i < results.size(); ++i) {
      const auto bound = results[i].bound.data<double>();
      const DType type = node.type(static_cast<int>(i)).dtype;
      for (std::size_t r = 0; r < bound.size(); ++r) {
        if (!is_float(type)) {
          if (!all_exact) bound[r] = kInfinite;
          continue;
        }
        double scale = std::fabs(results[i].value.as_double(static_cast<std::int64_t>(r)));
        for (std::size_t k : rows[r])
          scale =
              std::max(scale, std::fabs(operands[i].value.as_double(static_cast<std::int64_t>(k))));
        if (std::isfinite(scale))
          bound[r] = rounded(scale, bound[r], type, 8 * static_cast<double>(rows[r].size() + 1));
      }
    }
  }

  std::vector<Bounded> arguments_;
  std::map<const Node*, const Node*> wide_;
  std::map<const Node*, std::vector<Bounded>> done_;
};

}  // namespace

Function in_f64(const Function& function) {
  Function wide = function;
  wide.graph = std::make_shared<Graph>();
  for (Argument& argument : wide.arguments) argument.type = in_f64(argument.type);
  Widener widener(*wide.graph);
  for (Value& result : wide.results) result = widener(result);
  return wide;
}

std::vector<Bounded> error_bounds(const Function& function, std::span<const Array> inputs) {
  const Function wide = in_f64(function);
  std::vector<Bounded> arguments;
  for (const Array& input : inputs)
    arguments.push_back({in_f64(input), Array(Type{DType::f64, input.dims()})});
  return Analysis(std::move(arguments)).run(function.results, wide.results);
}

std::string violation(const Array& got, const Bounded& expected) {
  for (std::int64_t i = 0; i < got.count(); ++i) {
    const double bound = expected.bound.as_double(i);
    const double off = apart(got.as_double(i), expected.value.as_double(i));
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
