#!/usr/bin/env python3
"""Writes layers.safetensors: what PyTorch's layers and losses make of given inputs, and the gradients.

Case NAME has NAME/x0, NAME/x1, … (inputs), NAME/y0, … (outputs), NAME/d0, … (the outputs' cotangents),
NAME/g0, … (gradients of Σ y·d, of those inputs that have one), the parameters and buffers as
NAME/state/KEY, the parameters' gradients as NAME/grad/KEY and buffers after the call as NAME/after/KEY.
tests/layers_test.cpp has the same layers under the same names.

    python3 tests/torch/generate_layers.py      (needs torch 2.13 and safetensors)
"""

import pathlib

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

torch.manual_seed(5)
tensors = {}


def flat(outputs):
    for output in outputs if isinstance(outputs, tuple) else (outputs,):
        yield from flat(output) if isinstance(output, tuple) else (output,)


def case(name, f, *inputs, module=None):
    inputs = [x.clone().requires_grad_() if x.is_floating_point() else x for x in inputs]
    if module is not None:
        with torch.no_grad():  # not the first values alone, of which many are 0 or 1
            for p in module.parameters():
                p.add_(0.3 * torch.randn_like(p))
        for key, value in module.state_dict().items():
            tensors[f"{name}/state/{key}"] = value.clone()
    outputs = list(flat(f(*inputs)))
    cotangents = [torch.randn_like(y) for y in outputs]
    torch.autograd.backward(outputs, cotangents)
    for i, x in enumerate(inputs):
        tensors[f"{name}/x{i}"] = x.detach()
        if x.is_floating_point() and x.grad is not None:
            tensors[f"{name}/g{i}"] = x.grad
    for i, (y, d) in enumerate(zip(outputs, cotangents)):
        tensors[f"{name}/y{i}"], tensors[f"{name}/d{i}"] = y.detach(), d
    if module is not None:
        for key, p in module.named_parameters():
            tensors[f"{name}/grad/{key}"] = p.grad
        for key, b in module.named_buffers():
            tensors[f"{name}/after/{key}"] = b.clone()


def layer(name, module, *inputs):
    case(name, module, *inputs, module=module)


r = torch.randn

layer("linear", nn.Linear(5, 3), r(4, 5))
layer("linear_plain", nn.Linear(5, 3, bias=False), r(2, 3, 5))
layer("conv1d", nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), r(2, 4, 11))
layer("conv2d", nn.Conv2d(3, 4, 3), r(2, 3, 6, 5))
layer("conv2d_options", nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(2, 1), dilation=(1, 2), groups=2, bias=False),
      r(2, 4, 7, 6))
layer("conv2d_alone", nn.Conv2d(2, 3, 2), r(2, 4, 5))
layer("conv_transpose2d", nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), r(2, 4, 3, 4))
layer("conv_transpose2d_dilated", nn.ConvTranspose2d(2, 3, (2, 3), stride=(1, 2), padding=(0, 2), dilation=2),
      r(1, 2, 4, 5))
case("max_pool2d", lambda x: F.max_pool2d(x, 2), r(2, 3, 6, 7))
case("max_pool2d_options", lambda x: F.max_pool2d(x, (3, 2), (2, 3), (1, 0), (2, 1), ceil_mode=True), r(2, 2, 8, 9))
case("avg_pool2d", lambda x: F.avg_pool2d(x, 3, 2), r(2, 3, 7, 7))
case("avg_pool2d_options", lambda x: F.avg_pool2d(x, (3, 2), 2, 1, ceil_mode=True), r(2, 2, 6, 7))
case("avg_pool2d_uncounted", lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), r(2, 2, 6, 7))
case("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, (3, 1)), r(2, 3, 6, 5))
layer("embedding", nn.Embedding(7, 3), torch.tensor([[1, 6, 1], [0, 1, 3]]))
layer("layer_norm", nn.LayerNorm(6), r(4, 3, 6))
layer("layer_norm_axes", nn.LayerNorm((3, 4), eps=0.1, bias=False), r(2, 3, 4))
layer("rms_norm", nn.RMSNorm(6), r(4, 6))
layer("group_norm", nn.GroupNorm(2, 4), r(3, 4, 5))
layer("batch_norm1d", nn.BatchNorm1d(3), 2 * r(6, 3) + 1)
layer("batch_norm2d", nn.BatchNorm2d(3, momentum=0.3, eps=0.01), 2 * r(4, 3, 2, 3) + 1)
layer("batch_norm_average", nn.BatchNorm1d(2, momentum=None), r(4, 2, 3))
layer("batch_norm_eval", nn.BatchNorm2d(3).eval(), r(4, 3, 2, 3))
layer("rnn_cell", nn.RNNCell(3, 4, nonlinearity="relu"), r(2, 3), r(2, 4))
layer("gru_cell", nn.GRUCell(3, 4), r(2, 3), r(2, 4))
lstm_cell = nn.LSTMCell(3, 4)
case("lstm_cell", lambda x, h, c: lstm_cell(x, (h, c)), r(2, 3), r(2, 4), r(2, 4), module=lstm_cell)
layer("rnn", nn.RNN(3, 4), r(5, 2, 3), r(1, 2, 4))
layer("rnn_alone", nn.RNN(3, 4, bias=False), r(5, 3))
layer("gru", nn.GRU(3, 4, num_layers=2, batch_first=True, bidirectional=True), r(2, 5, 3))
lstm = nn.LSTM(3, 4, num_layers=2)
case("lstm", lambda x, h, c: lstm(x, (h, c)), r(6, 2, 3), r(2, 2, 4), r(2, 2, 4), module=lstm)
causal = torch.ones(5, 5).triu(1).bool()
attention = nn.MultiheadAttention(6, 2, batch_first=True)
case("multihead", lambda x: attention(x, x, x, attn_mask=causal), r(2, 5, 6), module=attention)
cross = nn.MultiheadAttention(6, 3, kdim=4, vdim=5)
padding = torch.tensor([[False, False, True], [False, True, True]])
case("multihead_cross", lambda q, k, v: cross(q, k, v, key_padding_mask=padding), r(4, 2, 6), r(3, 2, 4), r(3, 2, 5),
     module=cross)
case("attention_causal", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), r(2, 4, 3), r(2, 4, 3),
     r(2, 4, 5))
case("attention_scaled", lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m, scale=0.3), r(2, 3, 3), r(2, 4, 3),
     r(2, 4, 5), r(3, 4))

x, y = r(4, 5), r(4, 5)
p = torch.rand(4, 5)
classes = torch.tensor([0, 4, 2, 2])
images, labels = r(2, 3, 2, 2), torch.tensor([[[0, 2], [1, -100]], [[2, 2], [0, 1]]])
weight = torch.rand(3) + 0.5
for reduction in ("none", "mean", "sum"):
    a = {"reduction": reduction}
    case(f"mse_{reduction}", lambda x, y: F.mse_loss(x, y, **a), x, y)
    case(f"cross_entropy_{reduction}", lambda x, t: F.cross_entropy(x, t, **a), x, classes)
    case(f"cross_entropy_images_{reduction}",
         lambda x, t, w: F.cross_entropy(x, t, w.detach(), label_smoothing=0.2, **a), images, labels, weight)
    case(f"bce_with_logits_{reduction}",
         lambda x, y, w: F.binary_cross_entropy_with_logits(x, y, pos_weight=w.detach(), **a), x, p, torch.rand(5) + 0.5)
case("l1", lambda x, y: F.l1_loss(x, y), x, y)
case("smooth_l1", lambda x, y: F.smooth_l1_loss(x, y, beta=0.7), x, y)
case("huber", lambda x, y: F.huber_loss(x, y, delta=0.7), x, y)
case("cross_entropy_probabilities", lambda x, t: F.cross_entropy(x, t, label_smoothing=0.1), x, y.softmax(1))
case("cross_entropy_one", lambda x, t: F.cross_entropy(x, t), r(5), torch.tensor(3))
case("cross_entropy_ignored", lambda x, t: F.cross_entropy(x, t, ignore_index=2), x, classes)
case("nll", lambda x, t: F.nll_loss(x, t), x.log_softmax(1), classes)
case("bce", lambda x, y: F.binary_cross_entropy(x, y), torch.rand(4, 5), p)
case("bce_with_logits_zero", lambda x, y: F.binary_cross_entropy_with_logits(x, y), torch.tensor([0.0, 40, -40, 200]),
     torch.tensor([0.3, 1, 1, 0.0]))
case("kl_div", lambda x, y: F.kl_div(x, y, reduction="batchmean"), x.log_softmax(1), y.softmax(1))
case("kl_div_log", lambda x, y: F.kl_div(x, y, log_target=True), x.log_softmax(1), y.log_softmax(1))

save_file({k: v.clone().contiguous() for k, v in tensors.items()}, pathlib.Path(__file__).with_name("layers.safetensors"),
          {"torch": torch.__version__})
