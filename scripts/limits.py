#!/usr/bin/env python
"""Check the limits of CONTRIBUTING.md: 350 lines a file, 50 lines of body a function.

A function's signature and docstring do not count. What is too long is printed, and the exit status is 1.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_FILE, MAX_BODY = 350, 50
Function = ast.FunctionDef | ast.AsyncFunctionDef


def main() -> int:
    """Check the files that are named, or all of src, scripts and benchmarks that Git knows."""
    # Not tests, whose tables of cases grow with what they check.
    places = [f"{place}/*.py" for place in ("src", "scripts", "benchmarks")]
    listed = subprocess.run(["git", "ls-files", *places], capture_output=True, text=True, check=True)
    found = [line for name in sys.argv[1:] or listed.stdout.split() for line in too_long(Path(name))]
    print(*found, sep="\n", end="\n" * bool(found))
    return bool(found)


def too_long(path: Path) -> Iterator[str]:
    """Yield a line for the file and for each function in it that is over its limit."""
    text = path.read_text(encoding="utf-8")
    if (lines := text.count("\n")) > MAX_FILE:
        yield f"{path}: {lines} lines, at most {MAX_FILE}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function) and (lines := body_lines(node)) > MAX_BODY:
            yield f"{path}:{node.lineno} {node.name}: {lines} lines of body, at most {MAX_BODY}"


def body_lines(function: Function) -> int:
    """Return the number of lines of a function's body without its docstring."""
    statements = function.body[ast.get_docstring(function) is not None :]
    return (statements[-1].end_lineno or 0) - statements[0].lineno + 1 if statements else 0


if __name__ == "__main__":
    sys.exit(main())
