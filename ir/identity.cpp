#include "ir/identity.h"

#include <concepts>
#include <vector>

#include "ir/bytes.h"

namespace kiln {
namespace {

class Identity {
 public:
  using Sink = std::function<void(std::string_view)>;

  Identity(const Function& function, const Sink& sink)
      : sink_(sink), numbers_(static_cast<std::size_t>(function.graph->size()), kUnknown) {}

  void of(const Function& function) {
    put(function.arguments.size());
    for (const Argument& argument : function.arguments) {
      put(argument.type);
      put(argument.alias);
    }
    put_results(function.results);
    sink_(out_.bytes());
  }

 private:
  void put(std::integral auto value) { out_.put(static_cast<std::int64_t>(value)); }
  void put(Direction direction) { put(static_cast<int>(direction)); }
  void put(const std::string& text) { out_.put(std::string_view(text)); }
  void put(const Ints& values) { out_.put(values); }
  void put(const Type& type) {
    put(static_cast<int>(type.dtype));
    put(type.dims);
  }
  void put(const Array& array) {
    put(array.type());
    out_.put(array.bytes());
  }
  void put(const Attrs& attrs) {
    put(attrs.index());
    std::visit(
        [&](const auto& a) { std::apply([&](const auto&... f) { (put(f), ...); }, a.fields()); },
        attrs);
  }

  /// The nodes below some results. One that stands elsewhere already is called by its number, in
  /// its place: the order of nodes decides the order of operands.
  void put_results(std::span<const Value> results) {
    const std::vector<const Node*> nodes = topological(results);
    put(nodes.size());
    for (const Node* node : nodes) {
      const int known = number(node);
      put(known);
      if (known == kUnknown) put_node(*node);
    }
    put(results.size());
    for (const Value& result : results) put_value(result);
  }

  void put_node(const Node& node) {
    put(static_cast<int>(node.op()));
    put(node.attrs());
    put(node.types().size());
    for (const Type& type : node.types()) put(type);
    put(node.regions().size());
    for (const Region& region : node.regions()) {
      put(region.parameters.size());
      for (const Type& type : region.parameters) put(type);
      put_results(region.results);
    }
    put(node.operands().size());
    for (const Value& operand : node.operands()) put_value(operand);
    number(&node) = count_++;
    if (out_.bytes().size() >= kPiece) {
      sink_(out_.bytes());
      out_.clear();
    }
  }

  void put_value(const Value& value) {
    put(number(value.node));
    put(value.index);
  }

  int& number(const Node* node) { return numbers_[static_cast<std::size_t>(node->id())]; }

  static constexpr int kUnknown = -1;
  static constexpr std::size_t kPiece = 8192;  // bytes that stay in the first cache

  const Sink& sink_;
  ByteWriter out_;
  std::vector<int> numbers_;  // by a node's id
  int count_ = 0;
};

}  // namespace

void identity(const Function& function, const std::function<void(std::string_view)>& sink) {
  Identity(function, sink).of(function);
}

}  // namespace kiln
