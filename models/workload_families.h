// What the families of workloads have in common, and the families.
#pragma once

#include "models/workloads.h"

namespace kiln {

// Inputs, the same in every run: a stream is a sequence of random numbers of its own.
Array uniform_array(Ints dims, std::uint64_t stream, float low = -1, float high = 1);
/// i32, each of low … high - 1 equally likely.
Array integer_array(Ints dims, std::uint64_t stream, std::int32_t low, std::int32_t high);
/// How much of each sequence is valid: 1 … longest.
inline Array valid_lengths(Ints dims, std::int32_t longest) {
  return integer_array(std::move(dims), 0, 1, longest + 1);
}

/// One step of training: the loss, its gradients, the update; `loss` is the result.
template <class Net, class Optim>
PreparedWork training(std::shared_ptr<Net> net, Optim optimizer,
                      std::function<Tensor(const Net&, const std::vector<Tensor>&)> loss,
                      std::vector<PreparedWork::Input> inputs) {
  struct State {
    std::shared_ptr<Net> net;
    Optim optimizer;
  };
  const std::shared_ptr<State> state(new State{std::move(net), std::move(optimizer)});
  return {state,
          [state = state.get(), loss = std::move(loss)](const std::vector<Tensor>& batch) {
            const auto& parameters = state->net->parameters();
            const auto [value, grads] =
                value_and_grad([&] { return loss(*state->net, batch); }, parameters);
            state->optimizer.update(parameters, grads);
            return std::vector{value};
          },
          std::move(inputs),
          {"loss"}};
}

/// A function and its gradient by what it reads: the last input is the gradient of its result, the
/// other float inputs and the parameters are what it is differentiated by. Results: `output`, then
/// grad.NAME of each.
PreparedWork with_gradients(std::function<Tensor(const std::vector<Tensor>&)> forward,
                            std::vector<PreparedWork::Input> inputs,
                            std::shared_ptr<Module> module = nullptr);

std::vector<Workload> training_workloads();
std::vector<Workload> attention_workloads();
std::vector<Workload> kernel_workloads();

}  // namespace kiln
