#include "frontend/recurrent.h"

#include <cmath>

#include "frontend/checks.h"
#include "frontend/functions.h"
#include "frontend/random.h"
#include "frontend/scan.h"

namespace kiln {
namespace {

std::int64_t gates_of(Recurrence recurrence) {
  switch (recurrence) {
    case Recurrence::rnn_tanh:
    case Recurrence::rnn_relu:
      return 1;
    case Recurrence::gru:
      return 3;
    case Recurrence::lstm:
      return 4;
  }
  return 1;
}

Tensor or_none(const Parameter& parameter) { return parameter ? Tensor(parameter) : Tensor(); }

Initializer uniform_of(std::int64_t hidden) {
  const double bound = 1 / std::sqrt(static_cast<double>(hidden));
  return Initializer::uniform(-bound, bound);
}

void check_sizes(std::string_view kind, std::int64_t in, std::int64_t hidden) {
  if (in < 1 || hidden < 1)
    throw Error(fmt::format("{}: expected sizes of 1 or more, found {} and {}", kind, in, hidden));
}

/// The next state; gx and gh [N, gates hidden].
RecurrentState advanced(Recurrence recurrence, const Tensor& gx, const Tensor& gh,
                        const RecurrentState& state) {
  const auto hidden = static_cast<int>(state.hidden.size(-1));
  const auto gate = [&](const Tensor& gates, int i) {
    return narrow(gates, -1, std::int64_t{i} * hidden, hidden);
  };
  switch (recurrence) {
    case Recurrence::rnn_tanh:
      return {tanh(gx + gh)};
    case Recurrence::rnn_relu:
      return {relu(gx + gh)};
    case Recurrence::gru: {
      const Tensor r = sigmoid(gate(gx, 0) + gate(gh, 0)), z = sigmoid(gate(gx, 1) + gate(gh, 1));
      const Tensor n = tanh(gate(gx, 2) + r * gate(gh, 2));
      return {(1.0 - z) * n + z * state.hidden};
    }
    case Recurrence::lstm: {
      const Tensor gates = gx + gh;
      const Tensor cell =
          sigmoid(gate(gates, 1)) * state.cell + sigmoid(gate(gates, 0)) * tanh(gate(gates, 2));
      return {sigmoid(gate(gates, 3)) * tanh(cell), cell};
    }
  }
  return state;
}

/// The state, which must be of this type; zeros where it is empty.
RecurrentState started(Recurrence recurrence, RecurrentState state, const Type& type, Where w) {
  const auto start = [&](Tensor& tensor, std::string_view name) {
    if (!tensor.value()) tensor = zeros(type.dims, type.dtype, w);
    if (used(tensor, "state", w).type() != type)
      throw Error(w, fmt::format("expected a {} state {}, found {}", name, type.pretty(),
                                 described(tensor)));
  };
  start(state.hidden, "hidden");
  if (recurrence == Recurrence::lstm) start(state.cell, "cell");
  return state;
}

}  // namespace

RecurrentCell::RecurrentCell(Module* parent, std::string name, Recurrence recurrence,
                             std::int64_t in, std::int64_t hidden, bool bias)
    : Module(parent, std::move(name)), recurrence_(recurrence), in_(in), hidden_(hidden) {
  check_sizes("RecurrentCell", in, hidden);
  const std::int64_t rows = gates_of(recurrence) * hidden;
  weight_ih = parameter("weight_ih", {rows, in}, uniform_of(hidden));
  weight_hh = parameter("weight_hh", {rows, hidden}, uniform_of(hidden));
  if (!bias) return;
  bias_ih = parameter("bias_ih", {rows}, uniform_of(hidden));
  bias_hh = parameter("bias_hh", {rows}, uniform_of(hidden));
}

RecurrentState RecurrentCell::step(std::string_view kind, const Tensor& x, RecurrentState state,
                                   Where w) const {
  return in_layer(kind, [&] {
    const int rank = used_float(x, "step", w).type().rank();
    if ((rank != 1 && rank != 2) || x.size(-1, w) != in_)
      throw Error(
          w, fmt::format("expected an input [N, {}] or [{}], found {}", in_, in_, described(x)));
    Ints dims = x.shape();
    dims.back() = hidden_;
    state = started(recurrence_, state, {x.dtype(), dims}, w);
    return advanced(recurrence_, linear(x, weight_ih, or_none(bias_ih), w),
                    linear(state.hidden, weight_hh, or_none(bias_hh), w), state);
  });
}

RecurrentLayer::RecurrentLayer(Module* parent, std::string name, std::string_view kind,
                               Recurrence recurrence, std::int64_t in, std::int64_t hidden,
                               RecurrentOptions options)
    : Module(parent, std::move(name)),
      kind_(kind),
      recurrence_(recurrence),
      in_(in),
      hidden_(hidden),
      options_(options) {
  check_sizes(kind, in, hidden);
  if (options.num_layers < 1 || !(options.dropout >= 0 && options.dropout <= 1))
    throw Error(
        fmt::format("{}: expected at least one layer and a dropout from 0 to 1, found {} "
                    "and {}",
                    kind, options.num_layers, options.dropout));
  const std::int64_t rows = gates_of(recurrence) * hidden;
  const int directions = options.bidirectional ? 2 : 1;
  for (int layer = 0; layer < options.num_layers; ++layer)
    for (int direction = 0; direction < directions; ++direction) {
      const std::string suffix = fmt::format("_l{}{}", layer, direction == 1 ? "_reverse" : "");
      const std::int64_t inputs = layer == 0 ? in : hidden * directions;
      Weights& made = weights_.emplace_back();
      made.ih = parameter("weight_ih" + suffix, {rows, inputs}, uniform_of(hidden));
      made.hh = parameter("weight_hh" + suffix, {rows, hidden}, uniform_of(hidden));
      if (!options.bias) continue;
      made.bias_ih = parameter("bias_ih" + suffix, {rows}, uniform_of(hidden));
      made.bias_hh = parameter("bias_hh" + suffix, {rows}, uniform_of(hidden));
    }
}

RecurrentOutput RecurrentLayer::operator()(const Tensor& x, const RecurrentState& state,
                                           Where w) const {
  return in_layer(kind_, [&] {
    const int rank = used_float(x, "sequence", w).type().rank();
    if ((rank != 2 && rank != 3) || x.size(-1, w) != in_)
      throw Error(w, fmt::format("expected a sequence {} (or without N), found {}",
                                 options_.batch_first ? fmt::format("[N, T, {}]", in_)
                                                      : fmt::format("[T, N, {}]", in_),
                                 described(x)));
    // Inside, sequences are [T, N, in].
    const auto inner = [&](const Tensor& t, int batch) {
      return t.value() && rank == 2 ? unsqueeze(t, batch, w) : t;
    };
    const bool swapped = rank == 3 && options_.batch_first;
    const RecurrentOutput made = run(swapped ? transpose(x, 0, 1, w) : inner(x, 1),
                                     {inner(state.hidden, 1), inner(state.cell, 1)}, w);
    const auto outer = [&](const Tensor& t) {
      return t.value() && rank == 2 ? squeeze(t, 1, w) : t;
    };
    return RecurrentOutput{swapped ? transpose(made.output, 0, 1, w) : outer(made.output),
                           outer(made.hidden), outer(made.cell)};
  });
}

RecurrentOutput RecurrentLayer::run(const Tensor& x, const RecurrentState& state, Where w) const {
  const std::size_t directions = options_.bidirectional ? 2 : 1;
  const bool has_cell = recurrence_ == Recurrence::lstm;
  const auto states = static_cast<std::int64_t>(weights_.size());
  const RecurrentState first =
      started(recurrence_, state, {x.dtype(), {states, x.size(1, w), hidden_}}, w);
  std::vector<Tensor> hidden, cells;  // the last ones
  Tensor sequence = x;
  for (std::size_t layer = 0; layer * directions < weights_.size(); ++layer) {
    if (layer > 0 && options_.dropout > 0 && training())
      sequence = dropout(sequence, options_.dropout, default_generator(), w);
    std::vector<Tensor> outputs;
    for (std::size_t direction = 0; direction < directions; ++direction) {
      const std::size_t i = layer * directions + direction;
      const Weights& weights = weights_[i];
      const auto at = static_cast<std::int64_t>(i);
      // What does not depend on the state is one product for the whole sequence.
      const Tensor gx = linear(sequence, weights.ih, or_none(weights.bias_ih), w);
      std::vector<Tensor> carry{select(first.hidden, 0, at, w)};
      if (has_cell) carry.push_back(select(first.cell, 0, at, w));
      const Scanned scanned = scan(
          [&](const std::vector<Tensor>& carried, const std::vector<Tensor>& slices) {
            const Tensor gh = linear(carried[0], weights.hh, or_none(weights.bias_hh), w);
            const RecurrentState next = advanced(recurrence_, slices[0], gh,
                                                 {carried[0], has_cell ? carried[1] : Tensor()});
            Scanned step{{next.hidden}, {next.hidden}};
            if (has_cell) step.carry.push_back(next.cell);
            return step;
          },
          carry, {gx}, direction == 1, w);
      outputs.push_back(scanned.outputs[0]);
      hidden.push_back(scanned.carry[0]);
      if (has_cell) cells.push_back(scanned.carry[1]);
    }
    sequence = directions == 1 ? outputs[0] : cat(outputs, -1, w);
  }
  return {sequence, stack(hidden, 0, w), has_cell ? stack(cells, 0, w) : Tensor()};
}

}  // namespace kiln
