#!/usr/bin/env python3
"""Lowers ten programs with JAX and writes, beside this file, for each its StableHLO text and a
safetensors file with its arguments (arg0 ...) and the results JAX itself computes (result0 ...).

    python tests/jax/generate.py

tests/jax_test.cpp runs what is written here in every mode, so JAX is needed only to write it anew.
"""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from tensors import save_safetensors

FOLDER = pathlib.Path(__file__).parent
random = np.random.default_rng(3)


def normal(*shape):
    return random.standard_normal(shape).astype(np.float32)


def integers(below, *shape):
    return random.integers(0, below, shape).astype(np.int32)


def layer_norm(x, scale, shift):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * scale + shift


def cross_entropy(logits, labels):
    log_p = jax.nn.log_softmax(logits)
    return -jnp.take_along_axis(log_p, labels[:, None], axis=1).mean()


def mlp():
    def loss(params, x, y):
        (w1, b1), (w2, b2) = params
        return ((jnp.tanh(x @ w1 + b1) @ w2 + b2 - y) ** 2).mean()

    params = [(normal(5, 16), normal(16)), (normal(16, 3), normal(3))]
    return jax.value_and_grad(loss), (params, normal(12, 5), normal(12, 3))


def rnn():
    def loss(params, xs):
        w, u, b = params

        def step(h, x):
            h = jnp.tanh(x @ w + h @ u + b)
            return h, h.sum()

        h, sums = jax.lax.scan(step, jnp.zeros((4, 8)), xs)
        return (h**2).sum() + sums.mean()

    return jax.value_and_grad(loss), ((normal(3, 8), 0.3 * normal(8, 8), normal(8)), normal(7, 4, 3))


def attention():
    def attend(q, k, v):
        scores = jnp.einsum("bhqd,bhkd->bhqk", q, k) / np.sqrt(q.shape[-1])
        causal = jnp.tril(jnp.ones(scores.shape[-2:], bool))
        weights = jax.nn.softmax(jnp.where(causal, scores, -1e9))
        return (jnp.einsum("bhqk,bhkd->bhqd", weights, v) ** 2).sum()

    return jax.value_and_grad(attend, (0, 1, 2)), tuple(normal(2, 2, 9, 8) for _ in range(3))


def conv_net():
    def loss(params, images, labels):
        kernel, bias, w = params
        x = jax.lax.conv_general_dilated(
            images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = jax.nn.relu(x + bias)
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        return cross_entropy(x.reshape(x.shape[0], -1) @ w, labels)

    params = (normal(3, 3, 2, 4), normal(4), 0.2 * normal(64, 5))
    return jax.value_and_grad(loss), (params, normal(3, 8, 8, 2), integers(5, 3))


def layer_norm_program():
    def loss(x, scale, shift):
        return jnp.sin(layer_norm(x, scale, shift)).sum()

    return jax.value_and_grad(loss, (0, 1, 2)), (normal(6, 33), normal(33), normal(33))


def embedding():
    def loss(table, ids):
        return (table[ids] ** 3).sum()  # ids repeat: their gradients accumulate

    return jax.value_and_grad(loss), (normal(10, 6), integers(10, 4, 7))


def softmax_cross_entropy():
    return jax.value_and_grad(cross_entropy), (3 * normal(16, 10), integers(10, 16))


def adam_step():
    def step(params, m, v, count, grads):
        count = count + 1
        m = [0.9 * a + 0.1 * g for a, g in zip(m, grads)]
        v = [0.999 * a + 0.001 * g * g for a, g in zip(v, grads)]
        t = count.astype(jnp.float32)
        rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        params = [p - rate * a / (jnp.sqrt(b) + 1e-8) for p, a, b in zip(params, m, v)]
        return params, m, v, count

    shapes = [(7, 5), (5,)]
    tensors = [[normal(*s) for s in shapes] for _ in range(4)]
    tensors[2] = [np.abs(t) for t in tensors[2]]
    return step, (*tensors[:3], np.int32(4), tensors[3])


def sort():
    def ranked(x):
        order = jnp.argsort(x, axis=-1)
        values, places = jax.lax.top_k(x, 3)
        return jnp.sort(x, axis=-1), order, values, places

    x = normal(4, 17)
    x[1, 3] = x[1, 9]  # a tie
    return ranked, (x,)


def while_loop():
    def newton(a):
        def unfinished(state):
            x, steps = state
            return (jnp.abs(x * x - a).max() > 1e-5 * a.max()) & (steps < 100)

        def step(state):
            x, steps = state
            return (x + a / x) / 2, steps + 1

        return jax.lax.while_loop(unfinished, step, (a, 0))

    return newton, (np.abs(normal(11)) + 0.1,)


PROGRAMS = {
    "adam_step": adam_step,
    "attention": attention,
    "conv_net": conv_net,
    "embedding": embedding,
    "layer_norm": layer_norm_program,
    "mlp": mlp,
    "rnn": rnn,
    "softmax_cross_entropy": softmax_cross_entropy,
    "sort": sort,
    "while_loop": while_loop,
}


def main():
    for name, make in PROGRAMS.items():
        function, arguments = make()
        jitted = jax.jit(function)
        (FOLDER / f"{name}.mlir").write_text(jitted.lower(*arguments).as_text())
        leaves, results = jax.tree.leaves(arguments), jax.tree.leaves(jitted(*arguments))
        tensors = {f"arg{i}": np.asarray(leaf) for i, leaf in enumerate(leaves)}
        tensors |= {f"result{i}": np.asarray(result) for i, result in enumerate(results)}
        save_safetensors(FOLDER / f"{name}.safetensors", tensors)


if __name__ == "__main__":
    main()
