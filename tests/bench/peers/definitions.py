"""What PyTorch's and JAX's side have in common: sizes, optimisers, which parameters are fused.

Arrays are numpy's, by the names models/workloads_*.cpp gives them.
"""

import re

import numpy as np

# name: optimiser, its learning rate. Adam's and AdamW's others are PyTorch's defaults.
OPTIMISERS = {
    "digit_mlp": ("adam", 1e-3),
    "sin_mlp": ("adam", 1e-3),
    "deep_mlp": ("sgd", 1e-3),
    "digit_conv": ("adam", 1e-3),
    "lang_rnn": ("adam", 1e-3),
    "mini_gpt": ("adamw", 1e-3),
    "linreg": ("sgd", 0.1),
    "nw_train": ("sgd", 0.5),
    "causal_attention": ("sgd", 1e-3),
}
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
WEIGHT_DECAY = {"adam": 0.0, "adamw": 1e-2}
HEADS = 4  # of mini_gpt

_PROJECTIONS = ("q_layer", "k_layer", "v_layer")


def base(workload):
    """The workload without its size: the definition that all sizes share."""
    if workload == "digit_conv_by_hand":
        return "digit_conv"
    for prefix in ("causal_long", "digit_mlp_infer", "softmax_cross_entropy"):
        if workload.startswith(prefix):
            return prefix
    return re.sub(r"_[0-9x]+$", "", workload)


def parameters(arrays):
    """The parameters among the arrays: of modules, so with a dot in their names, or known."""
    known = {"w", "m", "b", "convolution_weights"}
    return {
        name: array
        for name, array in arrays.items()
        if not name.startswith(("optimizer.", "grad."))
        and (name.endswith((".weight", ".bias")) or name in known)
    }


def inputs(arrays):
    own = parameters(arrays)
    return {
        name: array
        for name, array in arrays.items()
        if name not in own and not name.startswith("optimizer.")
    }


def fuse_projections(params):
    """Three projections of one input become one, as everyone writes attention: q, k, v."""
    fused = {}
    for name, array in params.items():
        if any(f".{layer}." in name for layer in _PROJECTIONS):
            if ".q_layer." in name:
                parts = [params[name.replace("q_layer", layer)] for layer in _PROJECTIONS]
                fused[name.replace("q_layer", "qkv")] = np.concatenate(parts)
        else:
            fused[name] = array
    return fused


def split_projections(params):
    split = {}
    for name, array in params.items():
        if ".qkv." in name:
            for layer, part in zip(_PROJECTIONS, np.split(np.asarray(array), 3)):
                split[name.replace("qkv", layer)] = part
        else:
            split[name] = array
    return split


def exported(kind, params, first_moments, second_moments):
    """State by kiln's names. Adam's first step is the gradient's sign, whatever its size, so that
    where a gradient is next to nothing rounding decides: its moments are compared instead, and the
    loss of the next step."""
    if kind == "sgd":
        return split_projections(params)
    moments = {}
    for what, all_of_them in (("exp_avg", first_moments), ("exp_avg_sq", second_moments)):
        for name, array in split_projections(all_of_them).items():
            moments[f"optimizer.{what}.{name}"] = array
    return moments
