#!/usr/bin/env python3
"""What kiln says of a program, asked of JAX: `python gradients.py PATH/TO/kiln`.

Softmax attention is lowered by JAX; `kiln grad` differentiates it, and that gradient once more.
Each of the three programs is run by kiln, and, as kiln prints it before and after its passes, by
XLA; all must agree with JAX's own derivatives, within 1e-5 of a tensor's largest element.
"""

import pathlib
import subprocess
import sys
import tempfile

import jax
import jax.extend.backend
import jax.numpy as jnp
import numpy as np
from jax._src import compiler
from jax._src.interpreters import mlir
from jax._src.lib import xla_client
from jax._src.lib.mlir import ir

from tensors import load_safetensors, save_safetensors

TOLERANCE = 1e-5  # of a tensor's largest element
failures = 0


def attention(q, k, v):
    """A scalar of masked softmax attention."""
    scores = q @ k.T / np.sqrt(q.shape[-1])
    scores = jnp.where(jnp.arange(k.shape[0]) < 9, scores, -1e9)
    return jnp.sin(jax.nn.softmax(scores) @ v).sum()


def gradient(q, k, v):
    value, gradients = jax.value_and_grad(attention, (0, 1, 2))(q, k, v)
    return (value, *gradients)


def gradient_of_gradient(q, k, v, *cotangents):
    """Results first, then a gradient per argument, for these cotangents of what is no scalar."""
    results, pull = jax.vjp(gradient, q, k, v)
    return (*results, *pull((jnp.ones_like(results[0]), *cotangents)))


def parse(text):
    with mlir.make_ir_context():
        return ir.Module.parse(text)


def argument_names(text):
    """As kiln names the tensors of its files: kiln.name, else arg0 ..."""
    module = parse(text)
    main = next(op for op in module.body.operations if op.name.value == "main")
    with module.context:
        facts = main.arg_attrs
        return [a["kiln.name"].value if "kiln.name" in a else f"arg{i}" for i, a in enumerate(facts)]


def run_by_xla(text, arguments):
    backend = jax.extend.backend.get_backend("cpu")
    options = compiler.get_compile_options(num_replicas=1, num_partitions=1)
    devices = xla_client.DeviceList(tuple(backend.devices()[:1]))
    program = backend.compile_and_load(parse(text), devices, options)
    results = program.execute_sharded([jax.device_put(a) for a in arguments])
    return [np.asarray(r[0]) for r in results.disassemble_into_single_device_arrays()]


class Kiln:
    """The command, and a folder for its files."""

    def __init__(self, command, folder):
        self.command, self.folder = command, folder

    def __call__(self, *arguments):
        done = subprocess.run(
            [self.command, *map(str, arguments)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            sys.exit(f"kiln {' '.join(map(str, arguments))}: status {done.returncode}\n{done.stderr}")
        return done.stdout

    def run(self, program, arguments, mode):
        inputs, outputs = self.folder / "inputs.safetensors", self.folder / "outputs.safetensors"
        names = argument_names(program.read_text())
        save_safetensors(inputs, dict(zip(names, arguments, strict=True)))
        self("run", program, "--inputs", inputs, "--outputs", outputs, "--mode", mode)
        results = load_safetensors(outputs)
        return [results[f"result{i}"] for i in range(len(results))]


def compare(what, got, expected):
    global failures
    worst = 0.0
    for a, b in zip(got, expected, strict=True):
        b = np.asarray(b)
        if a.shape != b.shape or a.dtype != b.dtype:
            sys.exit(f"{what}: {a.dtype}{a.shape} instead of {b.dtype}{b.shape}")
        worst = max(worst, float(np.abs(a - b).max() / np.abs(b).max()))
    fine = worst <= TOLERANCE
    failures += not fine
    print(f"{'ok' if fine else 'FAILED'}: {what}: {worst:.1e} of the largest element apart")


def check(kiln, what, program, arguments, expected):
    for mode in ("fused", "unfused", "reference"):
        compare(f"{what}, kiln {mode}", kiln.run(program, arguments, mode), expected)
    for stage in ("graph", "optimized", "fused"):
        text = kiln("dump", program, "--stage", stage)
        compare(f"{what}, XLA on kiln's {stage}", run_by_xla(text, arguments), expected)


def main():
    random = np.random.default_rng(0)
    q, k, v, *cotangents = (
        random.standard_normal(shape).astype(np.float32)
        for shape in [(8, 16), (12, 16), (12, 5)] * 2
    )
    with tempfile.TemporaryDirectory() as folder:
        kiln = Kiln(sys.argv[1], pathlib.Path(folder))
        primal, first, second = (kiln.folder / f"{n}.mlir" for n in ("primal", "first", "second"))
        primal.write_text(jax.jit(attention).lower(q, k, v).as_text())
        kiln("grad", primal, "-o", first)
        kiln("grad", first, "-o", second, "--wrt", "0,1,2")
        check(kiln, "attention", primal, (q, k, v), (attention(q, k, v),))
        check(kiln, "gradient", first, (q, k, v), gradient(q, k, v))
        arguments = (q, k, v, *cotangents)
        check(
            kiln, "gradient of gradient", second, arguments, gradient_of_gradient(*arguments)
        )
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
