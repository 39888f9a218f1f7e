"""How a network is trained, as the configuration says it."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Recipe:
    """How to train; the keys of a `training` entry in the configuration, where each is described."""

    steps: int
    batch: int = 1
    loss: str = "weighted_cross_entropy"
    optimizer: str = "sgd"
    learning_rate: float = 1e-3
    momentum: float = 0.99
    weight_decay: float = 0.0
    schedule: str = "constant"
    warmup: int = 0
    clip: float | None = None
    average: float = 0.0
    fix_norm: float = 0.1
    symmetries: bool = False
    elastic: dict = field(default_factory=lambda: {"form": "none"})
    output: int | None = None
    pixels: int | None = None
    precision: str = "float32"
    deterministic: bool = True
    keep: str = "last"
    init: str | None = None
    encoder_rate: float = 1.0
    gpus: int = 1
    validate_every: int = 100
    checkpoint_every: int = 100
