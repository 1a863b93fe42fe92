#!/usr/bin/env python3
"""Writes optim.safetensors: what PyTorch's optimisers and schedules make of given gradients, in f64.

Case NAME has NAME/p (the start), NAME/gradients [steps, ...] and NAME/steps, the parameter after each
step; tests/optim_test.cpp has the same options under the same names.

    python3 tests/torch/generate_optim.py      (needs torch 2.13 and safetensors)
"""

import pathlib

import torch
from safetensors.torch import save_file
from torch.optim import SGD, Adagrad, Adam, AdamW, RMSprop
from torch.optim.lr_scheduler import (CosineAnnealingLR, ExponentialLR, LambdaLR, LinearLR, SequentialLR,
                                      StepLR)

STEPS = 8
torch.manual_seed(3)

cases = {
    "sgd": lambda p: SGD(p),
    "sgd_weight_decay": lambda p: SGD(p, lr=0.1, weight_decay=0.1),
    "sgd_momentum": lambda p: SGD(p, lr=0.1, momentum=0.9),
    "sgd_dampening": lambda p: SGD(p, lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.05),
    "sgd_nesterov": lambda p: SGD(p, lr=0.1, momentum=0.9, weight_decay=0.05, nesterov=True),
    "adam": lambda p: Adam(p),
    "adam_options": lambda p: Adam(p, lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1),
    "adam_amsgrad": lambda p: Adam(p, lr=0.05, betas=(0.8, 0.7), amsgrad=True),
    "adamw": lambda p: AdamW(p),
    "adamw_options": lambda p: AdamW(p, lr=0.05, betas=(0.8, 0.95), weight_decay=0.5),
    "adagrad": lambda p: Adagrad(p),
    "adagrad_options": lambda p: Adagrad(p, lr=0.1, lr_decay=0.2, weight_decay=0.1,
                                         initial_accumulator_value=0.5, eps=1e-2),
    "rmsprop": lambda p: RMSprop(p),
    "rmsprop_options": lambda p: RMSprop(p, lr=0.05, alpha=0.9, eps=1e-3, weight_decay=0.1),
    "rmsprop_momentum": lambda p: RMSprop(p, lr=0.05, momentum=0.9),
    "rmsprop_centered": lambda p: RMSprop(p, lr=0.05, momentum=0.5, centered=True),
}
schedules = {
    "step_lr": (lambda p: SGD(p, lr=0.1), lambda o: StepLR(o, 3, gamma=0.5)),
    "exponential_lr": (lambda p: SGD(p, lr=0.1, momentum=0.9), lambda o: ExponentialLR(o, 0.7)),
    "cosine_annealing_lr": (lambda p: Adam(p, lr=0.1), lambda o: CosineAnnealingLR(o, STEPS, 0.01)),
    "linear_lr": (lambda p: AdamW(p, lr=0.1, weight_decay=0.2), lambda o: LinearLR(o, 0.25, 0.75, 4)),
    "lambda_lr": (lambda p: Adagrad(p, lr=0.1, lr_decay=0.1), lambda o: LambdaLR(o, lambda t: 1 / (1 + t))),
    "linear_warmup": (lambda p: RMSprop(p, lr=0.1),
                      lambda o: SequentialLR(o, [LinearLR(o, 0.25, 1, 3), ExponentialLR(o, 0.5)], [3])),
}

tensors = {}
for name in [*cases, *schedules]:
    make, schedule = schedules.get(name, (cases.get(name), None))
    p = torch.randn(2, 3, dtype=torch.float64).float().double().requires_grad_()
    gradients = torch.randn(STEPS, 2, 3, dtype=torch.float64).float().double()
    gradients[3] = 0
    tensors[f"{name}/p"], steps = p.detach().clone(), []
    optimizer = make([p])
    scheduler = schedule(optimizer) if schedule else None
    for gradient in gradients:
        p.grad = gradient.clone()
        optimizer.step()
        if scheduler:
            scheduler.step()
        steps.append(p.detach().clone())
    tensors[f"{name}/gradients"], tensors[f"{name}/steps"] = gradients, torch.stack(steps)

for name, norm_type, limit in [("clip_2", 2.0, 1.5), ("clip_1", 1.0, 2.0), ("clip_inf", float("inf"), 0.5),
                               ("clip_3", 3.0, 1.0), ("clip_not", 2.0, 100.0)]:
    parameters = [torch.zeros(2, 3), torch.zeros(4)]
    for i, p in enumerate(parameters):
        p.grad = torch.randn(p.shape)
        tensors[f"{name}/g{i}"] = p.grad.clone()
    tensors[f"{name}/norm"] = torch.nn.utils.clip_grad_norm_(parameters, limit, norm_type)
    for i, p in enumerate(parameters):
        tensors[f"{name}/clipped{i}"] = p.grad

save_file(tensors, pathlib.Path(__file__).with_name("optim.safetensors"), {"torch": torch.__version__})
