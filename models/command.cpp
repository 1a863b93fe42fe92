// The `kiln` command: arguments in, exit status out.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <sstream>
#include <system_error>

#include <CLI/CLI.hpp>

#include "models/bench.h"
#include "models/compile_costs.h"
#include "models/conformance.h"
#include "models/file_commands.h"
#include "models/model.h"
#include "models/scaling.h"
#include "models/serve.h"
#include "models/train.h"
#include "models/workloads.h"
#include "runtime/render.h"

namespace kiln {
namespace {

constexpr int kDone = 0, kCheckFailed = 1, kBadInput = 2, kBug = 3, kInterrupted = 130;

struct Example {
  std::string_view command, arguments, meaning;
};
constexpr Example kExamples[] = {
    {"models", "", "what there is"},
    {"train", "digits", "train on digits that kiln draws itself"},
    {"train", "digits --data /usr/share/datasets/fashion-mnist --plot plots",
     "on four IDX files, with a learning curve"},
    {"eval", "digits --checkpoint digits.safetensors", "the accuracy of trained weights"},
    {"predict", "causal-attention cat", "which letter looks at which"},
    {"predict", "mini-gpt 'Monday. ' --checkpoint gpt.safetensors", "a text goes on"},
    {"dump", "digits --stage fused", "a training step after fusion, as text"},
    {"dump", "digits --stage graph --format svg > graph.svg", "a picture of the model"},
    {"dump", "f.mlir --stage loops", "what a program is compiled to"},
    {"bench", "digit_mlp --mode fused,unfused", "time one against the other"},
    {"run", "f.mlir --inputs x.safetensors",
     "run a program in StableHLO's text, as JAX prints it, and print its results"},
    {"run", "f.mlir --inputs x.safetensors --mode reference --outputs y.safetensors",
     "interpret it, and write them"},
    {"grad", "f.mlir --wrt 0,2 -o df.mlir",
     "its results and its gradients for two of its arguments, as a program"},
    {"check", "f.mlir", "the modes against each other, on arguments drawn at random"},
    {"conformance", "stablehlo/stablehlo/testdata",
     "run files that check themselves; count what passes, is rejected, is wrong"},
};
constexpr const char* kNames =
    "Tensors in safetensors files have the names of arguments and results: the attribute "
    "kiln.name,\n"
    "else arg0, arg1, … and result0, result1, …\n";
constexpr const char* kEnvironment =
    "Environment:\n"
    "  KILN_THREADS     threads a step may use (default: all processors)\n"
    "  KILN_CACHE       folder for compiled code, or off (default: $XDG_CACHE_HOME/kiln, else "
    "~/.cache/kiln)\n"
    "  KILN_CACHE_SIZE  its bound in MiB (default: 256)\n";
constexpr const char* kStatus =
    "Exit status: 0 done, 1 a check failed, 2 the input was wrong, 3 a bug in kiln.\n";

/// CLI11 takes numbers that do not fit, and those below 0, for others.
const CLI::Validator kSeed(
    [](std::string& text) -> std::string {
      std::uint64_t seed = 0;
      const char* end = text.data() + text.size();
      const auto [stopped, error] = std::from_chars(text.data(), end, seed);
      if (error == std::errc() && stopped == end) return "";
      return fmt::format("expected a whole number from 0 to 2^64 - 1, found '{}'", text);
    },
    "");
const CLI::Validator kSeconds(
    [](std::string& text) -> std::string {
      double seconds = 0;
      const char* end = text.data() + text.size();
      const auto [stopped, error] = std::from_chars(text.data(), end, seconds);
      if (error == std::errc() && stopped == end && std::isfinite(seconds) && seconds > 0)
        return "";
      return fmt::format("expected a number of seconds above 0, found '{}'", text);
    },
    "");

/// Those of one command; of all where it has no name.
std::string examples(std::string_view command = "") {
  std::string text = "Examples:\n";
  for (const Example& example : kExamples) {
    if (!command.empty() && command != example.command) continue;
    const std::string line = fmt::format("kiln {} {}", example.command, example.arguments);
    text += line.size() <= 50 ? fmt::format("  {:<50} {}\n", line, example.meaning)
                              : fmt::format("  {}\n  {:<50} {}\n", line, "", example.meaning);
  }
  return text;
}

void list_models() {
  std::size_t width = 5;
  for (const ModelEntry& entry : registered_models()) width = std::max(width, entry.name.size());
  fmt::print("{:<{}}  {:>10}  {}\n", "model", width, "parameters", "what it shows");
  for (const ModelEntry& entry : registered_models())
    fmt::print("{:<{}}  {:>10}  {}\n", entry.name, width, entry.make()->parameter_count(),
               entry.shows);
}

void list_workloads() {
  std::size_t width = 0;
  for (const Workload& workload : workloads()) width = std::max(width, workload.name.size());
  for (const Workload& workload : workloads())
    fmt::print("{:<{}}  {}\n", workload.name, width, workload.what);
}

struct DumpOptions {
  std::string program;
  std::string stage = "fused";
  std::string format = "text";
  std::string after;
  bool locations = false;
};

/// The function to dump and how many of its results are the primal's.
std::pair<Function, std::size_t> function_to_dump(const std::string& program) {
  if (names_file(program)) {
    const ParsedFunction parsed = function_in(program);
    return {parsed.function, static_cast<std::size_t>(parsed.outputs)};
  }
  const auto& works = workloads();
  const auto is_named = [&](const Workload& work) { return work.name == program; };
  if (const auto named = std::find_if(works.begin(), works.end(), is_named); named != works.end()) {
    const Traced traced = named->prepare().trace();
    return {traced.function, traced.outputs};
  }
  const Traced traced = find_model(program).make()->traced();
  return {traced.function, traced.outputs};
}

void dump(const DumpOptions& options) {
  auto [function, outputs] = function_to_dump(options.program);
  const TextOptions as{options.locations};
  const bool is_text = options.format == "text";
  std::string text;
  if (!options.after.empty()) {
    // The graph as it stands after one pass.
    PipelineOptions passes;
    passes.after = [&](std::string_view pass, const Function& f) {
      if (pass == options.after) text = is_text ? to_text(f, as) : render_graph(f, options.format);
    };
    run_passes(function, passes);
    if (text.empty())
      throw Error(fmt::format("--after: there is no pass '{}'; the passes are {}", options.after,
                              pass_names(passes.mode)));
  } else {
    PipelineOptions passes;
    passes.max_memory = settings().max_memory;
    const Executable executable(function, passes, settings().target);
    text = is_text ? executable.dump(options.stage, outputs, as)
                   : render_dot(executable.dump_dot(options.stage, outputs), options.format);
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
}

/// A number of bytes, as people write it: 4096, 64K, 64M, 1.5G (powers of 1024).
std::int64_t parse_bytes(const std::string& option, const std::string& text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  const std::string_view unit(at, static_cast<std::size_t>(end - at));
  constexpr std::string_view kUnits = "KMGT";
  double scale = 1;
  if (unit.size() == 1 && kUnits.find(unit[0]) != std::string_view::npos)
    scale = std::ldexp(1.0, 10 * static_cast<int>(kUnits.find(unit[0]) + 1));
  if (error != std::errc() || (scale == 1 && !unit.empty()) || !(number * scale >= 1) ||
      number * scale > 0x1p62)
    throw Error(fmt::format("{}: expected a number of bytes such as 4096, 64M or 1.5G, found '{}'",
                            option, text));
  return static_cast<std::int64_t>(number * scale);
}

/// What several subcommands take.
struct Common {
  std::optional<int> threads;
  std::string target, max_memory;

  void add_to(CLI::App& app) {
    app.add_option("--threads", threads,
                   "threads a step may use (default: KILN_THREADS, or all processors)");
    app.add_option("--target", target,
                   "processor to make code for: native, x86-64-v3, x86-64-v4, …");
    app.add_option("--max-memory", max_memory,
                   "bytes (64M, 1G) that a step may take, its arguments, state and results "
                   "included: values are computed again rather than kept");
  }
  void apply() const {
    if (threads) settings().set_threads(*threads);
    if (!target.empty()) settings().target = Target::named(target);
    if (!max_memory.empty()) settings().max_memory = parse_bytes("--max-memory", max_memory);
  }
};

std::vector<RunMode> parse_run_modes(const std::string& list) {
  std::vector<RunMode> modes;
  std::stringstream stream(list);
  for (std::string name; std::getline(stream, name, ',');) modes.push_back(run_mode_named(name));
  return modes;
}

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
  app.require_subcommand(1);

  int status = kDone;
  bool train_them = false;
  CLI::App* models_command = app.add_subcommand("models", "list the models");
  models_command->add_flag("--train", train_them,
                           "train them all at full length; a table of what they reach");
  models_command->callback([&] {
    if (!train_them)
      list_models();
    else if (!train_all())
      status = kCheckFailed;
  });

  std::string model;
  TrainOptions training;
  Common common;
  CLI::App* train_command = app.add_subcommand("train", "train a model");
  train_command->add_option("model", model, "its name (see kiln models)")->required();
  train_command->add_option("--epochs", training.epochs, "at most this many passes over the data");
  train_command->add_option("--batch", training.batch, "samples a step");
  train_command->add_option("--lr", training.lr, "learning rate");
  train_command->add_option("--seed", training.seed, "of first weights, order and drawn data")
      ->check(kSeed);
  train_command->add_option("--data", training.data, "the folder or file to train on");
  train_command->add_option("--stop", training.stop, "end once the metric has reached this");
  train_command->add_option("--checkpoint", training.checkpoint, "file written after every epoch");
  train_command->add_option("--resume", training.resume, "checkpoint to continue from");
  train_command->add_option("--init", training.init, "where every weight starts");
  train_command->add_option("--plot", training.plot, "folder for plots: learning curve, fits, …");
  train_command->add_option("--plot-format", training.plot_format, "png or svg")
      ->capture_default_str()
      ->check(CLI::IsMember({"png", "svg"}));
  train_command->add_option("--json", training.json, "file for one JSON object an epoch");
  train_command->add_flag("!--no-shuffle", training.shuffle, "keep the order of the data");
  train_command->add_flag("--explain", training.explain, "print what the examples compute, too");
  train_command->add_flag("--check-nan", training.check_nan,
                          "stop at the first step that makes a number infinite or no number");
  train_command->add_flag("--quiet", training.quiet, "print nothing but errors");
  train_command->add_flag("--verbose", training.verbose,
                          "print what compiling cost, phase by phase");
  common.add_to(*train_command);
  train_command->callback([&] {
    const ModelEntry entry = find_model(model);
    common.apply();
    const Outcome outcome = train(entry, training);
    if (!outcome.failure.empty()) fmt::print(stderr, "kiln: {}\n", outcome.failure);
    if (!outcome.failure.empty()) status = kCheckFailed;
    if (outcome.interrupted) status = kInterrupted;
  });

  TrainOptions evaluation;
  CLI::App* eval_command =
      app.add_subcommand("eval", "a trained model's metric on its validation data");
  eval_command->add_option("model", model, "its name")->required();
  eval_command->add_option("--checkpoint", evaluation.resume, "its weights")->required();
  eval_command->add_option("--data", evaluation.data, "the folder or file with the data");
  eval_command->add_option("--seed", evaluation.seed, "of drawn data")->check(kSeed);
  eval_command->add_option("--plot", evaluation.plot, "folder for plots");
  common.add_to(*eval_command);
  eval_command->callback([&] {
    const ModelEntry entry = find_model(model);
    common.apply();
    Report report(entry.name, false, evaluation.plot);
    const Outcome outcome = entry.make()->evaluate(evaluation, report);
    fmt::print("{} {:.6g}\n", outcome.metric.name, outcome.value);
  });

  TrainOptions prediction;
  std::vector<std::string> inputs;
  CLI::App* predict_command =
      app.add_subcommand("predict", "what a model says of inputs given as arguments");
  predict_command->add_option("model", model, "its name")->required();
  predict_command->add_option("input", inputs, "a word, a number, …: what the model takes")
      ->required();
  predict_command->add_option("--checkpoint", prediction.resume, "its weights");
  predict_command->add_option("--data", prediction.data, "the folder or file with the data");
  predict_command->add_option("--seed", prediction.seed, "of first weights, and of what is drawn")
      ->check(kSeed);
  predict_command->add_option("--plot", prediction.plot, "folder for plots");
  common.add_to(*predict_command);
  predict_command->callback([&] {
    const ModelEntry entry = find_model(model);
    common.apply();
    manual_seed(prediction.seed);
    Report report(entry.name, false, prediction.plot);
    entry.make()->predict(inputs, prediction, report);
  });

  DumpOptions dumping;
  CLI::App* dump_command =
      app.add_subcommand("dump",
                         "print a model's training step, or a file's function, at a stage "
                         "of compiling");
  dump_command->add_option("program", dumping.program, "a model's or workload's name, or FILE.mlir")
      ->required();
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
  std::string modes = "fused", serving;
  CLI::App* bench_command = app.add_subcommand("bench", "time workloads");
  bench_command->add_option("workload", benching.workloads, "their names (default: all)");
  bench_command->add_option("--mode", modes, "fused, unfused, or fused,unfused")
      ->capture_default_str();
  bench_command->add_option("--json", benching.json, "file for one JSON object a result");
  bool compiling = false;
  bench_command->add_flag("--compile", compiling,
                          "time what it takes until a step is ready, phase by phase, of workloads "
                          "and models");
  bool scaling = false;
  bench_command->add_flag(
      "--scaling", scaling,
      "how compile time, memory and step time grow with depth, width, batch and "
      "length");
  std::string plots;
  bench_command->add_option("--plot", plots, "folder for pictures of the scaling");
  bench_command->add_flag("--kernels", benching.kernels,
                          "a line for each kernel: its class, its time, and its shares of what "
                          "this machine reaches");
  bool list_them = false;
  bench_command->add_flag("--list", list_them, "list the workloads");
  bench_command->add_option("--serve", serving,
                            "folder for the workload's inputs and results: answer on stdout what "
                            "stdin asks, see models/serve.h");
  common.add_to(*bench_command);
  bench_command->callback([&] {
    if (list_them) return list_workloads();
    common.apply();
    if (compiling) return bench_compile(benching.workloads, benching.json);
    if (scaling) return bench_scaling(benching.json, plots);
    benching.modes = parse_modes(modes);
    if (serving.empty()) return bench(benching);
    if (benching.workloads.size() != 1 || benching.modes.size() != 1)
      throw Error("--serve: expected one workload and one mode");
    serve(benching.workloads[0], benching.modes[0], serving);
  });

  bool passed = true;
  RunOptions running;
  std::string run_mode = "fused";
  CLI::App* run_command = app.add_subcommand("run", "run a program in StableHLO's text");
  run_command->add_option("file", running.file, "FILE.mlir")->required();
  run_command->add_option("--inputs", running.inputs,
                          "safetensors file with the arguments, by their names");
  run_command->add_option("--outputs", running.outputs,
                          "safetensors file for the results (default: they are printed)");
  run_command->add_option("--mode", run_mode, "fused, unfused, reference or exact")
      ->capture_default_str();
  common.add_to(*run_command);
  run_command->callback([&] {
    common.apply();
    running.mode = run_mode_named(run_mode);
    passed = run_file(running);
  });

  GradOptions differentiating;
  CLI::App* grad_command =
      app.add_subcommand("grad", "the gradient of a program in StableHLO's text, as such text");
  grad_command->add_option("file", differentiating.file, "FILE.mlir")->required();
  grad_command
      ->add_option("--wrt", differentiating.wrt,
                   "numbers of the arguments to differentiate by (default: all floats)")
      ->delimiter(',');
  grad_command->add_option("-o,--output", differentiating.output,
                           "file to write (default: stdout)");
  grad_command->callback([&] { grad_file(differentiating); });

  CheckOptions checking;
  CLI::App* check_command = app.add_subcommand(
      "check", "run a program in StableHLO's text in every mode and compare the results");
  check_command->add_option("file", checking.file, "FILE.mlir")->required();
  check_command->add_option("--inputs", checking.inputs,
                            "safetensors file with the arguments (default: drawn at random)");
  check_command->add_option("--seed", checking.seed, "of drawn arguments")->check(kSeed);
  common.add_to(*check_command);
  check_command->callback([&] {
    common.apply();
    passed = check_file(checking);
  });

  ConformanceOptions conforming;
  std::string conformance_modes = "fused,unfused,reference";
  CLI::App* conformance_command = app.add_subcommand(
      "conformance", "run files that check themselves, such as StableHLO's test data; count them");
  conformance_command->add_option("path", conforming.paths, "folders or files")->required();
  conformance_command->add_option("--mode", conformance_modes, "modes, with commas between them")
      ->capture_default_str();
  conformance_command->add_option("--json", conforming.json,
                                  "file for one JSON object a file and mode");
  conformance_command->add_option("--jobs", conforming.jobs, "processes at a time")
      ->check(CLI::Range(1, 1024));
  conformance_command->add_option("--timeout", conforming.timeout, "seconds a file may take")
      ->capture_default_str()
      ->check(kSeconds);
  conformance_command->callback([&] {
    conforming.modes = parse_run_modes(conformance_modes);
    passed = conformance(conforming);
  });

  app.footer(examples() + "\n" + kEnvironment + "\n" + kStatus);
  for (CLI::App* command : app.get_subcommands({})) {
    const bool takes_tensors = command == run_command || command == check_command;
    command->footer(examples(command->get_name()) + (takes_tensors ? kNames : ""));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);  // --help, --version
  } catch (const CLI::ParseError& error) {
    std::string names;
    for (const CLI::App* command : app.get_subcommands({}))
      names += (names.empty() ? "" : ", ") + command->get_name();
    if (argc > 1 && argv[1][0] != '-' && app.get_subcommands().empty())
      fmt::print(stderr, "kiln: unknown command '{}': expected one of {}\n", argv[1], names);
    else
      fmt::print(stderr, "kiln: {} (see kiln --help)\n", error.what());
    return kBadInput;
  }
  return passed ? status : kCheckFailed;
}

}  // namespace

int command(int argc, char** argv, const std::string& version) {
  try {
    const int status = run(argc, argv, version);
    // What is printed may be all that was asked for: it is lost on a disk that is full.
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
      throw Error("cannot write to the standard output");
    return status;
  } catch (const Error& error) {
    fmt::print(stderr, "kiln: {}\n", error.what());
  } catch (const std::system_error& error) {  // of files, and of printing
    fmt::print(stderr, "kiln: {}\n", error.what());
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "kiln: out of memory\n");
  } catch (const std::exception& error) {
    fmt::print(stderr, "kiln: {}\n", error.what());
    return kBug;
  }
  return kBadInput;
}

}  // namespace kiln
