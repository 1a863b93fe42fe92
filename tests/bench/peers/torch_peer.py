"""PyTorch's side: eager and compiled.

Each workload is a function of its parameters and inputs. Eager runs it with autograd and the fused
optimisers; `compile` compiles the whole step, gradients and update included, as one function;
`compile-split` compiles the forward (and with it the backward) and leaves the update to the fused
optimiser; `compile-max` is `compile` with mode max-autotune. `-hand`: attention as products and a
softmax instead of scaled_dot_product_attention.
"""

import os

import torch
import torch.nn.functional as F
from torch.func import grad_and_value

import definitions as d

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
torch.set_num_interop_threads(1)


# ---- Training: the loss of parameters p and inputs x --------------------------------------------


def mlp(p, x):
    layers = [name[: -len(".weight")] for name in p if name.endswith(".weight")]
    for layer in layers[:-1]:
        x = F.relu(F.linear(x, p[f"{layer}.weight"], p[f"{layer}.bias"]))
    return F.linear(x, p[f"{layers[-1]}.weight"], p[f"{layers[-1]}.bias"])


def digit_mlp(p, x):
    return F.cross_entropy(mlp(p, x["x"]), x["y"])


def sin_mlp(p, x):
    return F.mse_loss(mlp(p, x["x"]), x["y"])


deep_mlp = sin_mlp


def digit_conv(p, x):
    features = F.conv2d(x["x"].unsqueeze(1), p["convolution_weights"].view(1, 1, 3, 3))
    h = features.flatten(1)
    for layer in ("layer1", "layer2"):
        h = F.relu(F.linear(h, p[f"{layer}.weight"], p[f"{layer}.bias"]))
    logits = F.linear(h, p["output_layer.weight"], p["output_layer.bias"])
    return F.cross_entropy(logits, x["y"])


def lang_rnn(p, x):
    def layer(name, h):
        return F.linear(h, p[f"{name}.weight"], p[f"{name}.bias"])

    one_hot = F.one_hot(x["x"].t(), p["char_layer.weight"].shape[1]).float()
    letters = layer("char_layer", one_hot).unbind()
    h = F.relu(letters[0])
    for letter in letters[1:]:
        h = F.relu(layer("middle_layer", F.relu(letter + layer("hidden_layer", h))))
    return F.cross_entropy(layer("output_layer", h), x["y"])


def mini_gpt(p, x):
    def layer(name, h):
        return F.linear(h, p[f"{name}.weight"], p[f"{name}.bias"])

    def norm(name, h):
        return F.layer_norm(h, h.shape[-1:], p[f"{name}.weight"], p[f"{name}.bias"])

    h = F.embedding(x["x"], p["transformer.wte.weight"]) + p["transformer.wpe.weight"]
    batch, places, size = h.shape
    for i in range(4):
        block = f"transformer.h.{i}"
        qkv = layer(f"{block}.attn.c_attn", norm(f"{block}.ln_1", h))
        q, k, v = qkv.view(batch, places, 3, d.HEADS, -1).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h + layer(f"{block}.attn.c_proj", attended.transpose(1, 2).reshape(h.shape))
        wide = F.gelu(layer(f"{block}.mlp.c_fc", norm(f"{block}.ln_2", h)))
        h = h + layer(f"{block}.mlp.c_proj", wide)
    logits = F.linear(norm("transformer.ln_f", h), p["transformer.wte.weight"])
    return F.cross_entropy(logits.view(batch * places, -1), x["y"].view(-1))


def causal_attention(p, x):
    """The article's layer: keys against queries."""
    qkv = F.linear(x["x"], p["attention.qkv.weight"], p["attention.qkv.bias"])
    q, k, v = qkv.unsqueeze(1).chunk(3, -1)
    attended = F.scaled_dot_product_attention(k, q, v, is_causal=True)
    return F.mse_loss(attended.squeeze(1), x["y"])


def linreg(p, x):
    return F.mse_loss(x["x"] @ p["m"] + p["b"], x["y"])


def nw_train(p, x):
    weights = F.softmax(-(((x["queries"].unsqueeze(1) - x["keys"]) * p["w"]) ** 2) / 2, 1)
    predicted = torch.bmm(weights.unsqueeze(1), x["values"].unsqueeze(2)).view(-1)
    return (0.5 * (predicted - x["y"]) ** 2).sum()


# ---- A result and the gradients by all that is float --------------------------------------------


def masked_fill(scores, valid_lens):
    lens = valid_lens.reshape(valid_lens.shape + (1,) * (scores.dim() - valid_lens.dim()))
    mask = torch.arange(scores.shape[-1]) < lens
    return torch.where(mask, scores, -1e6)


def masked_softmax(x):
    return F.softmax(masked_fill(x["scores"], x["valid_lens"]), -1)


def additive_attention(x):
    queries = F.linear(x["queries"], x["attention.W_q.weight"])
    keys = F.linear(x["keys"], x["attention.W_k.weight"])
    features = torch.tanh(queries.unsqueeze(2) + keys.unsqueeze(1))
    scores = F.linear(features, x["attention.w_v.weight"]).squeeze(-1)
    weights = F.softmax(masked_fill(scores, x["valid_lens"]), -1)
    return torch.bmm(weights, x["values"])


def dot_attention(x):
    q, k, v = (x[name].unsqueeze(1) for name in ("queries", "keys", "values"))
    mask = (torch.arange(k.shape[-2]) < x["valid_lens"].unsqueeze(1))[:, None, None, :]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).squeeze(1)


def dot_attention_full(x):
    q, k, v = (x[name].unsqueeze(1) for name in ("queries", "keys", "values"))
    return F.scaled_dot_product_attention(q, k, v).squeeze(1)


def causal_long(x):
    q, k, v = (x[name].unsqueeze(1) for name in ("queries", "keys", "values"))
    return F.scaled_dot_product_attention(q, k, v, is_causal=True).squeeze(1)


def scores_by_hand(x):
    return torch.bmm(x["queries"], x["keys"].transpose(1, 2)) / x["queries"].shape[-1] ** 0.5


def dot_attention_by_hand(x):
    scores = masked_fill(scores_by_hand(x), x["valid_lens"])
    return torch.bmm(F.softmax(scores, -1), x["values"])


def dot_attention_full_by_hand(x):
    return torch.bmm(F.softmax(scores_by_hand(x), -1), x["values"])


def causal_long_by_hand(x):
    scores = scores_by_hand(x)
    seen = torch.ones(scores.shape[1:], dtype=torch.bool).tril()
    return torch.bmm(F.softmax(torch.where(seen, scores, -torch.inf), -1), x["values"])


def bmm_chain(x):
    return torch.bmm(torch.bmm(x["a"], x["b"]), x["c"])


def rows_softmax(x):
    return F.softmax(x["x"], 1)


def rows_log_softmax(x):
    return F.log_softmax(x["x"], 1)


def rows_layer_norm(x):
    return F.layer_norm(x["x"], x["x"].shape[1:], x["weight"], x["bias"])


# ---- Without gradients --------------------------------------------------------------------------


def digit_mlp_infer(x):
    return {"output": mlp({k: v for k, v in x.items() if k != "x"}, x["x"])}


def nw_predict(x):
    weights = F.softmax(-((x["queries"].unsqueeze(1) - x["keys"]) ** 2) / 2, 1)
    return {"output": weights @ x["values"]}


def gemm(x):
    return {"output": x["a"] @ x["b"]}


def gemm_tn(x):
    return {"output": x["a"].t() @ x["b"]}


def gemm_nt(x):
    return {"output": x["a"] @ x["b"].t()}


def perceptron(x):
    """Eager only: there is nothing to fuse in a thousand steps that wait for each other."""
    w, mistakes = x["w"].clone(), 0
    for point, label in zip(x["x"].unbind(), x["y"].tolist()):
        answer = 1 if torch.dot(w, point).item() >= 0 else -1
        if answer != label:
            w.add_(point, alpha=label)
            mistakes += 1
    return {"w_after": w, "mistakes": torch.tensor(mistakes, dtype=torch.int32)}


TRAINING = {f.__name__: f for f in (digit_mlp, sin_mlp, digit_conv, lang_rnn, mini_gpt,
                                    causal_attention, linreg, nw_train)}
TRAINING["deep_mlp"] = deep_mlp
GRADIENTS = {f.__name__: f for f in (masked_softmax, additive_attention, dot_attention,
                                     dot_attention_full, causal_long, bmm_chain, rows_softmax,
                                     rows_log_softmax, rows_layer_norm)}
BY_HAND = {"dot_attention": dot_attention_by_hand, "causal_long": causal_long_by_hand,
           "dot_attention_full": dot_attention_full_by_hand}
PLAIN = {f.__name__: f for f in (digit_mlp_infer, nw_predict, gemm, gemm_tn, gemm_nt, perceptron)}
UNCOMPILED = {"perceptron"}


def softmax_cross_entropy(p, x):
    return F.cross_entropy(p["logits"], x["classes"])


# ---- How they are run ---------------------------------------------------------------------------


def compiled(function, variant):
    mode = "max-autotune-no-cudagraphs" if variant == "compile-max" else "default"
    return torch.compile(function, fullgraph=True, dynamic=False, mode=mode)


def tensor(array):
    t = torch.from_numpy(array.copy())
    return t.long() if t.dtype == torch.int32 else t


def result(t):
    return t.detach().numpy()


class Training:
    def __init__(self, name, arrays):
        self.kind, self.lr = d.OPTIMISERS[name]
        self.loss = TRAINING[name]
        self.inputs = {k: tensor(v) for k, v in d.inputs(arrays).items()}
        self.params = {k: tensor(v) for k, v in d.fuse_projections(d.parameters(arrays)).items()}
        self.first = {k: v.clone() for k, v in self.params.items()}

    def step(self):
        return {"loss": result(self.once())}

    def run(self, steps):
        for _ in range(steps):
            self.once()

    def reset(self):
        with torch.no_grad():
            for name, param in self.params.items():
                param.copy_(self.first[name])
        self.forget()


class SplitTraining(Training):
    """Autograd, and PyTorch's fused optimisers."""

    def __init__(self, name, arrays, variant):
        super().__init__(name, arrays)
        if variant != "eager":
            self.loss = compiled(self.loss, variant)
        for param in self.params.values():
            param.requires_grad_()
        everything = list(self.params.values())
        self.optimiser = {
            "sgd": lambda: torch.optim.SGD(everything, lr=self.lr, fused=True),
            "adam": lambda: torch.optim.Adam(everything, lr=self.lr, fused=True),
            "adamw": lambda: torch.optim.AdamW(everything, lr=self.lr, fused=True),
        }[self.kind]()

    def once(self):
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.loss(self.params, self.inputs)
        loss.backward()
        self.optimiser.step()
        return loss

    def forget(self):
        for state in self.optimiser.state.values():
            for value in state.values():
                if torch.is_tensor(value):
                    value.zero_()

    def state(self):
        moments = [
            {name: result(self.optimiser.state[param][what]) for name, param in self.params.items()}
            if self.kind != "sgd" else {}
            for what in ("exp_avg", "exp_avg_sq")
        ]
        return d.exported(self.kind, {k: result(v) for k, v in self.params.items()}, *moments)


class WholeTraining(Training):
    """The whole step is one function."""

    def __init__(self, name, arrays, variant):
        super().__init__(name, arrays)
        self.moments = [{}, {}]
        self.time = torch.zeros(())
        if self.kind != "sgd":
            self.moments = [{k: torch.zeros_like(v) for k, v in self.params.items()} for _ in "mv"]
        self.compiled = compiled(self.update, variant)

    def update(self, params, m, v, time, inputs):
        grads, loss = grad_and_value(self.loss)(params, inputs)
        if self.kind == "sgd":
            for name, param in params.items():
                param.sub_(self.lr * grads[name])
            return loss
        time.add_(1)
        rate = self.lr / (1 - d.BETA1**time)
        root = (1 - d.BETA2**time).sqrt()
        decay = 1 - self.lr * d.WEIGHT_DECAY[self.kind]
        for name, param in params.items():
            m[name].lerp_(grads[name], 1 - d.BETA1)
            v[name].mul_(d.BETA2).addcmul_(grads[name], grads[name], value=1 - d.BETA2)
            param.mul_(decay).sub_(rate * m[name] / (v[name].sqrt() / root + d.EPS))
        return loss

    @torch.no_grad()
    def once(self):
        return self.compiled(self.params, *self.moments, self.time, self.inputs)

    def forget(self):
        self.time.zero_()
        for moments in self.moments:
            for value in moments.values():
                value.zero_()

    def state(self):
        def all_of(tensors):
            return {name: result(t) for name, t in tensors.items()}

        return d.exported(self.kind, all_of(self.params), *map(all_of, self.moments))


class Stateless:
    def run(self, steps):
        for _ in range(steps):
            self.once()

    def step(self):
        return {name: result(value) for name, value in self.once().items()}

    def state(self):
        return {}

    def reset(self):
        pass


class Gradients(Stateless):
    """A forward, and the gradients of its result by everything that is float."""

    def __init__(self, forward, arrays, variant):
        self.tensors = {k: tensor(v) for k, v in arrays.items()}
        self.grad_output = self.tensors.pop("grad.output")
        self.wrt = [name for name, t in self.tensors.items() if t.is_floating_point()]
        for name in self.wrt:
            self.tensors[name].requires_grad_()
        self.forward = forward if variant == "eager" else compiled(forward, variant)

    def once(self):
        output = self.forward(self.tensors)
        grads = torch.autograd.grad(output, [self.tensors[name] for name in self.wrt],
                                    self.grad_output)
        return {"output": output} | {f"grad.{name}": g for name, g in zip(self.wrt, grads)}


class LossAndGradient(Stateless):
    def __init__(self, arrays, variant):
        self.inputs = {k: tensor(v) for k, v in arrays.items()}
        self.logits = {"logits": self.inputs.pop("logits").requires_grad_()}
        self.loss = softmax_cross_entropy
        if variant != "eager":
            self.loss = compiled(self.loss, variant)

    def once(self):
        loss = self.loss(self.logits, self.inputs)
        (grad,) = torch.autograd.grad(loss, [self.logits["logits"]])
        return {"loss": loss, "grad.logits": grad}


class Plain(Stateless):
    def __init__(self, function, arrays, variant):
        self.tensors = {k: tensor(v) for k, v in arrays.items()}
        self.function = function
        if variant != "eager":
            torch._inductor.config.freezing = True
            tensors = self.tensors
            constants = {k: v for k, v in tensors.items() if k.endswith((".weight", ".bias"))}
            own = {k: v for k, v in tensors.items() if k not in constants}
            module = torch.nn.Module()
            for k, v in constants.items():  # weights of a frozen module may be packed
                module.register_buffer(k.replace(".", "_"), v)
            module.forward = lambda x: function(
                {k: getattr(module, k.replace(".", "_")) for k in constants} | x)
            compiled_module = compiled(module, variant)
            self.function, self.tensors = compiled_module, own

    @torch.inference_mode()
    def once(self):
        return self.function(self.tensors)

    @torch.inference_mode()
    def run(self, steps):
        for _ in range(steps):
            self.function(self.tensors)


def make(variant, workload, arrays):
    name = d.base(workload)
    if variant.endswith("-hand"):
        return Gradients(BY_HAND[name], arrays, variant.removesuffix("-hand"))
    if name == "softmax_cross_entropy":
        return LossAndGradient(arrays, variant)
    if name in TRAINING:
        split = variant in ("eager", "compile-split")
        return (SplitTraining if split else WholeTraining)(name, arrays, variant)
    if name in GRADIENTS:
        return Gradients(GRADIENTS[name], arrays, variant)
    if name in UNCOMPILED and variant != "eager":
        raise SystemExit(f"{workload} is not compiled")
    return Plain(PLAIN[name], arrays, variant)
