// How a random graph grows: a pool of values, and steps that each take some of them and add what
// they compute. The plain steps are in random_graph.cpp, those of indexing, windows, sequential ops
// and control flow in random_graph_steps.cpp.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "runtime/random.h"
#include "tests/random_graph.h"

namespace kiln {

inline constexpr DType kWholes[] = {DType::i8,  DType::i16,  DType::i32,  DType::i64,
                                    DType::ui8, DType::ui16, DType::ui32, DType::ui64};

class GraphGenerator {
 public:
  GraphGenerator(std::uint64_t seed, const RandomGraphOptions& options);
  RandomGraph run();

 private:
  std::uint64_t below(std::uint64_t n) { return random_.below(n); }
  /// Of [low, high].
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low + 1)));
  }
  bool chance(double p) { return random_.chance(static_cast<float>(p)); }
  template <class T, std::size_t N>
  T pick(const T (&list)[N]) {
    return list[below(N)];
  }
  template <class T>
  T pick(const std::vector<T>& list) {
    return list[below(list.size())];
  }
  template <class T>
  T pick(std::initializer_list<T> list) {
    return list.begin()[below(list.size())];
  }

  Graph& graph() { return *function_.graph; }

  /// A value that `wanted` holds of, the younger the likelier; none if there is none.
  template <class F>
  Value find(F&& wanted) {
    std::vector<Value> some;
    for (Value value : pool_)
      if (wanted(value)) some.push_back(value);
    if (some.empty()) return {};
    return some[std::max(below(some.size()), below(some.size()))];
  }
  Value any() {
    return find([](Value) { return true; });
  }
  Value real() {
    return find([&](Value v) { return v.type().dtype == real_; });
  }
  /// One with axes.
  Value real_of_rank(int least, int most = 5) {
    return find([&](Value v) {
      return v.type().dtype == real_ && v.type().rank() >= least && v.type().rank() <= most;
    });
  }
  std::int64_t axis_of(Value x) { return between(0, x.type().rank() - 1); }

  /// Whether `each` elements for every point of these dims are at most `times` the values' limit.
  bool fits(const Ints& dims, double times = 1, std::int64_t each = 1) const;
  Ints dims();
  /// Into the pool, unless it is too large or there already.
  void keep(Value value);
  Value argument(DType dtype);
  Value argument(const Type& type, double low, double high);
  /// Another value of this type: one there is, one stretched to it, or a constant.
  Value partner(Value x);
  Value constant(const Type& type);
  /// |x| + least.
  Value above(Value x, double least);
  Ints some_axes(const Type& type);

  // Steps: each adds a few nodes, or nothing where the pool has nothing for it.
  void step();
  void function();
  void arithmetic();
  void choice();
  void integers();
  void conversion();
  void stretch();
  void permute();
  void reform();
  void reduction();
  void product();
  void softmax();
  void normalise();
  void region();
  void pairs();
  void leaf();
  void stop();
  void gradient();
  bool gradient_of(Value x);
  // In random_graph_steps.cpp.
  void special_function();
  void bits();
  void cut();
  void border();
  void join();
  void dynamic();
  void lookup();
  void general_gather();
  void scattering();
  void general_scatter();
  void sorting();
  void pooling();
  void pooling_pairs();
  void running_sum();
  void convolve();
  void attention();
  void loop();
  void loop_and_gradient();
  void branches();
  Value recurrence(Value state, Value other, int depth = 0);

  /// Integers of these extents: what the graph has, computed or drawn, mostly in [-1, extent].
  Value indices(const Ints& dims, std::int64_t extent);
  Value index_scalar(std::int64_t extent);
  DType index_type();
  WindowAttrs window(Value x);
  /// acc · 1/2 + max(x, 1/4): a region of several ops.
  Region mixing_region();

  void add_result(Value value, const std::string& name);
  void update(Value state);
  void choose_results();

  Random random_;
  const RandomGraphOptions options_;
  const DType real_;  // of most floats
  Function function_;
  std::vector<Array> inputs_;
  std::vector<Value> pool_;
  std::vector<std::int64_t> palette_;
  int loop_gradients_ = 0;
};

}  // namespace kiln
