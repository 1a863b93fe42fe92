#!/usr/bin/env python3
"""Shows texts to StableHLO's own parser and verifier, as JAX ships them.

    tests/jax/parse_check.py FILE_OR_FOLDER…

A file may hold several modules, between lines `// -----`. Prints what is not accepted, then counts;
the exit status is 1 if there was any. To check all that kiln prints:

    KILN_KEEP_TEXTS=/tmp/texts build/release/kiln_tests "what_is_printed*"
    tests/jax/parse_check.py /tmp/texts
"""

import pathlib
import sys

from jax._src.interpreters import mlir
from jaxlib.mlir import ir


def files(arguments):
    for argument in map(pathlib.Path, arguments):
        if argument.is_dir():
            yield from sorted(argument.rglob("*.mlir"))
        else:
            yield argument


def complaint(text):
    with mlir.make_ir_context():
        try:
            ir.Module.parse(text).operation.verify()
        except Exception as error:  # MLIRError, or ValueError of the verifier
            return str(error)
    return None


def main(arguments):
    accepted = rejected = 0
    for file in files(arguments):
        for part in file.read_text().split("\n// -----"):
            error = complaint(part)
            if error is None:
                accepted += 1
            else:
                rejected += 1
                print(f"{file}: {error}")
    print(f"{accepted} accepted, {rejected} rejected")
    return 1 if rejected else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
