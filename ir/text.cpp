#include "ir/text.h"

#include <algorithm>
#include <unordered_set>

#include "ir/op.h"
#include "ir/text_parts.h"

namespace kiln {
namespace {

bool is_parameter(Value value) { return value.node->op() == Op::parameter; }
std::size_t parameter_index(Value value) {
  return static_cast<std::size_t>(value.node->attrs<ParameterAttrs>().index);
}

/// In which order statements are printed.
class Order {
 public:
  /// Every node that the results need, each after what it names. The order is that of a walk from
  /// the results, so that it follows from the graph itself, not from the way in which it was made:
  /// what is read back is printed alike.
  std::vector<const Node*> of(std::span<const Value> results) {
    struct Visit {
      const Node* node;
      const std::vector<Value>* operands;
      std::size_t next = 0;
    };
    std::vector<const Node*> order;
    std::vector<Visit> path;
    std::unordered_set<const Node*> seen;
    const auto enter = [&](const Node* node) {
      if (seen.insert(node).second) path.push_back({node, &named_operands(*node)});
    };
    for (const Value result : results) {
      enter(result.node);
      while (!path.empty()) {
        Visit& visit = path.back();
        if (visit.next < visit.operands->size()) {
          enter((*visit.operands)[visit.next++].node);
        } else {
          order.push_back(visit.node);
          path.pop_back();
        }
      }
    }
    return order;
  }

 private:
  /// A node's operands in the order in which its statement names them. That of a case names them in
  /// its branches only, as values from outside: so in the order of their first use there.
  const std::vector<Value>& named_operands(const Node& node) {
    if (node.op() != Op::case_) return node.operands();
    if (const auto known = cases_.find(&node); known != cases_.end()) return known->second;
    std::vector<Value> named{node.operand(0)};
    std::unordered_set<std::size_t> seen;
    const auto use = [&](Value value) {
      if (is_parameter(value) && seen.insert(parameter_index(value)).second)
        named.push_back(node.operands()[1 + parameter_index(value)]);
    };
    for (const Region& branch : node.regions()) {
      for (const Node* inner : of(branch.results))
        for (const Value operand : named_operands(*inner)) use(operand);
      for (const Value result : branch.results) use(result);
    }
    return cases_[&node] = std::move(named);
  }

  std::unordered_map<const Node*, std::vector<Value>> cases_;
};

/// What is printed as `applies stablehlo.add`: the region's two parameters, in this order, are the
/// operands of a commutative op.
std::optional<Op> applied_op(const Region& region) {
  const std::optional<Op> op = simple_combiner(region);
  if (!op) return std::nullopt;
  const Node& node = *region.results[0].node;
  const bool applies = traits(node).commutative && !traits(node).chlo &&
                       std::holds_alternative<NoAttrs>(node.attrs()) &&
                       parameter_index(node.operand(0)) == 0;
  return applies ? op : std::nullopt;
}

/// Prints one function; the regions that calls need are collected and printed behind it.
class Printer {
 public:
  explicit Printer(const TextOptions& options) : options_(options) {}

  std::string function(const Function& f) {
    std::string arguments, results;
    for (std::size_t i = 0; i < f.arguments.size(); ++i) {
      const Argument& a = f.arguments[i];
      std::string facts;
      if (!a.name.empty()) facts += "kiln.name = " + text::quoted(a.name);
      if (a.alias >= 0)
        facts += fmt::format("{}tf.aliasing_output = {} : i32", facts.empty() ? "" : ", ", a.alias);
      arguments += fmt::format("{}%arg{}: {}{}", i == 0 ? "" : ", ", i, a.type.str(),
                               facts.empty() ? "" : " {" + facts + "}");
    }
    for (std::size_t i = 0; i < f.results.size(); ++i) {
      const std::string name = i < f.result_names.size() ? f.result_names[i] : "";
      results += fmt::format("{}{}{}", i == 0 ? "" : ", ", f.results[i].type().str(),
                             name.empty() ? "" : " {kiln.name = " + text::quoted(name) + "}");
    }
    scope_ = {};
    scope_ = inside(f.arguments.size());
    std::string text = fmt::format("  func.func public {}({}) -> ({}) {{\n", text::symbol(f.name),
                                   arguments, results);
    calls_.push_back({f.name, nullptr});  // its name is taken
    text += body(f.results, "    ", "return");
    text += "  }\n";
    // Called functions, and what they call in turn; each once.
    for (std::size_t next = 1; next < calls_.size(); ++next) text += called(next);
    return text;
  }

 private:
  /// The names that may be used. Those of a region go on where those around it ended, as in MLIR:
  /// it sees them, so it cannot take them.
  struct Scope {
    std::unordered_map<const Node*, std::string> names = {};
    std::vector<std::string> parameters = {};
    int next_value = 0;
    int next_argument = 0;
    bool in_region = false;  // of an op, where func is not the dialect of ops that name none
  };

  /// A scope inside this one, with names of its own for so many parameters.
  Scope inside(std::size_t parameters) const {
    Scope scope{{}, {}, scope_.next_value, scope_.next_argument, scope_.in_region};
    for (std::size_t i = 0; i < parameters; ++i)
      scope.parameters.push_back(fmt::format("%arg{}", scope.next_argument++));
    return scope;
  }

  /// What `print` prints while `inner` is the scope.
  template <class Print>
  std::string within(Scope inner, Print&& print) {
    std::swap(scope_, inner);
    std::string text = print();
    std::swap(scope_, inner);
    return text;
  }

  struct Call {
    std::string symbol;
    const Node* node;
  };

  std::string called(std::size_t number) {
    const Call call = calls_[number];
    const Region& region = call.node->regions()[0];
    scope_ = {};
    scope_ = inside(region.parameters.size());
    const std::string& kind = call.node->attrs<CallAttrs>().kind;
    const std::string facts =
        kind.empty() ? "" : fmt::format(" attributes {{kiln.kernel = {}}}", text::quoted(kind));
    return fmt::format("  func.func private {}({}) -> ({}){} {{\n{}  }}\n",
                       text::symbol(call.symbol), parameters(region), text::types(region.results),
                       facts, body(region.results, "    ", "return"));
  }

  /// The function a node calls; another region under the same name gets a name of its own.
  std::string symbol(const Node& node) {
    std::string name = node.attrs<CallAttrs>().name;
    for (char& c : name)
      if (c == '.' || c == ' ') c = '_';
    if (node.op() == Op::composite) name += ".impl";
    for (int number = 0;; ++number) {
      const std::string symbol = number == 0 ? name : fmt::format("{}_{}", name, number);
      const auto known = std::find_if(calls_.begin(), calls_.end(),
                                      [&](const Call& call) { return call.symbol == symbol; });
      if (known == calls_.end()) {
        calls_.push_back({symbol, &node});
        return symbol;
      }
      if (known->node == nullptr) continue;
      const Region &a = known->node->regions()[0], &b = node.regions()[0];
      if (a.parameters == b.parameters && a.results == b.results &&
          known->node->attrs<CallAttrs>().fields() == node.attrs<CallAttrs>().fields())
        return symbol;
    }
  }

  std::string body(const std::vector<Value>& results, const std::string& indent,
                   std::string_view terminator) {
    std::string text;
    for (const Node* node : order_.of(results)) {
      if (node->op() == Op::parameter) {
        scope_.names[node] = scope_.parameters[parameter_index({node, 0})];
        continue;
      }
      scope_.names[node] = fmt::format("%{}", scope_.next_value++);
      text += indent + statement(*node, indent);
      if (const auto& places = node->graph().locations(node); options_.locations && !places.empty())
        text += fmt::format(" loc({}:{}:{})", text::quoted(places[0].file), places[0].line,
                            places[0].column);
      text += "\n";
    }
    text += indent + std::string(terminator);
    if (!results.empty()) text += fmt::format(" {} : {}", names(results), text::types(results));
    return text + "\n";
  }

  std::string name(Value value) const {
    const std::string& base = scope_.names.at(value.node);
    return value.node->types().size() > 1 ? fmt::format("{}#{}", base, value.index) : base;
  }

  std::string names(std::span<const Value> values) const {
    std::string text;
    for (const Value value : values) text += (text.empty() ? "" : ", ") + name(value);
    return text;
  }

  /// "%arg4: tensor<f32>, %arg5: tensor<f32>", a region's parameters in the scope it opens.
  std::string parameters(const Region& region) const {
    std::string text;
    for (std::size_t i = 0; i < region.parameters.size(); ++i)
      text += fmt::format("{}{}: {}", i == 0 ? "" : ", ", scope_.parameters[i],
                          region.parameters[i].str());
    return text;
  }

  std::string statement(const Node& node, const std::string& indent) {
    std::string text = scope_.names.at(&node);
    if (node.types().size() > 1) text += fmt::format(":{}", node.types().size());
    const std::string op =
        fmt::format("{}.{}", traits(node).chlo ? "chlo" : "stablehlo", definition(node.op()).name);
    text += " = ";
    // An operand of a case that no branch uses has no statement, so no name.
    if (node.op() == Op::case_) return text + choice(node, op, indent);
    const std::string operands = names(node.operands());
    switch (node.op()) {
      case Op::call:
        return text + fmt::format("{} {}({}) : {}", scope_.in_region ? "func.call" : "call",
                                  text::symbol(symbol(node)), operands,
                                  text::signature(node.operands(), node.types()));
      case Op::composite:
        return text + fmt::format("{} {} {} {{decomposition = {}}} : {}", op,
                                  text::quoted(node.attrs<CallAttrs>().name), operands,
                                  text::symbol(symbol(node)),
                                  text::signature(node.operands(), node.types()));
      case Op::compare:
        return text + fmt::format("{} {}, {}{} : {}", op,
                                  name_of(node.attrs<CompareAttrs>().direction), operands,
                                  text::pretty_attributes(node), text::pretty_types(node));
      case Op::convolution:
        return text + fmt::format("{}({}){} : {}", op, operands, text::pretty_attributes(node),
                                  text::pretty_types(node));
      case Op::reduce:
        return text + reduce(node, op, indent);
      case Op::while_:
        return text + loop(node, op, indent);
      default:
        if (text::is_generic(node)) return text + generic(node, op, operands, indent);
        return text + fmt::format("{}{}{}{} : {}", op, operands.empty() ? "" : " ", operands,
                                  text::pretty_attributes(node), text::pretty_types(node));
    }
  }

  /// A region's statements, in the scope that was opened for them.
  std::string inner_body(const Region& region, const std::string& indent) {
    scope_.in_region = true;
    return body(region.results, indent + "  ", "stablehlo.return");
  }

  std::string generic(const Node& node, const std::string& op, const std::string& operands,
                      const std::string& indent) {
    std::string regions;
    for (const Region& region : node.regions()) {
      regions += regions.empty() ? " ({\n" : ", {\n";
      regions += within(inside(region.parameters.size()), [&] {
        return fmt::format("{}^bb0({}):\n{}{}}}", indent, parameters(region),
                           inner_body(region, indent), indent);
      });
    }
    if (!regions.empty()) regions += ")";
    return fmt::format("\"{}\"({}){}{} : {}", op, operands, text::properties(node), regions,
                       text::signature(node.operands(), node.types()));
  }

  /// StableHLO's case has no block arguments: its branches see what is around them.
  std::string choice(const Node& node, const std::string& op, const std::string& indent) {
    std::vector<std::string> outside;  // empty for an operand that no branch uses
    for (const Value operand : std::span(node.operands()).subspan(1))
      outside.push_back(scope_.names.contains(operand.node) ? name(operand) : "");
    std::string branches;
    for (const Region& branch : node.regions()) {
      Scope scope = inside(0);
      scope.parameters = outside;
      branches += branches.empty() ? "{\n" : ", {\n";
      branches += within(std::move(scope), [&] { return inner_body(branch, indent); });
      branches += indent + "}";
    }
    return fmt::format("\"{}\"({}) ({}) : {}", op, name(node.operand(0)), branches,
                       text::signature(std::span(node.operands()).first(1), node.types()));
  }

  std::string loop(const Node& node, const std::string& op, const std::string& indent) {
    const Scope inner = inside(node.operands().size());
    std::string carried;
    for (std::size_t i = 0; i < node.operands().size(); ++i)
      carried += fmt::format("{}{} = {}", i == 0 ? "" : ", ", inner.parameters[i],
                             name(node.operands()[i]));
    const auto region = [&](std::size_t i) {
      return within(inner, [&] { return inner_body(node.regions()[i], indent); });
    };
    const std::string condition = region(0), step = region(1);
    return fmt::format("{}({}) : {}\n{}cond {{\n{}{}}} do {{\n{}{}}}", op, carried,
                       text::types(node.operands()), indent, condition, indent, step, indent);
  }

  std::string reduce(const Node& node, const std::string& op, const std::string& indent) {
    const std::size_t inputs = node.operands().size() / 2;
    std::string pairs;
    for (std::size_t i = 0; i < inputs; ++i)
      pairs += fmt::format("{}({} init: {})", i == 0 ? "" : ", ", name(node.operands()[i]),
                           name(node.operands()[inputs + i]));
    const std::string across =
        fmt::format("across dimensions = {} : {}", text::list(node.attrs<DimsAttrs>().dims),
                    text::signature(node.operands(), node.types()));
    const Region& region = node.regions()[0];
    if (const auto combiner = applied_op(region))
      return fmt::format("{}{} applies stablehlo.{} {}", op, pairs, definition(*combiner).name,
                         across);
    return fmt::format("{}{} {}\n{} reducer", op, pairs, across, indent) +
           within(inside(2 * inputs), [&] {
             // The block's arguments come in pairs: (running value, element) of each input.
             std::string arguments;
             for (std::size_t i = 0; i < inputs; ++i)
               arguments +=
                   fmt::format("{}({}: {}, {}: {})", i == 0 ? "" : " ", scope_.parameters[i],
                               region.parameters[i].str(), scope_.parameters[inputs + i],
                               region.parameters[inputs + i].str());
             return fmt::format("{} {{\n{}{}}}", arguments, inner_body(region, indent), indent);
           });
  }

  const TextOptions options_;
  Order order_;
  Scope scope_;
  std::vector<Call> calls_;
};

}  // namespace

std::string to_text(const Function& function, const TextOptions& options) {
  return fmt::format("module {} {{\n{}}}\n", text::symbol(function.name),
                     Printer(options).function(function));
}

std::string summary(const Node& node) {
  return fmt::format("{} {}", definition(node.op()).name, node.type().pretty());
}

}  // namespace kiln
