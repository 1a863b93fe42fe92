// Results and gradients as an independent implementation computed them (PyTorch 1.13 in f64): the
// data of tests/golden/ops, whose manifest says what each case computes and how close a result must
// be.
#include <cmath>
#include <fstream>

#include <nlohmann/json.hpp>

#include "frontend/module.h"
#include "frontend/optim.h"
#include "frontend/trace.h"
#include "ir/interpret.h"
#include "passes/autodiff.h"
#include "runtime/safetensors.h"
#include "tests/catch.h"
#include "tests/support.h"

namespace kiln {
namespace {

using nlohmann::json;

std::string golden(const std::string& name) {
  return std::string(KILN_SOURCE_DIR) + "/tests/golden/" + name;
}

using Inputs = std::map<std::string, Tensor>;
using Semantics = std::function<Tensor(Inputs& in, const json& attrs)>;

Semantics unary(Tensor (*f)(const Tensor&, Where)) {
  return [f](Inputs& in, const json&) { return f(in["x"], Where::current()); };
}
Semantics binary(Tensor (*f)(const Operand&, const Operand&, Where)) {
  return [f](Inputs& in, const json&) { return f(in["a"], in["b"], Where::current()); };
}
Semantics reduction(Tensor (*f)(const Tensor&, const Ints&, bool, Where)) {
  return [f](Inputs& in, const json& attrs) {
    const Ints axes = attrs["dims"].is_null() ? Ints{} : attrs["dims"].get<Ints>();
    return f(in["x"], axes, attrs["keepdim"], Where::current());
  };
}

/// The golden data's operations in kiln's words.
const std::map<std::string, Semantics>& semantics() {
  static const std::map<std::string, Semantics> table = {
      {"neg", unary(neg)},
      {"exp", unary(exp)},
      {"log", unary(log)},
      {"sqrt", unary(sqrt)},
      {"rsqrt", unary(rsqrt)},
      {"tanh", unary(tanh)},
      {"sigmoid", unary(sigmoid)},
      {"relu", unary(relu)},
      {"sin", unary(sin)},
      {"cos", unary(cos)},
      {"abs", unary(abs)},
      {"add", binary(add)},
      {"sub", binary(sub)},
      {"mul", binary(mul)},
      {"div", binary(div)},
      {"maximum", binary(maximum)},
      {"minimum", binary(minimum)},
      {"reduce_sum", reduction(sum)},
      {"reduce_mean", reduction(mean)},
      {"reduce_max", reduction(amax)},
      {"reduce_min", reduction(amin)},
      {"pow",
       [](Inputs& in, const json& attrs) {
         const Operand exponent = attrs.contains("exponent")
                                      ? Operand(attrs["exponent"].get<double>())
                                      : Operand(in["b"]);
         return pow(in["a"], exponent);
       }},
      {"compare",
       [](Inputs& in, const json& attrs) {
         const std::map<std::string, Tensor (*)(const Operand&, const Operand&, Where)> directions =
             {{"eq", eq}, {"ne", ne}, {"lt", lt}, {"le", le}, {"gt", gt}, {"ge", ge}};
         return directions.at(attrs["cmp"])(in["a"], in["b"], Where::current());
       }},
      {"where", [](Inputs& in, const json&) { return where(in["cond"], in["a"], in["b"]); }},
      {"matmul",
       [](Inputs& in, const json& attrs) {
         const auto operand = [&](const char* name, const char* flag) {
           return attrs.value(flag, false) ? transpose(in[name], -1, -2) : in[name];
         };
         return matmul(operand("a", "transpose_a"), operand("b", "transpose_b"));
       }},
      {"softmax", [](Inputs& in, const json& attrs) { return softmax(in["x"], attrs["dim"]); }},
      {"log_softmax",
       [](Inputs& in, const json& attrs) { return log_softmax(in["x"], attrs["dim"]); }},
      {"cross_entropy",
       [](Inputs& in, const json&) { return cross_entropy(in["logits"], in["target"]); }},
      {"mse_loss", [](Inputs& in, const json&) { return mse_loss(in["x"], in["target"]); }},
      {"one_hot",
       [](Inputs& in, const json& attrs) {
         return one_hot(in["index"], attrs["classes"], DType::i64);
       }},
      {"argmax",
       [](Inputs& in, const json& attrs) {
         if (attrs["dim"].is_null()) return argmax(reshape(in["x"], {-1}), 0);
         const Tensor index = argmax(in["x"], attrs["dim"]);
         return attrs["keepdim"] ? unsqueeze(index, attrs["dim"]) : index;
       }},
      {"reshape",
       [](Inputs& in, const json& attrs) { return reshape(in["x"], attrs["shape"].get<Ints>()); }},
      {"permute",
       [](Inputs& in, const json& attrs) { return permute(in["x"], attrs["dims"].get<Ints>()); }},
      {"transpose",
       [](Inputs& in, const json& attrs) {
         return transpose(in["x"], attrs["dims"][0], attrs["dims"][1]);
       }},
      {"broadcast_to",
       [](Inputs& in, const json& attrs) { return expand(in["x"], attrs["shape"].get<Ints>()); }},
  };
  return table;
}

/// What kiln does not offer yet.
bool offered(const json& attrs) { return attrs.value("reduction", "mean") == "mean"; }

/// |got - want| <= atol + rtol |want|, NaN for NaN, infinities of one sign.
std::string off(const Array& got, const Array& want, const json& tensor) {
  if (got.type() != want.type())
    return fmt::format("{} instead of {}", got.type().pretty(), want.type().pretty());
  for (std::int64_t i = 0; i < want.count(); ++i) {
    const double g = got.as_double(i), w = want.as_double(i);
    if (g == w || (std::isnan(g) && std::isnan(w))) continue;
    if (std::isinf(w) ||
        !(std::fabs(g - w) <= tensor.value("atol", 0.0) + tensor.value("rtol", 0.0) * std::fabs(w)))
      return fmt::format("element {}: {} instead of {}", i, g, w);
  }
  return "";
}

}  // namespace

TEST_CASE("operations_and_their_gradients_agree_with_the_golden_data") {
  const json manifest = json::parse(std::ifstream(golden("ops/manifest.json")));
  int cases_run = 0;
  for (const auto& [op, cases] : manifest.items()) {
    const NamedArrays data = load_safetensors(golden("ops/" + op + ".safetensors")).tensors;
    // All cases of an op are one function.
    std::vector<Array> inputs, expected;
    std::vector<json> promises;
    for (const json& one : cases)
      for (const json& tensor : one["tensors"])
        if (offered(one["attrs"]) &&
            (tensor["role"] == "input" || tensor["role"] == "upstream_gradient"))
          inputs.push_back(data.at(tensor["key"]));
    const Function function = trace(types_of(inputs), [&](const std::vector<Tensor>& arguments) {
      std::vector<Tensor> results;
      std::size_t next = 0;
      for (const json& one : cases) {
        if (!offered(one["attrs"])) continue;
        ++cases_run;
        Inputs in;
        Tensor upstream;
        for (const json& tensor : one["tensors"]) {
          if (tensor["role"] == "input") in[tensor["name"]] = arguments[next++];
          if (tensor["role"] == "upstream_gradient") upstream = arguments[next++];
        }
        const Tensor out = semantics().at(op)(in, one["attrs"]);
        for (const json& tensor : one["tensors"]) {
          if (tensor["role"] == "expected_output") {
            results.push_back(out);
          } else if (tensor["role"] == "expected_gradient") {
            const Value wrt = in.at(tensor["wrt"]).value();
            results.emplace_back(gradients(std::vector{out.value()}, std::vector{upstream.value()},
                                           std::vector{wrt})[0]);
          } else {
            continue;
          }
          expected.push_back(data.at(tensor["key"]));
          promises.push_back(tensor);
        }
      }
      return results;
    });
    const auto check_results = [&](const char* mode, const std::vector<Array>& results) {
      for (std::size_t r = 0; r < results.size(); ++r)
        if (const std::string found = off(results[r], expected[r], promises[r]); !found.empty()) {
          INFO(op << "/" << promises[r]["key"] << ", " << mode);
          CHECK(found == kNone);
        }
    };
    check_results("reference", interpret(function, inputs));
    PipelineOptions options;
    check_results("fused", execute(function, inputs, options));
    options.mode = Mode::unfused;
    check_results("unfused", execute(function, inputs, options));
  }
  CHECK(cases_run > 170);
}

TEST_CASE("optimisers_take_the_golden_steps") {
  const NamedArrays data = load_safetensors(golden("optimizers.safetensors")).tensors;
  struct Case {
    std::string tag;
    std::shared_ptr<Optimizer> optimizer;
    double rtol, atol;
  };
  const std::vector<Case> cases = {
      {"adam", std::make_shared<Adam>(AdamOptions{.lr = 1e-3}), 1e-4, 1e-12},
      {"adam_tiny_gradients", std::make_shared<Adam>(AdamOptions{.lr = 1e-3}), 1e-4, 1e-12},
      {"sgd", std::make_shared<SGD>(SGDOptions{.lr = 0.5}), 1e-5, 5e-6},
  };
  for (const auto& [tag, optimizer, rtol, atol] : cases) {
    const Array &start = data.at(tag + "/p"), &gradients = data.at(tag + "/gradients"),
                &steps = data.at(tag + "/p_per_step");
    struct Model : Module {
      explicit Model(const Ints& dims) : p(parameter("p", dims, Initializer::constant(0))) {}
      Parameter p;
    };
    const Model model(start.dims());
    const Traced traced = Trace::run(
        [&, &optimizer = optimizer](const std::vector<Tensor>& in) {
          optimizer->update(model.parameters(), {in[0]});
          return std::vector<Tensor>{};
        },
        {start.type()});
    // The state by hand: the arguments after the gradient, in the trace's order.
    std::vector<Array> arguments{Array(start.type())};
    for (const VariablePtr& variable : traced.variables) {
      Array value(variable->type);
      if (variable->name == "p") value = start.clone();
      arguments.push_back(value);
    }
    const std::int64_t count = start.count();
    for (std::int64_t s = 0; s < gradients.dims()[0]; ++s) {
      const auto row = [&](const Array& all) {
        Array one(start.type());
        std::copy_n(all.data<float>().begin() + s * count, count, one.data<float>().begin());
        return one;
      };
      arguments[0] = row(gradients);
      const std::vector<Array> results = execute(traced.function, arguments);
      for (std::size_t a = 1; a < arguments.size(); ++a)
        if (const int alias = traced.function.arguments[a].alias; alias >= 0)
          arguments[a] = results[static_cast<std::size_t>(alias)];
      INFO(tag << " step " << s + 1);
      for (std::size_t v = 0; v < traced.variables.size(); ++v) {
        const std::string& name = traced.variables[v]->name;
        if (name == "p")
          CHECK(off(arguments[v + 1], row(steps), {{"rtol", rtol}, {"atol", atol}}) == kNone);
        const bool last = s + 1 == gradients.dims()[0];
        for (const std::string moment : {"exp_avg", "exp_avg_sq"})
          if (last && name == fmt::format("optimizer.{}.p", moment))
            CHECK(off(arguments[v + 1], data.at(fmt::format("{}/{}", tag, moment)),
                      {{"rtol", rtol}, {"atol", atol}}) == kNone);
      }
    }
  }
}

}  // namespace kiln
