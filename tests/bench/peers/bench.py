"""kiln against PyTorch, JAX, oneDNN and OpenBLAS: ./dev bench --peers [WORKLOAD…] [--threads 1,2]

Every contestant is a process of its own, told over pipes when it is its turn (models/serve.h), on
the same processors with the same number of threads. First all results are compared: who disagrees
has no time. Then they take turns, A B C A B C …, each for a short block of steps from the same
state. A figure is the median of the ratios of blocks of the same round, with its quartiles.

Results gather in OUT/results.jsonl, a line a workload and number of threads; OUT/table.md and
OUT/ratios.png and .svg are made of the newest of each.

Environment:
  KILN_BENCH_PREPARE, KILN_BENCH_TIME   commands that run another command when the machine is free
                                        for it, e.g. flock: held while compiling, while timing
  KILN_PEERS                            the peers' virtual environment; their caches lie in
                                        KILN_PEERS_CACHE (default ~/.cache/kiln/peers-cache)
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import shlex
import shutil
import statistics
import subprocess
import sys

import numpy as np
from safetensors.numpy import load_file

import definitions
import report

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
KILN = ROOT / "build/release/kiln"
KERNELS = ROOT / "build/peers/libkernels.so"  # of kernels.cpp
CACHE = pathlib.Path(
    os.environ.get("KILN_PEERS_CACHE", pathlib.Path.home() / ".cache/kiln/peers-cache"))

ROUNDS = (5, 21)  # at least, at most
BLOCK_SECONDS = 0.02


COMPILERS = ("kiln", "unfused", "compile", "compile-split", "compile-hand", "compile-max", "jax")


def peers_of(workload):
    base = definitions.base(workload)
    if base == "perceptron":
        return ["eager", "jax"]
    if base.startswith("gemm"):
        return ["eager", "onednn", "openblas"]
    if base.startswith("rows"):
        return ["eager", "compile", "jax", "onednn"]
    if base in definitions.OPTIMISERS:
        return ["eager", "compile", "compile-split", "compile-max", "jax"]
    if base in ("dot_attention", "dot_attention_full", "causal_long"):
        return ["eager", "eager-hand", "compile", "compile-hand", "compile-max", "jax"]
    return ["eager", "compile", "compile-max", "jax"]


@contextlib.contextmanager
def held(variable):
    """While the command in that environment variable lets another run."""
    command = shlex.split(os.environ.get(variable, ""))
    if not command:
        yield
        return
    with subprocess.Popen(command + ["sh", "-c", "echo; cat >/dev/null"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        yield
        holder.stdin.close()


class Failure(Exception):
    pass


class Contestant:
    """A process, and what it answered."""

    def __init__(self, name, workload, threads, folder, cache):
        self.name = name
        self.log = folder / f"{name}.log"
        cache.mkdir(parents=True, exist_ok=True)
        environment = dict(os.environ)
        for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "KILN_THREADS"):
            environment.pop(variable, None)
        for library in ("OMP", "MKL", "OPENBLAS"):
            environment[f"{library}_NUM_THREADS"] = str(threads)
        environment |= {
            "KILN_CACHE": str(cache),
            "KILN_PEER_CACHE": str(cache),
            "TORCHINDUCTOR_CACHE_DIR": str(cache),
            "KILN_PEER_KERNELS": str(KERNELS),
        }
        processors = sorted(os.sched_getaffinity(0))[-threads:]
        command = ["taskset", "-c", ",".join(map(str, processors))]  # XLA has as many threads
        self.results = folder / f"{name}.safetensors"
        if name in ("kiln", "unfused"):
            mode = "fused" if name == "kiln" else name
            command += [KILN, "bench", workload, "--serve", folder, "--mode", mode, "--threads",
                        str(threads)]
        else:
            command += [sys.executable, HERE / "contestant.py", name, workload, folder]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT)
        self.seconds = []

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            lines = [line for line in self.log.read_text().splitlines() if line.strip()]
            raise Failure(lines[-1] if lines else "it ended without a word")
        return json.loads(line)

    def ask(self, what):
        try:
            self.process.stdin.write(what + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # `read` says why
        return self.read()

    def block(self):
        self.seconds.append(self.ask(f"block {BLOCK_SECONDS}")["seconds"])

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def disagreement(expected, found):
    """What differs, or nothing: within 1e-4 of the element and 2e-5 of the largest one."""
    for name in expected:
        if name.startswith("again.") or "." not in name or name.startswith("grad."):
            if name not in found and name not in ("w", "m", "b", "convolution_weights"):
                return f"{name} is missing"
    for name, value in found.items():
        if name not in expected:
            return f"{name} is not one of kiln's"
        e, f = (np.asarray(a, np.float64) for a in (expected[name], value))
        if e.size != f.size:
            return f"{name}: {f.shape} instead of {e.shape}"
        e, f = e.reshape(-1), f.reshape(-1)
        if not np.isfinite(e).all() or not np.isfinite(f).all():
            return f"{name}: not finite"
        excess = np.abs(e - f) - 1e-4 * np.abs(e) - 2e-5 * np.abs(e).max(initial=0)
        if (excess > 0).any():
            at = int(excess.argmax())
            return f"{name}[{at}]: {f[at]:.8g} instead of kiln's {e[at]:.8g}"
    return None


class Comparison:
    """A workload at a number of threads: kiln and its peers, made ready, then timed."""

    def __init__(self, workload, threads, options):
        self.workload, self.threads, self.options = workload, threads, options
        self.folder = options.out / f"{workload}-t{threads}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.record = {"workload": workload, "threads": threads, "peers": {}, "commit": commit(),
                       "date": datetime.datetime.now().isoformat(timespec="seconds")}
        self.contestants = []

    def start(self, name):
        return Contestant(name, self.workload, self.threads, self.folder, self.cache(name))

    def cache(self, name):
        return CACHE / name / f"{self.workload}-t{self.threads}"

    def prepare(self):
        """Compiles; runs the first steps from the cache; holds the results against kiln's."""
        names = ["unfused"] if self.options.unfused else [
            name for name in peers_of(self.workload)
            if not self.options.only or name in self.options.only]
        entries = {"kiln": self.record} | {
            name: self.record["peers"].setdefault(name, {}) for name in names}
        for name, entry in entries.items():
            self.compile_cold(name, entry)
        started = {name: self.start(name) for name in entries}
        self.contestants = list(started.values())
        for name, contestant in started.items():
            self.first(name, contestant, entries[name])

    def compile_cold(self, name, entry):
        """With an empty cache. Other libraries' are kept: some take minutes to fill."""
        if name not in COMPILERS:
            return
        known = self.cache(name) / "cold.json"
        if self.options.cold or name in ("kiln", "unfused") or not known.exists():
            shutil.rmtree(self.cache(name), ignore_errors=True)
            contestant = self.start(name)
            try:
                contestant.read()
                known.write_text(json.dumps(contestant.ask("first")))
            except Failure:
                return  # it will fail again
            finally:
                contestant.close()
        entry["cold_seconds"] = json.loads(known.read_text())["compile_seconds"]

    def first(self, name, contestant, entry):
        try:
            contestant.read()
            contestant.first = contestant.ask("first")
        except Failure as failure:
            self.contestants.remove(contestant)
            contestant.close()
            if name == "kiln":
                raise
            entry["failure"] = str(failure)
            return
        entry["warm_seconds"] = contestant.first["compile_seconds"]
        entry["peak_bytes"] = contestant.first["peak_bytes"]
        found = load_file(contestant.results)
        if name in ("kiln", "unfused"):
            for figure in ("flops", "bytes", "launches", "arena_bytes"):
                entry[figure] = contestant.first[figure]
        if name == "kiln":
            self.expected = found
            return
        entry["disagrees"] = disagreement(self.expected, found)
        if entry["disagrees"]:
            self.contestants.remove(contestant)
            contestant.close()

    def take_turns(self):
        """Turn by turn, as many rounds as the time allows."""
        kiln, *others = self.contestants
        self.record |= kiln.ask("machine")
        each = sum(1.2 * max(BLOCK_SECONDS, 2 * c.first["step_seconds"]) for c in self.contestants)
        for _ in range(max(ROUNDS[0], min(ROUNDS[1], int(self.options.seconds / each)))):
            for contestant in self.contestants:
                contestant.block()
        self.record["seconds"] = statistics.median(kiln.seconds)
        for contestant in others:
            ratios = [p / k for p, k in zip(contestant.seconds, kiln.seconds)]
            low, median, high = quartiles(ratios)
            self.record["peers"][contestant.name] |= {
                "seconds": statistics.median(contestant.seconds), "ratio": median,
                "low": low, "high": high, "rounds": len(ratios)}

    def close(self):
        for contestant in self.contestants:
            contestant.close()


def quartiles(values):
    values = sorted(values)
    return values[len(values) // 4], values[len(values) // 2], values[len(values) * 3 // 4]


def commit():
    def git(*arguments):
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True,
                              check=False).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")


def workload_names():
    listed = subprocess.run([KILN, "bench", "--list"], capture_output=True, text=True, check=True)
    return [line.split()[0] for line in listed.stdout.splitlines()]


def main():
    parser = argparse.ArgumentParser(prog="./dev bench --peers")
    parser.add_argument("workloads", nargs="*", help="default: all")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--mode", default="fused", choices=["fused", "fused,unfused"],
                        help="fused,unfused: kiln's fused code against its own unfused")
    parser.add_argument("--only", default="", help="these peers alone, e.g. eager,jax")
    parser.add_argument("--batch", type=int, default=1,
                        help="so many comparisons are made ready, then timed in one go")
    parser.add_argument("--seconds", type=float, default=6,
                        help="about so long a comparison is timed")
    parser.add_argument("--check", action="store_true", help="compare the results, time nothing")
    parser.add_argument("--cold", action="store_true", help="compile all afresh")
    parser.add_argument("--out", type=lambda text: pathlib.Path(text).resolve(), default=ROOT / "build/peers")
    options = parser.parse_args()
    options.unfused = options.mode == "fused,unfused"
    options.only = [name for name in options.only.split(",") if name]
    if options.unfused:
        options.out = options.out / "unfused"
    options.out.mkdir(parents=True, exist_ok=True)

    everything = workload_names()
    for name in options.workloads:
        if name not in everything:
            sys.exit(f"bench.py: unknown workload '{name}': expected one of {', '.join(everything)}")
    chosen = [(workload, threads) for workload in options.workloads or everything
              for threads in map(int, options.threads.split(","))]
    bad = False
    for at in range(0, len(chosen), options.batch):
        bad |= run_batch(chosen[at:at + options.batch], options)
        if not options.check:
            report.write(options.out, everything)
    return 1 if bad else 0


def run_batch(chosen, options):
    """Prepares them all, then times them in one go; whether any disagrees or fails."""
    bad = False
    with contextlib.ExitStack() as stack:
        comparisons = []
        with held("KILN_BENCH_PREPARE"):
            for workload, threads in chosen:
                comparison = Comparison(workload, threads, options)
                stack.callback(comparison.close)
                try:
                    comparison.prepare()
                except Failure as failure:
                    print(f"{workload:<28} {threads}  kiln: {failure}", flush=True)
                    bad = True
                    continue
                comparisons.append(comparison)
        if not options.check:
            with held("KILN_BENCH_TIME"):
                for comparison in comparisons:
                    comparison.take_turns()
    for comparison in comparisons:
        record = comparison.record
        bad |= any(peer.get("disagrees") for peer in record["peers"].values())
        if options.check:
            print(workload_check(record), flush=True)
            continue
        with open(options.out / "results.jsonl", "a") as file:
            file.write(json.dumps(record) + "\n")
        print(report.line(record), flush=True)
    return bad


def workload_check(record):
    def said(peer):
        return peer.get("disagrees") or peer.get("failure") or "agrees"

    return f"{record['workload']:<28} {record['threads']}  " + "; ".join(
        f"{name} {said(peer)}" for name, peer in record["peers"].items())


if __name__ == "__main__":
    sys.exit(main())
