"""Compare every architecture with its release: ``python tests/golden/compare.py``; ends with 1 if one differs.

Runs on Keras's current backend, and prints a line a case: the greatest difference of any output, in deviations
of that output, the CPU time it took, network, size, backend, type, options. What is left out is listed with the
reason. ``scripts/golden`` runs all that belongs together.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comparing import Compared

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def main() -> int:
    """Compare, print a line a case, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="architectures; all if none is named")
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    parser.add_argument(
        "--smallest", action="store_true", help="of each network the smallest image and the head alone"
    )
    options = parser.parse_args()

    import keras

    keras.config.set_floatx(options.dtype)
    from comparing import FLOAT32, FLOAT64, Builder, differences
    from releases import ROWS

    allowed, wrong, made = FLOAT64 if options.dtype == "float64" else FLOAT32, 0, Builder()
    where = f"{keras.backend.backend():10} {options.dtype}"
    print(f"{where}: at most {allowed:g} deviations", flush=True)
    for name in options.names or ROWS:
        for compared in chosen(name, options.dtype, smallest=options.smallest):
            began = time.process_time()
            found = differences(compared, made(compared))
            worst = max(found, key=lambda output: found[output])
            right = found[worst] <= allowed
            wrong += not right
            print(
                f"{'equal' if right else 'WRONG'}  {found[worst]:.1e}  {time.process_time() - began:5.1f} s  "
                f"{name:12}  {compared.size:>9}  {where}  {compared.remark}",
                *([] if right else [f"\n    {output}: {value:.1e}" for output, value in found.items()]),
                flush=True,
            )
    return min(wrong, 1)


def chosen(name: str, dtype: str, *, smallest: bool) -> "Iterator[Compared]":
    """Yield the cases of an architecture to compare, and print why the others are not."""
    from releases import ROWS, cases, smallest_of

    if dtype == "float32" and not ROWS[name].float32:
        print(
            f"left out  {name}: a maximum that falls on another pixel changes a value by far more; see float64"
        )
        return
    for compared in cases(name):
        if compared.left_out:
            print(f"left out  {name} {compared.size}: {compared.left_out}")
        elif not smallest or compared.head_alone or compared.case == smallest_of(name).case:
            yield compared


if __name__ == "__main__":
    sys.exit(main())
