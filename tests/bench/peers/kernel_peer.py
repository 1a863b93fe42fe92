"""oneDNN's and OpenBLAS's side: single kernels, called in a loop of C++ (kernels.cpp).

OpenBLAS is the one NumPy brings, newer than Debian's; oneDNN is Debian's libdnnl.
"""

import ctypes
import glob
import os
import pathlib

import numpy as np

import definitions as d

LIBRARY = ctypes.CDLL(os.environ["KILN_PEER_KERNELS"])
LIBRARY.run.argtypes = [ctypes.c_void_p, ctypes.c_long]


class Product(ctypes.Structure):
    _fields_ = [("transpose_a", ctypes.c_int), ("transpose_b", ctypes.c_int),
                *((name, ctypes.c_long) for name in ("batch", "m", "k", "n"))]


def pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


def aligned(array):
    """A copy that begins at a cache line, as the libraries' own memory does."""
    bytes_ = np.empty(array.nbytes + 64, np.uint8)
    at = -bytes_.ctypes.data % 64
    copy = bytes_[at:at + array.nbytes].view(np.float32).reshape(array.shape)
    copy[...] = array
    return copy


class Kernel:
    """`function` of the library makes the work of these arrays; `results` are among them."""

    def __init__(self, function, arguments, arrays, results):
        self.arrays, self.results = arrays, results
        make = getattr(LIBRARY, function)
        make.restype = ctypes.c_void_p
        self.work = make(*arguments, *(pointer(array) for array in arrays))
        if not self.work:
            raise SystemExit(f"{function} failed")

    def run(self, steps):
        LIBRARY.run(self.work, steps)

    def step(self):
        self.run(1)
        return self.results

    def state(self):
        return {}

    def reset(self):
        pass


def openblas():
    folder = pathlib.Path(np.__file__).parent.parent / "numpy.libs"
    return glob.glob(f"{folder}/libscipy_openblas64_*.so")[0]


def product(library, workload, arrays):
    a, b = aligned(arrays["a"]), aligned(arrays["b"])
    tn, nt = ("_tn_" in workload), ("_nt_" in workload)
    batch = a.shape[0] if a.ndim == 3 else 1
    k, m = a.shape[-2:] if tn else a.shape[:-3:-1]
    n = b.shape[-2] if nt else b.shape[-1]
    c = aligned(np.zeros(a.shape[:-2] + (m, n), np.float32))
    shape = Product(tn, nt, batch, m, k, n)
    if library == "onednn":
        return Kernel("make_onednn_product", [shape], [a, b, c], {"output": c})
    names = [ctypes.c_char_p(openblas().encode()), ctypes.c_char_p(b"scipy_cblas_sgemm64_")]
    return Kernel("make_openblas_product", [*names, shape], [a, b, c], {"output": c})


def rows(name, arrays):
    x, dy = aligned(arrays["x"]), aligned(arrays["grad.output"])
    y, dx = (aligned(np.zeros_like(x)) for _ in range(2))
    count, width = map(ctypes.c_long, x.shape)
    results = {"output": y, "grad.x": dx}
    if name != "rows_layer_norm":
        logarithm = ctypes.c_int(name == "rows_log_softmax")
        return Kernel("make_onednn_softmax", [logarithm, count, width], [x, dy, y, dx], results)
    weight, bias = aligned(arrays["weight"]), aligned(arrays["bias"])
    dweight, dbias = (aligned(np.zeros_like(weight)) for _ in range(2))
    return Kernel("make_onednn_layer_norm", [count, width],
                  [x, weight, bias, dy, y, dx, dweight, dbias],
                  results | {"grad.weight": dweight, "grad.bias": dbias})


def make(variant, workload, arrays):
    name = d.base(workload)
    return rows(name, arrays) if name.startswith("rows") else product(variant, workload, arrays)
