// The `kiln` command: arguments in, exit status out.
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include <CLI/CLI.hpp>

#include "models/bench.h"
#include "models/model.h"
#include "models/train.h"
#include "runtime/render.h"

namespace kiln {
namespace {

constexpr int kDone = 0, kBadInput = 2;

constexpr const char* kExamples = R"(Examples:
  kiln models                                        what there is
  kiln train digits                                  train on digits that kiln draws itself
  kiln train digits --data /usr/share/datasets/fashion-mnist --plot plots
  kiln dump digits --stage fused                     the graph after fusion, as text
  kiln dump digits --stage graph --format svg > graph.svg
  kiln bench digit_mlp --mode fused,unfused          time one against the other
)";

void list_models() {
  std::size_t width = 5;
  for (const ModelEntry& entry : registered_models()) width = std::max(width, entry.name.size());
  fmt::print("{:<{}}  {:>10}  {}\n", "model", width, "parameters", "what it shows");
  for (const ModelEntry& entry : registered_models())
    fmt::print("{:<{}}  {:>10}  {}\n", entry.name, width, entry.make()->module().parameter_count(),
               entry.shows);
}

struct DumpOptions {
  std::string model;
  std::string stage = "fused";
  std::string format = "text";
  std::string after;
  bool locations = false;
};

void dump(const DumpOptions& options) {
  const std::unique_ptr<Model> model = find_model(options.model).make();
  const Model::Defaults defaults = model->defaults();
  const std::unique_ptr<Optimizer> optimizer = model->optimizer(defaults.lr);
  Jit<Tensor> step = training_step(*model, *optimizer);
  if (!options.after.empty()) {
    // The graph as it stands after one pass.
    Function function = step.trace(model->batch_types(defaults.batch)).function;
    std::string text;
    PipelineOptions passes;
    passes.after = [&](std::string_view pass, const Function& f) {
      if (pass == options.after)
        text = options.format == "text" ? to_text(f, {options.locations})
                                        : render_graph(f, options.format);
    };
    run_passes(function, passes);
    if (text.empty())
      throw Error(fmt::format("--after: there is no pass '{}'; the passes are {}", options.after,
                              pass_names(passes.mode)));
    std::fwrite(text.data(), 1, text.size(), stdout);
    return;
  }
  const Compiled& compiled = step.compile(model->batch_types(defaults.batch));
  const std::string text = options.format == "text"
                               ? compiled.dump(options.stage, {options.locations})
                               : render_dot(compiled.dump_dot(options.stage), options.format);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

/// What several subcommands take.
struct Common {
  int threads = 0;
  std::string target;

  void add_to(CLI::App& app) {
    app.add_option("--threads", threads,
                   "threads a step may use (default: KILN_THREADS, or all processors)");
    app.add_option("--target", target,
                   "processor to make code for: native, x86-64-v3, x86-64-v4, …");
  }
  void apply() const {
    if (threads != 0) settings().set_threads(threads);
    if (!target.empty()) settings().target = Target::named(target);
  }
};

std::vector<Mode> parse_modes(const std::string& list) {
  std::vector<Mode> modes;
  std::stringstream stream(list);
  for (std::string name; std::getline(stream, name, ',');) {
    if (name == "fused")
      modes.push_back(Mode::fused);
    else if (name == "unfused")
      modes.push_back(Mode::unfused);
    else
      throw Error(fmt::format(
          "--mode: expected fused or unfused (or both, with a comma), found '{}'", name));
  }
  return modes;
}

int run(int argc, char** argv, const std::string& version) {
  CLI::App app{"kiln compiles models written in C++ into one fused function of machine code.",
               "kiln"};
  app.set_version_flag("--version", "kiln " + version);
  app.footer(kExamples);
  app.require_subcommand(1);

  app.add_subcommand("models", "list the models")->callback(list_models);

  std::string model;
  TrainOptions training;
  Common common;
  CLI::App* train_command = app.add_subcommand("train", "train a model");
  train_command->add_option("model", model, "its name (see kiln models)")->required();
  train_command->add_option("--epochs", training.epochs, "at most this many passes over the data");
  train_command->add_option("--batch", training.batch, "samples a step");
  train_command->add_option("--lr", training.lr, "learning rate");
  train_command->add_option("--seed", training.seed, "of first weights, order and drawn data");
  train_command->add_option("--data", training.data, "the folder or file to train on");
  train_command->add_option("--stop", training.stop, "end once the metric has reached this");
  train_command->add_option("--checkpoint", training.checkpoint, "file written after every epoch");
  train_command->add_option("--resume", training.resume, "checkpoint to continue from");
  train_command->add_option("--plot", training.plot, "folder for the learning curve");
  train_command->add_option("--json", training.json, "file for one JSON object an epoch");
  train_command->add_flag("--quiet", training.quiet, "print nothing but errors");
  train_command->add_flag("--verbose", training.verbose,
                          "print what compiling cost, phase by phase");
  common.add_to(*train_command);
  train_command->callback([&] {
    const ModelEntry entry = find_model(model);
    common.apply();
    train(entry.name, *entry.make(), training);
  });

  TrainOptions evaluation;
  CLI::App* eval_command =
      app.add_subcommand("eval", "a trained model's metric on its validation data");
  eval_command->add_option("model", model, "its name")->required();
  eval_command->add_option("--checkpoint", evaluation.resume, "its weights")->required();
  eval_command->add_option("--data", evaluation.data, "the folder or file with the data");
  eval_command->add_option("--seed", evaluation.seed, "of drawn data");
  common.add_to(*eval_command);
  eval_command->callback([&] {
    const ModelEntry entry = find_model(model);
    common.apply();
    const std::unique_ptr<Model> made = entry.make();
    fmt::print("{} {:.4f}\n", made->metric(), evaluate(*made, evaluation));
  });

  DumpOptions dumping;
  CLI::App* dump_command =
      app.add_subcommand("dump", "print a model's training step at a stage of compiling");
  dump_command->add_option("model", dumping.model, "its name")->required();
  dump_command
      ->add_option("--stage", dumping.stage,
                   "graph, backward, optimized, fused, loops, llvm, asm, memory")
      ->capture_default_str();
  dump_command->add_option("--format", dumping.format, "text, dot or svg (of graph stages)")
      ->capture_default_str()
      ->check(CLI::IsMember({"text", "dot", "svg"}));
  dump_command->add_option("--after", dumping.after,
                           "the graph after this pass, instead of a stage");
  dump_command->add_flag("--locations", dumping.locations, "with the file and line behind each op");
  common.add_to(*dump_command);
  dump_command->callback([&] {
    common.apply();
    dump(dumping);
  });

  BenchOptions benching;
  std::string modes = "fused";
  CLI::App* bench_command = app.add_subcommand("bench", "time workloads");
  bench_command->add_option("workload", benching.workloads, "their names (default: all)");
  bench_command->add_option("--mode", modes, "fused, unfused, or fused,unfused")
      ->capture_default_str();
  bench_command->add_option("--json", benching.json, "file for one JSON object a result");
  common.add_to(*bench_command);
  bench_command->callback([&] {
    common.apply();
    benching.modes = parse_modes(modes);
    bench(benching);
  });

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);  // --help, --version
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "kiln: {} (see kiln --help)\n", error.what());
    return kBadInput;
  }
  return kDone;
}

}  // namespace

int command(int argc, char** argv, const std::string& version) {
  try {
    return run(argc, argv, version);
  } catch (const Error& error) {
    fmt::print(stderr, "kiln: {}\n", error.what());
  } catch (const std::filesystem::filesystem_error& error) {
    fmt::print(stderr, "kiln: {}\n", error.what());
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "kiln: out of memory\n");
  }
  return kBadInput;
}

}  // namespace kiln
