#include "ir/graph.h"

#include <algorithm>
#include <concepts>
#include <cstring>

#include "ir/op.h"

namespace kiln {
namespace {

/// Mixes what a node is made of into one number.
class Mixer {
 public:
  void put(std::integral auto value) {
    // Multiplication carries a bit up only, so the high half is folded down.
    state_ = (state_ ^ static_cast<std::uint64_t>(value)) * 0x9E3779B97F4A7C15;
    state_ ^= state_ >> 32;
  }
  void put(Direction direction) { put(static_cast<int>(direction)); }
  void put(const std::string& text) { put(std::hash<std::string>{}(text)); }
  void put(const Type& type) {
    put(static_cast<int>(type.dtype));
    put(type.dims);
  }
  void put(const Array& array) {
    put(array.type());
    const auto bytes = array.bytes();
    put(std::hash<std::string_view>{}({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  }
  void put(const Attrs& attrs) {
    put(attrs.index());
    std::visit(
        [&](const auto& a) { std::apply([&](const auto&... f) { (put(f), ...); }, a.fields()); },
        attrs);
  }
  void put(const Value& value) {
    put(value.node->id());
    put(value.index);
  }
  template <class T>
  void put(const std::vector<T>& list) {
    put(list.size());
    for (const T& element : list) put(element);
  }
  void put(const Region& region) {
    put(region.parameters);
    put(region.results);
  }
  std::size_t take() const { return state_; }

 private:
  std::uint64_t state_ = 0;
};

bool same(const Array& a, const Array& b) { return a.same_bits(b); }
template <class T>
bool same(const T& a, const T& b) {
  return a == b;
}

bool same(const Attrs& a, const Attrs& b) {
  if (a.index() != b.index()) return false;
  return std::visit(
      [&]<class A>(const A& left) {
        return std::apply(
            [&](const auto&... l) {
              return std::apply([&](const auto&... r) { return (same(l, r) && ...); },
                                std::get<A>(b).fields());
            },
            left.fields());
      },
      a);
}

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

  Node made;
  made.graph_ = this;
  made.id_ = size();
  made.op_ = op;
  made.operands_ = std::move(operands);
  made.types_ = std::move(types);
  made.attrs_ = std::move(attrs);
  made.regions_ = std::move(regions);
  const Node* node = nullptr;
  if (const auto found = interned_.find(&made); found != interned_.end()) {
    node = *found;
  } else {
    node = &nodes_.emplace_back(std::move(made));
    interned_.insert(node);
  }
  add_location(node, where);
  return node;
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

void Graph::add_location(const Node* node, const Location& where) {
  if (!where.known()) return;
  std::vector<Location>& places = nodes_[static_cast<std::size_t>(node->id())].locations_;
  if (std::find(places.begin(), places.end(), where) == places.end()) places.push_back(where);
}

std::size_t Graph::Hash::operator()(const Node* node) const {
  Mixer mixer;
  mixer.put(static_cast<int>(node->op()));
  mixer.put(node->operands());
  mixer.put(node->attrs());
  mixer.put(node->types());
  mixer.put(node->regions());
  return mixer.take();
}

bool Graph::Equal::operator()(const Node* a, const Node* b) const {
  return a->op() == b->op() && a->operands() == b->operands() && same(a->attrs(), b->attrs()) &&
         a->types() == b->types() && a->regions() == b->regions();
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
    again = graph.make(node->op(), operands, node->attrs(), node->type(), node->regions());
    for (const Location& where : graph.locations(node)) graph.add_location(again, where);
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
