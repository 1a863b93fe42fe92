"""Cases of functions on tensors as PyTorch computes them, for tests/functions_test.cpp.

    python tests/torch/generate_functions.py    (PyTorch 2.13; writes functions.safetensors beside this file)

A case NAME has inputs NAME/in0, …, outputs NAME/out0, … and, where an output is a float and the case is
differentiable, cotangents NAME/ct0, … of the outputs and gradients NAME/grad0, … of the float inputs. Floats are
computed in f64 from f32 inputs and stored in f32.
"""

import os

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(0)
tensors = {}


def uniform(*shape, low=-2.0, high=2.0):
    return torch.empty(shape).uniform_(low, high)


def integers(*shape, low=-9, high=10, dtype=torch.int64):
    return torch.randint(low, high, shape, dtype=dtype)


def case(name, function, *inputs, gradient=True):
    wide = [x.double() if x.is_floating_point() else x for x in inputs]
    floats = [x.requires_grad_() for x in wide if x.is_floating_point()] if gradient else []
    outputs = function(*wide)
    outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
    for i, x in enumerate(inputs):
        tensors[f"{name}/in{i}"] = x
    for i, y in enumerate(outputs):
        tensors[f"{name}/out{i}"] = y.detach().float() if y.is_floating_point() else y
    smooth = [i for i, y in enumerate(outputs) if y.is_floating_point() and y.requires_grad]
    if not floats or not smooth:
        return
    cotangents = [uniform(*outputs[i].shape) for i in smooth]
    for i, ct in zip(smooth, cotangents):
        tensors[f"{name}/ct{i}"] = ct
    found = torch.autograd.grad([outputs[i] for i in smooth], floats, [ct.double() for ct in cotangents],
                                allow_unused=True)
    at = [i for i, x in enumerate(inputs) if x.is_floating_point()]
    for i, x, g in zip(at, floats, found):
        tensors[f"{name}/grad{i}"] = (torch.zeros_like(x) if g is None else g).float()


inf, nan = float("inf"), float("nan")
special = torch.tensor([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-30, -1e-30, 1e-6, 30.0, -30.0, 85.0, -85.0,
                        1e30, -1e30, inf, -inf, nan])

# Element-wise functions of one operand: where they are smooth, with gradients, and on special values, without.
unary = {
    "neg": (torch.neg, -2, 2), "abs": (torch.abs, -2, 2), "sign": (torch.sign, -2, 2),
    "square": (torch.square, -2, 2), "reciprocal": (torch.reciprocal, 0.5, 2), "floor": (torch.floor, -4, 4),
    "ceil": (torch.ceil, -4, 4), "round": (torch.round, -4, 4), "trunc": (torch.trunc, -4, 4),
    "frac": (torch.frac, -4, 4), "exp": (torch.exp, -3, 3), "exp2": (torch.exp2, -3, 3),
    "expm1": (torch.expm1, -3, 3), "log": (torch.log, 0.1, 5), "log1p": (torch.log1p, -0.9, 5),
    "log2": (torch.log2, 0.1, 5), "log10": (torch.log10, 0.1, 5), "sqrt": (torch.sqrt, 0.1, 5),
    "rsqrt": (torch.rsqrt, 0.1, 5), "sin": (torch.sin, -4, 4), "cos": (torch.cos, -4, 4),
    "tan": (torch.tan, -1.4, 1.4), "asin": (torch.asin, -0.95, 0.95), "acos": (torch.acos, -0.95, 0.95),
    "atan": (torch.atan, -4, 4), "sinh": (torch.sinh, -3, 3), "cosh": (torch.cosh, -3, 3),
    "erf": (torch.erf, -3, 3), "erfc": (torch.erfc, -3, 3), "erfinv": (torch.erfinv, -0.95, 0.95),
    "lgamma": (torch.lgamma, 0.2, 6), "digamma": (torch.digamma, 0.2, 6), "tanh": (torch.tanh, -3, 3),
    "sigmoid": (torch.sigmoid, -5, 5), "logsigmoid": (F.logsigmoid, -5, 5), "relu": (F.relu, -2, 2),
    "relu6": (F.relu6, -2, 8), "hardtanh": (F.hardtanh, -2, 2), "leaky_relu": (F.leaky_relu, -2, 2),
    "elu": (F.elu, -3, 3), "selu": (F.selu, -3, 3), "gelu": (F.gelu, -3, 3),
    "gelu_tanh": (lambda x: F.gelu(x, approximate="tanh"), -3, 3), "silu": (F.silu, -5, 5),
    "mish": (F.mish, -5, 5), "softplus": (F.softplus, -5, 5), "softsign": (F.softsign, -3, 3),
    "hardsigmoid": (F.hardsigmoid, -5, 5), "hardswish": (F.hardswish, -5, 5),
    "isnan": (torch.isnan, -1, 1), "isinf": (torch.isinf, -1, 1), "isfinite": (torch.isfinite, -1, 1),
    "logical_not": (torch.logical_not, -1, 1),
}
# Left out on special values: what f32 cannot reach where f64 does, large arguments of trigonometric functions, and
# what PyTorch makes of NaN or infinity against the limit.
plain_only = {"sign", "frac", "gelu", "gelu_tanh", "silu", "mish", "sin", "cos", "tan", "sinh", "cosh", "exp", "exp2",
              "expm1", "square", "hardswish", "softsign", "digamma", "lgamma", "erfc", "logsigmoid", "asin", "acos",
              "reciprocal", "sigmoid", "softplus"}
for name, (function, low, high) in unary.items():
    case(name, function, uniform(13, low=low, high=high))
    if name not in plain_only:
        case(name + " special", function, special, gradient=False)
case("round halves", torch.round, torch.tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5]), gradient=False)
case("softplus beta", lambda x: F.softplus(x, beta=3, threshold=6), uniform(13, low=-4, high=4))
case("elu alpha", lambda x: F.elu(x, alpha=0.3), uniform(13))
case("kinks", lambda x: [F.relu(x), F.relu6(x), F.hardtanh(x), F.leaky_relu(x), F.elu(x), x.abs(), x.clamp(-1, 1)],
     torch.tensor([-1.0, 0.0, 1.0, 6.0]))

# Of two operands.
for name in ["atan2", "fmod", "remainder", "maximum", "minimum"]:
    case(name, getattr(torch, name), uniform(3, 1, 5), uniform(4, 1, low=0.3, high=2))
for name in ["fmod", "remainder"]:
    case(name + " negative", getattr(torch, name), uniform(7, low=-9, high=9), -uniform(7, low=0.5, high=3))
    case(name + " integers", getattr(torch, name), integers(11), torch.tensor([3, -3, 2, -2, 5, -5, 1, -1, 7, -7, 4]))
case("floor_divide integers", torch.floor_divide, integers(11), torch.tensor([3, -3, 2, -2, 5, -5, 1, -1, 7, -7, 4]))
for name in ["bitwise_and", "bitwise_or", "bitwise_xor"]:
    case(name, getattr(torch, name), integers(3, 4), integers(4))
for name in ["bitwise_left_shift", "bitwise_right_shift"]:
    case(name, getattr(torch, name), integers(3, 4), integers(4, low=0, high=8))
for name in ["logical_and", "logical_or", "logical_xor"]:
    case(name, getattr(torch, name), integers(3, 4, low=0, high=2), integers(4, low=0, high=2))
case("clamp tensors", torch.clamp, uniform(4, 5), uniform(5, low=-1, high=0), uniform(4, 1, low=0, high=1))

# Shapes.
x = uniform(2, 3, 4)
case("flatten middle", lambda x: torch.flatten(x, 0, 1), x)
case("unflatten", lambda x: torch.unflatten(x, 2, (2, -1)), x)
case("movedim several", lambda x: torch.movedim(x, (0, 2), (1, 0)), x)
case("movedim one", lambda x: torch.movedim(x, 0, -1), x)
case("squeeze all", torch.squeeze, uniform(1, 3, 1, 2))
case("expand keep", lambda x: x.expand(5, -1, 4), uniform(3, 1))
case("tile few", lambda x: torch.tile(x, (2,)), uniform(2, 3))
case("repeat_interleave counts", lambda x: torch.repeat_interleave(x, torch.tensor([2, 0, 3]), 1), x)
case("stack", lambda *xs: torch.stack(xs, -1), uniform(2, 3), uniform(2, 3))
case("chunk", lambda x: torch.chunk(x, 3, 0), uniform(7, 2))
case("unbind", lambda x: torch.unbind(x, 1), x)
case("narrow", lambda x: torch.narrow(x, 2, -3, 2), x)
case("select", lambda x: x.select(1, -1), x)
case("index", lambda x: x[1, ..., None, 1:4:2], x)
case("diagonal above", lambda x: torch.diagonal(x, 1, 0, 2), uniform(3, 2, 5))
case("diagonal below", lambda x: torch.diagonal(x, -2), uniform(5, 4))
case("flip", lambda x: torch.flip(x, (0, -1)), x)
case("roll", lambda x: torch.roll(x, (1, -2), (0, 2)), x)
case("roll flat", lambda x: torch.roll(x, 5), x)
for mode in ["reflect", "replicate", "circular"]:
    case("pad " + mode, lambda x: F.pad(x, (2, 1, 1, 2), mode=mode), uniform(1, 2, 3, 4))
case("pad negative", lambda x: F.pad(x, (-1, 2, 0, -1), value=3), x)
case("tril", lambda x: torch.tril(x, 1), uniform(2, 4, 3))
case("triu", lambda x: torch.triu(x, -1), uniform(2, 4, 3))

# Creation: a case needs an input, which these ignore.
none = torch.zeros(1)
case("arange integers", lambda _: torch.arange(2, 20, 3), none)
case("arange down", lambda _: torch.arange(5, -4, -2), none)
case("arange floats", lambda _: torch.arange(0.5, 3.0, 0.3), none)
case("linspace", lambda _: torch.linspace(-1, 2, 7), none)
case("linspace one", lambda _: torch.linspace(3, 9, 1), none)
case("eye wide", lambda _: torch.eye(2, 4), none)

# Selection.
index = torch.tensor([2, 0, 2, 1])
case("masked_fill", lambda x: x.masked_fill(torch.tensor([True, False, False, True]), -5.0), x)
case("masked_select", lambda x: torch.masked_select(x, torch.eye(3, 4) == 0), uniform(3, 4))
case("index_select", lambda x, i: torch.index_select(x, 1, i), x, index)
case("take_along_dim", lambda x, i: torch.take_along_dim(x, i, 1), x, integers(1, 5, 4, low=0, high=3))
case("gather smaller", lambda x, i: torch.gather(x, 2, i), x, integers(1, 2, 6, low=0, high=4))
case("scatter", lambda x, i, v: torch.scatter(x, 1, i, v), uniform(3, 5),
     torch.tensor([[0, 3], [4, 1], [2, 0]]), uniform(3, 2))
case("scatter number", lambda x, i: torch.scatter(x, 0, i, 7.0), uniform(3, 5), integers(2, 4, low=0, high=3))
case("scatter_add smaller", lambda x, i, v: torch.scatter_add(x, 1, i, v), uniform(4, 5),
     integers(3, 4, low=0, high=5), uniform(4, 6), gradient=False)
case("index_add", lambda x, i, v: torch.index_add(x, 0, i, v, alpha=-2), uniform(3, 2), index, uniform(4, 2))

# Reductions.
case("any", lambda x: torch.any(x, 1), integers(4, 3, low=0, high=2))
case("all", lambda x: torch.all(x, 0, keepdim=True), integers(2, 5, low=0, high=2))
case("count_nonzero", lambda x: torch.count_nonzero(x, 1), integers(4, 3, low=0, high=2))
case("prod", lambda x: torch.prod(x, 1), x)
case("std", lambda x: torch.std(x, (0, 2)), x)
case("std population", lambda x: torch.std(x, -1, correction=0, keepdim=True), x)
for p in [0, 1, 2, 3, inf, -inf]:
    case(f"norm {p}", lambda x: torch.linalg.vector_norm(x, p, (0, 2)), x)
case("norm zero", lambda x: torch.linalg.vector_norm(x, 2, 1), torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
case("logsumexp infinite", lambda x: torch.logsumexp(x, 1), torch.tensor([[-inf, -inf], [inf, 1.0], [2.0, -inf]]),
     gradient=False)

# Order.
y = torch.tensor([[3.0, -1.0, 2.0, 2.0, 7.0], [1.0, 1.0, 0.5, -4.0, 1.0]])
case("sort", lambda x: torch.sort(x, dim=1, stable=True), y)
case("sort descending", lambda x: torch.sort(x, dim=0, descending=True, stable=True), y)
case("sort nan", lambda x: torch.sort(x, stable=True), torch.tensor([1.0, nan, -inf, inf, nan, 0.0]), gradient=False)
case("argsort", lambda x: torch.argsort(x, dim=1, stable=True), integers(3, 6))
case("topk", lambda x: torch.topk(x, 2, 0), uniform(5, 3))
case("topk smallest", lambda x: torch.topk(x, 3, -1, largest=False), uniform(2, 6))
case("argmin", lambda x: torch.argmin(x, 1, keepdim=True), y)
case("argmin nan", lambda x: torch.argmin(x), torch.tensor([1.0, nan, -3.0, nan]), gradient=False)
case("max", lambda x: torch.max(x, 1), y)
case("min", lambda x: torch.min(x, 1, keepdim=True), y)
case("cumsum long", lambda x: torch.cumsum(x, 1), uniform(2, 300, 3))
case("cumsum integers", lambda x: torch.cumsum(x, 0), integers(17))
case("cumprod", lambda x: torch.cumprod(x, 1), uniform(2, 7))
case("cumprod zero", lambda x: torch.cumprod(x, 0), torch.tensor([2.0, 0.0, 3.0, 0.0, 1.5]))
case("cumprod long", lambda x: torch.cumprod(x, 0), uniform(40, low=0.8, high=1.2))

# Products.
case("dot", torch.dot, uniform(7), uniform(7))
case("outer", torch.outer, uniform(3), uniform(4))
case("tensordot number", lambda a, b: torch.tensordot(a, b, 2), uniform(2, 3, 4), uniform(3, 4, 5))
case("tensordot axes", lambda a, b: torch.tensordot(a, b, ([2, 0], [1, 2])), uniform(2, 3, 4), uniform(5, 4, 2))
case("cdist", torch.cdist, uniform(2, 3, 4), uniform(2, 5, 4))
for equation, *shapes in [
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("ba,cb", (2, 3), (4, 2)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)), ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
    ("ii->i", (3, 3)), ("ii", (3, 3)), ("iji->j", (3, 2, 3)), ("ij->", (2, 3)), ("ij->ji", (2, 3)),
    ("i,j->ij", (3,), (4,)), ("i,i->i", (3,), (3,)), ("i,i", (3,), (3,)),
    ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)), ("...i->...", (2, 3, 4)), ("i...,i...", (3, 2), (3, 2)),
    ("ij,kj,lk->il", (2, 3), (4, 3), (5, 4)), ("ij,ik,il->jkl", (2, 3), (2, 4), (2, 2)),
    ("ij,kl->", (2, 3), (2, 2)), ("aij,ajk->ik", (2, 3, 4), (2, 4, 5)), ("ij,ij->ij", (1, 3), (2, 3)),
    ("b...d,d->b...", (2, 3, 4), (4,)), ("iij,jk->ik", (3, 3, 2), (2, 4)),
]:
    case("einsum " + equation, lambda *xs: torch.einsum(equation, *xs), *(uniform(*shape) for shape in shapes))

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "functions.safetensors")
save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, path,
          metadata={"torch": torch.__version__})
print(f"{len({name.rsplit('/', 1)[0] for name in tensors})} cases, {os.path.getsize(path)} bytes, torch {torch.__version__}")
