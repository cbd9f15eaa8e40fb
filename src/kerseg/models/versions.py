"""What earlier versions of kerseg built under the same names, so that their runs go on with the same networks."""

from collections.abc import Mapping
from typing import Any

V0_1: Mapping[str, Mapping[str, Any]] = {
    "deeplab_v1": {"pad": False, "average_padding": False},
    "deeplab_v2": {"pad": False},
    "deeplab_v3": {"pad": False, "momentum": 0.9997},
    "pspnet": {"pad": False, "momentum": 0.95},
    "gcn": {"pad": False},
    "icnet": {"pad": False, "momentum": 0.95},
    "enet": {"asymmetric_bias": False},
}
"""Options whose defaults are others since 0.2, with what 0.1 did."""
OVERLOOKED_BY_0_1 = ("stem", "stride_in")
"""Options that 0.1 took with any backbone; they are refused today where the backbone has no such variant."""
V0_1_SLIM_MOMENTUM = 0.997
"""Of 0.1's ResNets v2, where the architecture did not say otherwise."""


def changed_since_0_1(name: str, backbone: str | None) -> dict[str, Any]:
    """Return the options with which an architecture's function builds what 0.1 built without any.

    Args:
        name: In ``kerseg.models.MODELS``.
        backbone: In ``kerseg.backbones.BACKBONES``; ``None`` for an architecture that takes none.
    """
    changed = dict(V0_1.get(name, {}))
    if backbone is not None and backbone.endswith("_v2"):
        changed.setdefault("momentum", V0_1_SLIM_MOMENTUM)
    return changed
