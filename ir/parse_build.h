// Tree to graph: names become values, calls are inlined, regions are closed, ops imported.
#pragma once

#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ir/parse_lexer.h"
#include "ir/parse_tree.h"

namespace kiln::parsing {

/// Builds functions of one module, each in a graph of its own. A value that an unsupported
/// construct would give is null; what depends on it is passed over, so that all such constructs are
/// found.
class Builder {
 public:
  Builder(const Source& source, const ModuleTree& module, Unsupported& unsupported);

  ParsedFunction function(const FunctionTree& tree);

 private:
  /// Values from outside that a while or a case uses: further operands, and further parameters of
  /// all its regions.
  struct Captures {
    std::int64_t first = 0;  // number of the first such parameter
    std::vector<Value> outside, inside;
  };
  enum class Border : std::uint8_t {
    isolated,  // a function
    carried,   // a while's: leaves are used as they are, all else is captured
    captured,  // a case's
    closed     // only what depends on no parameter may be used inside
  };
  /// The names that a region defines; those around it are seen across its border.
  struct Scope {
    Scope* parent = nullptr;
    Border border = Border::isolated;
    Captures* captures = nullptr;
    std::string_view owner = {};  // the op whose region it is
    std::unordered_map<std::string_view, std::vector<Value>> names = {};
  };

  std::vector<Value> body(const RegionTree& region, Scope& scope);
  void statement(const OpTree& op, Scope& scope);
  void count_built(std::int64_t ops, std::size_t offset);
  std::vector<Value> values_of(const OpTree& op, Scope& scope);
  void add_regions(const OpTree& op, Scope& scope, ImportOp& import);
  void enter(const BlockArgumentTree& argument, Region& region, Scope& scope);
  Region region(const RegionTree& tree, Scope& scope);
  Region closed_function(const FunctionTree& tree, std::size_t offset);
  std::vector<Value> call(const OpTree& op, const std::vector<Value>& operands);
  bool check(const OpTree& op, const std::vector<Value>& operands, std::string_view name);

  Value resolve(const OperandTree& operand, Scope& scope);
  Value enter(Value value, const Scope& scope) const;
  bool is_closed(Value value);
  void define(const OpTree& op, std::vector<Value> values, Scope& scope);
  void check_operand_types(const OpTree& op, const std::vector<Value>& operands) const;
  const FunctionTree& named(const OpTree& op, const char* attribute) const;
  Location location_of(const OpTree& op) const;

  class Nested;

  const Source& source_;
  const ModuleTree& module_;
  Unsupported& unsupported_;
  std::unordered_map<std::string_view, const FunctionTree*> functions_;

  // Of the function being built:
  Graph* graph_ = nullptr;
  std::vector<Check> checks_;
  std::vector<Value> checked_;  // their operands, by twos
  struct ClosedFunction {
    Region region;
    std::int64_t built = 0;  // so many ops
  };
  std::unordered_map<const FunctionTree*, ClosedFunction> closed_;
  std::unordered_set<const FunctionTree*> active_;
  std::vector<bool> known_open_, known_closed_;  // by node id: depends on a parameter or not
  int depth_ = 0;
  int regions_open_ = 0;
  std::int64_t built_ = 0;
};

}  // namespace kiln::parsing
