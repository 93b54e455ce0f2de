#!/usr/bin/env bash
# Build the wheel and test what is in it: pytest, doctests, types, examples, and the command line beside the Rust one.
# FLOWSTILL_PYTHON names an interpreter that has maturin, pytest, numpy and mypy; without it a virtual environment is made.
set -euo pipefail
cd "$(dirname "$0")"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/../target}
mkdir -p "$CARGO_TARGET_DIR"

python=${FLOWSTILL_PYTHON:-}
if [ -z "$python" ]; then
    python3 -m venv .venv
    python=$PWD/.venv/bin/python
    "$python" -m pip install --quiet "maturin>=1.9,<2" pytest numpy mypy
    for peer in pandas polars pyarrow; do
        "$python" -m pip install --quiet "$peer" || echo "skipped: $peer does not install here"
    done
fi

# The workspace's own levels of optimisation, so that both builds mean the same and share what they can.
profile=$CARGO_TARGET_DIR/python-profile.toml
awk '/^\[/{on = /^\[profile\.dev/} on' ../Cargo.toml > "$profile"

echo "== format"
cargo fmt --check
echo "== wheel"
rm -rf "$CARGO_TARGET_DIR/wheels"
"$python" -m maturin build --quiet --profile dev --locked --config "$profile" --interpreter "$python" --out "$CARGO_TARGET_DIR/wheels"
"$python" -m pip install --quiet --force-reinstall --no-deps "$CARGO_TARGET_DIR"/wheels/flowstill-*.whl
# All from elsewhere, so that the wheel is tested and not the folder.
echo "== pytest"
(cd tests && "$python" -m pytest -q -rs .)
echo "== doctests"
(cd tests && "$python" -c 'import doctest, flowstill, sys; sys.exit(doctest.testmod(flowstill, verbose=False).failed)')
echo "== types"
(cd tests && "$python" -m mypy --config-file ../pyproject.toml ../examples && "$python" -m mypy.stubtest flowstill._flowstill)
echo "== examples"
for example in examples/*.py; do
    (cd tests && "$python" "../$example" > /dev/null)
done
echo "python: all is well"
