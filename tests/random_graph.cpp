#include "tests/random_graph.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>

#include "ir/build.h"
#include "ir/op.h"
#include "passes/autodiff.h"
#include "tests/graph_generator.h"
#include "tests/random_array.h"

namespace kiln {
namespace {

using namespace build;

// One, the lanes of a vector and their neighbours, primes, and lengths of several vectors and
// chunks.
constexpr std::int64_t kExtents[] = {1, 1, 2, 3, 4, 5, 7, 8, 13, 15, 16, 17, 31, 32, 33, 48, 101};
constexpr std::int64_t kLongExtents[] = {257, 1000, 4099, 5003};
constexpr std::size_t kMaxResults = 8;

/// Some elements become numbers that arithmetic goes wrong with.
void sprinkle(Array& array, Random& random) {
  visit_dtype(array.dtype(), [&]<class T>(T) {
    using Limits = std::numeric_limits<T>;
    for (T& x : array.data<T>()) {
      if (!random.chance(0.1F)) continue;
      if constexpr (std::is_floating_point_v<T>) {
        const T special[] = {T(0),
                             -T(0),
                             Limits::infinity(),
                             -Limits::infinity(),
                             Limits::quiet_NaN(),
                             Limits::denorm_min(),
                             -Limits::min() / 2,
                             Limits::max(),
                             Limits::lowest(),
                             Limits::epsilon(),
                             T(1) + Limits::epsilon(),
                             T(1e30),
                             T(-1e-30),
                             T(16777217)};
        x = special[random.below(std::size(special))];
      } else {
        const T special[] = {T(0), T(1), T(-1), Limits::min(), Limits::max()};
        x = special[random.below(std::size(special))];
      }
    }
  });
}

/// The elements of the largest value that these need.
std::int64_t largest_behind(const std::vector<Value>& values) {
  std::int64_t largest = 0;
  for (const Node* node : topological(values))
    for (const Type& type : node->types()) largest = std::max(largest, type.count());
  return largest;
}

double extent_of(const Type& type, const Ints& axes) {
  double extent = 1;
  for (std::int64_t axis : axes)
    extent *= static_cast<double>(type.dims[static_cast<std::size_t>(axis)]);
  return extent;
}

}  // namespace

GraphGenerator::GraphGenerator(std::uint64_t seed, const RandomGraphOptions& options)
    : random_(seed, 77), options_(options), real_(chance(0.15) ? DType::f64 : DType::f32) {
  function_.graph = std::make_shared<Graph>();
  for (int i = 0; i < 3; ++i) palette_.push_back(pick(kExtents));
  if (chance(0.1)) palette_.push_back(pick(kLongExtents));
  if (chance(0.06)) palette_.push_back(0);
}

RandomGraph GraphGenerator::run() {
  for (std::uint64_t i = 0, n = 2 + below(3); i < n; ++i) argument(real_);
  if (chance(0.5)) argument(DType::i32);
  if (chance(0.3)) argument(DType::i1);
  if (chance(0.1)) argument(pick({DType::f32, DType::f64}));
  for (std::uint64_t i = below(3); i > 0; --i) argument(pick(kWholes));
  std::vector<Value> states;
  if (options_.state && chance(0.5))
    for (std::uint64_t i = 0, n = 1 + below(3); i < n; ++i) states.push_back(argument(real_));
  for (int i = 0; i < options_.steps; ++i) step();
  for (Value state : states) update(state);
  choose_results();
  return {std::move(function_), std::move(inputs_), loop_gradients_};
}

bool GraphGenerator::fits(const Ints& dims, double times, std::int64_t each) const {
  auto elements = static_cast<double>(each);
  for (std::int64_t extent : dims) elements *= static_cast<double>(extent);
  return elements <= times * static_cast<double>(options_.elements);
}

Ints GraphGenerator::dims() {
  for (;;) {
    Ints dims(pick({0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 5}));
    for (std::int64_t& extent : dims) extent = chance(0.1) ? 1 : pick(palette_);
    if (fits(dims, 2)) return dims;
  }
}

void GraphGenerator::keep(Value value) {
  if (value && value.type().count() <= options_.elements * 3 &&
      std::find(pool_.begin(), pool_.end(), value) == pool_.end())
    pool_.push_back(value);
}

Value GraphGenerator::argument(DType dtype) {
  const bool whole = !is_float(dtype);
  return argument(Type{dtype, dims()}, whole ? (is_unsigned(dtype) ? 0 : -9) : -2, whole ? 9 : 2);
}

Value GraphGenerator::argument(const Type& type, double low, double high) {
  const std::size_t index = function_.arguments.size();
  function_.arguments.push_back({type, fmt::format("arg{}", index), -1});
  inputs_.push_back(random_array(type, random_.bits64(), low, high));
  if (chance(0.06)) sprinkle(inputs_.back(), random_);
  const Value value = function_.argument(static_cast<int>(index));
  keep(value);
  return value;
}

/// Another value of this type: one there is, one stretched to it, or a constant.
Value GraphGenerator::partner(Value x) {
  const Type& type = x.type();
  if (const Value same = find([&](Value v) { return v.type() == type; }); same && chance(0.7))
    return same;
  const auto stretches = [&](Value v) {
    if (v.type().dtype != type.dtype || v.type().rank() > type.rank()) return false;
    for (int i = 1; i <= v.type().rank(); ++i) {
      const std::int64_t a = v.type().dims[v.type().dims.size() - static_cast<std::size_t>(i)];
      const std::int64_t b = type.dims[type.dims.size() - static_cast<std::size_t>(i)];
      if (a != b && a != 1) return false;
    }
    return true;
  };
  if (const Value small = find(stretches); small && chance(0.8)) {
    Ints axes(small.type().dims.size());
    std::iota(axes.begin(), axes.end(), type.rank() - small.type().rank());
    return small.type() == type ? small : broadcast(small, type.dims, axes);
  }
  return constant(type);
}

Value GraphGenerator::constant(const Type& type) {
  if (type.count() <= 200 && chance(0.3))
    return graph().constant(
        random_array(type, random_.bits64(), is_unsigned(type.dtype) ? 0 : -2, 3));
  return graph().splat(type, is_float(type.dtype) ? pick({0.0, 1.0, -1.0, 0.5, 2.0, 0.3, -0.0, 1.5})
                                                  : static_cast<double>(pick({0, 1, 2, 3, 5})));
}

void GraphGenerator::step() {
  using Step = void (GraphGenerator::*)();
  static constexpr Step kSteps[] = {
      &GraphGenerator::function,
      &GraphGenerator::function,
      &GraphGenerator::function,
      &GraphGenerator::arithmetic,
      &GraphGenerator::arithmetic,
      &GraphGenerator::arithmetic,
      &GraphGenerator::choice,
      &GraphGenerator::integers,
      &GraphGenerator::integers,
      &GraphGenerator::conversion,
      &GraphGenerator::conversion,
      &GraphGenerator::stretch,
      &GraphGenerator::permute,
      &GraphGenerator::reform,
      &GraphGenerator::reform,
      &GraphGenerator::reduction,
      &GraphGenerator::reduction,
      &GraphGenerator::reduction,
      &GraphGenerator::product,
      &GraphGenerator::product,
      &GraphGenerator::softmax,
      &GraphGenerator::region,
      &GraphGenerator::pairs,
      &GraphGenerator::leaf,
      &GraphGenerator::stop,
      &GraphGenerator::gradient,
      &GraphGenerator::normalise,
      &GraphGenerator::special_function,
      &GraphGenerator::special_function,
      &GraphGenerator::bits,
      &GraphGenerator::bits,
      &GraphGenerator::cut,
      &GraphGenerator::cut,
      &GraphGenerator::border,
      &GraphGenerator::border,
      &GraphGenerator::join,
      &GraphGenerator::dynamic,
      &GraphGenerator::lookup,
      &GraphGenerator::general_gather,
      &GraphGenerator::scattering,
      &GraphGenerator::sorting,
      &GraphGenerator::pooling,
      &GraphGenerator::pooling_pairs,
      &GraphGenerator::running_sum,
      &GraphGenerator::convolve,
      &GraphGenerator::attention,
      &GraphGenerator::attention,
      &GraphGenerator::gradient,
      &GraphGenerator::loop,
      &GraphGenerator::loop_and_gradient,
      &GraphGenerator::branches,
  };
  (this->*pick(kSteps))();
}

Value GraphGenerator::above(Value x, double least) {
  return add(unary(Op::abs, x), like(x, least));
}

void GraphGenerator::function() {
  const Value x = real();
  if (!x) return;
  switch (below(4)) {
    case 0:
      keep(unary(pick({Op::abs, Op::negate, Op::sign, Op::floor, Op::ceil, Op::round_nearest_even}),
                 x));
      break;
    case 1:
      keep(unary(pick({Op::tanh, Op::logistic, Op::sine, Op::cosine, Op::erf}), x));
      break;
    case 2:
      keep(unary(pick({Op::log, Op::log_plus_one, Op::sqrt, Op::rsqrt}), above(x, 0.25)));
      break;
    default:
      keep(unary(pick({Op::exponential, Op::exponential_minus_one}),
                 binary(Op::minimum, x, like(x, 3))));
  }
}

void GraphGenerator::arithmetic() {
  const Value x = real();
  if (!x) return;
  const Value y = partner(x);
  const auto op = pick({Op::add, Op::add, Op::subtract, Op::multiply, Op::multiply, Op::maximum,
                        Op::minimum, Op::divide, Op::power, Op::remainder});
  switch (op) {
    case Op::divide:
    case Op::remainder:
      keep(binary(op, x, above(y, 0.5)));
      break;
    case Op::power:
      keep(binary(op, above(x, 0.5), binary(Op::minimum, y, like(y, 2))));
      break;
    default:
      keep(binary(op, x, y));
  }
}

void GraphGenerator::choice() {
  const Value x = any();
  Value condition = compare(x, partner(x), static_cast<Direction>(below(6)));
  keep(condition);
  // The condition chooses between values of its own shape, of any type; one of rank 0 between any.
  const Value yes =
      find([&](Value v) { return v.type().dims == x.type().dims || x.type().rank() == 0; });
  if (condition.type().dims != yes.type().dims)
    condition = broadcast(condition, yes.type().dims, {});
  keep(select(condition, yes, partner(yes)));
}

void GraphGenerator::integers() {
  const Value x = find([](Value v) { return !is_float(v.type().dtype); });
  if (!x) return;
  const Value y = partner(x);
  if (chance(0.2)) return keep(unary(Op::not_, x));
  if (is_bool(x.type().dtype))
    return keep(
        binary(pick({Op::and_, Op::or_, Op::xor_, Op::add, Op::multiply, Op::maximum}), x, y));
  keep(binary(pick({Op::add, Op::subtract, Op::multiply, Op::and_, Op::or_, Op::xor_, Op::maximum,
                    Op::minimum, Op::divide, Op::remainder}),
              x, y));
}

void GraphGenerator::conversion() {
  const Value x = any();
  if (chance(0.4)) return keep(convert(x, real_));
  keep(convert(x, chance(0.6) ? pick(kWholes) : pick({DType::f32, DType::f64, DType::i1})));
}

void GraphGenerator::stretch() {
  const Value x = any();
  if (x.type().rank() > 3) return;
  Ints dims = x.type().dims, axes;
  for (std::int64_t& extent : dims)
    if (extent == 1 && chance(0.5)) extent = pick(palette_);
  dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(below(dims.size() + 1)), pick(palette_));
  // Which new axis is which old one: in order mostly, sometimes shuffled.
  std::vector<std::int64_t> order(dims.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<bool> used(dims.size());
  if (chance(0.2)) random_.shuffle(order);
  for (std::int64_t extent : x.type().dims)
    for (std::int64_t axis : order) {
      const auto at = static_cast<std::size_t>(axis);
      if (used[at] || (dims[at] != extent && extent != 1)) continue;
      used[at] = true;
      axes.push_back(axis);
      break;
    }
  if (axes.size() == x.type().dims.size() && fits(dims)) keep(broadcast(x, dims, axes));
}

void GraphGenerator::permute() {
  const Value x = find([](Value v) { return v.type().rank() > 1; });
  if (!x) return;
  Ints axes(x.type().dims.size());
  std::iota(axes.begin(), axes.end(), 0);
  random_.shuffle(axes);
  keep(transpose(x, axes));
}

void GraphGenerator::reform() {
  const Value x = any();
  Ints dims = x.type().dims;
  const auto at = [&](std::size_t n) { return static_cast<std::ptrdiff_t>(below(n)); };
  switch (below(4)) {
    case 0:
      dims.insert(dims.begin() + at(dims.size() + 1), 1);
      break;
    case 1:
      std::erase(dims, 1);
      break;
    case 2:  // merge two neighbours
      if (dims.size() >= 2) {
        const auto i = at(dims.size() - 1);
        dims[static_cast<std::size_t>(i)] *= dims[static_cast<std::size_t>(i) + 1];
        dims.erase(dims.begin() + i + 1);
      }
      break;
    default: {  // all factors anew
      if (x.type().count() == 0) return;
      Ints factors;
      std::int64_t rest = x.type().count();
      for (std::int64_t f = 2; rest > 1; ++f)
        while (rest % f == 0) factors.push_back(f), rest /= f;
      random_.shuffle(factors);
      dims.assign(1 + below(3), 1);
      for (std::int64_t f : factors) dims[below(dims.size())] *= f;
    }
  }
  if (dims.size() <= 5) keep(reshape(x, dims));
}

Ints GraphGenerator::some_axes(const Type& type) {
  Ints axes;
  for (std::int64_t axis = 0; axis < type.rank(); ++axis)
    if (chance(0.5)) axes.push_back(axis);
  if (axes.empty() && type.rank() > 0 && chance(0.9))
    axes.push_back(static_cast<std::int64_t>(below(static_cast<std::uint64_t>(type.rank()))));
  return axes;
}

void GraphGenerator::reduction() {
  const Value x = chance(0.8) ? real() : any();
  if (!x) return;
  const Ints axes = some_axes(x.type());
  const DType dtype = x.type().dtype;
  if (!is_float(dtype))
    return keep(reduce(
        x, pick({Op::add, Op::multiply, Op::maximum, Op::minimum, Op::or_, Op::and_, Op::xor_}),
        axes));
  const Op op = extent_of(x.type(), axes) < 40 && chance(0.2)
                    ? Op::multiply
                    : pick({Op::add, Op::add, Op::maximum, Op::minimum});
  const Value y = reduce(x, op, axes);
  keep(y);
  if (chance(0.15))  // from elsewhere than where the combiner starts
    keep({graph().make(Op::reduce, {x, partner(graph().splat({dtype, {}}, 2))}, DimsAttrs{axes},
                       std::nullopt, {combiner_region(graph(), op, dtype)}),
          0});
  if (chance(0.5)) keep(multiply(y, like(y, 1 / extent_of(x.type(), axes))));
  if (chance(0.5)) {  // back against what it came from
    Ints kept;
    for (std::int64_t axis = 0; axis < x.type().rank(); ++axis)
      if (std::find(axes.begin(), axes.end(), axis) == axes.end()) kept.push_back(axis);
    keep(binary(pick({Op::subtract, Op::multiply, Op::add}), x, broadcast(y, x.type().dims, kept)));
  }
}

void GraphGenerator::product() {
  const DType dtype = chance(0.9) ? real_ : any().type().dtype;
  const auto typed = [&](Value v) { return v.type().dtype == dtype; };
  const Value a = find(typed), b = find(typed);
  if (!a || !b) return;
  // Pairs of axes of one extent: contracted or batch; the others are free.
  DotAttrs attrs;
  Ints right(b.type().dims.size());
  std::iota(right.begin(), right.end(), 0);
  random_.shuffle(right);
  std::set<std::int64_t> used;
  double terms = 1;
  for (std::int64_t i = 0; i < a.type().rank(); ++i) {
    const std::int64_t extent = a.type().dims[static_cast<std::size_t>(i)];
    const auto match = std::find_if(right.begin(), right.end(), [&](std::int64_t j) {
      return !used.contains(j) && b.type().dims[static_cast<std::size_t>(j)] == extent;
    });
    if (match == right.end() || chance(0.3)) continue;
    used.insert(*match);
    const bool batch = chance(0.3);
    (batch ? attrs.lhs_batch : attrs.lhs_contracting).push_back(i);
    (batch ? attrs.rhs_batch : attrs.rhs_contracting).push_back(*match);
    if (!batch) terms *= static_cast<double>(extent);
  }
  const double free = static_cast<double>(a.type().count()) * static_cast<double>(b.type().count());
  if (free / terms > static_cast<double>(options_.elements) || free > 4e6 ||
      a.type().rank() + b.type().rank() > 7)
    return;
  const Value y = dot_general(a, b, attrs);
  if (y.type().rank() > 5) return;
  keep(y);
  if (is_float(dtype)) keep(multiply(y, like(y, 1 / terms)));
}

/// x - max(x), exp of it, its sum, the quotient; as users write them, over one axis.
void GraphGenerator::softmax() {
  const Value x = find([&](Value v) { return v.type().dtype == real_ && v.type().rank() > 0; });
  if (!x) return;
  const std::int64_t axis =
      static_cast<std::int64_t>(below(static_cast<std::uint64_t>(x.type().rank())));
  Ints kept;
  for (std::int64_t i = 0; i < x.type().rank(); ++i)
    if (i != axis) kept.push_back(i);
  const auto widen = [&](Value v) { return broadcast(v, x.type().dims, kept); };
  const Value shifted = subtract(x, widen(reduce(x, Op::maximum, {axis})));
  const Value e = unary(Op::exponential, shifted);
  const Value sum = reduce(e, Op::add, {axis});
  if (chance(0.6))
    keep(divide(e, widen(sum)));
  else
    keep(subtract(shifted, widen(unary(Op::log, sum))));
  if (chance(0.2)) keep(sum);
}

/// (x - mean) / sqrt(variance + eps), over some axes.
void GraphGenerator::normalise() {
  const Value x = real();
  if (!x) return;
  const Ints axes = some_axes(x.type());
  Ints kept;
  for (std::int64_t i = 0; i < x.type().rank(); ++i)
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) kept.push_back(i);
  const auto mean = [&](Value v) {
    const Value sum = reduce(v, Op::add, axes);
    return multiply(sum, like(sum, 1 / extent_of(v.type(), axes)));
  };
  const auto widen = [&](Value v) { return broadcast(v, x.type().dims, kept); };
  const Value centred = subtract(x, widen(mean(x)));
  const Value variance = mean(multiply(centred, centred));
  keep(multiply(centred, widen(unary(Op::rsqrt, add(variance, like(variance, 0.25))))));
}

/// A reduce whose region is several ops.
void GraphGenerator::region() {
  const Value x = real();
  if (!x) return;
  keep({graph().make(Op::reduce, {x, graph().splat({real_, {}}, 0.5)},
                     DimsAttrs{some_axes(x.type())}, std::nullopt, {mixing_region()}),
        0});
}

/// A reduce of pairs: the greatest element and its index; or two at once, each by itself.
void GraphGenerator::pairs() {
  if (chance(0.3)) {
    const Value a = real_of_rank(1);
    if (!a) return;
    const Value b = partner(a);
    const Type scalar{real_, {}};
    const auto parameter = [&](int i) { return graph().parameter(i, scalar); };
    const Region region{
        {scalar, scalar, scalar, scalar},
        {add(parameter(0), parameter(2)), binary(Op::maximum, parameter(1), parameter(3))}};
    const Node* both = graph().make(
        Op::reduce, {a, b, graph().splat(scalar, 0), identity(graph(), Op::maximum, real_)},
        DimsAttrs{some_axes(a.type())}, std::nullopt, {region});
    keep({both, 0});
    return keep({both, 1});
  }
  const Value x = find([](Value v) { return v.type().rank() > 0 && v.type().dtype != DType::i1; });
  if (!x) return;
  const Type scalar{x.type().dtype, {}}, number{DType::i32, {}};
  const Value best = graph().parameter(0, scalar), at = graph().parameter(1, number);
  const Value e = graph().parameter(2, scalar), here = graph().parameter(3, number);
  const Value better = compare(e, best, Direction::GT);
  const Region region{{scalar, number, scalar, number},
                      {select(better, e, best), select(better, here, at)}};
  const std::int64_t axis =
      static_cast<std::int64_t>(below(static_cast<std::uint64_t>(x.type().rank())));
  const Value index = iota(graph(), {DType::i32, x.type().dims}, axis);
  const Node* both = graph().make(
      Op::reduce,
      {x, index, identity(graph(), Op::maximum, scalar.dtype), graph().splat(number, 0)},
      DimsAttrs{{axis}}, std::nullopt, {region});
  if (chance(0.7)) keep({both, 0});
  keep({both, 1});
}

void GraphGenerator::leaf() {
  const Ints shape = dims();
  if (!shape.empty() && chance(0.5))
    keep(iota(graph(), {chance(0.4) ? real_ : pick(kWholes), shape},
              static_cast<std::int64_t>(below(shape.size()))));
  else
    keep(constant({chance(0.7) ? real_ : pick(kWholes), shape}));
}

/// Composites: a stopped gradient; a function that was given a name.
void GraphGenerator::stop() {
  const Value x = real();
  if (!x) return;
  if (chance(0.5)) {
    const Value a = graph().parameter(0, x.type()), b = graph().parameter(1, x.type());
    const Region gate{{x.type(), x.type()}, {multiply(unary(Op::tanh, a), b)}};
    return keep({graph().make(Op::composite, {x, partner(x)}, CallAttrs{"kiln.gate", ""},
                              std::nullopt, {gate}),
                 0});
  }
  const Region region{{x.type()}, {graph().parameter(0, x.type())}};
  keep({graph().make(Op::composite, {x}, CallAttrs{"kiln.stop_gradient", ""}, std::nullopt,
                     {region}),
        0});
}

void GraphGenerator::gradient() {
  if (const Value x = real(); x && !gradient_of(x)) gradient_of(real());
}

/// A loop, and what its gradient is.
void GraphGenerator::loop_and_gradient() {
  loop();
  const Value last = pool_.back();
  if (last.node->op() == Op::while_ && last.type().dtype == real_) gradient_of(last);
}

/// With respect to all arguments it was computed from; false where something on the way is not
/// differentiable, or the gradient takes far more than what it is of, as that of windows may.
bool GraphGenerator::gradient_of(Value x) {
  if (!options_.gradients) return false;
  std::vector<Value> wrt;
  for (Value v : pool_)
    if (v.node->op() == Op::parameter && v.type().dtype == real_) wrt.push_back(v);
  Ints all(x.type().dims.size());
  std::iota(all.begin(), all.end(), 0);
  const Value loss = reduce(x, Op::add, all);
  const double mean = 1 / static_cast<double>(std::max<std::int64_t>(1, x.type().count()));
  std::vector<Value> found;
  try {
    for (Value g : gradients(std::vector{loss}, std::vector{like(loss, mean)}, wrt))
      if (chance(0.7)) found.push_back(g);
  } catch (const Error&) {
    return false;
  }
  if (largest_behind(found) > 10 * options_.elements) return false;
  const auto loops = [](const std::vector<Value>& values) {
    return std::ranges::count_if(topological(values),
                                 [](const Node* n) { return n->op() == Op::while_; });
  };
  if (loops(found) > loops({x})) ++loop_gradients_;
  for (Value g : found) keep(g);
  return true;
}

void GraphGenerator::add_result(Value value, const std::string& name) {
  function_.results.push_back(value);
  function_.result_names.push_back(name);
}

void GraphGenerator::update(Value state) {
  const Value x = find([&](Value v) { return v.type() == state.type() && v != state; });
  Value next = x ? x : state;
  switch (below(4)) {
    case 0:
      next = add(multiply(state, like(state, 0.9)), next);
      break;
    case 1:
      next = subtract(state, multiply(next, like(next, 0.1)));
      break;
    case 2:
      break;  // another value takes its place, perhaps another state
    default: {
      // Read elsewhere than it is written.
      Ints axes(state.type().dims.size());
      std::iota(axes.begin(), axes.end(), 0);
      random_.shuffle(axes);
      const Value moved = transpose(state, axes);
      next = moved.type() == state.type() ? add(moved, next) : multiply(next, next);
    }
  }
  if (next == state) next = negate(state);
  function_.arguments[static_cast<std::size_t>(state.node->attrs<ParameterAttrs>().index)].alias =
      static_cast<int>(function_.results.size());
  add_result(next, "state");
  keep(next);  // read by others, too
}

void GraphGenerator::choose_results() {
  std::set<const Node*> used;
  for (Value value : pool_) used.insert(value.node);
  for (const Node* node : topological(pool_))
    for (Value operand : node->operands()) used.erase(operand.node);
  std::vector<Value> sinks;
  for (Value value : pool_)
    if (used.contains(value.node)) sinks.push_back(value);
  for (std::size_t i = sinks.size(); i > 1; --i) std::swap(sinks[i - 1], sinks[below(i)]);
  if (sinks.size() > kMaxResults) sinks.resize(kMaxResults);
  for (Value sink : sinks) add_result(sink, "");
  // Values inside, arguments, the same twice.
  for (std::uint64_t i = below(3); i > 0; --i) add_result(any(), "");
  if (function_.results.empty()) add_result(any(), "");
}

RandomGraphOptions options_of(std::uint64_t seed) {
  RandomGraphOptions options;
  options.steps = seed % 10 == 9 ? 70 : seed % 5 == 3 ? 24 : 10;
  options.elements = seed % 7 == 6 ? 40000 : seed % 7 > 3 ? 100 : 3000;
  if (options.elements == 40000) options.steps = 12;
  return options;
}

RandomGraph random_graph(std::uint64_t seed, const RandomGraphOptions& options) {
  return GraphGenerator(seed, options).run();
}

}  // namespace kiln
