// Layers, as torch.nn's: its parameters' names and shapes, its first values (drawn by kiln's own
// generator), its defaults. A layer is called like a function of tensors.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "frontend/module.h"
#include "frontend/normalization.h"
#include "frontend/windows.h"

namespace kiln {

/// y = x Wᵀ + b, weight [out, in] and bias [out] drawn from U(-k, k), k = 1/√in.
class Linear : public Module {
 public:
  Linear(Module* parent, std::string name, std::int64_t in, std::int64_t out, bool bias = true);
  Tensor operator()(const Tensor& x, Where where = Where::current()) const;

  Parameter weight;
  Parameter bias;
};

/// Weight [out, in / groups, k] and bias [out] drawn from U(-k, k), 1/k² the number of elements
/// that make one output; likewise in the other convolutions.
class Conv1d : public Module {
 public:
  Conv1d(Module* parent, std::string name, std::int64_t in, std::int64_t out, std::int64_t kernel,
         Conv1dOptions options = {}, bool bias = true);
  Tensor operator()(const Tensor& x, Where where = Where::current()) const;

  Parameter weight;
  Parameter bias;

 private:
  Conv1dOptions options_;
};

class Conv2d : public Module {
 public:
  Conv2d(Module* parent, std::string name, std::int64_t in, std::int64_t out, Pair kernel,
         Conv2dOptions options = {}, bool bias = true);
  Tensor operator()(const Tensor& x, Where where = Where::current()) const;

  Parameter weight;
  Parameter bias;

 private:
  Conv2dOptions options_;
};

class ConvTranspose2d : public Module {
 public:
  ConvTranspose2d(Module* parent, std::string name, std::int64_t in, std::int64_t out, Pair kernel,
                  ConvTranspose2dOptions options = {}, bool bias = true);
  Tensor operator()(const Tensor& x, Where where = Where::current()) const;

  Parameter weight;
  Parameter bias;

 private:
  ConvTranspose2dOptions options_;
};

struct MaxPool2d {
  Pair kernel;
  MaxPool2dOptions options = {};
  Tensor operator()(const Tensor& x, Where where = Where::current()) const {
    return max_pool2d(x, kernel, options, where);
  }
};

struct AvgPool2d {
  Pair kernel;
  AvgPool2dOptions options = {};
  Tensor operator()(const Tensor& x, Where where = Where::current()) const {
    return avg_pool2d(x, kernel, options, where);
  }
};

struct AdaptiveAvgPool2d {
  Pair tiles;
  Tensor operator()(const Tensor& x, Where where = Where::current()) const {
    return adaptive_avg_pool2d(x, tiles, where);
  }
};

/// Rows of weight [count, size], drawn from N(0, 1) unless told otherwise, by their numbers. A
/// number that is out of range is clamped.
class Embedding : public Module {
 public:
  Embedding(Module* parent, std::string name, std::int64_t count, std::int64_t size,
            Initializer initializer = Initializer::normal(0, 1));
  Tensor operator()(const Tensor& index, Where where = Where::current()) const;

  Parameter weight;
};

class LayerNorm : public Module {
 public:
  LayerNorm(Module* parent, std::string name, Ints normalized_shape, double eps = 1e-5,
            bool affine = true, bool bias = true);
  Tensor operator()(const Tensor& x, Where where = Where::current()) const;

  Parameter weight;
  Parameter bias;

 private:
  Ints normalized_shape_;
  double eps_;
};

class RMSNorm : public Module {
 public:
  RMSNorm(Module* parent, std::string name, Ints normalized_shape, std::optional<double> eps = {},
          bool affine = true);
  Tensor operator()(const Tensor& x, Where where = Where::current()) const;

  Parameter weight;

 private:
  Ints normalized_shape_;
  std::optional<double> eps_;
};

class GroupNorm : public Module {
 public:
  GroupNorm(Module* parent, std::string name, std::int64_t groups, std::int64_t channels,
            double eps = 1e-5, bool affine = true);
  Tensor operator()(const Tensor& x, Where where = Where::current()) const;

  Parameter weight;
  Parameter bias;

 private:
  std::int64_t groups_, channels_;
  double eps_;
};

struct BatchNormOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  // none: the running statistics are plain averages
  bool affine = true;
  bool track_running_stats = true;  // else eval mode, too, takes the batch's own
};
/// In train mode a step normalises by its batch and updates the running statistics; in eval mode
/// these normalise.
class BatchNorm : public Module {
 public:
  Tensor operator()(const Tensor& x, Where where = Where::current()) const;

  Parameter weight;
  Parameter bias;
  Buffer running_mean, running_var, num_batches_tracked;

 protected:
  BatchNorm(Module* parent, std::string name, std::string_view kind, std::vector<int> ranks,
            std::int64_t channels, BatchNormOptions options);

 private:
  std::string_view kind_;
  std::vector<int> ranks_;  // of the inputs it takes
  std::int64_t channels_;
  BatchNormOptions options_;
};
/// Of [N, C] or [N, C, L].
class BatchNorm1d : public BatchNorm {
 public:
  BatchNorm1d(Module* parent, std::string name, std::int64_t channels,
              BatchNormOptions options = {})
      : BatchNorm(parent, std::move(name), "BatchNorm1d", {2, 3}, channels, options) {}
};
/// Of [N, C, H, W].
class BatchNorm2d : public BatchNorm {
 public:
  BatchNorm2d(Module* parent, std::string name, std::int64_t channels,
              BatchNormOptions options = {})
      : BatchNorm(parent, std::move(name), "BatchNorm2d", {4}, channels, options) {}
};

/// In train mode each element is zero with probability p, else x / (1 - p); in eval mode it stays.
class Dropout : public Module {
 public:
  Dropout(Module* parent, std::string name, double p = 0.5, Where where = Where::current());
  Tensor operator()(const Tensor& x, Where where = Where::current()) const;

 private:
  double p_;
};

/// One after the other; modules and functions alike are numbered, as in torch.nn.Sequential:
///
///   Sequential net{this, "net"};
///   net.add<Linear>(784, 256);  // "net.0"
///   net.add(relu);
///   net.add<Linear>(256, 10);   // "net.2"
class Sequential : public Module {
 public:
  using Module::Module;
  template <std::derived_from<Module> Layer, class... Arguments>
  Layer& add(Arguments&&... arguments) {
    auto layer = std::make_shared<Layer>(this, std::to_string(functions_.size()),
                                         std::forward<Arguments>(arguments)...);
    functions_.push_back([layer](const Tensor& x, Where where) { return (*layer)(x, where); });
    return *layer;
  }
  void add(Tensor (*function)(const Tensor& x, Where where)) { functions_.emplace_back(function); }
  void add(std::function<Tensor(const Tensor& x)> function) {
    functions_.push_back([f = std::move(function)](const Tensor& x, Where) { return f(x); });
  }
  Tensor operator()(const Tensor& x, Where where = Where::current()) const;

 private:
  std::vector<std::function<Tensor(const Tensor& x, Where where)>> functions_;
};

}  // namespace kiln
