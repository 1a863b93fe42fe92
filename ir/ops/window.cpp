// convolution and reduce_window: contraction and reduction of windows. Their rows, and how windows
// lie; what each of them does there is in convolution.cpp and reduce_window.cpp.
#include "ir/ops/window.h"

#include <algorithm>
#include <array>

namespace kiln {
namespace window {
namespace {

// Places are counted up to here in each direction, so that sums of a few never overflow.
constexpr std::int64_t kMostPlaces = std::int64_t{1} << 60;

loop::Val literal(const loop::Val& like, std::int64_t value) {
  return {like.builder(),
          like.builder().constant_bits(like.type(), static_cast<std::uint64_t>(value))};
}

}  // namespace

std::int64_t Axis::windows() const {
  const std::int64_t places = low + spread_operand() + high;
  return places <= 0 || spread_window() > places ? 0 : (places - spread_window()) / stride + 1;
}

std::optional<std::int64_t> Axis::element(std::int64_t o, std::int64_t k) const {
  const std::int64_t place = o * stride + (reversed ? extent - 1 - k : k) * dilation - low;
  if (place < 0 || place >= spread_operand() || place % base_dilation != 0) return std::nullopt;
  return place / base_dilation;
}

void check_list(std::string_view name, const Ints& list, std::size_t axes, std::int64_t least) {
  if (list.size() != axes)
    shape_error(fmt::format("{} for {} axes, not [{}]", name, axes, join(list, ", ")));
  for (std::int64_t entry : list)
    if (entry < least)
      shape_error(fmt::format("{} of at least {}, not [{}]", name, least, join(list, ", ")));
}

void check_places(const Axis& axis) {
  const auto spread_fits = [](std::int64_t count, std::int64_t dilation) {
    return count <= 1 || dilation <= kMostPlaces / count;
  };
  if (!spread_fits(axis.operand, axis.base_dilation) || !spread_fits(axis.extent, axis.dilation) ||
      std::max(axis.low, axis.high) > kMostPlaces || std::min(axis.low, axis.high) < -kMostPlaces)
    shape_error("dilations and padding that do not reach past 2^60 places");
}

Element element(const Axis& axis, const loop::Index& o, const loop::Index& k) {
  const std::int64_t first = -axis.low;
  const std::int64_t last = (axis.windows() - 1) * axis.stride + axis.spread_window() - 1 + first;
  const std::int64_t end = axis.spread_operand();
  loop::Index place =
      o * axis.stride + first +
      (axis.reversed ? k * -axis.dilation + (axis.extent - 1) * axis.dilation : k * axis.dilation);
  if (axis.base_dilation == 1 && first >= 0 && last < end) return {place, std::nullopt};

  const loop::Val at = place.value();
  std::optional<loop::Val> inside;
  if (first < 0) inside = at >= literal(at, 0);
  if (last >= end) inside = both(inside, at < literal(at, end));
  if (axis.base_dilation == 1) return {place, inside};
  const loop::Val dilation = literal(at, axis.base_dilation);
  inside = both(inside, at.op(loop::Opcode::rem, dilation) == literal(at, 0));
  return {loop::Index(at / dilation), inside};
}

}  // namespace window

namespace {

constexpr std::array kRows = {
    OpDef{.op = Op::convolution,
          .name = "convolution",
          .arity = 2,
          .traits = {.contraction = true, .window = true},
          .infer = window::infer_convolution,
          .gradient = window::gradient_convolution,
          .reference = window::reference_convolution,
          .lowering = window::convolution_at},
    OpDef{.op = Op::reduce_window,
          .name = "reduce_window",
          .arity = kVariadic,
          .traits = {.reduction = true, .window = true},
          .infer = window::infer_reduce_window,
          .gradient = window::gradient_reduce_window,
          .reference = window::reference_reduce_window,
          .lowering = window::reduce_window_at},
};
static_assert(complete(kRows, Op::convolution, Op::reduce_window));

}  // namespace

std::span<const OpDef> window_rows() { return kRows; }

}  // namespace kiln
