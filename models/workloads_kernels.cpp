// Products of matrices and functions of rows: what the other workloads are made of.
#include "models/workload_families.h"

namespace kiln {
namespace {

PreparedWork loss_and_gradient(std::int64_t samples, std::int64_t count) {
  return {nullptr,
          [](const std::vector<Tensor>& in) {
            const Tensor loss = cross_entropy(in[0], in[1]);
            return std::vector{loss, grad(loss, {in[0]})[0]};
          },
          {{"logits", uniform_array({samples, count}, 1, -3, 3)},
           {"classes", integer_array({samples}, 99, 0, static_cast<std::int32_t>(count))}},
          {"loss", "grad.logits"}};
}

PreparedWork bmm_chain() {
  constexpr std::int64_t kBatch = 16;
  return with_gradients([](const std::vector<Tensor>& in) { return bmm(bmm(in[0], in[1]), in[2]); },
                        {{"a", uniform_array({kBatch, 96, 130}, 1)},
                         {"b", uniform_array({kBatch, 130, 64}, 2)},
                         {"c", uniform_array({kBatch, 64, 96}, 3)},
                         {"grad.output", uniform_array({kBatch, 96, 96}, 4)}});
}

/// How a product's operands lie in memory: as they are read, or transposed.
enum class Layout : std::uint8_t { nn, tn, nt };

PreparedWork product(Layout layout, const Ints& batch, std::int64_t m, std::int64_t k,
                     std::int64_t n) {
  const auto dims = [&](std::int64_t rows, std::int64_t columns, bool transposed) {
    Ints all = batch;
    if (transposed) std::swap(rows, columns);
    all.insert(all.end(), {rows, columns});
    return all;
  };
  return {nullptr,
          [layout](const std::vector<Tensor>& in) {
            const Tensor a = layout == Layout::tn ? transpose(in[0], -1, -2) : in[0];
            const Tensor b = layout == Layout::nt ? transpose(in[1], -1, -2) : in[1];
            return std::vector{matmul(a, b)};
          },
          {{"a", uniform_array(dims(m, k, layout == Layout::tn), 1)},
           {"b", uniform_array(dims(k, n, layout == Layout::nt), 2)}},
          {"output"}};
}

Workload product_workload(Layout layout, std::int64_t batch, std::int64_t m, std::int64_t k,
                          std::int64_t n) {
  constexpr std::string_view kNames[] = {"", "tn_", "nt_"};
  constexpr std::string_view kForms[] = {"A B", "A^T B", "A B^T"};
  const auto at = static_cast<std::size_t>(layout);
  const Ints leading = batch == 1 ? Ints{} : Ints{batch};
  return {fmt::format("gemm_{}{}{}x{}x{}", kNames[at], batch == 1 ? "" : fmt::format("{}x", batch),
                      m, k, n),
          fmt::format("matrix product {} of {}x{} and {}x{}{}", kForms[at], m, k, k, n,
                      batch == 1 ? "" : fmt::format(", {} of them", batch)),
          [=] { return product(layout, leading, m, k, n); }};
}

constexpr std::int64_t kRowElements = 1 << 18;

/// A function of rows, and its gradient.
PreparedWork rows(Tensor (*function)(const std::vector<Tensor>&), bool affine, std::int64_t width) {
  const Ints dims{kRowElements / width, width};
  std::vector<PreparedWork::Input> inputs{{"x", uniform_array(dims, 1, -3, 3)}};
  if (affine) {
    inputs.push_back({"weight", uniform_array({width}, 2)});
    inputs.push_back({"bias", uniform_array({width}, 3)});
  }
  inputs.push_back({"grad.output", uniform_array(dims, 4)});
  return with_gradients(function, std::move(inputs));
}

Tensor softmax_of(const std::vector<Tensor>& in) { return softmax(in[0], 1); }
Tensor log_softmax_of(const std::vector<Tensor>& in) { return log_softmax(in[0], 1); }
Tensor layer_norm_of(const std::vector<Tensor>& in) {
  return layer_norm(in[0], {in[0].size(1)}, in[1], in[2]);
}

}  // namespace

std::vector<Workload> kernel_workloads() {
  std::vector<Workload> all{
      {"softmax_cross_entropy", "softmax + cross-entropy of logits 64x10, with their gradient",
       [] { return loss_and_gradient(64, 10); }},
      {"softmax_cross_entropy_256x1000",
       "softmax + cross-entropy of logits 256x1000, with their gradient",
       [] { return loss_and_gradient(256, 1000); }},
      {"bmm_chain", "A B C of 96x130, 130x64, 64x96, 16 of them, and all gradients", bmm_chain},
  };
  for (const auto& [m, k, n] : {std::tuple{64, 784, 256},
                                {64, 256, 128},
                                {64, 128, 10},
                                {64, 1, 256},
                                {64, 256, 256},
                                {256, 256, 256},
                                {512, 512, 512},
                                {1024, 1024, 1024},
                                {2048, 2048, 2048}})
    all.push_back(product_workload(Layout::nn, 1, m, k, n));
  all.push_back(product_workload(Layout::tn, 1, 784, 64, 256));
  all.push_back(product_workload(Layout::nt, 1, 64, 256, 784));
  all.push_back(product_workload(Layout::nn, 32, 128, 64, 128));
  struct RowFunction {
    std::string_view name;
    Tensor (*function)(const std::vector<Tensor>&);
    bool affine;
  };
  for (const RowFunction& one : {RowFunction{"softmax", softmax_of, false},
                                 {"log_softmax", log_softmax_of, false},
                                 {"layer_norm", layer_norm_of, true}})
    for (const std::int64_t width : {64, 256, 1024, 4096})
      all.push_back({fmt::format("rows_{}_{}", one.name, width),
                     fmt::format("{} of {} rows of {}, and its gradient", one.name,
                                 kRowElements / width, width),
                     [one, width] { return rows(one.function, one.affine, width); }});
  return all;
}

}  // namespace kiln
