#include "tests/golden_data.h"

#include <cmath>
#include <fstream>
#include <stdexcept>

#include "tests/source_folder.h"

namespace kiln::golden {
namespace {

using nlohmann::json;

const std::string& folder() {
  static const std::string path = source_folder() + "/tests/golden/";
  return path;
}

Array sum_of(const Array& values, const auto& term, const auto& result) {
  double total = 0;
  for (std::int64_t i = 0; i < values.count(); ++i) total += term(values.as_double(i));
  return Array::scalar(static_cast<float>(result(total)));
}

/// What the manifest keeps of a large tensor.
Array summary(const Array& values, const std::string& kind) {
  const auto same = [](double x) { return x; };
  if (kind == "sum") return sum_of(values, same, same);
  if (kind == "l1") return sum_of(values, [](double x) { return std::fabs(x); }, same);
  if (kind == "l2")
    return sum_of(values, [](double x) { return x * x; }, [](double x) { return std::sqrt(x); });
  if (kind != "sample") throw std::out_of_range("no summary is called " + kind);
  Array sample(Type{values.dtype(), {64}});
  for (std::int64_t i = 0; i < 64; ++i)
    sample.data<float>()[static_cast<std::size_t>(i)] =
        values.data<float>()[static_cast<std::size_t>((i * 7919) % values.count())];
  return sample;
}

std::string compared(const Array& got, const Array& want, const json& tensor) {
  if (got.type() != want.type())
    return fmt::format("{} instead of {}", got.type().pretty(), want.type().pretty());
  for (std::int64_t i = 0; i < want.count(); ++i) {
    const double g = got.as_double(i), w = want.as_double(i);
    if (g == w || (std::isnan(g) && std::isnan(w))) continue;
    if (std::isinf(w) ||
        !(std::fabs(g - w) <= tensor.value("atol", 0.0) + tensor.value("rtol", 0.0) * std::fabs(w)))
      return fmt::format("element {}: {} instead of {}", i, g, w);
  }
  return "";
}

}  // namespace

const json& cases() {
  static const json manifest = json::parse(std::ifstream(folder() + "manifest.json"));
  return manifest["cases"];
}

const json& case_named(const std::string& name) {
  for (const json& one : cases())
    if (one["name"] == name) return one;
  throw std::out_of_range("no golden case " + name);
}

const NamedArrays& data_of(const json& one) {
  static std::map<std::string, NamedArrays> files;
  const std::string name = one["file"];
  const auto [file, is_new] = files.try_emplace(name);
  if (is_new) file->second = load_safetensors(folder() + name).tensors;
  return file->second;
}

std::string off(const Array& got, const Array& want, const json& tensor) {
  return compared(tensor.contains("summary") ? summary(got, tensor["summary"]) : got, want, tensor);
}

}  // namespace kiln::golden
