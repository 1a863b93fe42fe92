"""JAX's side: the whole step jitted, its state donated.

XLA:CPU flushes denormals to zero while it runs, and cannot be told otherwise; the others keep them.
"""

import os

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import definitions as d

jax.config.update("jax_compilation_cache_dir", os.environ["KILN_PEER_CACHE"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
jax.config.update("jax_cpu_enable_async_dispatch", False)  # each step waits for its loss anyway

relu = jax.nn.relu


def cross_entropy(logits, classes):
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), classes[:, None], 1)
    return -chosen.mean()


def linear(p, name, x):
    return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]


# ---- Training: the loss of parameters p and inputs x --------------------------------------------


def mlp(p, x):
    layers = [name[: -len(".weight")] for name in p if name.endswith(".weight")]
    layers.sort(key=lambda name: int(name.removeprefix("layer")))
    for layer in layers[:-1]:
        x = relu(linear(p, layer, x))
    return linear(p, layers[-1], x)


def digit_mlp(p, x):
    return cross_entropy(mlp(p, x["x"]), x["y"])


def sin_mlp(p, x):
    return jnp.mean((mlp(p, x["x"]) - x["y"]) ** 2)


deep_mlp = sin_mlp


def digit_conv(p, x):
    features = lax.conv_general_dilated(
        x["x"][:, None], p["convolution_weights"][None, None], (1, 1), "VALID")
    h = features.reshape(features.shape[0], -1)
    h = relu(linear(p, "layer2", relu(linear(p, "layer1", h))))
    return cross_entropy(linear(p, "output_layer", h), x["y"])


def lang_rnn(p, x):
    one_hot = jax.nn.one_hot(x["x"].T, p["char_layer.weight"].shape[1])
    letters = linear(p, "char_layer", one_hot)
    h = relu(letters[0])
    for letter in letters[1:]:
        h = relu(linear(p, "middle_layer", relu(letter + linear(p, "hidden_layer", h))))
    return cross_entropy(linear(p, "output_layer", h), x["y"])


def attention(q, k, v, mask=None):
    """[..., queries, keys]; where a mask is False, -inf."""
    scores = q @ jnp.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1]).astype(np.float32)
    if mask is not None:
        scores = jnp.where(mask, scores, -jnp.inf)
    return jax.nn.softmax(scores) @ v


def causal(q, k, v):
    return attention(q, k, v, jnp.tril(jnp.ones((q.shape[-2], k.shape[-2]), bool)))


def mini_gpt(p, x):
    def norm(name, h):
        centred = h - h.mean(-1, keepdims=True)
        scaled = centred * lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return scaled * p[f"{name}.weight"] + p[f"{name}.bias"]

    h = p["transformer.wte.weight"][x["x"]] + p["transformer.wpe.weight"]
    batch, places, size = h.shape
    for i in range(4):
        block = f"transformer.h.{i}"
        qkv = linear(p, f"{block}.attn.c_attn", norm(f"{block}.ln_1", h))
        q, k, v = qkv.reshape(batch, places, 3, d.HEADS, -1).transpose(2, 0, 3, 1, 4)
        attended = causal(q, k, v).transpose(0, 2, 1, 3).reshape(h.shape)
        h = h + linear(p, f"{block}.attn.c_proj", attended)
        wide = jax.nn.gelu(linear(p, f"{block}.mlp.c_fc", norm(f"{block}.ln_2", h)), False)
        h = h + linear(p, f"{block}.mlp.c_proj", wide)
    logits = norm("transformer.ln_f", h) @ p["transformer.wte.weight"].T
    return cross_entropy(logits.reshape(batch * places, -1), x["y"].reshape(-1))


def causal_attention(p, x):
    q, k, v = jnp.split(linear(p, "attention.qkv", x["x"]), 3, -1)
    return jnp.mean((causal(k, q, v) - x["y"]) ** 2)


def linreg(p, x):
    return jnp.mean((x["x"] @ p["m"] + p["b"] - x["y"]) ** 2)


def nw_train(p, x):
    weights = jax.nn.softmax(-(((x["queries"][:, None] - x["keys"]) * p["w"]) ** 2) / 2)
    return (0.5 * ((weights * x["values"]).sum(1) - x["y"]) ** 2).sum()


# ---- A result and the gradients by all that is float --------------------------------------------


def masked(scores, valid_lens):
    lens = valid_lens.reshape(valid_lens.shape + (1,) * (scores.ndim - valid_lens.ndim))
    return jnp.where(jnp.arange(scores.shape[-1]) < lens, scores, -1e6)


def masked_softmax(x):
    return jax.nn.softmax(masked(x["scores"], x["valid_lens"]))


def additive_attention(x):
    queries = x["queries"] @ x["attention.W_q.weight"].T
    keys = x["keys"] @ x["attention.W_k.weight"].T
    features = jnp.tanh(queries[:, :, None] + keys[:, None])
    scores = features @ x["attention.w_v.weight"][0]
    return jax.nn.softmax(masked(scores, x["valid_lens"])) @ x["values"]


def dot_attention(x):
    mask = jnp.arange(x["keys"].shape[1]) < x["valid_lens"][:, None, None]
    return attention(x["queries"], x["keys"], x["values"], mask)


def dot_attention_full(x):
    return attention(x["queries"], x["keys"], x["values"])


def causal_long(x):
    return causal(x["queries"], x["keys"], x["values"])


def bmm_chain(x):
    return x["a"] @ x["b"] @ x["c"]


def rows_softmax(x):
    return jax.nn.softmax(x["x"])


def rows_log_softmax(x):
    return jax.nn.log_softmax(x["x"])


def rows_layer_norm(x):
    centred = x["x"] - x["x"].mean(-1, keepdims=True)
    scaled = centred * lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return scaled * x["weight"] + x["bias"]


# ---- Without gradients --------------------------------------------------------------------------


def digit_mlp_infer(x):
    return {"output": mlp({k: v for k, v in x.items() if k != "x"}, x["x"])}


def nw_predict(x):
    weights = jax.nn.softmax(-((x["queries"][:, None] - x["keys"]) ** 2) / 2)
    return {"output": weights @ x["values"]}


def gemm(x):
    return {"output": x["a"] @ x["b"]}


def gemm_tn(x):
    return {"output": x["a"].T @ x["b"]}


def gemm_nt(x):
    return {"output": x["a"] @ x["b"].T}


def perceptron(x):
    def learn(i, carry):
        w, mistakes = carry
        point, label = x["x"][i], x["y"][i]
        wrong = jnp.where(jnp.sum(w * point) >= 0, 1.0, -1.0) != label
        return jnp.where(wrong, w + label * point, w), mistakes + wrong

    w, mistakes = lax.fori_loop(0, x["y"].shape[0], learn, (x["w"], jnp.int32(0)))
    return {"w_after": w, "mistakes": mistakes}


def softmax_cross_entropy(x):
    loss, grad = jax.value_and_grad(lambda logits: cross_entropy(logits, x["classes"]))(x["logits"])
    return {"loss": loss, "grad.logits": grad}


TRAINING = {f.__name__: f for f in (digit_mlp, sin_mlp, digit_conv, lang_rnn, mini_gpt,
                                    causal_attention, linreg, nw_train)}
TRAINING["deep_mlp"] = deep_mlp
GRADIENTS = {f.__name__: f for f in (masked_softmax, additive_attention, dot_attention,
                                     dot_attention_full, causal_long, bmm_chain, rows_softmax,
                                     rows_log_softmax, rows_layer_norm)}
PLAIN = {f.__name__: f for f in (digit_mlp_infer, nw_predict, gemm, gemm_tn, gemm_nt, perceptron,
                                 softmax_cross_entropy)}


# ---- How they are run ---------------------------------------------------------------------------


class Training:
    def __init__(self, name, arrays):
        self.kind, self.lr = d.OPTIMISERS[name]
        self.loss = TRAINING[name]
        self.inputs = jax.device_put(d.inputs(arrays))
        self.initial = d.fuse_projections(d.parameters(arrays))
        self.compiled = jax.jit(self.update, donate_argnums=0)
        self.reset()

    def reset(self):
        zeros = {k: np.zeros_like(v) for k, v in self.initial.items()}
        adam = (zeros, zeros, np.float32(0)) if self.kind != "sgd" else ()
        # Copies: what is donated is gone.
        self.values = jax.tree.map(lambda a: jnp.array(a, copy=True), (self.initial, *adam))

    def update(self, values, inputs):
        params, *rest = values
        loss, grads = jax.value_and_grad(self.loss)(params, inputs)
        if self.kind == "sgd":
            return ({k: p - self.lr * grads[k] for k, p in params.items()},), loss
        m, v, time = rest
        time = time + 1
        rate = self.lr / (1 - d.BETA1**time)
        root = jnp.sqrt(1 - d.BETA2**time)
        decay = 1 - self.lr * d.WEIGHT_DECAY[self.kind]
        m = {k: d.BETA1 * m[k] + (1 - d.BETA1) * g for k, g in grads.items()}
        v = {k: d.BETA2 * v[k] + (1 - d.BETA2) * g * g for k, g in grads.items()}
        params = {k: p * decay - rate * m[k] / (jnp.sqrt(v[k]) / root + d.EPS)
                  for k, p in params.items()}
        return (params, m, v, time), loss

    def once(self):
        self.values, loss = self.compiled(self.values, self.inputs)
        return loss.block_until_ready()

    def run(self, steps):
        for _ in range(steps):
            self.once()

    def step(self):
        return {"loss": self.once()}

    def state(self):
        params, *moments = jax.tree.map(np.array, self.values)
        return d.exported(self.kind, params, *(moments[:2] or ({}, {})))


class Stateless:
    def __init__(self, function, arrays):
        self.tensors = jax.device_put(arrays)
        self.compiled = jax.jit(function)

    def step(self):
        return jax.block_until_ready(self.compiled(self.tensors))

    def run(self, steps):
        for _ in range(steps):
            self.step()

    def state(self):
        return {}

    def reset(self):
        pass


def gradients(forward):
    def step(tensors):
        x = dict(tensors)
        grad_output = x.pop("grad.output")
        wrt = {k: v for k, v in x.items() if jnp.issubdtype(v.dtype, jnp.floating)}
        output, pull = jax.vjp(lambda some: forward(x | some), wrt)
        return {"output": output} | {f"grad.{k}": g for k, g in pull(grad_output)[0].items()}

    return step


def make(variant, workload, arrays):
    del variant
    name = d.base(workload)
    if name in TRAINING:
        return Training(name, arrays)
    return Stateless(gradients(GRADIENTS[name]) if name in GRADIENTS else PLAIN[name], arrays)
