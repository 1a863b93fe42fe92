// oneDNN's and OpenBLAS's kernels, called in a loop without an interpreter between: kernel_peer.py
// hands over the arrays. A step is a list of primitives that follow each other.
#include <dlfcn.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include <oneapi/dnnl/dnnl.hpp>

namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using Arguments = std::unordered_map<int, memory>;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

struct Work {
  virtual ~Work() = default;
  virtual void step() = 0;
};

/// Primitives in order.
struct Primitives : Work {
  dnnl::stream stream{engine()};
  std::vector<std::pair<dnnl::primitive, Arguments>> all;
  void step() override {
    for (const auto& [primitive, arguments] : all) primitive.execute(stream, arguments);
    stream.wait();
  }
};

memory over(const memory::desc& desc, float* data) { return {desc, engine(), data}; }
memory::desc described(const memory::dims& dims, const memory::dims& strides) {
  return {dims, memory::data_type::f32, strides};
}

/// How a product's operands lie in memory.
struct Product {
  int transpose_a, transpose_b;
  long batch, m, k, n;
};

std::unique_ptr<Work> onednn_product(const Product& p, float* a, float* b, float* c) {
  const auto of = [&](long rows, long columns, bool transposed) {
    const memory::dims strides = transposed ? memory::dims{rows * columns, 1, rows}
                                            : memory::dims{rows * columns, columns, 1};
    if (p.batch > 1) return described({p.batch, rows, columns}, strides);
    return described({rows, columns}, {strides[1], strides[2]});
  };
  const memory::desc da = of(p.m, p.k, p.transpose_a != 0), db = of(p.k, p.n, p.transpose_b != 0),
                     dc = of(p.m, p.n, false);
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::matmul::primitive_desc desc(engine(), da, db, dc);
#else
  const dnnl::matmul::primitive_desc desc(dnnl::matmul::desc(da, db, dc), engine());
#endif
  auto work = std::make_unique<Primitives>();
  work->all.push_back({dnnl::matmul(desc),
                       {{DNNL_ARG_SRC, over(da, a)},
                        {DNNL_ARG_WEIGHTS, over(db, b)},
                        {DNNL_ARG_DST, over(dc, c)}}});
  return work;
}

using Sgemm = void (*)(int, int, int, long, long, long, float, const float*, long, const float*,
                       long, float, float*, long);

struct Openblas : Work {
  Product p{};
  float *a = nullptr, *b = nullptr, *c = nullptr;
  Sgemm sgemm = nullptr;
  void step() override {
    constexpr int kRowMajor = 101, kNo = 111, kTransposed = 112;
    for (long i = 0; i < p.batch; ++i)
      sgemm(kRowMajor, p.transpose_a ? kTransposed : kNo, p.transpose_b ? kTransposed : kNo, p.m,
            p.n, p.k, 1, a + i * p.m * p.k, p.transpose_a ? p.m : p.k, b + i * p.k * p.n,
            p.transpose_b ? p.k : p.n, 0, c + i * p.m * p.n, p.n);
  }
};

std::unique_ptr<Work> onednn_softmax(bool logarithm, long rows, long width, float* x, float* dy,
                                     float* y, float* dx) {
  const memory::desc desc({rows, width}, memory::data_type::f32, Tag::ab);
#if DNNL_VERSION_MAJOR >= 3
  using Forward = dnnl::softmax_forward;
  using Backward = dnnl::softmax_backward;
  const auto kind = logarithm ? dnnl::algorithm::softmax_log : dnnl::algorithm::softmax_accurate;
  const Forward::primitive_desc f(engine(), dnnl::prop_kind::forward_training, kind, desc, desc, 1);
  const Backward::primitive_desc g(engine(), kind, desc, desc, desc, 1, f);
#else
  using Forward = dnnl::softmax_v2_forward;
  using Backward = dnnl::softmax_v2_backward;
  const auto kind = logarithm ? dnnl::algorithm::softmax_log : dnnl::algorithm::softmax_accurate;
  const Forward::primitive_desc f({dnnl::prop_kind::forward_training, kind, desc, desc, 1},
                                  engine());
  const Backward::primitive_desc g({kind, desc, desc, desc, 1}, engine(), f);
#endif
  auto work = std::make_unique<Primitives>();
  work->all.push_back({Forward(f), {{DNNL_ARG_SRC, over(desc, x)}, {DNNL_ARG_DST, over(desc, y)}}});
  work->all.push_back({Backward(g),
                       {{DNNL_ARG_DST, over(desc, y)},
                        {DNNL_ARG_DIFF_DST, over(desc, dy)},
                        {DNNL_ARG_DIFF_SRC, over(desc, dx)}}});
  return work;
}

struct LayerNorm : Primitives {
  std::vector<float> mean, variance;
};

std::unique_ptr<Work> onednn_layer_norm(long rows, long width, float* x, float* weight, float* bias,
                                        float* dy, float* y, float* dx, float* dweight,
                                        float* dbias) {
  const memory::desc desc({rows, width}, memory::data_type::f32, Tag::ab),
      column({rows}, memory::data_type::f32, Tag::a), row({width}, memory::data_type::f32, Tag::a);
  const auto flags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift;
  using Forward = dnnl::layer_normalization_forward;
  using Backward = dnnl::layer_normalization_backward;
#if DNNL_VERSION_MAJOR >= 3
  const Forward::primitive_desc f(engine(), dnnl::prop_kind::forward_training, desc, desc, column,
                                  1e-5f, flags);
  const Backward::primitive_desc g(engine(), dnnl::prop_kind::backward, desc, desc, desc, column,
                                   1e-5f, flags, f);
#else
  const Forward::primitive_desc f({dnnl::prop_kind::forward_training, desc, column, 1e-5f, flags},
                                  engine());
  const Backward::primitive_desc g({dnnl::prop_kind::backward, desc, desc, column, 1e-5f, flags},
                                   engine(), f);
#endif
  auto work = std::make_unique<LayerNorm>();
  work->mean.resize(static_cast<std::size_t>(rows));
  work->variance.resize(static_cast<std::size_t>(rows));
  const Arguments known{{DNNL_ARG_SRC, over(desc, x)},
                        {DNNL_ARG_SCALE, over(row, weight)},
                        {DNNL_ARG_SHIFT, over(row, bias)},
                        {DNNL_ARG_MEAN, over(column, work->mean.data())},
                        {DNNL_ARG_VARIANCE, over(column, work->variance.data())}};
  Arguments forward = known, backward = known;
  forward.emplace(DNNL_ARG_DST, over(desc, y));
  backward.emplace(DNNL_ARG_DIFF_DST, over(desc, dy));
  backward.emplace(DNNL_ARG_DIFF_SRC, over(desc, dx));
  backward.emplace(DNNL_ARG_DIFF_SCALE, over(row, dweight));
  backward.emplace(DNNL_ARG_DIFF_SHIFT, over(row, dbias));
  work->all.push_back({Forward(f), forward});
  work->all.push_back({Backward(g), backward});
  return work;
}

template <class F>
Work* made(F&& make) {
  try {
    return make().release();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kernels: %s\n", error.what());
    return nullptr;
  }
}

}  // namespace

extern "C" {

Work* make_onednn_product(Product p, float* a, float* b, float* c) {
  return made([&] { return onednn_product(p, a, b, c); });
}

/// `library`: OpenBLAS with 64-bit integers; its functions' names have a prefix and a suffix.
Work* make_openblas_product(const char* library, const char* symbol, Product p, float* a, float* b,
                            float* c) {
  return made([&] {
    void* handle = dlopen(library, RTLD_NOW);
    if (handle == nullptr) throw std::runtime_error(dlerror());
    auto work = std::make_unique<Openblas>();
    work->p = p;
    work->a = a;
    work->b = b;
    work->c = c;
    work->sgemm = reinterpret_cast<Sgemm>(dlsym(handle, symbol));
    if (work->sgemm == nullptr) throw std::runtime_error(std::string("no ") + symbol);
    return work;
  });
}

Work* make_onednn_softmax(int logarithm, long rows, long width, float* x, float* dy, float* y,
                          float* dx) {
  return made([&] { return onednn_softmax(logarithm != 0, rows, width, x, dy, y, dx); });
}

Work* make_onednn_layer_norm(long rows, long width, float* x, float* weight, float* bias, float* dy,
                             float* y, float* dx, float* dweight, float* dbias) {
  return made(
      [&] { return onednn_layer_norm(rows, width, x, weight, bias, dy, y, dx, dweight, dbias); });
}

void run(Work* work, long steps) {
  for (long i = 0; i < steps; ++i) work->step();
}

}  // extern "C"
