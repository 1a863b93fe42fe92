#!/usr/bin/env bash
# Runs gradients.py where JAX is installed: bash tests/jax/gradients.sh PATH/TO/kiln
# Its interpreter is $KILN_JAX_PYTHON, else python3. Status 77: JAX is not there.
set -uo pipefail
folder=$(dirname "${BASH_SOURCE[0]}")
python=${KILN_JAX_PYTHON:-python3}
if ! "$python" -c 'import jax' 2>/dev/null; then
  echo "JAX is not installed for $python: set KILN_JAX_PYTHON to an interpreter that has it"
  exit 77
fi
JAX_PLATFORMS=cpu PYTHONDONTWRITEBYTECODE=1 exec "$python" "$folder/gradients.py" "$1"
