#!/usr/bin/env bash
# Runs gradients.py where JAX is installed: bash tests/jax/gradients.sh PATH/TO/kiln
# Its interpreter is $KILN_JAX_PYTHON, ../jaxvenv's or python3. Status 77: JAX is not there.
set -uo pipefail
folder=$(dirname "${BASH_SOURCE[0]}")
for python in "${KILN_JAX_PYTHON:-}" "$folder/../../../jaxvenv/bin/python" python3; do
  if [[ -n $python ]] && "$python" -c 'import jax' 2>/dev/null; then
    JAX_PLATFORMS=cpu PYTHONDONTWRITEBYTECODE=1 exec "$python" "$folder/gradients.py" "$1"
  fi
done
echo "JAX is not installed: set KILN_JAX_PYTHON to an interpreter that has it"
exit 77
