"""High-dimensional Gaussian filtering on the permutohedral lattice, compiled by numba.

Source: A. Adams, J. Baek, M. A. Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice",
Computer Graphics Forum 29(2), 2010. Each point of d features lies in a simplex of a lattice in d dimensions and
spreads its values to that simplex's d + 1 vertices (splat); the vertices are blurred along the lattice's d + 1
directions with the weights 1/2, 1, 1/2; each point then collects from its vertices what has arrived (slice).

What depends on the features alone, the simplices and the vertices' neighbours, is found once, in `Lattice`. The
values of a point (one a class) lie side by side in memory, so that each step is one loop over them that the
processor takes eight or sixteen at a time. Kernels release Python's lock and take a range of points or vertices
each: threads share the work. Sums are added up in another order then, so that results differ in the last digit.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])
Floats = NDArray[np.float32]
Indices = NDArray[np.int32]

LANES = 8
"""Values are padded with zeros to a multiple of this: float32 that fit a register of AVX2."""


def compiled(function: Function) -> Function:
    """Compile a kernel, once for each machine: numba keeps it beside the file or in the user's cache."""
    return cast(Function, numba.njit(nogil=True, fastmath=True, cache=True, error_model="numpy")(function))


class Threads:
    """Threads among which ranges of rows are shared."""

    def __init__(self, count: int):
        self.count = count
        self._pool = ThreadPoolExecutor(count - 1) if count > 1 else None

    def share(self, kernel: Callable[..., None], rows: int, *arguments: Any) -> None:
        """Call ``kernel(first, last, *arguments)`` for ranges that together are 0 to ``rows``."""
        self.share_numbered(lambda part, first, last: kernel(first, last, *arguments), rows)

    def share_numbered(self, kernel: Callable[..., None], rows: int, *arguments: Any) -> None:
        """Call ``kernel(part, first, last, *arguments)``; ``part`` is 0 to ``count`` - 1."""
        bounds = [rows * part // self.count for part in range(self.count + 1)]
        others = [
            self._pool.submit(kernel, part, bounds[part], bounds[part + 1], *arguments)
            for part in range(1, self.count)
            if self._pool is not None
        ]
        kernel(0, 0, bounds[1], *arguments)
        for other in others:
            other.result()

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()


class Lattice:
    """The lattice of some points.

    Args:
        features: float32 (points, d), each divided by the standard deviation of its Gaussian.
        threads: What shares the work.

    Example:
        >>> row = Lattice(np.arange(5, dtype=np.float32)[:, np.newaxis], Threads(1))
        >>> row.weights.sum(axis=1).round(3).tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, features: Floats, threads: Threads):
        points, dimensions = features.shape
        bases = np.empty((points, dimensions + 1), np.int32)
        ranks = np.empty((points, dimensions + 1), np.int8)
        self.weights: Floats = np.empty((points, dimensions + 1), np.float32)
        """Share of each of its vertices in a point; with sum 1."""
        threads.share(_embed, points, features, _scales(dimensions), bases, ranks, self.weights)
        self.corners: Indices = np.empty((points, dimensions + 1), np.int32)
        """The vertices of each point's simplex."""
        keys, table = _number(bases, ranks, self.corners)
        self.vertices = len(keys)
        """Their number: those that some point touches."""
        self.neighbours: Indices = np.empty((dimensions + 1, self.vertices, 2), np.int32)
        """Of each vertex in each direction; one that does not exist is the row after the last."""
        threads.share(_find_neighbours, self.vertices, keys, table, self.neighbours)

    def filter(self, values: Floats, threads: Threads) -> Floats:
        """Return ``values``, float32 (points, channels), filtered but not normalised."""
        blur = Blur(self, values.shape[1], threads)
        threads.share_numbered(_splat, len(values), self.corners, self.weights, values, blur.parts)
        out = np.empty_like(values)
        threads.share(_slice, len(values), self.corners, self.weights, blur.result(), out)
        return out


class Blur:
    """The values of a lattice's vertices, from splat to slice.

    Args:
        lattice: Where the vertices are.
        channels: Values of each.
        threads: What shares the work.
    """

    def __init__(self, lattice: Lattice, channels: int, threads: Threads):
        self.lattice, self.threads = lattice, threads
        self.parts: Floats = np.zeros((threads.count, lattice.vertices, channels), np.float32)
        """What each thread splats, by itself; zeros again after each blur."""
        self.values: Floats = np.zeros((lattice.vertices + 1, channels), np.float32)
        """What the last blur gave; the row after the last vertex stays 0."""
        self._other = np.zeros_like(self.values)

    def result(self) -> Floats:
        """Add up what the threads have splat, and blur it: float32 (vertices + 1, channels)."""
        vertices = self.lattice.vertices
        self.threads.share(_take, vertices, self.parts, self.values)
        for direction in self.lattice.neighbours:
            self.threads.share(_blur, vertices, direction, self.values, self._other)
            self.values, self._other = self._other, self.values
        return self.values


def _scales(dimensions: int) -> Floats:
    """Return what makes the lattice's own blur one of standard deviation 1 in every feature (section 3.1)."""
    place = np.arange(1, dimensions + 1)
    # The weights 1/2, 1, 1/2 along d + 1 directions have the variance of (d + 1)^2 2/3 of a lattice's edge.
    return np.asarray(np.sqrt(2 / 3) * (dimensions + 1) / np.sqrt(place * (place + 1)), np.float32)


@compiled
def _embed(
    first: int,
    last: int,
    features: Floats,
    scales: Floats,
    bases: Indices,
    ranks: NDArray[np.int8],
    weights: Floats,
) -> None:
    """Find each point's simplex: its vertex of remainder 0, the order of its residues, its barycentric weights."""
    d = features.shape[1]
    size = d + 1
    share = np.float32(1) / np.float32(size)
    lifted = np.empty(size, np.float32)
    residue = np.empty(size, np.float32)
    rank = np.empty(size, np.int32)
    weight = np.empty(size + 1, np.float32)
    for p in range(first, last):
        # Into the hyperplane of d + 1 coordinates with sum 0.
        total = np.float32(0)
        for j in range(d, 0, -1):
            value = features[p, j - 1] * scales[j - 1]
            lifted[j] = total - np.float32(j) * value
            total += value
        lifted[0] = total
        # The nearest point whose coordinates are multiples of d + 1; their sum need not be 0 yet.
        excess = np.int32(0)
        for i in range(size):
            steps = np.int32(np.floor(lifted[i] * share + np.float32(0.5)))
            bases[p, i] = steps * size
            residue[i] = lifted[i] - np.float32(steps * size)
            excess += steps
            rank[i] = excess * 0
        for i in range(d):
            for j in range(i + 1, size):
                if residue[i] < residue[j]:
                    rank[i] += 1
                else:
                    rank[j] += 1
        for i in range(size):
            rank[i] += excess
            if rank[i] < 0:
                rank[i] += size
                bases[p, i] += size
            elif rank[i] > d:
                rank[i] -= size
                bases[p, i] -= size
        for i in range(size + 1):
            weight[i] = 0
        for i in range(size):
            value = (lifted[i] - np.float32(bases[p, i])) * share
            weight[d - rank[i]] += value
            weight[size - rank[i]] -= value
        weight[0] += np.float32(1) + weight[size]
        for i in range(size):
            weights[p, i] = weight[i]
            ranks[p, i] = rank[i]


@compiled
def _slot(key: Indices, keys: Indices, table: Indices) -> np.int64:
    """Return where in ``table`` the vertex ``key`` is, or where it would go."""
    mask = np.uint64(table.size - 1)
    code = np.uint64(0)
    for k in range(key.size):
        code = (code + np.uint64(np.int64(key[k]))) * np.uint64(0x9E3779B97F4A7C15)
        code ^= code >> np.uint64(29)
    place = code & mask
    while True:
        entry = table[place]
        if entry < 0:
            return np.int64(place)
        same = True
        for k in range(key.size):
            if keys[entry, k] != key[k]:
                same = False
                break
        if same:
            return np.int64(place)
        place = (place + np.uint64(1)) & mask


@compiled
def _number(bases: Indices, ranks: NDArray[np.int8], corners: Indices) -> tuple[Indices, Indices]:
    """Number the vertices as they first occur; return the key of each, and the table that finds them."""
    points, size = bases.shape
    d = size - 1
    key = np.empty(d, np.int32)
    # Both double when they are full: a table that fits the cache is several times faster than one that does not.
    table = np.full(1 << 14, -1, np.int32)
    keys = np.empty((1 << 13, d), np.int32)
    count = 0
    for p in range(points):
        same = p > 0
        for i in range(size):
            same = same and bases[p, i] == bases[p - 1, i] and ranks[p, i] == ranks[p - 1, i]
        if same:  # as neighbours in an even area are
            for i in range(size):
                corners[p, i] = corners[p - 1, i]
            continue
        if count + size > len(keys):
            larger = np.empty((2 * len(keys), d), np.int32)
            larger[:count] = keys[:count]
            keys = larger
            table = np.full(2 * table.size, -1, np.int32)
            for entry in range(count):
                table[_slot(keys[entry], keys, table)] = entry
        for remainder in range(size):
            for k in range(d):
                key[k] = bases[p, k] + remainder
                if ranks[p, k] > d - remainder:
                    key[k] -= size
            place = _slot(key, keys, table)
            if table[place] < 0:
                for k in range(d):
                    keys[count, k] = key[k]
                table[place] = count
                count += 1
            corners[p, remainder] = table[place]
    return keys[:count], table


@compiled
def _find_neighbours(first: int, last: int, keys: Indices, table: Indices, neighbours: Indices) -> None:
    """Look up the vertices before and after each one in each direction."""
    missing, d = keys.shape
    key = np.empty(d, np.int32)
    for vertex in range(first, last):
        for direction in range(d + 1):
            for side in range(2):
                step = 1 - 2 * side
                for k in range(d):
                    key[k] = keys[vertex, k] - step
                if direction < d:
                    key[direction] = keys[vertex, direction] + step * d
                entry = table[_slot(key, keys, table)]
                neighbours[direction, vertex, side] = missing if entry < 0 else entry


@compiled
def _splat(
    part: int, first: int, last: int, corners: Indices, weights: Floats, values: Floats, parts: Floats
) -> None:
    """Spread the values of points to their vertices."""
    for p in range(first, last):
        for i in range(corners.shape[1]):
            vertex, weight = corners[p, i], weights[p, i]
            for c in range(values.shape[1]):
                parts[part, vertex, c] += weight * values[p, c]


@compiled
def _take(first: int, last: int, parts: Floats, out: Floats) -> None:
    """Move the sum of ``parts`` to ``out``."""
    for vertex in range(first, last):
        for c in range(out.shape[1]):
            out[vertex, c] = parts[0, vertex, c]
            parts[0, vertex, c] = 0
        for part in range(1, parts.shape[0]):
            for c in range(out.shape[1]):
                out[vertex, c] += parts[part, vertex, c]
                parts[part, vertex, c] = 0


@compiled
def _blur(first: int, last: int, neighbours: Indices, values: Floats, out: Floats) -> None:
    """Blur along one direction."""
    half = np.float32(0.5)
    for vertex in range(first, last):
        before, after = neighbours[vertex, 0], neighbours[vertex, 1]
        for c in range(values.shape[1]):
            out[vertex, c] = values[vertex, c] + half * (values[before, c] + values[after, c])


@compiled
def _slice(first: int, last: int, corners: Indices, weights: Floats, values: Floats, out: Floats) -> None:
    """Collect for each point from its vertices."""
    for p in range(first, last):
        for c in range(values.shape[1]):
            out[p, c] = 0
        for i in range(corners.shape[1]):
            vertex, weight = corners[p, i], weights[p, i]
            for c in range(values.shape[1]):
                out[p, c] += weight * values[vertex, c]
