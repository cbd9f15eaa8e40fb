"""Mean-field inference in a fully connected CRF with Gaussian edge potentials, compiled by numba.

Source: P. Krähenbühl, V. Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials", NIPS
2011, algorithm 1, with Potts compatibility. Each kernel is normalised on both sides, Λ^-1/2 K Λ^-1/2 with Λ the
diagonal of K's row sums, as in the authors' code since its version 2 and in pydensecrf.
"""

import numpy as np

from kerseg.inference.lattice import LANES, Blur, Floats, Indices, Lattice, Threads, compiled

LEAST = 1e-5
"""Probabilities below count as this much: a class that the network rules out can still win among its likes."""


class Kernel:
    """A Gaussian over features, normalised, on a lattice that is built once.

    Args:
        features: float32 (points, d), each divided by its standard deviation.
        threads: What shares the work.
    """

    def __init__(self, features: Floats, threads: Threads):
        self.lattice = Lattice(features, threads)
        mass = self.lattice.filter(np.ones((len(features), 1), np.float32), threads)
        self.weights: Floats = self.lattice.weights / np.sqrt(mass + np.float32(1e-20))
        """Of points in their vertices, with the square root of the normalisation: for splat and slice alike."""


def mean_field(
    probabilities: Floats,
    kernels: tuple[Kernel, Kernel],
    weights: tuple[float, float],
    threads: Threads,
    *,
    iterations: int,
) -> Floats:
    """Return the marginals of the CRF after some updates of all points at once.

    Args:
        probabilities: float32 (points, classes), the network's; their negative logarithm is the unary energy.
        kernels: Of the pairwise energy.
        weights: What two points of different classes cost, times the kernel: one a kernel.
        threads: What shares the work.
        iterations: Number of updates.

    Returns:
        float32 (points, classes), with sum 1 over the classes.
    """
    points, classes = probabilities.shape
    channels = -(-classes // LANES) * LANES
    # What pads is as good as impossible, and adds nothing to any sum.
    energy = np.full((points, channels), -1e4, np.float32)
    np.log(np.maximum(probabilities, np.float32(LEAST)), out=energy[:, :classes])
    factors = np.array(weights, np.float32)
    blurs = [Blur(kernel.lattice, channels, threads) for kernel in kernels]
    out = np.empty_like(probabilities)
    for step in range(iterations + 1):
        spread = [blur.result() for blur in blurs] if step else [blur.values for blur in blurs]
        a, b = (
            (kernel.lattice.corners, kernel.weights, values, blur.parts)
            for kernel, values, blur in zip(kernels, spread, blurs, strict=True)
        )
        marginals = out if step == iterations else out[:0]
        threads.share_numbered(_update, points, energy, factors, *a, *b, marginals)
    return out


@compiled
def _update(
    part: int,
    first: int,
    last: int,
    energy: Floats,
    factors: Floats,
    corners_a: Indices,
    weights_a: Floats,
    values_a: Floats,
    parts_a: Floats,
    corners_b: Indices,
    weights_b: Floats,
    values_b: Floats,
    parts_b: Floats,
    marginals: Floats,
) -> None:
    """Slice both kernels' messages, add the unary energy, normalise, and splat: all while a point is in cache.

    The last update writes ``marginals`` instead of splatting; for all others it has no rows.
    """
    channels = energy.shape[1]
    total = np.empty(channels, np.float32)
    for p in range(first, last):
        for c in range(channels):
            total[c] = energy[p, c]
        for i in range(corners_a.shape[1]):
            vertex, weight = corners_a[p, i], factors[0] * weights_a[p, i]
            for c in range(channels):
                total[c] += weight * values_a[vertex, c]
        for i in range(corners_b.shape[1]):
            vertex, weight = corners_b[p, i], factors[1] * weights_b[p, i]
            for c in range(channels):
                total[c] += weight * values_b[vertex, c]
        highest = total[0]
        for c in range(channels):
            highest = max(highest, total[c])
        mass = np.float32(0)
        for c in range(channels):
            total[c] = _exponential(total[c] - highest)
            mass += total[c]
        scale = np.float32(1) / mass
        if marginals.shape[0] > 0:
            for c in range(marginals.shape[1]):
                marginals[p, c] = total[c] * scale
            continue
        for i in range(corners_a.shape[1]):
            vertex, weight = corners_a[p, i], scale * weights_a[p, i]
            for c in range(channels):
                parts_a[part, vertex, c] += weight * total[c]
        for i in range(corners_b.shape[1]):
            vertex, weight = corners_b[p, i], scale * weights_b[p, i]
            for c in range(channels):
                parts_b[part, vertex, c] += weight * total[c]


@compiled
def _exponential(x: np.float32) -> np.float32:
    """Return e^x for x <= 0, to seven digits: in plain arithmetic, which is compiled to vectors; libm's is not.

    e^x = 2^n e^r with n = round(x / ln 2) and |r| <= ln(2) / 2; for e^r its Taylor polynomial of degree 7, whose
    next term is below 6e-9, and 2^n by its bits: https://en.wikipedia.org/wiki/Single-precision_floating-point_format
    """
    x = max(x, np.float32(-87))  # 2^-126 is the last number that these bits can hold
    n = np.floor(x * np.float32(1.4426950408889634) + np.float32(0.5))
    # ln 2 in two parts, the first of few bits, so that its multiples are exact.
    r = (x - n * np.float32(0.693359375)) - n * np.float32(-2.12194440e-4)
    e = np.float32(1 / 5040)
    e = e * r + np.float32(1 / 720)
    e = e * r + np.float32(1 / 120)
    e = e * r + np.float32(1 / 24)
    e = e * r + np.float32(1 / 6)
    e = e * r + np.float32(1 / 2)
    e = e * r + np.float32(1)
    e = e * r + np.float32(1)
    power = np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)
    return np.float32(e * power)
