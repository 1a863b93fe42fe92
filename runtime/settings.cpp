#include "runtime/settings.h"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "runtime/random.h"

namespace kiln {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int kMaxCacheMebibytes = 1 << 20;

/// A number of [1, most] from the environment; nothing where the variable is unset or empty.
std::optional<int> number_in(const char* variable, int most) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text == 0) return std::nullopt;
  int number = 0;
  const char* end = text + std::strlen(text);
  const auto [at, error] = std::from_chars(text, end, number);
  if (error != std::errc() || at != end || number < 1 || number > most)
    throw Error(
        fmt::format("{}: expected a number from 1 to {}, found '{}'", variable, most, text));
  return number;
}

int default_threads() {
  return number_in("KILN_THREADS", kMaxThreads).value_or(usable_processors());
}

/// The folder for compiled code; empty: none.
std::string cache_folder() {
  const auto variable = [](const char* name) {
    const char* text = std::getenv(name);
    return std::string(text == nullptr ? "" : text);
  };
  if (const std::string asked = variable("KILN_CACHE"); !asked.empty())
    return asked == "off" ? "" : asked;
  if (const std::string xdg = variable("XDG_CACHE_HOME"); xdg.starts_with('/'))
    return xdg + "/kiln";
  if (const std::string home = variable("HOME"); home.starts_with('/'))
    return home + "/.cache/kiln";
  return "";
}

/// FNV-1a: a variable's stream of random numbers follows from its name, not from the order in which
/// variables are made.
std::uint64_t stream_of(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

ThreadPool& Settings::pool() {
  if (!pool_) pool_ = std::make_unique<ThreadPool>(default_threads());
  return *pool_;
}

void Settings::set_threads(int threads) {
  if (threads < 1 || threads > kMaxThreads)
    throw Error(
        fmt::format("threads: expected a number from 1 to {}, found {}", kMaxThreads, threads));
  pool_ = std::make_unique<ThreadPool>(threads);
}

CodeCache& Settings::code_cache() {
  if (!code_cache_) {
    const std::string folder = cache_folder();
    std::optional<ObjectStore> store;
    const auto mebibytes = number_in("KILN_CACHE_SIZE", kMaxCacheMebibytes);
    if (!folder.empty())
      store.emplace(folder,
                    mebibytes ? std::int64_t{*mebibytes} << 20 : ObjectStore::kDefaultLimit);
    code_cache_ = std::make_shared<CodeCache>(std::move(store));
  }
  return *code_cache_;
}

Settings& settings() {
  static Settings settings;
  return settings;
}

void manual_seed(std::uint64_t seed) {
  settings().seed = seed;
  manual_seed(default_generator(), seed);
}

void manual_seed(Generator& generator, std::uint64_t seed) {
  *generator.seed()->storage = Array::scalar(seed);
  *generator.step()->storage = Array::scalar(std::int64_t{0});
}

Array& value_of(const VariablePtr& variable) {
  Array& value = *variable->storage;
  if (!value.empty()) return value;
  const Initializer& init = variable->initializer;
  if (init.kind == Initializer::Kind::constant) {
    value = Array::full(variable->type, init.a);
    return value;
  }
  Random random(settings().seed, stream_of(variable->name));
  Array drawn(Type{DType::f32, variable->type.dims});
  const auto a = static_cast<float>(init.a), b = static_cast<float>(init.b);
  for (float& element : drawn.data<float>())
    element =
        init.kind == Initializer::Kind::uniform ? random.uniform(a, b) : a + b * random.normal();
  value = drawn.converted(variable->type.dtype);
  return value;
}

}  // namespace kiln
