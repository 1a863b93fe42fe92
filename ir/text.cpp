#include "ir/text.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <set>

#include "ir/op.h"

namespace kiln {
namespace {

constexpr std::int64_t kMaxListedElements = 64;  // larger constants are printed as hex bytes,
                                                 // except booleans, whose bits MLIR would pack

template <class T>
std::string element_text(T value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) {
      std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t> bits;
      std::memcpy(&bits, &value, sizeof bits);
      return fmt::format("0x{:0{}X}", bits, 2 * sizeof bits);
    }
    // The shortest digits that read back as the same number, in MLIR's %e look where that is one.
    std::string look = fmt::format("{:.6e}", value);
    if (static_cast<T>(std::strtod(look.c_str(), nullptr)) == value) return look;
    return fmt::format("{:.{}e}", value, sizeof(T) == 4 ? 8 : 16);
  } else {
    return fmt::format("{}", static_cast<std::int64_t>(value));
  }
}
template <>
std::string element_text(std::uint64_t value) {
  return fmt::format("{}", value);
}

std::string elements_text(const Array& value, const Type& type) {
  return visit_dtype(value.dtype(), [&]<class T>(T) -> std::string {
    const auto data = value.data<T>();
    if (type.count() == 0) return "";
    if (value.count() == 1) return element_text(data[0]);
    if (value.count() > kMaxListedElements && !is_bool(value.dtype())) {
      std::string hex = "\"0x";
      for (std::byte byte : value.bytes())
        hex += fmt::format("{:02X}", static_cast<unsigned>(byte));
      return hex + "\"";
    }
    std::size_t next = 0;
    const auto nest = [&](auto& self, std::size_t axis) -> std::string {
      if (axis == type.dims.size()) return element_text(data[next++]);
      std::string list = "[";
      for (std::int64_t i = 0; i < type.dims[axis]; ++i)
        list += (i == 0 ? "" : ", ") + self(self, axis + 1);
      return list + "]";
    };
    return nest(nest, 0);
  });
}

/// What stands between the quotes of a string, in MLIR's text and in Graphviz's.
std::string escaped(std::string_view text) {
  std::string literal;
  for (const char c : text) {
    if (c == '"' || c == '\\') literal += '\\';
    literal += c;
  }
  return literal;
}

std::string list(const Ints& values) { return fmt::format("[{}]", join(values, ", ")); }

std::string_view compare_type(DType dtype) {
  if (is_float(dtype)) return "FLOAT";
  return is_signed(dtype) ? "SIGNED" : "UNSIGNED";
}

/// Prints one function; the regions that calls need are collected for the caller.
class Printer {
 public:
  explicit Printer(const TextOptions& options) : options_(options) {}

  std::string function(const Function& f) {
    std::string arguments, results;
    for (std::size_t i = 0; i < f.arguments.size(); ++i) {
      const Argument& a = f.arguments[i];
      std::string facts;
      if (!a.name.empty()) facts += fmt::format("kiln.name = \"{}\"", escaped(a.name));
      if (a.alias >= 0)
        facts += fmt::format("{}tf.aliasing_output = {} : i32", facts.empty() ? "" : ", ", a.alias);
      arguments += fmt::format("{}%arg{}: {}{}", i == 0 ? "" : ", ", i, a.type.str(),
                               facts.empty() ? "" : " {" + facts + "}");
    }
    for (std::size_t i = 0; i < f.results.size(); ++i) {
      const std::string name = i < f.result_names.size() ? f.result_names[i] : "";
      results +=
          fmt::format("{}{}{}", i == 0 ? "" : ", ", f.results[i].type().str(),
                      name.empty() ? "" : fmt::format(" {{kiln.name = \"{}\"}}", escaped(name)));
    }
    scope_ = {.arguments = static_cast<int>(f.arguments.size())};
    std::string text =
        fmt::format("  func.func public @{}({}) -> ({}) {{\n", f.name, arguments, results);
    text += body(f.results, "    ", "return");
    text += "  }\n";
    // Called functions, and what they call in turn; each once.
    for (std::size_t next = 0; next < calls_.size(); ++next) text += called(next);
    return text;
  }

 private:
  /// The names that may be used. Those of a region go on where those around it ended, as in MLIR:
  /// it sees them, so it cannot take them.
  struct Scope {
    std::unordered_map<const Node*, std::string> names = {};
    int next_value = 0;
    int first_argument = 0;
    int arguments = 0;
  };
  struct Call {
    std::string symbol;
    const Node* node;
  };

  std::string called(std::size_t number) {
    const Call call = calls_[number];
    const Region& region = call.node->regions()[0];
    scope_ = {.arguments = static_cast<int>(region.parameters.size())};
    std::string arguments, results;
    for (std::size_t i = 0; i < region.parameters.size(); ++i)
      arguments += fmt::format("{}%arg{}: {}", i == 0 ? "" : ", ", i, region.parameters[i].str());
    for (std::size_t i = 0; i < region.results.size(); ++i)
      results += (i == 0 ? "" : ", ") + region.results[i].type().str();
    const std::string& kind = call.node->attrs<CallAttrs>().kind;
    const std::string facts =
        kind.empty() ? "" : fmt::format(" attributes {{kiln.kernel = \"{}\"}}", kind);
    return fmt::format("  func.func private @{}({}) -> ({}){} {{\n{}  }}\n", call.symbol, arguments,
                       results, facts, body(region.results, "    ", "return"));
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
      const Region &a = known->node->regions()[0], &b = node.regions()[0];
      if (a.parameters == b.parameters && a.results == b.results) return symbol;
    }
  }

  std::string body(const std::vector<Value>& results, const std::string& indent,
                   std::string_view terminator) {
    std::string text;
    for (const Node* node : topological(results)) {
      std::string& name = scope_.names[node];
      if (node->op() == Op::parameter) {
        name = fmt::format("%arg{}", scope_.first_argument + node->attrs<ParameterAttrs>().index);
        continue;
      }
      name = fmt::format("%{}", scope_.next_value++);
      text += indent + statement(*node, indent);
      if (options_.locations)
        for (const Location& where : node->graph().locations(node)) {
          text += fmt::format(" loc(\"{}\":{}:{})", escaped(where.file), where.line, where.column);
          break;
        }
      text += "\n";
    }
    std::string values, types;
    for (Value result : results) {
      values += (values.empty() ? " " : ", ") + this->name(result);
      types += (types.empty() ? " : " : ", ") + result.type().str();
    }
    return text + indent + std::string(terminator) + values + types + "\n";
  }

  std::string name(Value value) const {
    const std::string& base = scope_.names.at(value.node);
    return value.node->types().size() > 1 ? fmt::format("{}#{}", base, value.index) : base;
  }

  std::string operand_names(const Node& node) const {
    std::string text;
    for (Value operand : node.operands()) text += (text.empty() ? "" : ", ") + name(operand);
    return text;
  }

  static std::string signature(const Node& node) {
    std::string from, to;
    for (Value operand : node.operands()) from += (from.empty() ? "" : ", ") + operand.type().str();
    for (const Type& type : node.types()) to += (to.empty() ? "" : ", ") + type.str();
    if (node.types().size() != 1) to = "(" + to + ")";
    return fmt::format("({}) -> {}", from, to);
  }

  std::string statement(const Node& node, const std::string& indent) {
    const std::string_view op = definition(node.op()).name;
    std::string result = scope_.names.at(&node);
    if (node.types().size() > 1) result += fmt::format(":{}", node.types().size());
    const std::string dialect = traits(node).chlo ? "chlo" : "stablehlo";
    const auto line = [&](const std::string& rest) {
      return fmt::format("{} = {}.{}{}", result, dialect, op, rest);
    };
    const std::string operands = operand_names(node);
    if (traits(node).calls) {
      if (node.op() == Op::call)
        return fmt::format("{} = call @{}({}) : {}", result, symbol(node), operands,
                           signature(node));
      return line(fmt::format(" \"{}\" {} {{decomposition = @{}}} : {}",
                              node.attrs<CallAttrs>().name, operands, symbol(node),
                              signature(node)));
    }
    if (traits(node).reduction && !traits(node).window) return reduce(node, indent, line);
    struct Rest {
      const Node& node;
      const std::string& operands;
      std::string operator()(const NoAttrs&) const {
        if (node.op() == Op::select)
          return fmt::format(" {} : {}, {}", operands, node.operand(0).type().str(),
                             node.type().str());
        if (traits(node).chlo)
          return fmt::format(" {} : {} -> {}", operands, node.operand(0).type().str(),
                             node.type().str());
        bool same = true;
        for (Value operand : node.operands()) same = same && operand.type() == node.type();
        return fmt::format(" {} : {}", operands, same ? node.type().str() : signature(node));
      }
      std::string operator()(const ParameterAttrs&) const { return ""; }
      std::string operator()(const ConstantAttrs& a) const {
        return fmt::format(" dense<{}> : {}", elements_text(a.value, node.type()),
                           node.type().str());
      }
      std::string operator()(const AxisAttrs& a) const {
        return fmt::format(" dim = {} : {}", a.dim, node.type().str());
      }
      std::string operator()(const CompareAttrs& a) const {
        return fmt::format(" {}, {}, {} : {}", name_of(a.direction), operands,
                           compare_type(node.operand(0).type().dtype), signature(node));
      }
      std::string operator()(const DimsAttrs& a) const {
        return fmt::format(" {}, dims = {} : {}", operands, list(a.dims), signature(node));
      }
      std::string operator()(const DotAttrs& a) const {
        const std::string batch =
            a.lhs_batch.empty()
                ? ""
                : fmt::format(", batching_dims = {} x {}", list(a.lhs_batch), list(a.rhs_batch));
        return fmt::format(" {}{}, contracting_dims = {} x {} : {}", operands, batch,
                           list(a.lhs_contracting), list(a.rhs_contracting), signature(node));
      }
      std::string operator()(const SliceAttrs&) const { return ""; }  // unwritten
      std::string operator()(const PadAttrs&) const { return ""; }  // unwritten
      std::string operator()(const GatherAttrs&) const { return ""; }  // unwritten
      std::string operator()(const ScatterAttrs&) const { return ""; }  // unwritten
      std::string operator()(const WindowAttrs&) const { return ""; }  // unwritten
      std::string operator()(const ConvolutionAttrs&) const { return ""; }  // unwritten
      std::string operator()(const SortAttrs&) const { return ""; }  // unwritten
      std::string operator()(const CallAttrs&) const { return ""; }  // unwritten
    };
    return line(std::visit(Rest{node, operands}, node.attrs()));
  }

  template <class Line>
  std::string reduce(const Node& node, const std::string& indent, const Line& line) {
    const std::size_t inputs = node.operands().size() / 2;
    std::string pairs;
    for (std::size_t i = 0; i < inputs; ++i)
      pairs += fmt::format("{}({} init: {})", i == 0 ? "" : ", ",
                           name(node.operand(static_cast<int>(i))),
                           name(node.operand(static_cast<int>(inputs + i))));
    const std::string across = fmt::format("across dimensions = {} : {}",
                                           list(node.attrs<DimsAttrs>().dims), signature(node));
    const Region& region = node.regions()[0];
    if (inputs == 1)
      if (const auto combiner = simple_combiner(region))
        return line(
            fmt::format("{} applies stablehlo.{} {}", pairs, definition(*combiner).name, across));
    // The block's arguments come in pairs: (running value, element) of each input.
    Scope outer = scope_;
    scope_ = {
        {}, outer.next_value, outer.first_argument + outer.arguments, static_cast<int>(2 * inputs)};
    std::string arguments;
    for (std::size_t i = 0; i < inputs; ++i)
      arguments += fmt::format("{}(%arg{}: {}, %arg{}: {})", i == 0 ? "" : " ",
                               static_cast<std::size_t>(scope_.first_argument) + i,
                               region.parameters[i].str(),
                               static_cast<std::size_t>(scope_.first_argument) + inputs + i,
                               region.parameters[inputs + i].str());
    const std::string inside = body(region.results, indent + "  ", "stablehlo.return");
    scope_ = std::move(outer);
    return line(fmt::format("{} {}\n{} reducer{} {{\n{}{}}}", pairs, across, indent, arguments,
                            inside, indent));
  }

  const TextOptions options_;
  Scope scope_;
  std::vector<Call> calls_;
};

std::string kernel_label(const Node& call) {
  std::string members;
  int count = 0;
  for (const Node* node : topological(call.regions()[0].results)) {
    const Traits& t = traits(*node);
    if (t.leaf || t.view) continue;
    if (++count <= 8) members += fmt::format("\\n{}", definition(node->op()).name);
  }
  if (count > 8) members += fmt::format("\\n… {} more", count - 8);
  return fmt::format("{} ({}){}", call.attrs<CallAttrs>().name, call.attrs<CallAttrs>().kind,
                     members);
}

}  // namespace

std::string to_text(const Function& function, const TextOptions& options) {
  return fmt::format("module @{} {{\n{}}}\n", function.name, Printer(options).function(function));
}

std::string summary(const Node& node) {
  return fmt::format("{} {}", definition(node.op()).name, node.type().pretty());
}

std::string to_dot(const Function& function) {
  std::string text =
      "digraph kiln {\n  rankdir=TB;\n  node [fontname=\"Helvetica\", fontsize=10];\n"
      "  edge [fontname=\"Helvetica\", fontsize=8, color=\"#777777\"];\n";
  const auto order = topological(function.results);
  // Scalars and constants are drawn with each user rather than as hubs of a hundred edges.
  const auto hidden = [&](const Node* n) {
    return n->op() == Op::constant && std::none_of(function.results.begin(), function.results.end(),
                                                   [&](Value v) { return v.node == n; });
  };
  for (const Node* node : order) {
    if (hidden(node)) continue;
    std::string label, style;
    if (node->op() == Op::parameter) {
      const auto& argument =
          function.arguments[static_cast<std::size_t>(node->attrs<ParameterAttrs>().index)];
      label = fmt::format("{}\\n{}", escaped(argument.name), argument.type.pretty());
      style = "shape=ellipse, style=filled, fillcolor=\"#dbe9f6\"";
    } else if (node->op() == Op::call) {
      label = kernel_label(*node);
      style = "shape=box, style=\"filled,rounded\", fillcolor=\"#fde6c8\"";
    } else {
      label = fmt::format("{}\\n{}", definition(node->op()).name, node->type().pretty());
      style = traits(*node).view          ? "shape=box, style=filled, fillcolor=\"#eeeeee\""
              : traits(*node).contraction ? "shape=box, style=filled, fillcolor=\"#f6c9c9\""
                                          : "shape=box, style=filled, fillcolor=\"#ffffff\"";
    }
    text += fmt::format("  n{} [label=\"{}\", {}];\n", node->id(), label, style);
    std::set<std::pair<int, int>> drawn;
    for (Value operand : node->operands()) {
      if (hidden(operand.node) || !drawn.insert({operand.node->id(), operand.index}).second)
        continue;
      text += fmt::format("  n{} -> n{} [label=\"{}\"];\n", operand.node->id(), node->id(),
                          node->op() == Op::call ? operand.type().pretty() : "");
    }
  }
  for (std::size_t i = 0; i < function.results.size(); ++i) {
    const std::string name = i < function.result_names.size() && !function.result_names[i].empty()
                                 ? function.result_names[i]
                                 : fmt::format("result {}", i);
    text += fmt::format(
        "  r{0} [label=\"{1}\", shape=ellipse, style=filled, "
        "fillcolor=\"#d5efd5\"];\n  n{2} -> r{0};\n",
        i, escaped(name), function.results[i].node->id());
  }
  return text + "}\n";
}

}  // namespace kiln
