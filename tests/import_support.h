// One op of the text, imported and run on arrays.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ir/build.h"
#include "ir/import/import.h"
#include "ir/interpret.h"
#include "ir/parse.h"
#include "tests/catch.h"
#include "tests/support.h"

namespace kiln {

/// array<i64: …>
inline Attribute attribute(std::initializer_list<std::int64_t> values) {
  return {Array::of<std::int64_t>({static_cast<std::int64_t>(values.size())}, values), {}};
}
inline Attribute attribute(int value) { return {std::int64_t{value}, {}}; }
inline Attribute attribute(double value) { return {value, {}}; }
inline Attribute attribute(bool value) { return {value, {}}; }
inline Attribute attribute(Array value) { return {std::move(value), {}}; }
inline Attribute quoted(std::string value) { return {std::move(value), {}}; }
inline Attribute keyword(std::string word) { return {Attribute::Keyword{std::move(word)}, {}}; }
inline Attribute dictionary(Attribute::Dictionary fields) { return {std::move(fields), {}}; }

/// An op under test: operands are parameters of a function that has nothing but the op.
class ImportCase {
 public:
  explicit ImportCase(std::string name) : graph_(std::make_shared<Graph>()) {
    op_.name = std::move(name);
    op_.where = Location("test.mlir", 1, 1);
  }

  Graph& graph() { return *graph_; }
  ImportCase& operand(Array value) {
    const auto number = static_cast<std::int64_t>(arguments_.size());
    op_.operands.push_back(graph_->parameter(number, value.type()));
    arguments_.push_back(std::move(value));
    return *this;
  }
  ImportCase& with(const std::string& name, Attribute value) {
    op_.attributes[name] = std::move(value);
    return *this;
  }
  ImportCase& region(Region region) {
    op_.regions.push_back(std::move(region));
    return *this;
  }
  ImportCase& gives(Type type) {
    op_.results.push_back(std::move(type));
    return *this;
  }

  std::vector<Value> import() { return import_op(*graph_, op_); }
  std::vector<Array> all() {
    Region region;
    for (const Array& argument : arguments_) region.parameters.push_back(argument.type());
    region.results = import();
    return interpret(region, arguments_);
  }
  Array run() {
    const std::vector<Array> results = all();
    REQUIRE(results.size() == 1);
    return results[0];
  }

 private:
  std::shared_ptr<Graph> graph_;
  ImportOp op_;
  std::vector<Array> arguments_;
};

template <class T>
std::vector<T> elements(const Array& array) {
  const auto data = array.data<T>();
  return {data.begin(), data.end()};
}

}  // namespace kiln
