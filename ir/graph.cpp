#include "ir/graph.h"

#include <algorithm>
#include <cstring>

#include "ir/op.h"

namespace kiln {
namespace {

// A node's identity, as bytes. Equal bytes, equal node.
class Key {
 public:
  void put(std::int64_t value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void put(Direction direction) { put(static_cast<std::int64_t>(direction)); }
  void put(const Node* node) { put(static_cast<std::int64_t>(node->id())); }
  void put(const std::string& text) {
    put(static_cast<std::int64_t>(text.size()));
    bytes_ += text;
  }
  void put(const Ints& values) {
    put(static_cast<std::int64_t>(values.size()));
    for (std::int64_t value : values) put(value);
  }
  void put(const Type& type) {
    put(static_cast<std::int64_t>(type.dtype));
    put(type.dims);
  }
  void put(const Array& array) {
    put(array.type());
    bytes_.append(reinterpret_cast<const char*>(array.bytes().data()), array.bytes().size());
  }
  void put(const Attrs& attrs) {
    put(static_cast<std::int64_t>(attrs.index()));
    std::visit(
        [&](const auto& a) { std::apply([&](const auto&... f) { (put(f), ...); }, a.fields()); },
        attrs);
  }
  void put(Value value) {
    put(value.node);
    put(static_cast<std::int64_t>(value.index));
  }
  template <class T>
  void put(const std::vector<T>& list) {
    put(static_cast<std::int64_t>(list.size()));
    for (const T& element : list) put(element);
  }
  void put(const Region& region) {
    put(region.parameters);
    put(region.results);
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

bool all_elements_equal(const Array& array) {
  const auto bytes = array.bytes();
  const auto size = static_cast<std::size_t>(size_of(array.dtype()));
  for (std::size_t at = size; at < bytes.size(); at += size)
    if (std::memcmp(bytes.data(), bytes.data() + at, size) != 0) return false;
  return true;
}

}  // namespace

std::string_view name_of(Direction direction) {
  constexpr std::string_view kNames[] = {"EQ", "NE", "GE", "GT", "LE", "LT"};
  return kNames[static_cast<std::size_t>(direction)];
}

const Node* Graph::make(Op op, std::vector<Value> operands, Attrs attrs, std::optional<Type> result,
                        std::vector<Region> regions, const Location& where) {
  for (Value operand : operands)
    internal_check(operand.node != nullptr && &operand.graph() == this,
                   "operands belong to the graph they are used in");
  const OpDef& def = definition(op);
  std::vector<Type> types =
      infer_types(def, InferContext{operands, attrs, result, regions, where, *this});

  // Without elements there is nothing to tell constants apart.
  if (op == Op::constant && types[0].count() == 0) attrs = ConstantAttrs{Array(types[0])};

  Key key;
  key.put(static_cast<std::int64_t>(op));
  key.put(operands);
  key.put(attrs);
  key.put(types);
  key.put(regions);
  const auto [slot, fresh] = interned_.try_emplace(key.take(), nullptr);
  if (fresh) {
    auto node = std::unique_ptr<Node>(new Node);
    node->graph_ = this;
    node->id_ = size();
    node->op_ = op;
    node->operands_ = std::move(operands);
    node->types_ = std::move(types);
    node->attrs_ = std::move(attrs);
    node->regions_ = std::move(regions);
    slot->second = node.get();
    nodes_.push_back(std::move(node));
  }
  if (where.known()) {
    std::vector<Location>& places = locations_[slot->second];
    if (std::find(places.begin(), places.end(), where) == places.end()) places.push_back(where);
  }
  return slot->second;
}

Value Graph::parameter(std::int64_t index, Type type) {
  return {make(Op::parameter, {}, ParameterAttrs{index}, std::move(type)), 0};
}

Value Graph::constant(const Array& value, const Location& where) {
  const bool splat = value.count() > 1 && all_elements_equal(value);
  Array stored = value;
  if (splat) {
    stored = Array(Type{value.dtype(), {}});
    std::copy_n(value.bytes().begin(), stored.bytes().size(), stored.bytes().begin());
  } else if (value.count() == 1) {
    stored = value.reshaped({});
  }
  return {make(Op::constant, {}, ConstantAttrs{stored}, value.type(), {}, where), 0};
}

Value Graph::splat(Type type, double value, const Location& where) {
  const Array one = Array::full(Type{type.dtype, {}}, value);
  return {make(Op::constant, {}, ConstantAttrs{one}, std::move(type), {}, where), 0};
}

const std::vector<Location>& Graph::locations(const Node* node) const {
  static const std::vector<Location> kNone;
  const auto found = locations_.find(node);
  return found == locations_.end() ? kNone : found->second;
}

std::vector<const Node*> topological(std::span<const Value> results) {
  std::vector<const Node*> order, stack;
  if (results.empty()) return order;
  std::vector<bool> seen(static_cast<std::size_t>(results[0].graph().size()));
  const auto visit = [&](Value value) {
    auto mark = seen[static_cast<std::size_t>(value.node->id())];
    if (!mark) stack.push_back(value.node);
    mark = true;
  };
  for (Value result : results) visit(result);
  while (!stack.empty()) {
    const Node* node = stack.back();
    stack.pop_back();
    order.push_back(node);
    for (Value operand : node->operands()) visit(operand);
  }
  std::sort(order.begin(), order.end(),
            [](const Node* a, const Node* b) { return a->id() < b->id(); });
  return order;
}

std::vector<Value> remake(const Node* node, const std::vector<Value>& operands) {
  const Node* again = node;
  if (operands != node->operands()) {
    Graph& graph = node->graph();
    // It stays where it is when `make` grows the table that holds it.
    const std::vector<Location>& places = graph.locations(node);
    again = graph.make(node->op(), operands, node->attrs(), node->type(), node->regions(),
                       places.empty() ? Location{} : places[0]);
    for (std::size_t i = 1; i < places.size(); ++i)
      graph.make(node->op(), operands, node->attrs(), node->type(), node->regions(), places[i]);
  }
  std::vector<Value> results;
  for (std::size_t i = 0; i < again->types().size(); ++i)
    results.push_back({again, static_cast<int>(i)});
  return results;
}

std::vector<Value> inline_region(const Region& region, std::span<const Value> arguments) {
  return rebuild(region.results, [&](const Node* node, const std::vector<Value>& operands) {
    if (node->op() == Op::parameter)
      return std::vector{arguments[static_cast<std::size_t>(node->attrs<ParameterAttrs>().index)]};
    return remake(node, operands);
  });
}

}  // namespace kiln
