#include "runtime/function_io.h"

#include <cmath>

#include "runtime/random.h"

namespace kiln {
namespace {

constexpr std::int64_t kMostPrinted = 1000;  // elements; of larger arrays …
constexpr std::int64_t kEdge = 3;            // … so many at both ends of each axis

template <class T>
std::string element_text(T value, std::optional<int> decimals) {
  if constexpr (std::is_same_v<T, bool>)
    return value ? "true" : "false";
  else if constexpr (std::is_floating_point_v<T>)
    return decimals ? fmt::format("{:.{}f}", value, *decimals)
                    : fmt::format("{}", value);  // the shortest that reads back as the same number
  else
    return std::to_string(value);
}

}  // namespace

std::string argument_name(const Function& function, std::size_t argument) {
  const std::string& name = function.arguments[argument].name;
  return name.empty() ? fmt::format("arg{}", argument) : name;
}

std::string result_name(const Function& function, std::size_t result) {
  const auto& names = function.result_names;
  if (result < names.size() && !names[result].empty()) return names[result];
  return fmt::format("result{}", result);
}

std::vector<Array> arguments_from(const NamedArrays& tensors, const Function& function,
                                  const std::string& source) {
  std::vector<Array> arguments;
  std::string missing, unfit;
  for (std::size_t i = 0; i < function.arguments.size(); ++i) {
    const std::string name = argument_name(function, i);
    const Type& type = function.arguments[i].type;
    const auto found = tensors.find(name);
    if (found == tensors.end()) {
      missing += fmt::format("{}'{}' ({})", missing.empty() ? "" : ", ", name, type.str());
      continue;
    }
    if (found->second.type() != type)
      unfit += fmt::format("{}'{}' to be {} (found {})", unfit.empty() ? "" : ", ", name,
                           type.str(), found->second.type().str());
    arguments.push_back(found->second);
  }
  if (missing.empty() && unfit.empty()) return arguments;

  std::string message;
  if (!missing.empty()) {
    std::string held;
    for (const auto& [name, array] : tensors)
      held += fmt::format("{}'{}'", held.empty() ? "" : ", ", name);
    message = fmt::format(
        "expected a tensor for each argument of @{}, found none for {}; there "
        "is {}",
        function.name, missing, held.empty() ? "no tensor at all" : held);
  }
  if (!unfit.empty()) message += (message.empty() ? "expected " : "; expected ") + unfit;
  throw Error(fmt::format("{}: {}", source, message));
}

NamedArrays named_results(const Function& function, const std::vector<Array>& results) {
  NamedArrays named;
  for (std::size_t r = 0; r < results.size(); ++r)
    if (!named.emplace(result_name(function, r), results[r]).second)
      throw Error(fmt::format("@{} has two results called '{}': a file can hold only one of them",
                              function.name, result_name(function, r)));
  return named;
}

std::vector<Array> drawn_arguments(const Function& function, std::uint64_t seed) {
  std::vector<Array> arguments;
  for (std::size_t i = 0; i < function.arguments.size(); ++i) {
    Random random(seed, i);
    Array& array = arguments.emplace_back(function.arguments[i].type);
    visit_dtype(array.dtype(), [&]<class T>(T) {
      for (T& x : array.data<T>()) {
        if constexpr (std::is_same_v<T, bool>)
          x = random.chance(0.5);
        else if constexpr (std::is_floating_point_v<T>)
          x = random.uniform(-1, 1);
        else
          x = static_cast<T>(random.below(10));
      }
    });
  }
  return arguments;
}

std::string array_text(const Array& array, std::optional<int> decimals) {
  const Ints& dims = array.dims();
  const Ints strides = row_major_strides(dims);
  const bool whole = array.count() <= kMostPrinted;
  return visit_dtype(array.dtype(), [&]<class T>(T) {
    const auto data = array.data<T>();
    const auto nest = [&](auto& self, std::size_t axis, std::int64_t first) -> std::string {
      if (axis == dims.size())
        return element_text<T>(data[static_cast<std::size_t>(first)], decimals);
      const bool last = axis + 1 == dims.size();
      const std::string next = last ? ", " : ",\n" + std::string(axis + 1, ' ');
      std::string list;
      for (std::int64_t i = 0; i < dims[axis]; ++i) {
        if (i > 0) list += next;
        if (!whole && i == kEdge && dims[axis] > 2 * kEdge) {
          list += "…" + next;
          i = dims[axis] - kEdge;
        }
        list += self(self, axis + 1, first + i * strides[axis]);
      }
      return "[" + list + "]";
    };
    return nest(nest, 0, 0);
  });
}

}  // namespace kiln
