#include "passes/activity.h"

#include <algorithm>

#include "ir/op.h"

namespace kiln {

Activity::Activity(std::span<const Node* const> order, std::span<const Value> sources)
    : sources_(sources.begin(), sources.end()) {
  for (Value source : sources) source_nodes_.insert(source.node);
  for (const Node* node : order)
    if (definition(node->op()).gradient != zero_gradient && reaches(*node)) nodes_.insert(node);
}

bool Activity::reaches(const Node& node) const {
  return std::any_of(node.operands().begin(), node.operands().end(),
                     [this](Value operand) { return (*this)(operand); });
}

bool Activity::is_source(Value value) const {
  return source_nodes_.contains(value.node) &&
         std::find(sources_.begin(), sources_.end(), value) != sources_.end();
}

}  // namespace kiln
