#include "frontend/scan.h"

#include <algorithm>

#include "frontend/checks.h"
#include "frontend/trace.h"
#include "ir/build.h"
#include "ir/build_control.h"

namespace kiln {
namespace {

std::vector<Value> values_of(std::span<const Tensor> tensors) {
  std::vector<Value> values;
  for (const Tensor& tensor : tensors) values.push_back(tensor.value());
  return values;
}

std::vector<Tensor> tensors_of(std::span<const Value> values) {
  std::vector<Tensor> tensors;
  for (Value value : values) tensors.emplace_back(value);
  return tensors;
}

Ints slice_dims(const Type& type) { return {type.dims.begin() + 1, type.dims.end()}; }

/// The place of slice `i`: zero along the other axes.
std::vector<Value> place_of(Value i, int rank) {
  std::vector<Value> starts(static_cast<std::size_t>(rank), build::like(i, 0));
  starts[0] = i;
  return starts;
}

Value slice_at(Value x, Value i, Where w) {
  Ints sizes = x.type().dims;
  sizes[0] = 1;
  const Value slice = build::dynamic_slice(x, place_of(i, x.type().rank()), sizes, w);
  return build::reshape(slice, slice_dims(x.type()), w);
}

Value with_slice(Value x, Value slice, Value i, Where w) {
  Ints dims = slice.type().dims;
  dims.insert(dims.begin(), 1);
  return build::dynamic_update_slice(x, build::reshape(slice, dims, w),
                                     place_of(i, x.type().rank()), w);
}

void check_carry(const std::vector<Tensor>& before, const std::vector<Tensor>& after, Where w) {
  bool fits = before.size() == after.size();
  for (std::size_t i = 0; fits && i < before.size(); ++i) {
    used(after[i], "scan", w);
    if (before[i].type() != after[i].type())
      throw Error(w, fmt::format("scan: expected the body to return carry {} with the type it came "
                                 "with, {}, found {}",
                                 i, described(before[i]), described(after[i])));
  }
  if (!fits)
    throw Error(w, fmt::format("scan: expected the body to return {} carried tensors, found {}",
                               before.size(), after.size()));
}

}  // namespace

Scanned scan(const ScanBody& body, const std::vector<Tensor>& carry, const std::vector<Tensor>& xs,
             bool reverse, Where w) {
  Trace& trace = Trace::current("scan", w);
  Graph& graph = trace.graph();
  if (xs.empty()) throw Error(w, "scan: expected at least one tensor to go over, found none");
  for (const Tensor& tensor : carry) used(tensor, "scan", w);
  for (const Tensor& x : xs) {
    if (used(x, "scan", w).type().rank() < 1 || x.size(0) != xs[0].size(0))
      throw Error(w, fmt::format("scan: expected tensors whose first axes are equally long, found "
                                 "{} and {}",
                                 described(xs[0]), described(x)));
  }
  const std::int64_t trips = xs[0].size(0);

  // The body once on its own: what are its outputs' types?
  std::vector<Type> types{{DType::i64, {}}};
  for (const Tensor& tensor : carry) types.push_back(tensor.type());
  for (const Tensor& x : xs) types.push_back({x.dtype(), slice_dims(x.type())});
  const std::vector<Value> trial = build::placeholders(graph, types);
  const auto run = [&](Value counter, std::span<const Value> carried,
                       std::span<const Value> slices) {
    const Trace::Loop loop(trace, Tensor(counter));
    Scanned step = body(tensors_of(carried), tensors_of(slices));
    check_carry(carry, step.carry, w);
    for (const Tensor& output : step.outputs) used(output, "scan", w);
    return step;
  };
  const std::span all(trial);
  const Scanned tried = run(trial[0], all.subspan(1, carry.size()), all.subspan(1 + carry.size()));

  std::vector<Value> state = values_of(carry);
  for (const Tensor& output : tried.outputs) {
    Ints dims = output.shape();
    dims.insert(dims.begin(), trips);
    state.push_back(graph.splat({output.dtype(), dims}, 0));
  }
  if (trips > 0)
    state = build::counted(
        graph, trips, state,
        [&](Value i, std::span<const Value> carried) {
          const Value at =
              reverse ? build::subtract(build::like(i, static_cast<double>(trips - 1)), i) : i;
          std::vector<Value> slices;
          for (const Tensor& x : xs) slices.push_back(slice_at(x.value(), at, w));
          const Scanned step = run(i, carried.first(carry.size()), slices);
          std::vector<Value> next = values_of(step.carry);
          for (std::size_t o = 0; o < step.outputs.size(); ++o)
            next.push_back(with_slice(carried[carry.size() + o], step.outputs[o].value(), at, w));
          return next;
        },
        w);
  const std::span last(state);
  return {tensors_of(last.first(carry.size())), tensors_of(last.subspan(carry.size()))};
}

std::pair<Tensor, Tensor> scan(
    const std::function<std::pair<Tensor, Tensor>(const Tensor& carry, const Tensor& slice)>& body,
    const Tensor& carry, const Tensor& xs, bool reverse, Where w) {
  const Scanned scanned = scan(
      [&](const std::vector<Tensor>& c, const std::vector<Tensor>& x) {
        const auto [next, output] = body(c[0], x[0]);
        return Scanned{{next}, {output}};
      },
      std::vector{carry}, std::vector{xs}, reverse, w);
  return {scanned.carry[0], scanned.outputs[0]};
}

}  // namespace kiln
