#include "runtime/data_loader.h"

#include <algorithm>
#include <numeric>

#include "tests/catch.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;

/// Row i of `rows`: {10 i, 10 i + 1}.
Array pairs(std::int64_t rows) {
  Array array(Type{DType::f32, {rows, 2}});
  for (std::int64_t i = 0; i < rows; ++i)
    for (int j : {0, 1})
      array.data<float>()[static_cast<std::size_t>(2 * i + j)] = static_cast<float>(10 * i + j);
  return array;
}

Array numbers(std::int64_t rows) {
  Array array(Type{DType::i32, {rows}});
  std::iota(array.data<std::int32_t>().begin(), array.data<std::int32_t>().end(), 0);
  return array;
}

/// The samples of one epoch in their order.
std::vector<int> epoch_order(DataLoader& loader, int epoch) {
  std::vector<int> order;
  loader.begin_epoch(epoch);
  for (std::int64_t i = 0; i < loader.batches(); ++i) {
    const auto labels = loader.batch(i).back().data<std::int32_t>();
    order.insert(order.end(), labels.begin(), labels.end());
  }
  return order;
}

TEST_CASE("data_loader_without_shuffle_keeps_the_order_and_ends_in_a_smaller_batch", "[loader]") {
  DataLoader loader({pairs(5), numbers(5)}, 2, false);
  CHECK(loader.samples() == 5);
  REQUIRE(loader.batches() == 3);
  CHECK(loader.batch(0)[0].same_bits(Array::of<float>({2, 2}, {0, 1, 10, 11})));
  CHECK(loader.batch(1)[1].same_bits(Array::of<std::int32_t>({2}, {2, 3})));
  CHECK(loader.batch(2)[0].same_bits(Array::of<float>({1, 2}, {40, 41})));
  CHECK(loader.batch(2)[1].same_bits(Array::of<std::int32_t>({1}, {4})));
  CHECK(epoch_order(loader, 3) == std::vector<int>{0, 1, 2, 3, 4});
}

TEST_CASE("data_loader_shuffles_each_epoch_anew_and_gives_each_sample_once", "[loader]") {
  DataLoader loader({pairs(103), numbers(103)}, 10, true, 7);
  const std::vector<int> first = epoch_order(loader, 0), second = epoch_order(loader, 1);
  CHECK(first != second);
  for (std::vector<int> order : {first, second}) {
    std::sort(order.begin(), order.end());
    for (int i = 0; i < 103; ++i) REQUIRE(order[static_cast<std::size_t>(i)] == i);
  }
}

TEST_CASE("data_loader_keeps_the_rows_of_all_tensors_together", "[loader]") {
  DataLoader loader({pairs(50), numbers(50)}, 8, true, 1);
  for (std::int64_t b = 0; b < loader.batches(); ++b) {
    const auto batch = loader.batch(b);
    const auto rows = batch[0].data<float>();
    const auto labels = batch[1].data<std::int32_t>();
    for (std::size_t i = 0; i < labels.size(); ++i)
      REQUIRE(rows[2 * i] == 10.0f * static_cast<float>(labels[i]));
  }
}

TEST_CASE("data_loader_order_depends_on_seed_and_epoch_alone", "[loader]") {
  DataLoader whole({numbers(64)}, 8, true, 5), resumed({numbers(64)}, 8, true, 5);
  for (int epoch = 0; epoch < 3; ++epoch) (void)epoch_order(whole, epoch);
  CHECK(epoch_order(whole, 3) == epoch_order(resumed, 3));
  DataLoader other({numbers(64)}, 8, true, 6);
  CHECK(epoch_order(whole, 3) != epoch_order(other, 3));
}

TEST_CASE("data_loader_reuses_its_arrays", "[loader]") {
  DataLoader loader({pairs(10)}, 4);
  const std::byte* before = loader.batch(0)[0].bytes().data();
  loader.begin_epoch(1);
  CHECK(loader.batch(1)[0].bytes().data() == before);
}

TEST_CASE("data_loader_takes_batches_larger_than_the_data_and_no_data_at_all", "[loader]") {
  DataLoader one({numbers(3)}, 100, false);
  REQUIRE(one.batches() == 1);
  CHECK(one.batch(0)[0].same_bits(numbers(3)));
  DataLoader none({numbers(0)}, 4);
  CHECK(none.batches() == 0);
  DataLoader no_width({Array(Type{DType::f32, {3, 0}})}, 2);
  CHECK(no_width.batch(1)[0].dims() == Ints{1, 0});
}

TEST_CASE("data_loader_mixes_the_batches_of_groups_but_not_their_samples", "[loader]") {
  DataLoader loader(std::vector<Samples>{{pairs(50)}, {numbers(21)}}, 8, true, 3);
  REQUIRE(loader.samples() == 71);
  REQUIRE(loader.batches() == 7 + 3);
  CHECK(loader.batch_types() == std::vector<std::vector<Type>>{{{DType::f32, {8, 2}}},
                                                               {{DType::f32, {2, 2}}},
                                                               {{DType::i32, {8}}},
                                                               {{DType::i32, {5}}}});
  std::vector<std::size_t> ranks;
  std::int64_t rows = 0;
  for (std::int64_t b = 0; b < loader.batches(); ++b) {
    ranks.push_back(loader.batch(b)[0].type().rank());
    rows += loader.batch(b)[0].dims()[0];
  }
  CHECK(rows == 71);
  CHECK_FALSE(std::is_sorted(ranks.rbegin(), ranks.rend()));
}

TEST_CASE("data_loader_rejects_tensors_that_do_not_fit_together", "[loader]") {
  CHECK_THROWS_WITH(DataLoader({pairs(5), numbers(4)}, 2),
                    ContainsSubstring("tensor 0 is f32[5, 2], tensor 1 is i32[4]"));
  CHECK_THROWS_WITH(DataLoader({Array::scalar(1.0f)}, 2), ContainsSubstring("scalar"));
  CHECK_THROWS_WITH(DataLoader(Samples{}, 2), ContainsSubstring("at least one tensor"));
  CHECK_THROWS_WITH(DataLoader({pairs(5)}, 0), ContainsSubstring("batch size of at least 1"));
}

}  // namespace
}  // namespace kiln
