// A module as its text has it: names unresolved, ops in the generic form.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ir/import/import.h"
#include "ir/parse.h"

namespace kiln::parsing {

/// Empty for a type that kiln has not (it is among the module's unsupported constructs then).
using TypeTree = std::optional<Type>;

/// %0, %0#1. Names are pieces of the text.
struct OperandTree {
  std::string_view name;
  std::int64_t index = 0;
  std::size_t offset = 0;
};

/// A name on the left of an op's =, for so many results.
struct ResultTree {
  std::string_view name;
  std::int64_t count = 1;
  std::size_t offset = 0;
};

/// loc("file":1:2), or the #loc7 that stands for one.
struct LocationTree {
  Location place;
  std::string_view alias;
};

struct BlockArgumentTree {
  std::string_view name;
  TypeTree type;
  std::size_t offset = 0;
};

struct OpTree;

/// A region of one block.
struct RegionTree {
  std::vector<BlockArgumentTree> arguments;
  std::vector<OpTree> ops;
  std::size_t offset = 0;
};

struct OpTree {
  std::string name;  // with its dialect
  std::size_t offset = 0;
  std::vector<ResultTree> results;
  std::vector<OperandTree> operands;
  Attribute::Dictionary attributes;
  std::vector<RegionTree> regions;
  /// What stands before the arrow of a type (nothing where there is no arrow), and behind it.
  std::optional<std::vector<TypeTree>> operand_types;
  std::vector<TypeTree> types;
  LocationTree location;
};

struct FunctionTree {
  std::string name;
  std::size_t offset = 0;
  bool is_private = false;
  bool is_declaration = false;
  RegionTree body;                                         // its arguments are the function's
  std::vector<Attribute::Dictionary> argument_attributes;  // one for each
  std::vector<TypeTree> result_types;
  std::vector<Attribute::Dictionary> result_attributes;  // one for each
  Attribute::Dictionary attributes;
};

struct ModuleTree {
  std::vector<FunctionTree> functions;
  std::unordered_map<std::string_view, LocationTree> locations;
};

/// What kiln does not support, each once on a line.
class Unsupported {
 public:
  void add(std::string name, Location where);
  bool empty() const { return found_.empty(); }
  /// Throws UnsupportedError if there is anything.
  void complain() const;

 private:
  std::vector<UnsupportedError::Construct> found_;
  std::unordered_set<std::string> known_;  // "line name"
};

}  // namespace kiln::parsing
