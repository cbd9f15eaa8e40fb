"""The losses once more, plainly, as PyTorch differentiates them: float64, ignored pixels taken out first."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

IGNORE = 255


def flat(labels: np.ndarray, logits: Any) -> tuple[Any, Any]:
    """Return the pixels that count: labels (pixels,) and logits (pixels, classes)."""
    labels = torch.as_tensor(labels.astype(np.int64)).reshape(-1)
    return labels[labels != IGNORE], logits.reshape(-1, logits.shape[-1])[labels != IGNORE]


def weight_tensor(weights: Any) -> Any:
    return None if weights is None else torch.tensor(weights, dtype=torch.float64)


def cross_entropy(labels: np.ndarray, logits: Any, weights: Any, *, label_smoothing: float = 0.0) -> Any:
    labels, logits = flat(labels, logits)
    return F.cross_entropy(logits, labels, weight=weight_tensor(weights), label_smoothing=label_smoothing)


def ohem(labels: np.ndarray, logits: Any, weights: Any, *, threshold: float, min_kept: int) -> Any:
    labels, logits = flat(labels, logits)
    losses = F.cross_entropy(logits, labels, weight=weight_tensor(weights), reduction="none")
    probability = logits.softmax(-1).gather(1, labels[:, None])[:, 0].detach()
    limit = max(float(probability.sort().values[min(min_kept, len(labels) - 1)]), threshold)
    return losses[probability < limit].mean()


def focal(labels: np.ndarray, logits: Any, weights: Any, *, gamma: float) -> Any:
    labels, logits = flat(labels, logits)
    log = logits.log_softmax(-1).gather(1, labels[:, None])[:, 0]
    alpha = torch.ones(len(labels)) if weights is None else weight_tensor(weights)[labels]
    return (alpha * (1 - log.exp()) ** gamma * -log).sum() / alpha.sum()


def tversky(
    labels: np.ndarray, logits: Any, weights: Any, *, alpha: float, beta: float, smooth: float = 0.0
) -> Any:
    labels, logits = flat(labels, logits)
    terms, scale = [], []
    for index in labels.unique().tolist():
        p, g = logits.softmax(-1)[:, index], (labels == index).double()
        both = (p * g).sum()
        below = both + alpha * (p * (1 - g)).sum() + beta * ((1 - p) * g).sum() + smooth
        scale.append(1.0 if weights is None else weights[index])
        terms.append(scale[-1] * (1 - (both + smooth) / below))
    return sum(terms) / sum(scale)


def dice(labels: np.ndarray, logits: Any, weights: Any, *, smooth: float = 0.0) -> Any:
    return tversky(labels, logits, weights, alpha=0.5, beta=0.5, smooth=smooth / 2)


def jaccard(labels: np.ndarray, logits: Any, weights: Any, *, smooth: float = 0.0) -> Any:
    return tversky(labels, logits, weights, alpha=1.0, beta=1.0, smooth=smooth)


def lovasz_softmax(labels: np.ndarray, logits: Any, weights: Any) -> Any:
    """Berman et al., equation 9: the errors in falling order times the growth of the Jaccard loss."""
    labels, logits = flat(labels, logits)
    terms, scale = [], []
    for index in labels.unique().tolist():
        truth = labels == index
        errors = (truth.double() - logits.softmax(-1)[:, index]).abs()
        order = errors.detach().argsort(descending=True)
        loss, before, wrong = 0.0, 0.0, torch.zeros_like(truth)
        for place in order.tolist():
            wrong[place] = True
            # Jaccard loss of exactly these mistakes: |wrong| / |truth or wrong|.
            now = float(wrong.sum() / (truth | wrong).sum())
            loss, before = loss + errors[place] * (now - before), now
        scale.append(1.0 if weights is None else weights[index])
        terms.append(scale[-1] * loss)
    return sum(terms) / sum(scale)


def boundary_weighted(labels: np.ndarray, logits: Any, weights: Any, *, gaps: np.ndarray) -> Any:
    gaps = torch.as_tensor(gaps).reshape(-1)[torch.as_tensor(labels.astype(np.int64)).reshape(-1) != IGNORE]
    labels, logits = flat(labels, logits)
    each = gaps + (1.0 if weights is None else weight_tensor(weights)[labels])
    return (each * F.cross_entropy(logits, labels, reduction="none")).sum() / each.sum()


def value_and_gradient(loss: Any, labels: np.ndarray, logits: np.ndarray, weights: Any) -> Any:
    """Return a reference's value and its gradient of the logits."""
    tensor = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    value = loss(labels, tensor, weights)
    value.backward()
    return value.item(), tensor.grad.numpy()
