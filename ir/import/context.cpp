#include "ir/import/context.h"

#include "ir/parse.h"

namespace kiln::importing {
namespace {

std::string_view kind_of(const Attribute& attribute) {
  constexpr std::string_view kKinds[] = {"a unit",   "a boolean", "an integer",  "a float",
                                         "a string", "a symbol",  "a keyword",   "a type",
                                         "an array", "a list",    "a dictionary"};
  const std::size_t kind = attribute.value.index();
  return kind < std::size(kKinds) ? kKinds[kind] : "something else";
}

[[noreturn]] void wrong_kind(const Context& context, std::string_view name,
                             std::string_view expected, const Attribute& found) {
  const Location& where = found.where.known() ? found.where : context.where();
  throw Error(where, fmt::format("{}: expected {} as attribute {}, found {}", context.op().name,
                                 expected, name, kind_of(found)));
}

std::int64_t to_integer(const Context& context, std::string_view name, const Attribute& attribute) {
  if (const auto* value = std::get_if<std::int64_t>(&attribute.value)) return *value;
  if (const auto* value = std::get_if<bool>(&attribute.value)) return *value ? 1 : 0;
  if (const auto* value = std::get_if<Array>(&attribute.value))
    if (value->count() == 1 && !is_float(value->dtype()))
      return visit_dtype(value->dtype(), [&]<class T>(T) {
        return static_cast<std::int64_t>(value->data<T>()[0]);
      });
  wrong_kind(context, name, "an integer", attribute);
}

Ints to_ints(const Context& context, std::string_view name, const Attribute& attribute) {
  Ints result;
  if (const auto* list = std::get_if<Attribute::List>(&attribute.value)) {
    for (const Attribute& entry : *list) result.push_back(to_integer(context, name, entry));
  } else if (const auto* value = std::get_if<Array>(&attribute.value);
             value != nullptr && !is_float(value->dtype())) {
    visit_dtype(value->dtype(), [&]<class T>(T) {
      for (const T element : value->data<T>()) result.push_back(static_cast<std::int64_t>(element));
    });
  } else {
    wrong_kind(context, name, "a list of integers", attribute);
  }
  return result;
}

const Attribute* find(const Attribute::Dictionary& dictionary, std::string_view name) {
  const auto found = dictionary.find(name);
  return found == dictionary.end() ? nullptr : &found->second;
}

const Attribute& require(const Context& context, std::string_view name) {
  const Attribute* found = find(context.op().attributes, name);
  if (found == nullptr) context.fail(fmt::format("attribute {}", name), "none");
  return *found;
}

bool is_splat(const Attribute& attribute) {
  const auto* value = std::get_if<Array>(&attribute.value);
  return value != nullptr && value->dims().empty();
}

}  // namespace

const Type& Context::stated(int result) const {
  if (static_cast<std::size_t>(result) >= op_.results.size())
    fail(fmt::format("at least {} result types", result + 1),
         fmt::format("{}", op_.results.size()));
  return op_.results[static_cast<std::size_t>(result)];
}

void Context::fail(const std::string& expected, const std::string& found) const {
  throw Error(where(), fmt::format("{}: expected {}, found {}", op_.name, expected, found));
}

void Context::unsupported(std::string_view what) const {
  throw UnsupportedError(
      {{what.empty() ? op_.name : fmt::format("{} {}", op_.name, what), where()}});
}

bool Context::has(std::string_view name) const { return find(op_.attributes, name) != nullptr; }

bool Context::flag(std::string_view name) const {
  const Attribute* found = find(op_.attributes, name);
  if (found == nullptr) return false;
  if (std::holds_alternative<Attribute::Unit>(found->value)) return true;
  return to_integer(*this, name, *found) != 0;
}

std::int64_t Context::integer(std::string_view name, std::optional<std::int64_t> missing) const {
  return missing && !has(name) ? *missing : to_integer(*this, name, require(*this, name));
}

double Context::number(std::string_view name) const {
  const Attribute& found = require(*this, name);
  if (const auto* value = std::get_if<double>(&found.value)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&found.value))
    return static_cast<double>(*value);
  if (const auto* value = std::get_if<Array>(&found.value))
    if (value->count() == 1) return value->item();
  wrong_kind(*this, name, "a number", found);
}

std::string Context::word(std::string_view name, std::optional<std::string> missing) const {
  if (missing && !has(name)) return *missing;
  const Attribute& found = require(*this, name);
  if (const auto* value = std::get_if<Attribute::Keyword>(&found.value)) return value->word;
  if (const auto* value = std::get_if<std::string>(&found.value)) return *value;
  wrong_kind(*this, name, "a keyword", found);
}

const Array& Context::array(std::string_view name) const {
  const Attribute& found = require(*this, name);
  if (const auto* value = std::get_if<Array>(&found.value)) return *value;
  wrong_kind(*this, name, "an array", found);
}

Ints Context::ints(std::string_view name) const {
  return to_ints(*this, name, require(*this, name));
}

Ints Context::ints_per_axis(std::string_view name, int count,
                            std::optional<std::int64_t> missing) const {
  const auto axes = static_cast<std::size_t>(count);
  if (missing && !has(name)) return Ints(axes, *missing);
  const Attribute& found = require(*this, name);
  Ints values = to_ints(*this, name, found);
  if (is_splat(found)) return Ints(axes, values[0]);
  if (values.size() != axes)
    fail(fmt::format("{} of {} axes", name, count), fmt::format("[{}]", join(values, ", ")));
  return values;
}

std::pair<Ints, Ints> Context::padding(int count) const {
  Ints low(static_cast<std::size_t>(count)), high = low;
  if (!has("padding")) return {low, high};
  const Attribute& found = require(*this, "padding");
  if (const auto* value = std::get_if<Array>(&found.value);
      value == nullptr || (!is_splat(found) && value->dims() != Ints{count, 2}))
    fail(fmt::format("padding of type {}", Type{DType::i64, {count, 2}}.str()),
         value == nullptr ? std::string(kind_of(found)) : value->type().str());
  const Ints values = ints_per_axis("padding", 2 * count);
  for (std::size_t axis = 0; axis < low.size(); ++axis) {
    low[axis] = values[2 * axis];
    high[axis] = values[2 * axis + 1];
  }
  return {low, high};
}

Context::Fields Context::fields(std::string_view name) const {
  const Attribute& found = require(*this, name);
  if (const auto* value = std::get_if<Attribute::Dictionary>(&found.value))
    return {*this, name, *value};
  wrong_kind(*this, name, "dimension numbers", found);
}

Ints Context::Fields::ints(std::string_view field) const {
  const Attribute* found = find(dictionary_, field);
  return found == nullptr ? Ints{} : to_ints(context_, field, *found);
}

std::int64_t Context::Fields::integer(std::string_view field, std::int64_t missing) const {
  const Attribute* found = find(dictionary_, field);
  return found == nullptr ? missing : to_integer(context_, field, *found);
}

Ints Context::constant_ints(int i) const {
  const Value value = operand(i);
  if (value.node->op() != Op::constant || !is_integer(value.type().dtype))
    unsupported(fmt::format("with an operand {} that is no integer constant", i));
  const Type list{value.type().dtype, {type(0).rank()}};
  expect_type(i, list);
  Attribute attribute{value.node->attrs<ConstantAttrs>().value, where()};
  Ints values = to_ints(*this, "value", attribute);
  if (values.size() == 1) values.resize(static_cast<std::size_t>(list.count()), values[0]);
  return values;
}

void Context::expect_type(int i, const Type& expected) const {
  if (type(i) != expected)
    fail(fmt::format("operand {} of type {}", i, expected.str()), type(i).str());
}

void Context::expect_float(int i) const {
  if (!is_float(type(i).dtype)) fail(fmt::format("a float operand {}", i), type(i).str());
}

Value Context::make(Op op, std::vector<Value> operands, Attrs attrs, std::optional<Type> result,
                    std::vector<Region> regions) const {
  return {graph_.make(op, std::move(operands), std::move(attrs), std::move(result),
                      std::move(regions), where()),
          0};
}

std::vector<Value> Context::make_all(Op op, std::vector<Value> operands, Attrs attrs,
                                     std::vector<Region> regions) const {
  const Node* node = graph_.make(op, std::move(operands), std::move(attrs), std::nullopt,
                                 std::move(regions), where());
  std::vector<Value> results;
  for (std::size_t i = 0; i < node->types().size(); ++i)
    results.push_back({node, static_cast<int>(i)});
  return results;
}

}  // namespace kiln::importing
