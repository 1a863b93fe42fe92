#include "ir/program.h"

#include <fmt/format.h>

namespace kiln {
namespace {

std::string text_of(const BufferRef& ref) {
  if (ref.kind == BufferRef::Kind::arena) return fmt::format("arena+{}", ref.offset);
  return ref.offset == 0 ? fmt::format("arg{}", ref.index)
                         : fmt::format("arg{}+{}", ref.index, ref.offset);
}

class Printer {
 public:
  explicit Printer(const Program& program) : program_(program) {}

  std::string steps(const Steps& steps, const std::string& indent) const {
    std::string text;
    for (const Step& step : steps)
      std::visit([&](const auto& is) { text += this->step(is, indent); }, step.is);
    return text;
  }

 private:
  std::string step(int number, const std::string& indent) const {
    const Launch& launch = program_.launches[static_cast<std::size_t>(number)];
    std::string buffers;
    for (const BufferRef& ref : launch.buffers)
      buffers += (buffers.empty() ? "" : ", ") + text_of(ref);
    return fmt::format(
        "{}launch {:3} {} ({}) chunks {} threads <= {}\n", indent, number, launch.label, buffers,
        program_.kernels[static_cast<std::size_t>(launch.kernel)].chunks, launch.threads);
  }

  std::string step(const Loop& loop, const std::string& indent) const {
    if (loop.trips)
      return fmt::format("{}loop {} times\n", indent, *loop.trips) +
             steps(loop.body, indent + "  ");
    return fmt::format("{}loop\n", indent) + steps(loop.condition, indent + "  ") +
           fmt::format("{}while {}\n", indent, text_of(loop.holds)) +
           steps(loop.body, indent + "  ");
  }

  std::string step(const Branches& node, const std::string& indent) const {
    std::string text;
    for (std::size_t i = 0; i < node.branches.size(); ++i)
      text += fmt::format("{}branch {} of {}\n", indent, i, text_of(node.index)) +
              steps(node.branches[i], indent + "  ");
    return text;
  }

  const Program& program_;
};

}  // namespace

void Program::add(Launch launch) {
  steps.push_back({static_cast<int>(launches.size())});
  launches.push_back(std::move(launch));
}

std::string Program::str() const { return Printer(*this).steps(steps, ""); }

}  // namespace kiln
