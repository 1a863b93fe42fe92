// The README's first program.
#include "runtime/kiln.h"
using namespace kiln;

struct Net : Module {
  Linear hidden{this, "hidden", 1, 64}, out{this, "out", 64, 1};
  Tensor operator()(const Tensor& x) const { return out(tanh(hidden(x))); }
};

int main() {
  Net net;
  Adam adam({.lr = 1e-2});
  auto step = jit([&](const Tensor& x, const Tensor& y) {
    auto [loss, grads] = value_and_grad([&] { return mse_loss(net(x), y); }, net.parameters());
    adam.update(net.parameters(), grads);
    return loss;
  });
  Array x(Type{DType::f32, {256, 1}}), y(Type{DType::f32, {256, 1}});
  for (int i = 0; i < 256; ++i)
    y.data<float>()[i] = std::sin(x.data<float>()[i] = 6.28f * i / 255 - 3.14f);

  for (int i = 0; i < 2000; ++i) step(x, y);
  const double loss = step(x, y).item();
  fmt::print("{}\nloss {:.6f}\n", step.dump("fused"), loss);
  return loss < 1e-3 ? 0 : 1;
}
