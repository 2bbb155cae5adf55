"""The whole model: one encoder, one embedding, a head for each task (SVFAP's fine-tuning).

B clips, T time steps, P places, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from torch import Tensor, nn

from model.tasks import LearntTask, SideTask
from model.tpsbt.blocks import NORM_EPS
from model.tpsbt.encoder import Encoder, last_tokens
from model.tpsbt.heads import Head, head_for
from model.tpsbt.zoo import Size


class ModelOutput(NamedTuple):
    """What the model makes of clips."""

    embedding: Tensor
    """(B, D)."""
    outputs: dict[str, Tensor]
    """By the kind of task, what its head's `forward` gives (`heads.py`): logits or values."""


class AffectModel(nn.Module):
    """Reads affect from normalised clips.

    Args:
        size: a row of the zoo.
        tasks: each kind once at most.
        stochastic_depth: see `Encoder`.
        clip: frames and pixels of a side; only heads that read each place must know.

    Attributes:
        by_place: the kinds of tasks whose heads read each place.

    Raises:
        ValueError: there are such heads, and no clip is given.
    """

    def __init__(
        self,
        size: Size,
        tasks: Sequence[LearntTask],
        stochastic_depth: float = 0.0,
        clip: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.encoder = Encoder(size, stochastic_depth)
        self.norm = nn.LayerNorm(size.width, eps=NORM_EPS)
        self.by_place = frozenset(task.kind for task in tasks if size.heads_by_place or isinstance(task, SideTask))
        if self.by_place and clip is None:
            raise ValueError("heads that read each place must know what clips they get")
        tokens = last_tokens(size, *clip) if clip else 1
        # With so many more inputs the same steps would move a head's outputs so much further.
        self._share = tokens**-0.5
        self.heads = nn.ModuleDict(
            {task.kind: head_for(task, size.width * (tokens if task.kind in self.by_place else 1)) for task in tasks}
        )

    def forward(self, clips: Tensor) -> ModelOutput:
        """Take normalised RGB clips, (B, 3, frames, height, width)."""
        *_, last = self.encoder(clips)
        embedding: Tensor = self.norm(last.mean(dim=(1, 2)))  # (B, T/4, P, D) → (B, D)
        places = self._share * self.norm(last).flatten(1)  # (B, T/4, P, D) → (B, T/4·P·D)
        outputs = {kind: head(places if kind in self.by_place else embedding) for kind, head in self.heads.items()}
        return ModelOutput(embedding, outputs)

    def read(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Turn outputs into what a bundle promises: probabilities and values, (B, columns), by the kind of task."""
        return {kind: cast("Head", self.heads[kind]).read(output) for kind, output in outputs.items()}
