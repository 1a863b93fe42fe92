#include "tests/fuzz/plant.h"

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <optional>

#include "ir/build.h"
#include "ir/op.h"

namespace kiln::fuzz {
namespace {

using namespace build;
using Operands = std::vector<Value>;
using Wrong = std::optional<Value>;

/// Replaces each node of one result for which `wrong` has something of its type: what has another
/// would be found without a fuzzer.
void mutate(Function& function,
            const std::function<Wrong(const Node& node, const Operands& operands)>& wrong) {
  function.results = rebuild(
      function.results, [&](const Node* node, const Operands& operands) -> std::vector<Value> {
        if (node->types().size() == 1)
          if (const Wrong value = wrong(*node, operands); value && value->type() == node->type())
            return {*value};
        return remake(node, operands);
      });
}

/// The node with other attributes.
Value with(const Node& node, const Operands& operands, Attrs attrs) {
  return {node.graph().make(node.op(), operands, std::move(attrs), node.type(), node.regions()), 0};
}

/// Two axes of one extent > 1, of which `axis` is the first; -1 where there is no other.
std::int64_t twin(const Type& type, std::int64_t axis, const Ints& except) {
  for (std::int64_t other = 0; other < type.rank(); ++other)
    if (other != axis && type.dims[static_cast<std::size_t>(other)] > 1 &&
        type.dims[static_cast<std::size_t>(other)] == type.dims[static_cast<std::size_t>(axis)] &&
        std::find(except.begin(), except.end(), other) == except.end())
      return other;
  return -1;
}

// ---- what a wrong graph pass would have done

void dropped_mask(Function& function) {
  mutate(function, [](const Node& node, const Operands& operands) -> Wrong {
    if (node.op() != Op::select || operands[2].node->op() != Op::constant) return {};
    return operands[1];
  });
}

void swapped_select(Function& function) {
  mutate(function, [](const Node& node, const Operands& operands) -> Wrong {
    if (node.op() != Op::select || operands[0].type().rank() == 0) return {};
    return select(operands[0], operands[2], operands[1]);
  });
}

void wrong_reduced_axis(Function& function) {
  mutate(function, [](const Node& node, const Operands& operands) -> Wrong {
    if (node.op() != Op::reduce) return {};
    DimsAttrs attrs = node.attrs<DimsAttrs>();
    for (std::int64_t& axis : attrs.dims)
      if (const std::int64_t other = twin(operands[0].type(), axis, attrs.dims); other >= 0) {
        axis = other;
        return with(node, operands, attrs);
      }
    return {};
  });
}

void inverted_permutation(Function& function) {
  mutate(function, [](const Node& node, const Operands& operands) -> Wrong {
    if (node.op() != Op::transpose) return {};
    const Ints& dims = node.attrs<DimsAttrs>().dims;
    Ints inverse(dims.size());
    for (std::size_t i = 0; i < dims.size(); ++i)
      inverse[static_cast<std::size_t>(dims[i])] = static_cast<std::int64_t>(i);
    const Value wrong = transpose(operands[0], inverse);
    return wrong.type() == node.type() ? Wrong(wrong) : Wrong();
  });
}

void lost_accumulation(Function& function) {
  mutate(function, [](const Node& node, const Operands& operands) -> Wrong {
    if (node.op() != Op::scatter || simple_combiner(node.regions()[0]) != Op::add) return {};
    return scatter_replace(operands[0], operands[1], operands[2], node.attrs<ScatterAttrs>());
  });
}

void compare_without_equality(Function& function) {
  mutate(function, [](const Node& node, const Operands& operands) -> Wrong {
    if (node.op() != Op::compare || is_float(operands[0].type().dtype)) return {};
    const Direction direction = node.attrs<CompareAttrs>().direction;
    if (direction == Direction::LE) return compare(operands[0], operands[1], Direction::LT);
    if (direction == Direction::GE) return compare(operands[0], operands[1], Direction::GT);
    return {};
  });
}

void broadcast_along_the_twin(Function& function) {
  mutate(function, [](const Node& node, const Operands& operands) -> Wrong {
    if (node.op() != Op::broadcast_in_dim) return {};
    DimsAttrs attrs = node.attrs<DimsAttrs>();
    for (std::int64_t& axis : attrs.dims)
      if (const std::int64_t other = twin(node.type(), axis, attrs.dims); other >= 0) {
        axis = other;
        return with(node, operands, attrs);
      }
    return {};
  });
}

void padding_of_zeros(Function& function) {
  mutate(function, [](const Node& node, const Operands& operands) -> Wrong {
    if (node.op() != Op::pad) return {};
    return with(node, {operands[0], like(operands[1], 0)}, node.attrs());
  });
}

void concatenated_in_reverse(Function& function) {
  mutate(function, [](const Node& node, const Operands& operands) -> Wrong {
    if (node.op() != Op::concatenate) return {};
    return with(node, Operands(operands.rbegin(), operands.rend()), node.attrs());
  });
}

void gather_clamped_one_short(Function& function) {
  mutate(function, [](const Node& node, const Operands& operands) -> Wrong {
    if (node.op() != Op::gather) return {};
    const GatherAttrs& attrs = node.attrs<GatherAttrs>();
    if (attrs.start_index_map.empty()) return {};
    const auto axis = static_cast<std::size_t>(attrs.start_index_map[0]);
    const std::int64_t most = operands[0].type().dims[axis] - attrs.slice_sizes[axis] - 1;
    if (most < 0 || most > 100) return {};
    return with(node,
                {operands[0],
                 binary(Op::minimum, operands[1], like(operands[1], static_cast<double>(most)))},
                node.attrs());
  });
}

void window_one_off(Function& function) {
  mutate(function, [](const Node& node, const Operands& operands) -> Wrong {
    if (node.op() != Op::reduce_window) return {};
    WindowAttrs attrs = node.attrs<WindowAttrs>();
    for (std::size_t i = 0; i < attrs.low.size(); ++i)
      if (attrs.extents[i] > 1) {
        ++attrs.low[i], --attrs.high[i];
        return with(node, operands, attrs);
      }
    return {};
  });
}

void kernel_turned_round(Function& function) {
  mutate(function, [](const Node& node, const Operands& operands) -> Wrong {
    if (node.op() != Op::convolution) return {};
    ConvolutionAttrs attrs = node.attrs<ConvolutionAttrs>();
    for (std::int64_t& reversed : attrs.reversed) reversed = 1 - reversed;
    return with(node, operands, attrs);
  });
}

void iota_along_the_twin(Function& function) {
  mutate(function, [](const Node& node, const Operands&) -> Wrong {
    if (node.op() != Op::iota) return {};
    const std::int64_t other = twin(node.type(), node.attrs<AxisAttrs>().dim, {});
    if (other < 0) return {};
    return iota(node.graph(), node.type(), other);
  });
}

void careless_expm1(Function& function) {
  mutate(function, [](const Node& node, const Operands& operands) -> Wrong {
    if (node.op() != Op::exponential_minus_one) return {};
    return subtract(unary(Op::exponential, operands[0]), like(operands[0], 1));
  });
}

void slice_without_its_start(Function& function) {
  mutate(function, [](const Node& node, const Operands& operands) -> Wrong {
    if (node.op() != Op::slice) return {};
    SliceAttrs attrs = node.attrs<SliceAttrs>();
    for (std::size_t i = 0; i < attrs.start.size(); ++i)
      if (attrs.start[i] > 0) {
        --attrs.start[i], --attrs.limit[i];
        return with(node, operands, attrs);
      }
    return {};
  });
}

void contraction_of_the_twin(Function& function) {
  mutate(function, [](const Node& node, const Operands& operands) -> Wrong {
    if (node.op() != Op::dot_general) return {};
    DotAttrs attrs = node.attrs<DotAttrs>();
    Ints taken = attrs.rhs_contracting;
    taken.insert(taken.end(), attrs.rhs_batch.begin(), attrs.rhs_batch.end());
    for (std::int64_t& axis : attrs.rhs_contracting)
      if (const std::int64_t other = twin(operands[1].type(), axis, taken); other >= 0) {
        axis = other;
        return with(node, operands, attrs);
      }
    return {};
  });
}

// ---- what wrong lowering would have done

/// Calls visit(kernel, statement) for every statement of every kernel.
void visit_statements(
    Program& program,
    const std::function<void(loop::Kernel& kernel, loop::Statement& statement)>& visit) {
  for (loop::Kernel& kernel : program.kernels) {
    const auto walk = [&](auto& self, loop::Block& block) -> void {
      for (loop::Statement& statement : block) {
        visit(kernel, statement);
        if (auto* loop = std::get_if<loop::For>(&statement.is)) self(self, loop->body);
        if (auto* branch = std::get_if<loop::If>(&statement.is)) self(self, branch->body);
      }
    };
    walk(walk, kernel.body);
  }
}

void tail_one_short(Program& program) {
  visit_statements(program, [](loop::Kernel&, loop::Statement& statement) {
    if (auto* load = std::get_if<loop::Load>(&statement.is))
      if (load->active > 1 && load->active < loop::kLanes) --load->active;
  });
}

void stride_forgotten(Program& program) {
  visit_statements(program, [](loop::Kernel&, loop::Statement& statement) {
    if (auto* load = std::get_if<loop::Load>(&statement.is))
      if (load->stride > 1) load->stride = 1;
  });
}

void first_round_forgotten(Program& program) {
  visit_statements(program, [](loop::Kernel&, loop::Statement& statement) {
    auto* loop = std::get_if<loop::For>(&statement.is);
    if (!loop || loop->carried.empty() || loop->lower.size() != 1 || !loop->lower[0].is_constant())
      return;
    loop->lower[0].constant += loop->step;
  });
}

void transposed_opcode(Program& program) {
  visit_statements(program, [](loop::Kernel&, loop::Statement& statement) {
    if (auto* let = std::get_if<loop::Let>(&statement.is))
      if (let->opcode == loop::Opcode::sub) std::swap(let->arguments[0], let->arguments[1]);
  });
}

constexpr std::array kPlants = {
    Plant{.name = "a dropped mask", .graph = dropped_mask},
    Plant{.name = "a swapped select", .graph = swapped_select},
    Plant{.name = "a reduction over the wrong axis", .graph = wrong_reduced_axis},
    Plant{.name = "an inverted permutation", .graph = inverted_permutation},
    Plant{.name = "a scatter that loses accumulations", .graph = lost_accumulation},
    Plant{.name = "a comparison without its equality", .graph = compare_without_equality},
    Plant{.name = "a broadcast along the wrong axis", .graph = broadcast_along_the_twin},
    Plant{.name = "padding with zeros whatever was asked", .graph = padding_of_zeros},
    Plant{.name = "a concatenation in reverse order", .graph = concatenated_in_reverse},
    Plant{.name = "gather's indices clamped one short", .graph = gather_clamped_one_short},
    Plant{.name = "windows that start one place early", .graph = window_one_off},
    Plant{.name = "a convolution's kernel turned round", .graph = kernel_turned_round},
    Plant{.name = "an iota along the wrong axis", .graph = iota_along_the_twin},
    Plant{.name = "expm1 by exp minus 1", .graph = careless_expm1},
    Plant{.name = "a slice that starts one early", .graph = slice_without_its_start},
    Plant{.name = "a contraction over the wrong axis", .graph = contraction_of_the_twin},
    Plant{.name = "tails loaded one lane short", .program = tail_one_short},
    Plant{.name = "strided loads without their stride", .program = stride_forgotten},
    Plant{.name = "accumulations without their first round", .program = first_round_forgotten},
    Plant{.name = "subtractions with operands exchanged", .program = transposed_opcode},
};

}  // namespace

std::span<const Plant> plants() { return kPlants; }

}  // namespace kiln::fuzz
