#include "ir/parse_build.h"

#include <algorithm>

#include "ir/op.h"

namespace kiln::parsing {
namespace {

constexpr int kMaxDepth = 200;             // of regions and calls in each other
constexpr std::int64_t kMaxOps = 250'000;  // calls are inlined: a small text may mean many ops

bool has_unknown(const std::vector<Value>& values) {
  return std::any_of(values.begin(), values.end(), [](Value value) { return !value; });
}

template <class T>
const T* attribute_of(const Attribute::Dictionary& attributes, std::string_view name) {
  const auto found = attributes.find(name);
  return found == attributes.end() ? nullptr : std::get_if<T>(&found->second.value);
}

std::string types_text(const std::vector<Value>& values) {
  std::string text;
  for (const Value value : values) text += (text.empty() ? "" : ", ") + value.type().str();
  return "(" + text + ")";
}

/// The types that the text states of an op's operands; empty where it states none.
std::vector<TypeTree> stated_operand_types(const OpTree& op) {
  if (op.operand_types) return *op.operand_types;
  const std::size_t operands = op.operands.size();
  if (op.types.size() == operands) return op.types;
  if (op.types.size() == 1) return std::vector(operands, op.types[0]);
  if (op.types.size() == 2 && operands == 3) return {op.types[0], op.types[1], op.types[1]};
  return {};
}

}  // namespace

class Builder::Nested {
 public:
  Nested(Builder& builder, std::size_t offset) : builder_(builder) {
    if (builder.depth_ == kMaxDepth)
      builder.source_.fail(
          offset, fmt::format("expected regions and calls nested at most {} deep", kMaxDepth));
    ++builder_.depth_;
  }
  ~Nested() { --builder_.depth_; }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;

 private:
  Builder& builder_;
};

Builder::Builder(const Source& source, const ModuleTree& module, Unsupported& unsupported)
    : source_(source), module_(module), unsupported_(unsupported) {
  for (const FunctionTree& function : module.functions)
    if (!functions_.emplace(function.name, &function).second)
      source.fail(
          function.offset,
          fmt::format("expected functions of different names, found @{} again", function.name));
}

// ---- functions

ParsedFunction Builder::function(const FunctionTree& tree) {
  ParsedFunction parsed;
  Function& function = parsed.function;
  function.graph = std::make_shared<Graph>();
  function.name = tree.name;
  graph_ = function.graph.get();
  checks_.clear();
  checked_.clear();
  closed_.clear();
  known_open_.clear();
  known_closed_.clear();
  active_ = {&tree};

  const auto name_of_entry = [](const Attribute::Dictionary& attributes) {
    const auto* name = attribute_of<std::string>(attributes, "kiln.name");
    return name != nullptr ? *name : std::string();
  };
  Scope scope;
  std::unordered_set<std::int64_t> aliased;
  for (std::size_t i = 0; i < tree.body.arguments.size(); ++i) {
    const BlockArgumentTree& argument = tree.body.arguments[i];
    const Attribute::Dictionary& attributes = tree.argument_attributes[i];
    Value value;
    if (argument.type) {
      value = graph_->parameter(static_cast<std::int64_t>(i), *argument.type);
      const auto* alias = attribute_of<std::int64_t>(attributes, "tf.aliasing_output");
      if (alias != nullptr &&
          (*alias < 0 || *alias >= static_cast<std::int64_t>(tree.result_types.size()) ||
           tree.result_types[static_cast<std::size_t>(*alias)] != argument.type))
        source_.fail(argument.offset,
                     fmt::format("expected tf.aliasing_output to name a result of type {}, found "
                                 "{}",
                                 argument.type->str(), *alias));
      if (alias != nullptr && !aliased.insert(*alias).second)
        source_.fail(argument.offset,
                     fmt::format("expected each result to be named by one tf.aliasing_output, "
                                 "found {} again",
                                 *alias));
      function.arguments.push_back({*argument.type, name_of_entry(attributes),
                                    alias == nullptr ? -1 : static_cast<int>(*alias)});
    }
    if (!scope.names.emplace(argument.name, std::vector{value}).second)
      source_.fail(argument.offset,
                   fmt::format("expected a new name, found {} again", argument.name));
  }
  function.results = body(tree.body, scope);
  if (function.results.size() != tree.result_types.size())
    source_.fail(tree.body.ops.back().offset,
                 fmt::format("expected the {} results of @{}, found {}", tree.result_types.size(),
                             tree.name, function.results.size()));
  for (std::size_t i = 0; i < tree.result_types.size(); ++i) {
    const TypeTree& type = tree.result_types[i];
    if (type && function.results[i] && function.results[i].type() != *type)
      source_.fail(tree.body.ops.back().offset,
                   fmt::format("expected {} as result {} of @{}, found {}", type->str(), i,
                               tree.name, function.results[i].type().str()));
    function.result_names.push_back(name_of_entry(tree.result_attributes[i]));
  }
  parsed.outputs = static_cast<int>(function.results.size());
  for (Check& check : checks_) {
    check.got += parsed.outputs;
    check.expected += parsed.outputs;
  }
  parsed.checks = checks_;
  function.results.insert(function.results.end(), checked_.begin(), checked_.end());
  return parsed;
}

const FunctionTree& Builder::named(const OpTree& op, const char* attribute) const {
  const auto* symbol = attribute_of<Attribute::Symbol>(op.attributes, attribute);
  if (symbol == nullptr)
    source_.fail(op.offset, fmt::format("expected {} = @name in {}", attribute, op.name));
  const auto found = functions_.find(symbol->name);
  if (found == functions_.end())
    source_.fail(op.offset, fmt::format("expected a function of this module, found @{}, which it "
                                        "has not",
                                        symbol->name));
  return *found->second;
}

/// A parameter of the region under its name; of a type that is not supported, the name alone.
void Builder::enter(const BlockArgumentTree& argument, Region& region, Scope& scope) {
  Value value;
  if (argument.type) {
    value = graph_->parameter(static_cast<std::int64_t>(region.parameters.size()), *argument.type);
    region.parameters.push_back(*argument.type);
  }
  scope.names[argument.name] = {value};
}

/// A function as a region: the body of a fused kernel, of a composite.
Region Builder::closed_function(const FunctionTree& tree, std::size_t offset) {
  if (const auto known = closed_.find(&tree); known != closed_.end()) {
    // Shared here, but each of its calls is inlined sooner or later.
    count_built(known->second.built, offset);
    return known->second.region;
  }
  const std::int64_t built_before = built_;
  if (!active_.insert(&tree).second)
    source_.fail(offset, fmt::format("expected no recursion, found @{} calling itself", tree.name));
  Scope scope;
  Region region;
  for (const BlockArgumentTree& argument : tree.body.arguments) enter(argument, region, scope);
  ++regions_open_;
  region.results = body(tree.body, scope);
  --regions_open_;
  active_.erase(&tree);
  if (region.parameters.size() != tree.body.arguments.size()) region.results.assign(1, Value{});
  closed_[&tree] = {region, built_ - built_before};
  return region;
}

/// Inlined, except fused kernels, which stay calls.
std::vector<Value> Builder::call(const OpTree& op, const std::vector<Value>& operands) {
  const FunctionTree& callee = named(op, "callee");
  const Nested nested(*this, op.offset);
  const auto& parameters = callee.body.arguments;
  const auto complain = [&] {
    std::string expected;
    for (const BlockArgumentTree& parameter : parameters)
      expected += (expected.empty() ? "" : ", ") +
                  (parameter.type ? parameter.type->str() : std::string("?"));
    source_.fail(op.offset, fmt::format("expected the arguments of @{}, ({}), found {}",
                                        callee.name, expected, types_text(operands)));
  };
  // What the function says it gives, what it gives, and what the call says it gets are the same.
  const auto checked = [&](std::vector<Value> results) {
    if (results.size() != callee.result_types.size())
      source_.fail(callee.offset,
                   fmt::format("expected the {} results of @{}, found {}",
                               callee.result_types.size(), callee.name, results.size()));
    if (op.types.size() != results.size())
      source_.fail(op.offset, fmt::format("expected the types of the {} results of @{}, found {}",
                                          results.size(), callee.name, op.types.size()));
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (!results[i]) continue;
      const Type& type = results[i].type();
      if (callee.result_types[i] && *callee.result_types[i] != type)
        source_.fail(callee.offset,
                     fmt::format("expected {} as result {} of @{}, found {}",
                                 callee.result_types[i]->str(), i, callee.name, type.str()));
      if (op.types[i] && *op.types[i] != type)
        source_.fail(op.offset, fmt::format("expected {} as the type of result {} of @{}, found {}",
                                            type.str(), i, callee.name, op.types[i]->str()));
    }
    return results;
  };
  if (has_unknown(operands)) return std::vector<Value>(callee.result_types.size());
  if (operands.size() != parameters.size()) complain();
  for (std::size_t i = 0; i < operands.size(); ++i)
    if (parameters[i].type && operands[i].type() != *parameters[i].type) complain();
  if (const auto* kind = attribute_of<std::string>(callee.attributes, "kiln.kernel");
      kind != nullptr && !kind->empty()) {
    const Region region = closed_function(callee, op.offset);
    if (has_unknown(region.results)) return std::vector<Value>(callee.result_types.size());
    const Node* node = graph_->make(Op::call, operands, CallAttrs{callee.name, *kind}, std::nullopt,
                                    {region}, location_of(op));
    std::vector<Value> results;
    for (std::size_t i = 0; i < node->types().size(); ++i)
      results.push_back({node, static_cast<int>(i)});
    return checked(std::move(results));
  }
  if (!active_.insert(&callee).second)
    source_.fail(op.offset,
                 fmt::format("expected no recursion, found @{} calling itself", callee.name));
  Scope scope;
  for (std::size_t i = 0; i < operands.size(); ++i)
    scope.names[parameters[i].name] = {parameters[i].type ? operands[i] : Value{}};
  std::vector<Value> results = body(callee.body, scope);
  active_.erase(&callee);
  return checked(std::move(results));
}

// ---- names

/// Whether a value depends on no parameter, so that it may stand in any region.
bool Builder::is_closed(Value value) {
  const auto known = [](const std::vector<bool>& list, const Node* node) {
    return static_cast<std::size_t>(node->id()) < list.size() &&
           list[static_cast<std::size_t>(node->id())];
  };
  const auto mark = [&](std::vector<bool>& list, const Node* node) {
    list.resize(static_cast<std::size_t>(graph_->size()));
    list[static_cast<std::size_t>(node->id())] = true;
  };
  std::vector<const Node*> path{value.node};
  while (!path.empty()) {
    const Node* node = path.back();
    bool open = node->op() == Op::parameter, waits = false;
    for (const Value operand : node->operands()) {
      open = open || known(known_open_, operand.node);
      if (!open && !waits && !known(known_closed_, operand.node)) {
        path.push_back(operand.node);
        waits = true;
      }
    }
    if (waits && !open) continue;
    if (waits) path.pop_back();
    mark(open ? known_open_ : known_closed_, node);
    path.pop_back();
  }
  return known(known_closed_, value.node);
}

/// What a value from around a region is called inside it.
Value Builder::enter(Value value, const Scope& scope) const {
  if (scope.border == Border::carried && traits(*value.node).leaf &&
      value.node->op() != Op::parameter)
    return value;
  if (scope.border == Border::closed) return Value{};
  Captures& captures = *scope.captures;
  const auto known = std::find(captures.outside.begin(), captures.outside.end(), value);
  const auto number = static_cast<std::size_t>(known - captures.outside.begin());
  if (known == captures.outside.end()) {
    captures.outside.push_back(value);
    captures.inside.push_back(
        graph_->parameter(captures.first + static_cast<std::int64_t>(number), value.type()));
  }
  return captures.inside[number];
}

Value Builder::resolve(const OperandTree& operand, Scope& scope) {
  std::vector<Scope*> borders;  // crossed on the way inwards, the innermost first
  Scope* home = &scope;
  while (home != nullptr && !home->names.contains(operand.name)) {
    borders.push_back(home);
    home = home->parent;
  }
  if (home == nullptr)
    source_.fail(operand.offset,
                 fmt::format("expected a value defined above, found {}", operand.name));
  const std::vector<Value>& values = home->names.at(operand.name);
  if (operand.index < 0 || operand.index >= static_cast<std::int64_t>(values.size()))
    source_.fail(operand.offset,
                 fmt::format("expected one of the {} results of {}, found number {}", values.size(),
                             operand.name, operand.index));
  Value value = values[static_cast<std::size_t>(operand.index)];
  if (!value || borders.empty()) return value;
  const auto closed = std::find_if(borders.begin(), borders.end(), [](const Scope* border) {
    return border->border == Border::closed;
  });
  if (closed != borders.end()) {
    if (is_closed(value)) return value;
    unsupported_.add(fmt::format("value from outside in a region of {}", (*closed)->owner),
                     source_.locate(operand.offset));
    return Value{};
  }
  for (auto border = borders.rbegin(); border != borders.rend(); ++border)
    value = enter(value, **border);
  return value;
}

void Builder::define(const OpTree& op, std::vector<Value> values, Scope& scope) {
  std::int64_t named = 0;
  for (const ResultTree& result : op.results) named += result.count;
  if (!op.results.empty() && named != static_cast<std::int64_t>(values.size()))
    source_.fail(op.offset, fmt::format("expected names for the {} results of {}, found {}",
                                        values.size(), op.name, named));
  auto next = values.begin();
  for (const ResultTree& result : op.results) {
    for (const Scope* seen = &scope; seen != nullptr; seen = seen->parent)
      if (seen->names.contains(result.name))
        source_.fail(result.offset,
                     fmt::format("expected a new name, found {} again", result.name));
    scope.names[result.name] = std::vector(next, next + result.count);
    next += result.count;
  }
}

Location Builder::location_of(const OpTree& op) const {
  LocationTree location = op.location;
  for (int hops = 0; !location.alias.empty() && hops < 16; ++hops) {
    const auto found = module_.locations.find(location.alias);
    if (found == module_.locations.end()) break;
    location = found->second;
  }
  return location.place.known() ? location.place : source_.locate(op.offset);
}

// ---- regions

/// The statements of a function or a region; what its return gives.
std::vector<Value> Builder::body(const RegionTree& region, Scope& scope) {
  for (const OpTree& op : region.ops) {
    if (op.name != "return") {
      statement(op, scope);
      continue;
    }
    if (&op != &region.ops.back())
      source_.fail(op.offset, "expected a return at the end, found ops behind it");
    std::vector<Value> results;
    for (const OperandTree& operand : op.operands) results.push_back(resolve(operand, scope));
    check_operand_types(op, results);
    return results;
  }
  source_.fail(region.ops.empty() ? region.offset : region.ops.back().offset,
               "expected a return at the end of the region");
}

/// A region in the scope that was opened for it.
Region Builder::region(const RegionTree& tree, Scope& scope) {
  const Nested nested(*this, tree.offset);
  Region region;
  for (const BlockArgumentTree& argument : tree.arguments) {
    for (const Scope* seen = &scope; seen != nullptr; seen = seen->parent)
      if (seen->names.contains(argument.name))
        source_.fail(argument.offset,
                     fmt::format("expected a new name, found {} again", argument.name));
    enter(argument, region, scope);
  }
  ++regions_open_;
  region.results = body(tree, scope);
  --regions_open_;
  if (region.parameters.size() != tree.arguments.size()) region.results.assign(1, Value{});
  return region;
}

// ---- ops

void Builder::count_built(std::int64_t ops, std::size_t offset) {
  built_ += ops;
  if (built_ > kMaxOps)
    source_.fail(
        offset, fmt::format("expected at most {} ops once calls are inlined, found more", kMaxOps));
}

void Builder::statement(const OpTree& op, Scope& scope) {
  count_built(1, op.offset);
  define(op, values_of(op, scope), scope);
}

void Builder::check_operand_types(const OpTree& op, const std::vector<Value>& operands) const {
  const std::vector<TypeTree> stated = stated_operand_types(op);
  if (op.operand_types ? stated.size() != operands.size() : stated.empty() && !operands.empty())
    if (!has_unknown(operands) && (op.operand_types || op.name == "return"))
      source_.fail(op.offset,
                   fmt::format("expected the types of {} operands, found {}", operands.size(),
                               op.operand_types ? stated.size() : op.types.size()));
  for (std::size_t i = 0; i < std::min(stated.size(), operands.size()); ++i)
    if (stated[i] && operands[i] && operands[i].type() != *stated[i])
      source_.fail(op.operands[i].offset,
                   fmt::format("expected {} of the type stated, {}, found {}", op.operands[i].name,
                               stated[i]->str(), operands[i].type().str()));
}

std::vector<Value> Builder::values_of(const OpTree& op, Scope& scope) {
  std::vector<Value> operands;
  for (const OperandTree& operand : op.operands) operands.push_back(resolve(operand, scope));
  check_operand_types(op, operands);
  if (op.name == "func.call") return call(op, operands);
  std::string_view name = op.name;
  if (name == "stablehlo.custom_call")
    if (const auto* target = attribute_of<std::string>(op.attributes, "call_target_name")) {
      name = *target;
    }
  if (name.starts_with("check.") && check(op, operands, name)) return {};
  ImportOp import{op.name, std::move(operands), op.attributes, {}, {}, location_of(op)};
  std::vector<Value> unknown(op.types.size());
  if (!op.operand_types && op.types.size() > 1 && op.results.size() == 1 &&
      op.results[0].count == 1)  // select: the last type is the result's
    unknown.resize(1);
  const std::size_t results = unknown.size();
  const std::size_t skipped = op.types.size() - results;
  bool known = !has_unknown(import.operands);
  for (std::size_t i = skipped; i < op.types.size(); ++i) {
    known = known && op.types[i].has_value();
    if (op.types[i]) import.results.push_back(*op.types[i]);
  }
  if (name == "stablehlo.composite") {
    import.regions.push_back(closed_function(named(op, "decomposition"), op.offset));
  } else if (!op.regions.empty()) {
    add_regions(op, scope, import);
  }
  for (const Region& region : import.regions) known = known && !has_unknown(region.results);
  if (!can_import(op.name)) {
    const bool is_custom = name != op.name;
    unsupported_.add(is_custom ? fmt::format("custom_call @{}", name) : op.name,
                     source_.locate(op.offset));
    return unknown;
  }
  if (!known) return unknown;
  try {
    std::vector<Value> values = import_op(*graph_, import);
    if (values.size() > results) values.resize(results);
    return values;
  } catch (const UnsupportedError& error) {
    for (const auto& construct : error.constructs)
      unsupported_.add(construct.name, source_.locate(op.offset));
  } catch (const Error& error) {
    std::string message = error.what();
    if (const std::string place = import.where.str() + ": "; message.starts_with(place))
      message.erase(0, place.size());
    source_.fail(op.offset, message);
  }
  return unknown;
}

/// The op's regions, and for each value that they capture a further operand and parameter.
void Builder::add_regions(const OpTree& op, Scope& scope, ImportOp& import) {
  const Border border = op.name == "stablehlo.while" ? Border::carried
                        : op.name == "stablehlo.case" || op.name == "stablehlo.if"
                            ? Border::captured
                            : Border::closed;
  Captures captures;
  if (border == Border::carried) captures.first = static_cast<std::int64_t>(op.operands.size());
  for (const RegionTree& tree : op.regions) {
    if (border == Border::carried && tree.arguments.size() != op.operands.size())
      source_.fail(tree.offset, fmt::format("expected {} arguments, one for each value that the "
                                            "while carries, found {}",
                                            op.operands.size(), tree.arguments.size()));
    if (border == Border::captured && !tree.arguments.empty())
      source_.fail(tree.offset, fmt::format("expected a region without arguments in {}, found "
                                            "{}",
                                            op.name, tree.arguments.size()));
    Scope inner{&scope, border, &captures, op.name};
    import.regions.push_back(region(tree, inner));
  }
  for (std::size_t i = 0; i < captures.outside.size(); ++i) {
    const Type& type = captures.outside[i].type();
    import.operands.push_back(captures.outside[i]);
    for (Region& region : import.regions) region.parameters.push_back(type);
    if (border != Border::carried) continue;
    import.results.push_back(type);
    if (import.regions.size() == 2) import.regions[1].results.push_back(captures.inside[i]);
  }
}

/// check.expect_…: true where the op is one. Its operands are results of the function, to be judged
/// when it has run.
bool Builder::check(const OpTree& op, const std::vector<Value>& operands, std::string_view name) {
  struct Form {
    std::string_view name;
    Check::Kind kind;
    bool constant;
  };
  constexpr Form kForms[] = {
      {"check.expect_eq", Check::Kind::equal, false},
      {"check.expect_eq_const", Check::Kind::equal, true},
      {"check.expect_close", Check::Kind::close, false},
      {"check.expect_close_const", Check::Kind::close, true},
      {"check.expect_almost_eq", Check::Kind::almost_equal, false},
      {"check.expect_almost_eq_const", Check::Kind::almost_equal, true},
  };
  const auto* form =
      std::find_if(std::begin(kForms), std::end(kForms), [&](auto& f) { return f.name == name; });
  if (form == std::end(kForms)) return false;
  if (regions_open_ != 0) {
    unsupported_.add(fmt::format("{} in a region", name), source_.locate(op.offset));
    return true;
  }
  const std::size_t count = form->constant ? 1 : 2;
  if (operands.size() != count)
    source_.fail(op.offset,
                 fmt::format("expected {} operands of {}, found {}", count, name, operands.size()));
  if (has_unknown(operands)) return true;
  Value expected = operands.back();
  if (form->constant) {
    const auto* value = attribute_of<Array>(op.attributes, "value");
    if (value == nullptr) source_.fail(op.offset, fmt::format("expected a constant in {}", name));
    const Type& type = operands[0].type();
    if (value->dtype() != type.dtype || (!value->dims().empty() && value->dims() != type.dims))
      source_.fail(op.offset, fmt::format("expected a constant of type {}, found {}", type.str(),
                                          value->type().str()));
    expected = value->dims() == type.dims
                   ? graph_->constant(*value)
                   : Value{graph_->make(Op::constant, {}, ConstantAttrs{*value}, type), 0};
  } else if (operands[0].type() != operands[1].type()) {
    source_.fail(op.offset,
                 fmt::format("expected operands of one type, found {}", types_text(operands)));
  }
  Check check;
  check.kind = form->kind;
  const auto number = [&](const char* attribute, auto& result) {
    using T = std::remove_reference_t<decltype(result)>;
    if (const auto* value = attribute_of<T>(op.attributes, attribute)) result = *value;
  };
  number("min_ulp_difference", check.min_ulps);
  number("max_ulp_difference", check.max_ulps);
  number("tolerance", check.tolerance);
  check.where = source_.locate(op.offset);
  check.got = static_cast<int>(checked_.size());
  check.expected = check.got + 1;
  checked_.insert(checked_.end(), {operands[0], expected});
  checks_.push_back(std::move(check));
  return true;
}

}  // namespace kiln::parsing
