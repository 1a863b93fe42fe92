// Recurrent layers, as torch.nn's: cells, which take one step, and layers that run over sequences
// by scan. Weights and biases are drawn from U(-k, k), k = 1/√hidden.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/module.h"

namespace kiln {

/// How the next state follows from gx = W_ih x + b_ih and gh = W_hh h + b_hh.
///   RNN:  h' = tanh(gx + gh), or relu
///   GRU:  r, z = σ(gx + gh), n = tanh(gx + r gh), h' = (1 - z) n + z h      (gates r, z, n)
///   LSTM: c' = σ(f) c + σ(i) tanh(g), h' = σ(o) tanh(c')                  (gates i, f, g, o)
enum class Recurrence : std::uint8_t { rnn_tanh, rnn_relu, gru, lstm };

/// State of a recurrence; `cell` is LSTM's alone.
struct RecurrentState {
  Tensor hidden, cell = {};
};

/// Weights weight_ih [gates hidden, in], weight_hh [gates hidden, hidden], biases bias_ih, bias_hh.
class RecurrentCell : public Module {
 public:
  RecurrentCell(Module* parent, std::string name, Recurrence recurrence, std::int64_t in,
                std::int64_t hidden, bool bias = true);

  Parameter weight_ih, weight_hh, bias_ih, bias_hh;

 protected:
  /// The state after x [N, in] (or [in]); an empty state is zeros.
  RecurrentState step(std::string_view kind, const Tensor& x, RecurrentState state,
                      Where where) const;

 private:
  Recurrence recurrence_;
  std::int64_t in_, hidden_;
};

enum class Nonlinearity : std::uint8_t { tanh, relu };

class RNNCell : public RecurrentCell {
 public:
  RNNCell(Module* parent, std::string name, std::int64_t in, std::int64_t hidden, bool bias = true,
          Nonlinearity nonlinearity = Nonlinearity::tanh)
      : RecurrentCell(
            parent, std::move(name),
            nonlinearity == Nonlinearity::tanh ? Recurrence::rnn_tanh : Recurrence::rnn_relu, in,
            hidden, bias) {}
  Tensor operator()(const Tensor& x, const Tensor& hidden = {},
                    Where where = Where::current()) const {
    return step("RNNCell", x, {hidden}, where).hidden;
  }
};

class GRUCell : public RecurrentCell {
 public:
  GRUCell(Module* parent, std::string name, std::int64_t in, std::int64_t hidden, bool bias = true)
      : RecurrentCell(parent, std::move(name), Recurrence::gru, in, hidden, bias) {}
  Tensor operator()(const Tensor& x, const Tensor& hidden = {},
                    Where where = Where::current()) const {
    return step("GRUCell", x, {hidden}, where).hidden;
  }
};

class LSTMCell : public RecurrentCell {
 public:
  LSTMCell(Module* parent, std::string name, std::int64_t in, std::int64_t hidden, bool bias = true)
      : RecurrentCell(parent, std::move(name), Recurrence::lstm, in, hidden, bias) {}
  RecurrentState operator()(const Tensor& x, const RecurrentState& state = {},
                            Where where = Where::current()) const {
    return step("LSTMCell", x, state, where);
  }
};

struct RecurrentOptions {
  int num_layers = 1;
  bool bias = true;
  bool batch_first = false;    // sequences are [N, T, in], not [T, N, in]
  double dropout = 0;          // of what each layer but the last gives, in train mode
  bool bidirectional = false;  // a second run from the end; both outputs follow each other
};

/// What a layer makes of a sequence: the last layer's states [T, N, directions hidden], and the
/// last state of every layer and direction [layers directions, N, hidden].
struct RecurrentOutput {
  Tensor output, hidden, cell = {};
};

/// Parameters weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_ih_l0_reverse, …
class RecurrentLayer : public Module {
 public:
  /// x [T, N, in] (or [T, in]); an empty state is zeros.
  RecurrentOutput operator()(const Tensor& x, const RecurrentState& state = {},
                             Where where = Where::current()) const;

  struct Weights {
    Parameter ih, hh, bias_ih, bias_hh;
  };
  /// Layer by layer, in each the forward run's and the reverse one's.
  const std::vector<Weights>& weights() const { return weights_; }

 protected:
  RecurrentLayer(Module* parent, std::string name, std::string_view kind, Recurrence recurrence,
                 std::int64_t in, std::int64_t hidden, RecurrentOptions options);

 private:
  RecurrentOutput run(const Tensor& x, const RecurrentState& state, Where where) const;

  std::string_view kind_;
  Recurrence recurrence_;
  std::int64_t in_, hidden_;
  RecurrentOptions options_;
  std::vector<Weights> weights_;
};

class RNN : public RecurrentLayer {
 public:
  RNN(Module* parent, std::string name, std::int64_t in, std::int64_t hidden,
      RecurrentOptions options = {}, Nonlinearity nonlinearity = Nonlinearity::tanh)
      : RecurrentLayer(
            parent, std::move(name), "RNN",
            nonlinearity == Nonlinearity::tanh ? Recurrence::rnn_tanh : Recurrence::rnn_relu, in,
            hidden, options) {}
};

class GRU : public RecurrentLayer {
 public:
  GRU(Module* parent, std::string name, std::int64_t in, std::int64_t hidden,
      RecurrentOptions options = {})
      : RecurrentLayer(parent, std::move(name), "GRU", Recurrence::gru, in, hidden, options) {}
};

class LSTM : public RecurrentLayer {
 public:
  LSTM(Module* parent, std::string name, std::int64_t in, std::int64_t hidden,
       RecurrentOptions options = {})
      : RecurrentLayer(parent, std::move(name), "LSTM", Recurrence::lstm, in, hidden, options) {}
};

}  // namespace kiln
