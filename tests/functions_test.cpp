// Functions on tensors against PyTorch: what tests/torch/generate_functions.py says they give, and
// their gradients, in the reference, unfused and fused. What the golden data have is not repeated.
#include "frontend/functions.h"

#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "ir/interpret.h"
#include "passes/autodiff.h"
#include "runtime/safetensors.h"
#include "tests/catch.h"
#include "tests/source_folder.h"
#include "tests/support.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;
using In = const std::vector<Tensor>&;
using Tensors = std::vector<Tensor>;
using Case = std::function<Tensors(In)>;

Case unary(Tensor (*f)(const Tensor&, Where)) {
  return [f](In in) { return Tensors{f(in[0], Where::current())}; };
}
Case binary(Tensor (*f)(const Operand&, const Operand&, Where)) {
  return [f](In in) { return Tensors{f(in[0], in[1], Where::current())}; };
}
Case logical(Tensor (*f)(const Tensor&, const Tensor&, Where)) {
  return [f](In in) { return Tensors{f(ne(in[0], 0), ne(in[1], 0), Where::current())}; };
}
/// One result.
Case one(std::function<Tensor(In)> f) {
  return [f = std::move(f)](In in) { return Tensors{f(in)}; };
}
Tensors both(const Ordered& ordered) { return {ordered.values, ordered.indices}; }

constexpr double kInfinity = INFINITY;

const std::map<std::string, Case>& element_wise() {
  static const std::map<std::string, Case> table = {
      {"neg", unary(neg)},
      {"abs", unary(abs)},
      {"sign", unary(sign)},
      {"square", unary(square)},
      {"reciprocal", unary(reciprocal)},
      {"floor", unary(floor)},
      {"ceil", unary(ceil)},
      {"round", unary(round)},
      {"trunc", unary(trunc)},
      {"frac", unary(frac)},
      {"exp", unary(exp)},
      {"exp2", unary(exp2)},
      {"expm1", unary(expm1)},
      {"log", unary(log)},
      {"log1p", unary(log1p)},
      {"log2", unary(log2)},
      {"log10", unary(log10)},
      {"sqrt", unary(sqrt)},
      {"rsqrt", unary(rsqrt)},
      {"sin", unary(sin)},
      {"cos", unary(cos)},
      {"tan", unary(tan)},
      {"asin", unary(asin)},
      {"acos", unary(acos)},
      {"atan", unary(atan)},
      {"sinh", unary(sinh)},
      {"cosh", unary(cosh)},
      {"erf", unary(erf)},
      {"erfc", unary(erfc)},
      {"erfinv", unary(erfinv)},
      {"lgamma", unary(lgamma)},
      {"digamma", unary(digamma)},
      {"tanh", unary(tanh)},
      {"sigmoid", unary(sigmoid)},
      {"logsigmoid", unary(logsigmoid)},
      {"relu", unary(relu)},
      {"relu6", unary(relu6)},
      {"hardtanh", one([](In in) { return hardtanh(in[0]); })},
      {"leaky_relu", one([](In in) { return leaky_relu(in[0]); })},
      {"elu", one([](In in) { return elu(in[0]); })},
      {"elu alpha", one([](In in) { return elu(in[0], 0.3); })},
      {"selu", unary(selu)},
      {"gelu", one([](In in) { return gelu(in[0]); })},
      {"gelu_tanh", one([](In in) { return gelu(in[0], Gelu::tanh); })},
      {"silu", unary(silu)},
      {"mish", unary(mish)},
      {"softplus", one([](In in) { return softplus(in[0]); })},
      {"softplus beta", one([](In in) { return softplus(in[0], 3, 6); })},
      {"softsign", unary(softsign)},
      {"hardsigmoid", unary(hardsigmoid)},
      {"hardswish", unary(hardswish)},
      {"isnan", unary(isnan)},
      {"isinf", unary(isinf)},
      {"isfinite", unary(isfinite)},
      {"logical_not", unary(logical_not)},
      {"round halves", unary(round)},
      {"kinks",
       [](In in) {
         const Tensor& x = in[0];
         return Tensors{relu(x), relu6(x), hardtanh(x),    leaky_relu(x),
                        elu(x),  abs(x),   clamp(x, -1, 1)};
       }},
      {"atan2", binary(atan2)},
      {"fmod", binary(fmod)},
      {"fmod negative", binary(fmod)},
      {"fmod integers", binary(fmod)},
      {"remainder", binary(remainder)},
      {"remainder negative", binary(remainder)},
      {"remainder integers", binary(remainder)},
      {"floor_divide integers", binary(floor_divide)},
      {"maximum", binary(maximum)},
      {"minimum", binary(minimum)},
      {"bitwise_and", binary(bitwise_and)},
      {"bitwise_or", binary(bitwise_or)},
      {"bitwise_xor", binary(bitwise_xor)},
      {"bitwise_left_shift", binary(bitwise_left_shift)},
      {"bitwise_right_shift", binary(bitwise_right_shift)},
      {"logical_and", logical(logical_and)},
      {"logical_or", logical(logical_or)},
      {"logical_xor", logical(logical_xor)},
      {"clamp tensors", one([](In in) { return clamp(in[0], in[1], in[2]); })},
  };
  return table;
}

const std::map<std::string, Case>& structural() {
  static const std::map<std::string, Case> table = {
      {"flatten middle", one([](In in) { return flatten(in[0], 0, 1); })},
      {"unflatten", one([](In in) { return unflatten(in[0], 2, {2, -1}); })},
      {"movedim several", one([](In in) { return movedim(in[0], {0, 2}, {1, 0}); })},
      {"movedim one", one([](In in) { return movedim(in[0], 0, -1); })},
      {"squeeze all", one([](In in) { return squeeze(in[0]); })},
      {"expand keep", one([](In in) { return expand(in[0], {5, -1, 4}); })},
      {"tile few", one([](In in) { return tile(in[0], {2}); })},
      {"repeat_interleave counts",
       one([](In in) { return repeat_interleave(in[0], Ints{2, 0, 3}, 1); })},
      {"stack", one([](In in) { return stack(in, -1); })},
      {"chunk", [](In in) { return chunk(in[0], 3, 0); }},
      {"unbind", [](In in) { return unbind(in[0], 1); }},
      {"narrow", one([](In in) { return narrow(in[0], 2, -3, 2); })},
      {"select", one([](In in) { return select(in[0], 1, -1); })},
      {"index",
       one([](In in) { return index(in[0], {1, Ellipsis{}, NewAxis{}, Slice{1, 4, 2}}); })},
      {"diagonal above", one([](In in) { return diagonal(in[0], 1, 0, 2); })},
      {"diagonal below", one([](In in) { return diagonal(in[0], -2); })},
      {"flip", one([](In in) { return flip(in[0], {0, -1}); })},
      {"roll", one([](In in) { return roll(in[0], {1, -2}, {0, 2}); })},
      {"roll flat", one([](In in) { return roll(in[0], {5}); })},
      {"pad reflect", one([](In in) { return pad(in[0], {2, 1, 1, 2}, Padding::reflect); })},
      {"pad replicate", one([](In in) { return pad(in[0], {2, 1, 1, 2}, Padding::replicate); })},
      {"pad circular", one([](In in) { return pad(in[0], {2, 1, 1, 2}, Padding::circular); })},
      {"pad negative", one([](In in) { return pad(in[0], {-1, 2, 0, -1}, Padding::constant, 3); })},
      {"tril", one([](In in) { return tril(in[0], 1); })},
      {"triu", one([](In in) { return triu(in[0], -1); })},

      {"arange integers", one([](In) { return arange(2, 20, 3); })},
      {"arange down", one([](In) { return arange(5, -4, -2); })},
      {"arange floats", one([](In) { return arange(0.5, 3.0, 0.3); })},
      {"linspace", one([](In) { return linspace(-1, 2, 7); })},
      {"linspace one", one([](In) { return linspace(3, 9, 1); })},
      {"eye wide", one([](In) { return eye(2, 4); })},

      {"masked_fill", one([](In in) {
         return masked_fill(in[0], constant(Array::of<bool>({4}, {true, false, false, true})), -5);
       })},
      {"masked_select", one([](In in) { return masked_select(in[0], eq(eye(3, 4), 0)); })},
      {"index_select", one([](In in) { return index_select(in[0], 1, in[1]); })},
      {"take_along_dim", one([](In in) { return take_along_dim(in[0], in[1], 1); })},
      {"gather smaller", one([](In in) { return gather(in[0], 2, in[1]); })},
      {"scatter", one([](In in) { return scatter(in[0], 1, in[1], in[2]); })},
      {"scatter number", one([](In in) { return scatter(in[0], 0, in[1], 7); })},
      {"scatter_add smaller", one([](In in) { return scatter_add(in[0], 1, in[1], in[2]); })},
      {"index_add", one([](In in) { return index_add(in[0], 0, in[1], in[2], -2); })},
  };
  return table;
}

const std::map<std::string, Case>& combining() {
  static const std::map<std::string, Case> table = {
      {"any", one([](In in) { return any(in[0], {1}); })},
      {"all", one([](In in) { return all(in[0], {0}, true); })},
      {"count_nonzero", one([](In in) { return count_nonzero(in[0], {1}); })},
      {"prod", one([](In in) { return prod(in[0], {1}); })},
      {"std", one([](In in) { return stddev(in[0], {0, 2}); })},
      {"std population", one([](In in) { return stddev(in[0], {-1}, true, 0); })},
      {"norm 0", one([](In in) { return norm(in[0], 0, {0, 2}); })},
      {"norm 1", one([](In in) { return norm(in[0], 1, {0, 2}); })},
      {"norm 2", one([](In in) { return norm(in[0], 2, {0, 2}); })},
      {"norm 3", one([](In in) { return norm(in[0], 3, {0, 2}); })},
      {"norm inf", one([](In in) { return norm(in[0], kInfinity, {0, 2}); })},
      {"norm -inf", one([](In in) { return norm(in[0], -kInfinity, {0, 2}); })},
      {"norm zero", one([](In in) { return norm(in[0], 2, {1}); })},
      {"logsumexp infinite", one([](In in) { return logsumexp(in[0], {1}); })},

      {"sort", [](In in) { return both(sort(in[0], 1)); }},
      {"sort descending", [](In in) { return both(sort(in[0], 0, true)); }},
      {"sort nan", [](In in) { return both(sort(in[0])); }},
      {"argsort", one([](In in) { return argsort(in[0], 1); })},
      {"topk", [](In in) { return both(topk(in[0], 2, 0)); }},
      {"topk smallest", [](In in) { return both(topk(in[0], 3, -1, false)); }},
      {"argmin", one([](In in) { return argmin(in[0], 1, true); })},
      {"argmin nan", one([](In in) { return argmin(in[0]); })},
      {"max", [](In in) { return both(max(in[0], 1)); }},
      {"min", [](In in) { return both(min(in[0], 1, true)); }},
      {"cumsum long", one([](In in) { return cumsum(in[0], 1); })},
      {"cumsum integers", one([](In in) { return cumsum(in[0], 0); })},
      {"cumprod", one([](In in) { return cumprod(in[0], 1); })},
      {"cumprod zero", one([](In in) { return cumprod(in[0], 0); })},
      {"cumprod long", one([](In in) { return cumprod(in[0], 0); })},

      {"dot", one([](In in) { return dot(in[0], in[1]); })},
      {"outer", one([](In in) { return outer(in[0], in[1]); })},
      {"tensordot number", one([](In in) { return tensordot(in[0], in[1], 2); })},
      {"tensordot axes", one([](In in) { return tensordot(in[0], in[1], {2, 0}, {1, 2}); })},
      {"cdist", one([](In in) { return cdist(in[0], in[1]); })},
  };
  return table;
}

Case case_named(std::string name) {
  if (name.starts_with("einsum ")) {
    const std::string equation = name.substr(std::string_view("einsum ").size());
    return one([equation](In in) { return einsum(equation, in); });
  }
  // The same function on inputs where arithmetic goes wrong.
  if (name.ends_with(" special")) name.resize(name.size() - std::string_view(" special").size());
  for (const auto* table : {&element_wise(), &structural(), &combining()})
    if (const auto found = table->find(name); found != table->end()) return found->second;
  throw std::out_of_range("no function for the case " + name);
}

/// NAME/in0, NAME/in1, … as far as they go.
std::vector<Array> numbered(const NamedArrays& data, const std::string& prefix) {
  std::vector<Array> arrays;
  for (int i = 0;; ++i) {
    const auto found = data.find(prefix + std::to_string(i));
    if (found == data.end()) return arrays;
    arrays.push_back(found->second);
  }
}

/// The first element further off than 1e-5 of its size, and 2e-6; empty where there is none.
std::string off(const Array& got, const Array& want) {
  if (got.type() != want.type())
    return fmt::format("{} instead of {}", got.type().pretty(), want.type().pretty());
  for (std::int64_t i = 0; i < want.count(); ++i) {
    const double g = got.as_double(i), w = want.as_double(i);
    if (g == w || (std::isnan(g) && std::isnan(w))) continue;
    if (std::isinf(w) || !is_float(want.dtype()) ||
        !(std::fabs(g - w) <= 2e-6 + 1e-5 * std::fabs(w)))
      return fmt::format("element {}: {} instead of {}", i, g, w);
  }
  return "";
}

/// A result and where it belongs.
struct Expected {
  std::string name;
  Array value;
};

/// A case's inputs and cotangents, and what its outputs and gradients are to be.
struct Sample {
  std::string name;
  std::vector<Array> arguments;
  std::size_t inputs = 0;
  std::vector<std::size_t> with_cotangent, with_gradient;  // outputs, inputs
  std::vector<Expected> expected;

  Sample(const NamedArrays& data, std::string case_name) : name(std::move(case_name)) {
    const std::vector<Array> outputs = numbered(data, name + "/out");
    arguments = numbered(data, name + "/in");
    inputs = arguments.size();
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      expected.push_back({fmt::format("{}/out{}", name, i), outputs[i]});
      if (const auto ct = data.find(fmt::format("{}/ct{}", name, i)); ct != data.end()) {
        with_cotangent.push_back(i);
        arguments.push_back(ct->second);
      }
    }
    for (std::size_t i = 0; i < inputs; ++i) {
      const std::string gradient = fmt::format("{}/grad{}", name, i);
      if (const auto found = data.find(gradient); found != data.end()) {
        with_gradient.push_back(i);
        expected.push_back({gradient, found->second});
      }
    }
  }

  Tensors results(In in) const {
    Tensors all = case_named(name)({in.begin(), in.begin() + static_cast<std::ptrdiff_t>(inputs)});
    std::vector<Value> outputs, cotangents, wrt;
    for (std::size_t i = 0; i < with_cotangent.size(); ++i) {
      outputs.push_back(all.at(with_cotangent[i]).value());
      cotangents.push_back(in[inputs + i].value());
    }
    for (std::size_t i : with_gradient) wrt.push_back(in[i].value());
    for (Value gradient : gradients(outputs, cotangents, wrt)) all.emplace_back(gradient);
    if (all.size() != expected.size())
      throw std::runtime_error(name + ": another number of results");
    return all;
  }
};

/// Cases together are one function: little time goes to compiling.
void check_together(std::span<const Sample> samples) {
  std::vector<Array> arguments;
  std::vector<Expected> expected;
  for (const Sample& sample : samples) {
    arguments.insert(arguments.end(), sample.arguments.begin(), sample.arguments.end());
    expected.insert(expected.end(), sample.expected.begin(), sample.expected.end());
  }
  const Function function = trace(types_of(arguments), [&](In in) {
    Tensors all;
    auto next = in.begin();
    for (const Sample& sample : samples) {
      const auto end = next + static_cast<std::ptrdiff_t>(sample.arguments.size());
      const Tensors results = sample.results({next, end});
      all.insert(all.end(), results.begin(), results.end());
      next = end;
    }
    return all;
  });
  const auto check_results = [&](const char* way, const std::vector<Array>& results) {
    REQUIRE(results.size() == expected.size());
    for (std::size_t r = 0; r < results.size(); ++r) {
      const std::string found = off(results[r], expected[r].value);
      if (found.empty()) continue;
      INFO(expected[r].name << ", " << way);
      CHECK(found == kNone);
    }
  };
  PipelineOptions options;
  check_results("reference", interpret(function, arguments));
  check_results("fused", execute(function, arguments, options));
  options.mode = Mode::unfused;
  check_results("unfused", execute(function, arguments, options));
}

}  // namespace

TEST_CASE("functions_and_their_gradients_agree_with_pytorch", "[functions]") {
  const NamedArrays data =
      load_safetensors(source_folder() + "/tests/torch/functions.safetensors").tensors;
  std::set<std::string> names;
  for (const auto& [key, value] : data) names.insert(key.substr(0, key.rfind('/')));
  for (const auto* table : {&element_wise(), &structural(), &combining()})
    for (const auto& [name, function] : *table) CHECK(names.contains(name));
  std::vector<Sample> samples;
  for (const std::string& name : names) samples.emplace_back(data, name);
  CHECK(samples.size() == 200);
  constexpr std::size_t kTogether = 25;
  for (std::size_t begin = 0; begin < samples.size(); begin += kTogether)
    check_together(std::span(samples).subspan(begin, std::min(kTogether, samples.size() - begin)));
}

TEST_CASE("each_function_complains_of_what_it_cannot_take_by_name_with_the_shapes_at_the_call",
          "[functions]") {
  struct Complaint {
    std::function<void(In)> body;
    std::vector<std::string> parts;
  };
  const std::vector<Type> types = {{DType::f32, {2, 3}}, {DType::f32, {4, 5}}, {DType::i32, {2, 3}},
                                   {DType::i1, {4}},     {DType::i64, {3}},    {DType::f32, {}}};
  const std::vector<Complaint> complaints = {
      {[](In in) { gelu(in[2]); }, {"gelu: expected a float tensor, found i32[2, 3]"}},
      {[](In in) { silu(in[2]); }, {"silu: expected a float tensor, found i32[2, 3]"}},
      {[](In in) { asin(in[2]); }, {"asin: expected a float tensor, found i32[2, 3]"}},
      {[](In in) { log2(in[2]); }, {"log2: expected a float tensor, found i32[2, 3]"}},
      {[](In in) { hardtanh(in[0], 2, 1); }, {"hardtanh: expected low <= high, found 2 and 1"}},
      {[](In in) { floor_divide(in[0], 2); }, {"floor_divide: expected integers, found f32[2, 3]"}},
      {[](In in) { flatten(in[0], 1, 0); },
       {"flatten: expected a first axis before the last, found 1 and 0", "f32[2, 3]"}},
      {[](In in) { unflatten(in[0], 1, {2, -1}); },
       {"unflatten: axis 1 of f32[2, 3]", "has extent 3, which does not fit [2, -1]"}},
      {[](In in) { movedim(in[0], {0, 1}, {0}); },
       {"movedim: expected as many destinations as sources", "f32[2, 3]"}},
      {[](In in) { movedim(in[0], 0, 2); }, {"movedim: axis 2 does not exist in f32[2, 3]"}},
      {[](In in) { broadcast_to(in[0], {3, 3}); },
       {"expand: f32[2, 3]", "does not stretch to [3, 3]"}},
      {[](In in) { repeat(in[0], {2}); },
       {"repeat: expected a number >= 0 for each axis of f32[2, 3]", "found [2]"}},
      {[](In in) { tile(in[0], {-1}); },
       {"tile: expected a number >= 0 for each axis of f32[2, 3]"}},
      {[](In in) { repeat_interleave(in[0], -1); },
       {"repeat_interleave: expected a number >= 0, found -1"}},
      {[](In in) { repeat_interleave(in[0], Ints{1, 2}, 1); },
       {"repeat_interleave: expected a number >= 0 for each of the 3 slices of axis 1 of f32[2, "
        "3]"}},
      {[](In in) { repeat(in[0], {std::int64_t{1} << 40, std::int64_t{1} << 40}); },
       {"repeat: ", "1099511627776"}},
      {[](In in) { cat({in[0], in[1]}); },
       {"cat: expected tensors of one element type whose extents differ along axis 0 alone",
        "f32[2, 3]", "f32[4, 5]"}},
      {[](In in) { cat({in[0], in[2]}, 1); },
       {"cat: expected tensors of one element type", "i32[2, 3]"}},
      {[](In) { cat({}); }, {"cat: expected at least one tensor, found none"}},
      {[](In in) { stack({in[0], in[1]}); }, {"stack: expected tensors of one type", "f32[4, 5]"}},
      {[](In in) { stack({in[0]}, 3); },
       {"stack: expected an axis of a result of rank 3, found 3 for f32[2, 3]"}},
      {[](In in) { split(in[0], 0); }, {"split: expected pieces of extent 1 or more, found 0"}},
      {[](In in) { split(in[0], Ints{1, 3}, 1); },
       {"split: expected extents >= 0 that add up to axis 1 of f32[2, 3]", "found [1, 3]"}},
      {[](In in) { chunk(in[0], 0); }, {"chunk: expected a number of pieces >= 1, found 0"}},
      {[](In in) { narrow(in[0], 1, 2, 2); },
       {"narrow: axis 1 of f32[2, 3]", "has no 2 elements from 2 on"}},
      {[](In in) { select(in[0], 0, 2); }, {"select: axis 0 of f32[2, 3]", "has no element 2"}},
      {[](In in) { index(in[0], {0, 0, 0}); },
       {"index: expected at most 2 indices and one Ellipsis for f32[2, 3]", "found 3 and 0"}},
      {[](In in) { index(in[0], {Slice{.step = 0}}); },
       {"index: expected a step other than 0 for f32[2, 3]"}},
      {[](In in) { diagonal(in[0], 0, 1, -1); },
       {"diagonal: an axis of f32[2, 3]", "is named twice in [1, -1]"}},
      {[](In in) { flip(in[0], {2}); }, {"flip: axis 2 does not exist in f32[2, 3]"}},
      {[](In in) { roll(in[0], {1, 2}, {0}); },
       {"roll: expected a shift for each axis, found [1, 2] for [0] of f32[2, 3]"}},
      {[](In in) { pad(in[0], {1}); },
       {"pad: expected two numbers for each of the last axes, found [1] for f32[2, 3]"}},
      {[](In in) { pad(in[0], {3, 0}, Padding::reflect); },
       {"pad: expected less than an axis has elements, found [3, 0]"}},
      {[](In in) { pad(in[0], {-2, -2}); },
       {"pad: expected numbers that leave extents >= 0 and possible"}},
      {[](In) { full({2}, 0.5, DType::i32); },
       {"full: expected a number that i32 holds, found 0.5"}},
      {[](In) { arange(0, 5, 0); },
       {"arange: expected a finite number of steps, found 0 to 5 by 0"}},
      {[](In) { linspace(0, 1, -1); }, {"linspace: expected a number of steps >= 0, found -1"}},
      {[](In) { eye(-2); }, {"eye: expected extents >= 0, found -2 and -2"}},
      {[](In in) { tril(in[4]); }, {"tril: expected a tensor of rank 2 or more, found i64[3]"}},
      {[](In in) { masked_fill(in[0], in[3], 0); },
       {"masked_fill: expected an i1 mask that broadcasts with f32[2, 3]", "i1[4]"}},
      {[](In in) { masked_select(in[0], in[0] > 0); },
       {"masked_select: expected a mask made of constants", "i1[2, 3]"}},
      {[](In in) { index_select(in[0], 2, in[4]); },
       {"index_select: axis 2 does not exist in f32[2, 3]"}},
      {[](In in) { index_select(in[0], 0, in[2]); },
       {"index_select: expected a vector of indices, found i32[2, 3]"}},
      {[](In in) { take(in[0], in[0]); }, {"take: expected an integer tensor, found f32[2, 3]"}},
      {[](In in) { gather(in[0], 1, in[4]); },
       {"gather: expected indices that fit into f32[2, 3]", "except along axis 1, found i64[3]"}},
      {[](In in) { take_along_dim(in[1], in[2], 0); },
       {"take_along_dim: expected indices that broadcast with f32[4, 5]", "i32[2, 3]"}},
      {[](In in) { scatter_add(in[0], 0, in[2], in[1] > 0); },
       {"scatter_add: expected values of f32[2, 3]", "i1[4, 5]", "i32[2, 3]"}},
      {[](In in) { index_add(in[0], 1, in[4], in[1]); },
       {"index_add: expected values f32[2, 3] for f32[2, 3]", "found f32[4, 5]"}},
      {[](In in) { sequence_mask(in[0], 3); },
       {"sequence_mask: expected an integer tensor, found f32[2, 3]"}},
      {[](In in) { sequence_mask(in[0], in[4]); },
       {"sequence_mask: expected x [n, longest, ...] and lengths [n]", "f32[2, 3]", "i64[3]"}},
      {[](In in) { masked_softmax(in[0], in[4]); },
       {"masked_softmax: expected lengths for the leading axes of the scores", "i64[3]",
        "f32[2, 3]"}},
      {[](In in) { var(in[2]); }, {"var: expected a float tensor, found i32[2, 3]"}},
      {[](In in) { norm(in[0], 2, {2}); }, {"norm: axis 2 does not exist in f32[2, 3]"}},
      {[](In in) { logsumexp(in[0], {-3}); }, {"logsumexp: axis -3 does not exist in f32[2, 3]"}},
      {[](In in) { softmax(in[2], 0); }, {"softmax: expected a float tensor, found i32[2, 3]"}},
      {[](In in) { sort(in[5]); }, {"sort: axis -1 does not exist in f32[]"}},
      {[](In in) { topk(in[0], 4); },
       {"topk: expected 0 to 3 elements of axis -1 of f32[2, 3]", "found 4"}},
      {[](In in) { argmin(narrow(in[0], 1, 0, 0), 1); },
       {"argmin: axis 1 of f32[2, 0]", "is empty"}},
      {[](In in) { cumsum(in[0], 2); }, {"cumsum: axis 2 does not exist in f32[2, 3]"}},
      {[](In in) { bmm(in[0], in[1]); },
       {"bmm: expected [b, n, m] and [b, m, p], found f32[2, 3]", "f32[4, 5]"}},
      {[](In in) { dot(in[0], in[0]); }, {"dot: expected two vectors of one length", "f32[2, 3]"}},
      {[](In in) { outer(in[0], in[4]); },
       {"outer: expected two vectors, found f32[2, 3]", "i64[3]"}},
      {[](In in) { tensordot(in[0], in[1], 1); },
       {"tensordot: expected one element type and equal extents of axes [1] and [0]", "f32[2, 3]",
        "f32[4, 5]"}},
      {[](In in) { tensordot(in[0], in[1], 3); },
       {"tensordot: expected a number of axes that both have, found 3"}},
      {[](In in) { cdist(in[0], in[1]); },
       {"cdist: expected rows of one length", "f32[2, 3]", "f32[4, 5]"}},
      {[](In in) { einsum("ij,jk->ik", {in[0], in[1]}); },
       {"einsum: expected equal extents of the axes 'j', found \"ij,jk->ik\" for f32[2, 3]",
        "f32[4, 5]"}},
      {[](In in) { einsum("ij", {in[0], in[1]}); }, {"einsum: expected 1 operands, found \"ij\""}},
      {[](In in) { einsum("ijk->i", {in[0]}); },
       {"einsum: expected a letter for each axis of f32[2, 3]"}},
      {[](In in) { einsum("i1->i", {in[0]}); },
       {"einsum: expected letters and at most one \"...\" for each operand, not '1'"}},
      {[](In in) { einsum("ij->ii", {in[0]}); },
       {"einsum: expected a result whose letters occur among the operands, each once"}},
      {[](In in) { einsum("ij->k", {in[0]}); }, {"einsum: expected a result whose letters occur"}},
      {[](In in) { einsum("ii", {in[0]}); }, {"einsum: expected equal extents of the axes 'i'"}},
      {[](In) { einsum("", {}); }, {"einsum: expected 1 operands, found \"\" for no operands"}},
      {[](In in) { einsum("ij,ij->ij", {in[0], in[2]}); },
       {"einsum: expected operands of one element type"}},
      {[](In in) { cat({in[0], Tensor()}); }, {"cat: expected a tensor, found an empty one"}},
  };
  for (const Complaint& complaint : complaints) {
    INFO("expected: " << complaint.parts[0]);
    std::string text = "no Error";
    try {
      trace(types, [&](In in) {
        complaint.body(in);
        return Tensors{};
      });
    } catch (const Error& error) {
      text = error.what();
    }
    CHECK_THAT(text.substr(0, text.find(": ")), ContainsSubstring("functions_test.cpp:"));
    for (const std::string& part : complaint.parts) CHECK_THAT(text, ContainsSubstring(part));
  }
}

}  // namespace kiln
