"""One side of a comparison: a workload in another library, in a process of its own.

    contestant.py PEER WORKLOAD FOLDER

Speaks what models/serve.h describes: FOLDER/inputs.safetensors is there already; results go to
FOLDER/PEER.safetensors. `bench.py` sets the environment: threads, caches, processors.
"""

import gc
import importlib
import json
import sys
import time

import numpy as np
from safetensors.numpy import load_file, save_file

# Which module has a peer, and how it is asked for there.
PEERS = {
    "eager": ("torch_peer", "eager"),
    "eager-hand": ("torch_peer", "eager-hand"),
    "compile": ("torch_peer", "compile"),
    "compile-split": ("torch_peer", "compile-split"),
    "compile-hand": ("torch_peer", "compile-hand"),
    "compile-max": ("torch_peer", "compile-max"),
    "jax": ("jax_peer", "jit"),
    "onednn": ("kernel_peer", "onednn"),
    "openblas": ("kernel_peer", "openblas"),
}


def resident(what):
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(what + ":"):
                return 1024 * int(line.split()[1])
    raise RuntimeError(what)


def forget_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


class Contest:
    """`work` has step(): results by name; state(): state by name; run(n): n steps; reset()."""

    def __init__(self, peer, workload, folder):
        module, variant = PEERS[peer]
        self.file = f"{folder}/{peer}.safetensors"
        arrays = load_file(f"{folder}/inputs.safetensors")
        self.work = importlib.import_module(module).make(variant, workload, arrays)
        self.step_seconds = 1.0

    def first(self):
        forget_peak()
        before = resident("VmRSS")
        start = time.perf_counter()
        results = self.work.step()
        first_seconds = time.perf_counter() - start
        results = {name: np.array(value) for name, value in results.items()}
        results |= {name: np.array(value) for name, value in self.work.state().items()}
        again = self.work.step()
        results |= {f"again.{name}": np.array(value) for name, value in again.items()}
        del again
        start = time.perf_counter()
        self.work.run(1)
        self.step_seconds = time.perf_counter() - start
        peak = resident("VmHWM") - before
        save_file({name: np.ascontiguousarray(value) for name, value in results.items()}, self.file)
        gc.collect()
        gc.freeze()
        gc.disable()
        return {
            "compile_seconds": max(0.0, first_seconds - self.step_seconds),
            "step_seconds": self.step_seconds,
            "peak_bytes": peak,
        }

    def block(self, seconds):
        self.work.reset()
        steps = max(1, int(seconds / self.step_seconds))
        self.work.run(1 + steps // 8)
        start = time.perf_counter()
        self.work.run(steps)
        self.step_seconds = (time.perf_counter() - start) / steps
        return {"seconds": self.step_seconds, "steps": steps}


def main():
    peer, workload, folder = sys.argv[1:]
    answers = sys.stdout
    sys.stdout = sys.stderr  # what libraries print is no answer
    contest = Contest(peer, workload, folder)

    def answer(what):
        print(json.dumps(what), file=answers, flush=True)

    answer({"ready": True})
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "first":
            answer(contest.first())
        elif command == "block":
            answer(contest.block(float(arguments[0])))


main()
