#include "ir/space.h"

#include <algorithm>

#include "ir/op.h"

namespace kiln::space {
namespace {

// What one operation costs in units of an addition, for the cost model.
constexpr double kTranscendentalFlops = 16;

std::string dim_name(const Kernel& kernel, int dim) {
  return fmt::format("{}{}", kernel.dims[static_cast<std::size_t>(dim)].parallel ? "p" : "r", dim);
}

std::string dims_text(const Kernel& kernel, const std::vector<int>& dims) {
  std::string text;
  for (int dim : dims) text += (text.empty() ? "" : ", ") + dim_name(kernel, dim);
  return text;
}

std::string access_text(const Kernel& kernel, const Access& access) {
  std::string text;
  const auto add = [&](const std::string& term) { text += (text.empty() ? "" : " + ") + term; };
  for (std::size_t d = 0; d < access.strides.size(); ++d) {
    const std::int64_t stride = access.strides[d];
    if (stride == 1)
      add(dim_name(kernel, static_cast<int>(d)));
    else if (stride != 0)
      add(fmt::format("{}·{}", stride, dim_name(kernel, static_cast<int>(d))));
  }
  if (access.offset != 0 || text.empty()) add(fmt::format("{}", access.offset));
  return fmt::format("b{}[{}]", access.buffer, text);
}

std::string apply_text(const Expr& expr) {
  std::string text(definition(expr.node->op()).name);
  if (const auto* compare = std::get_if<CompareAttrs>(&expr.node->attrs()))
    text += fmt::format(" {}", name_of(compare->direction));
  for (std::size_t i = 0; i < expr.operands.size(); ++i)
    text += fmt::format("{}e{}", i == 0 ? " " : ", ", expr.operands[i]);
  if (expr.node->op() == Op::convert) text += fmt::format(" to {}", name_of(expr.dtype));
  return text;
}

std::string sources_text(const std::vector<Source>& sources) {
  std::string text;
  for (const Source& source : sources) {
    text += text.empty() ? "" : ", ";
    if (source.kind == Source::Kind::memory)
      text += fmt::format("b{}", source.buffer);
    else
      text += source.kind == Source::Kind::iota ? "iota" : "constant";
  }
  return text;
}

std::string indexed_text(const Kernel& kernel, const Expr& expr) {
  std::string at;
  for (int dim : expr.axes)
    at += (at.empty() ? "" : ", ") + (dim < 0 ? "0" : dim_name(kernel, dim));
  return fmt::format("{} of {} at ({})", definition(expr.node->op()).name,
                     sources_text(expr.sources), at);
}

std::string expr_text(const Kernel& kernel, const Expr& expr) {
  switch (expr.kind) {
    case Expr::Kind::load:
      return "load " + access_text(kernel, expr.access);
    case Expr::Kind::constant:
      return fmt::format("constant {} {}", name_of(expr.dtype),
                         expr.node->attrs<ConstantAttrs>().value.as_double(0));
    case Expr::Kind::iota:
      return fmt::format("iota {} {}", name_of(expr.dtype), dim_name(kernel, expr.dim));
    case Expr::Kind::apply:
      return apply_text(expr);
    case Expr::Kind::indexed:
      return indexed_text(kernel, expr);
    case Expr::Kind::reduced:
      return expr.result == 0 ? fmt::format("reduced #{}", expr.reduction)
                              : fmt::format("reduced #{}.{}", expr.reduction, expr.result);
  }
  std::abort();
}

std::string reduction_text(const Kernel& kernel, const Reduction& reduction) {
  std::string inputs;
  for (int input : reduction.inputs)
    inputs += fmt::format("{}e{}",
                          inputs.empty()               ? ""
                          : reduction.is_contraction() ? " · "
                                                       : ", ",
                          input);
  std::string how = reduction.rounds_products ? "rounded sum" : "sum";
  if (!reduction.is_contraction()) {
    const auto combiner = simple_combiner(*reduction.region);
    how = combiner ? std::string(definition(*combiner).name) : "region";
  }
  return fmt::format("{} of {} over {}", how, inputs, dims_text(kernel, reduction.over));
}

}  // namespace

DimSet Reduction::over_set() const {
  DimSet set = 0;
  for (int dim : over) set |= bit(dim);
  return set;
}

DimSet Kernel::parallel() const {
  DimSet set = 0;
  for (std::size_t d = 0; d < dims.size(); ++d)
    if (dims[d].parallel) set |= bit(static_cast<int>(d));
  return set;
}

std::int64_t Kernel::volume(DimSet set) const {
  std::int64_t volume = 1;
  for (std::size_t d = 0; d < dims.size(); ++d)
    if (has(set, static_cast<int>(d))) volume *= dims[d].extent;
  return volume;
}

int Kernel::levels() const {
  int levels = 0;
  for (const Reduction& reduction : reductions) levels = std::max(levels, reduction.level + 1);
  for (const Store& store : stores) levels = std::max(levels, store.level + 1);
  return levels;
}

double Kernel::flops() const {
  double flops = 0;
  for (const Expr& expr : exprs)
    if (expr.kind == Expr::Kind::apply)
      flops += static_cast<double>(volume(expr.dims)) *
               (traits(*expr.node).transcendental ? kTranscendentalFlops : 1);
  for (const Reduction& reduction : reductions)
    if (!reduction.is_contraction())
      flops += static_cast<double>(volume(reduction.kept | reduction.over_set()));
  return flops + contraction_flops();
}

double Kernel::contraction_flops() const {
  double flops = 0;
  for (const Reduction& reduction : reductions)
    if (reduction.is_contraction())
      flops += 2 * static_cast<double>(volume(reduction.kept | reduction.over_set()));
  return flops;
}

std::int64_t Kernel::bytes() const {
  std::int64_t bytes = 0;
  for (const Buffer& buffer : buffers) bytes += buffer.count * size_of(buffer.dtype);
  return bytes;
}

std::string Kernel::str() const {
  std::string text = fmt::format("kernel @{} {}  dims ", name, kind);
  for (std::size_t d = 0; d < dims.size(); ++d)
    text += fmt::format("{}{}={}{}", d == 0 ? "" : ", ", dim_name(*this, static_cast<int>(d)),
                        dims[d].extent, dims[d].parallel ? " parallel" : "");
  text += fmt::format("  {:.0f} flops, {} bytes\n  buffers ", flops(), bytes());
  for (std::size_t b = 0; b < buffers.size(); ++b)
    text += fmt::format("{}b{}: {}[{}] {}", b == 0 ? "" : ", ", b, name_of(buffers[b].dtype),
                        buffers[b].count,
                        buffers[b].scratch  ? "scratch"
                        : buffers[b].output ? "out"
                                            : "in");
  text += "\n";
  if (sequential != nullptr)
    text += fmt::format("  {} of {}{}\n", definition(sequential->op()).name, sources_text(sources),
                        in_place ? " in place" : "");
  for (std::size_t e = 0; e < exprs.size(); ++e)
    text += fmt::format("  e{} = {}\n", e, expr_text(*this, exprs[e]));
  for (std::size_t r = 0; r < reductions.size(); ++r)
    text += fmt::format("  #{} = {}  level {}\n", r, reduction_text(*this, reductions[r]),
                        reductions[r].level);
  for (const Store& store : stores)
    text += fmt::format("  store {} = e{}  level {}\n", access_text(*this, store.access),
                        store.expr, store.level);
  return text;
}

void collapse(Kernel& kernel) {
  const auto mergeable = [&](int d) {
    const Dim &outer = kernel.dims[static_cast<std::size_t>(d)],
              &inner = kernel.dims[static_cast<std::size_t>(d + 1)];
    if (outer.parallel != inner.parallel) return false;
    const auto together = [&](DimSet set) { return has(set, d) == has(set, d + 1); };
    const auto walks = [&](const Access& access) {
      return access.strides[static_cast<std::size_t>(d)] ==
             access.strides[static_cast<std::size_t>(d + 1)] * inner.extent;
    };
    for (const Expr& expr : kernel.exprs) {
      if (!together(expr.dims)) return false;
      if (expr.kind == Expr::Kind::iota && (expr.dim == d || expr.dim == d + 1)) return false;
      if (expr.kind == Expr::Kind::load && !walks(expr.access)) return false;
      for (int dim : expr.axes)
        if (dim == d || dim == d + 1) return false;
    }
    for (const Reduction& r : kernel.reductions) {
      if (!together(r.kept) || !together(r.over_set())) return false;
      // Reduced dimensions must be neighbours in the order of summation, too.
      const auto at = std::find(r.over.begin(), r.over.end(), d);
      if (at != r.over.end() && (at + 1 == r.over.end() || *(at + 1) != d + 1)) return false;
    }
    for (const Store& store : kernel.stores)
      if (!together(store.dims) || !walks(store.access)) return false;
    return true;
  };
  const auto without = [](DimSet set, int d) {  // dimension d removed, those above move down
    const DimSet low = set & (bit(d) - 1);
    return low | (set >> (d + 1) << d);
  };
  for (int d = 0; d + 1 < static_cast<int>(kernel.dims.size());) {
    if (!mergeable(d)) {
      ++d;
      continue;
    }
    kernel.dims[static_cast<std::size_t>(d + 1)].extent *=
        kernel.dims[static_cast<std::size_t>(d)].extent;
    kernel.dims.erase(kernel.dims.begin() + d);
    const auto drop_stride = [&](Access& access) {
      if (!access.strides.empty()) access.strides.erase(access.strides.begin() + d);
    };
    for (Expr& expr : kernel.exprs) {
      expr.dims = without(expr.dims, d);
      drop_stride(expr.access);
      for (Access& read : expr.reads) drop_stride(read);
      for (int& dim : expr.axes)
        if (dim > d) --dim;
      if (expr.dim > d) --expr.dim;
    }
    for (Reduction& r : kernel.reductions) {
      r.kept = without(r.kept, d);
      std::erase(r.over, d);
      for (int& dim : r.over)
        if (dim > d) --dim;
    }
    for (Store& store : kernel.stores) {
      store.dims = without(store.dims, d);
      drop_stride(store.access);
    }
  }
}

}  // namespace kiln::space
