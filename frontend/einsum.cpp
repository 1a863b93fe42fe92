#include <algorithm>
#include <map>
#include <string>

#include "frontend/checks.h"
#include "frontend/linear_algebra.h"
#include "frontend/reduction.h"
#include "frontend/shape.h"
#include "ir/build.h"

namespace kiln {
namespace {

// Axes are named by letters; those that "..." stands for by numbers from the right: 0 is the last.
constexpr int kEllipsis = -1;
using Labels = std::vector<int>;

bool has(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}
int last_ellipsis_axis(int i) { return -2 - i; }

/// A tensor whose axes have names.
struct Named {
  Tensor tensor;
  Labels labels;

  std::int64_t axis(int label) const {
    return std::find(labels.begin(), labels.end(), label) - labels.begin();
  }
  Ints axes(const Labels& some) const {
    Ints result;
    for (int label : some) result.push_back(axis(label));
    return result;
  }
  std::int64_t extent(int label) const {
    return tensor.shape()[static_cast<std::size_t>(axis(label))];
  }
};

class Einsum {
 public:
  Einsum(std::string_view equation, const std::vector<Tensor>& operands, Where where)
      : equation_(equation), operands_(operands), where_(where) {}

  Tensor result() {
    std::vector<Named> named = parsed();
    Named all = named[0];
    for (std::size_t i = 0; i < named.size(); ++i) {
      // What nothing after this operand mentions is summed now.
      Labels wanted = output_;
      for (std::size_t later = i + 1; later < named.size(); ++later)
        wanted.insert(wanted.end(), named[later].labels.begin(), named[later].labels.end());
      all =
          i == 0 ? summed(all, wanted) : product(all, summed_alone(named[i], all, wanted), wanted);
    }
    return arranged(all);
  }

 private:
  [[noreturn]] void fail(std::string_view expected) const {
    std::string found;
    for (const Tensor& operand : operands_)
      found +=
          (found.empty() ? "" : ", ") + (operand.value() ? described(operand) : "an empty tensor");
    throw Error(where_, fmt::format("einsum: expected {}, found \"{}\" for {}", expected, equation_,
                                    found.empty() ? "no operands" : found));
  }

  /// The letters of one term; kEllipsis for "...".
  Labels labels_of(std::string_view term) const {
    Labels labels;
    for (std::size_t i = 0; i < term.size(); ++i) {
      const char c = term[i];
      if (c == ' ') continue;
      if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        labels.push_back(c);
      } else if (term.substr(i, 3) == "..." && !has(labels, kEllipsis)) {
        labels.push_back(kEllipsis);
        i += 2;
      } else {
        fail(fmt::format("letters and at most one \"...\" for each operand, not '{}'", c));
      }
    }
    return labels;
  }

  /// kEllipsis replaced by `count` axes.
  static Labels spread(const Labels& labels, int count) {
    Labels result;
    for (int label : labels) {
      if (label != kEllipsis) result.push_back(label);
      for (int i = count; label == kEllipsis && i-- > 0;) result.push_back(last_ellipsis_axis(i));
    }
    return result;
  }

  std::vector<Named> parsed() {
    const std::size_t arrow = equation_.find("->");
    std::vector<Labels> terms = {};
    for (std::string_view rest = equation_.substr(0, arrow);;) {
      const std::size_t comma = rest.find(',');
      terms.push_back(labels_of(rest.substr(0, comma)));
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
    if (operands_.empty() || terms.size() != operands_.size())
      fail(fmt::format("{} operands", terms.size()));
    std::vector<Named> named;
    int most = 0;  // axes that an ellipsis stands for
    for (std::size_t i = 0; i < terms.size(); ++i) {
      used(operands_[i], "einsum", where_);
      if (operands_[i].dtype() != operands_[0].dtype()) fail("operands of one element type");
      const bool open = has(terms[i], kEllipsis);
      const int spare = operands_[i].dim() - static_cast<int>(terms[i].size()) + open;
      if (spare < 0 || (spare > 0 && !open))
        fail(fmt::format("a letter for each axis of {}", described(operands_[i])));
      most = std::max(most, open ? spare : 0);
      named.push_back(diagonalised({operands_[i], spread(terms[i], spare)}));
    }
    if (arrow == std::string_view::npos) {
      Labels letters;
      for (const Labels& term : terms) letters.insert(letters.end(), term.begin(), term.end());
      std::sort(letters.begin(), letters.end());
      output_ = spread({kEllipsis}, most);
      for (int letter : letters)
        if (letter != kEllipsis && std::count(letters.begin(), letters.end(), letter) == 1)
          output_.push_back(letter);
    } else {
      output_ = spread(labels_of(equation_.substr(arrow + 2)), most);
    }
    for (int label : output_) {
      const bool known = std::any_of(named.begin(), named.end(),
                                     [&](const Named& n) { return has(n.labels, label); });
      if (!known || std::count(output_.begin(), output_.end(), label) != 1)
        fail("a result whose letters occur among the operands, each once");
    }
    return stretched_away(std::move(named));
  }

  /// A letter that occurs twice: the diagonal of its axes.
  Named diagonalised(Named x) const {
    for (std::size_t i = 0; i < x.labels.size(); ++i) {
      const auto again = std::find(x.labels.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                   x.labels.end(), x.labels[i]);
      if (again == x.labels.end()) continue;
      const auto first = static_cast<int>(i), second = static_cast<int>(again - x.labels.begin());
      const int label = x.labels[i];
      if (x.tensor.shape()[i] != x.tensor.shape()[static_cast<std::size_t>(second)])
        fail(fmt::format("equal extents of the axes '{}'", static_cast<char>(label)));
      x.tensor = diagonal(x.tensor, 0, first, second, where_);
      x.labels.erase(again);
      x.labels.erase(x.labels.begin() + first);
      x.labels.push_back(label);
      return diagonalised(std::move(x));
    }
    return x;
  }

  /// Extents of 1 where another operand has more are dropped: a product broadcasts anyway.
  std::vector<Named> stretched_away(std::vector<Named> named) const {
    std::map<int, std::int64_t> extents;
    for (const Named& x : named)
      for (int label : x.labels) {
        std::int64_t& extent = extents.try_emplace(label, 1).first->second;
        if (x.extent(label) == 1) continue;
        if (extent != 1 && extent != x.extent(label))
          fail(label > 0 ? fmt::format("equal extents of the axes '{}'", static_cast<char>(label))
                         : "axes of \"...\" that broadcast");
        extent = x.extent(label);
      }
    for (Named& x : named)
      for (std::size_t i = x.labels.size(); i-- > 0;)
        if (x.extent(x.labels[i]) != extents.at(x.labels[i])) {
          x.tensor = squeeze(x.tensor, static_cast<int>(i), where_);
          x.labels.erase(x.labels.begin() + static_cast<std::ptrdiff_t>(i));
        }
    return named;
  }

  /// Without the axes that are not wanted.
  Named summed(const Named& x, const Labels& wanted) const {
    Labels gone, kept;
    for (int label : x.labels) (has(wanted, label) ? kept : gone).push_back(label);
    if (gone.empty()) return x;
    return {sum(x.tensor, x.axes(gone), false, where_), kept};
  }
  /// Without those that the other operand does not share either.
  Named summed_alone(const Named& x, const Named& other, Labels wanted) const {
    wanted.insert(wanted.end(), other.labels.begin(), other.labels.end());
    return summed(x, wanted);
  }

  /// Shared axes are batches if wanted, else summed.
  Named product(const Named& a, const Named& b, const Labels& wanted) const {
    Labels batch, contracted, a_free, b_free;
    for (int label : a.labels)
      (!has(b.labels, label) ? a_free : has(wanted, label) ? batch : contracted).push_back(label);
    for (int label : b.labels)
      if (!has(a.labels, label)) b_free.push_back(label);
    Labels labels = batch;
    labels.insert(labels.end(), a_free.begin(), a_free.end());
    labels.insert(labels.end(), b_free.begin(), b_free.end());
    const DotAttrs attrs{a.axes(batch), b.axes(batch), a.axes(contracted), b.axes(contracted)};
    // A letter of a alone that is not wanted was summed when a was made.
    return {Tensor(build::dot_general(a.tensor.value(), b.tensor.value(), attrs, where_)), labels};
  }

  /// The axes in the order of the result.
  Tensor arranged(const Named& x) const { return permute(x.tensor, x.axes(output_), where_); }

  std::string_view equation_;
  const std::vector<Tensor>& operands_;
  Where where_;
  Labels output_;
};

}  // namespace

Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands, Where w) {
  return Einsum(equation, operands, w).result();
}

}  // namespace kiln
