#!/usr/bin/env python3
"""Writes mini_gpt.safetensors: what nanoGPT's network, made small, gives, and three steps of AdamW.

text, targets [2, 7]; the parameters as state/KEY; logits, loss, the parameters' gradients as grad/KEY;
losses [3] of the steps and the parameters after them as after/KEY. tests/mini_gpt_test.cpp reads it.

    python3 tests/torch/generate_mini_gpt.py      (needs torch 2.13 and safetensors)
"""

import pathlib

import torch
from mini_gpt import MiniGpt
from safetensors.torch import save_file

torch.manual_seed(7)
net = MiniGpt(symbols=11, size=8, heads=2, blocks=2, block_size=9)
with torch.no_grad():  # not the first values alone, of which many are 0 or 1
    for p in net.parameters():
        p.add_(0.3 * torch.randn_like(p))
tensors = {f"state/{key}": value.clone() for key, value in net.state_dict().items()}
text, targets = torch.randint(11, (2, 7)), torch.randint(11, (2, 7))
tensors |= {"text": text, "targets": targets}

optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
losses = []
for step in range(3):
    logits, loss = net(text, targets)
    optimizer.zero_grad()
    loss.backward()
    if step == 0:
        tensors |= {"logits": logits.detach().clone(), "loss": loss.detach().clone()}
        tensors |= {f"grad/{key}": p.grad.clone() for key, p in net.named_parameters()}
    losses.append(loss.item())
    optimizer.step()
tensors["losses"] = torch.tensor(losses)
tensors |= {f"after/{key}": value.clone() for key, value in net.state_dict().items()}

save_file(tensors, pathlib.Path(__file__).with_name("mini_gpt.safetensors"), {"torch": torch.__version__})
