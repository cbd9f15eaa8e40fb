"""Compare every architecture with its release: ``python tests/golden/compare.py``; ends with 1 if one differs.

Runs on Keras's current backend. Needs 6 GB and some minutes; ``scripts/golden`` runs all that belongs together.
"""

import argparse
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def main() -> int:
    """Compare, print a line a case, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="architectures; all if none is named")
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    parser.add_argument("--pixels", type=int, default=10**9, help="leave larger images out")
    options = parser.parse_args()

    import keras

    keras.config.set_floatx(options.dtype)
    from releases import FLOAT32, FLOAT64, ROWS, Builder, cases, differences

    allowed, wrong, made = FLOAT64 if options.dtype == "float64" else FLOAT32, 0, Builder()
    print(f"{keras.backend.backend()}, {options.dtype}: at most {allowed:g} deviations")
    for name in options.names or ROWS:
        for compared in cases(name):
            if compared.left_out:
                print(f"  left out  {compared.label}: {compared.left_out}")
                continue
            if compared.pixels > options.pixels or (options.dtype == "float32" and not compared.row.float32):
                continue
            begun = time.monotonic()
            found = differences(compared, made(compared))
            worst = max(found, key=lambda output: found[output])
            right = found[worst] <= allowed
            wrong += not right
            seconds = time.monotonic() - begun
            print(
                f"  {'equal' if right else 'WRONG':9} {found[worst]:.1e} {seconds:5.1f} s  {compared.label}",
                end="",
            )
            print("" if right else f"  {worst}: {found}", flush=True)
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
