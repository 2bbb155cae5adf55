"""Model for affect recognition: one encoder with a head for each task (SVFAP's fine-tuning).

B clips, T time steps, P places, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self, cast

from torch import Tensor, nn

from model.tasks.heads import Head
from model.tasks.kinds import kind_of
from model.tasks.learnt import LearntTask
from model.tpsbt.blocks import NORM_EPS
from model.tpsbt.encoder import Encoder, last_tokens
from model.tpsbt.zoo import Size


class ModelOutput(NamedTuple):
    """Embedding of clips and outputs of the heads."""

    embedding: Tensor
    """(B, D)."""
    outputs: dict[str, Tensor]
    """Logits or values of each head's `forward` (`model.tasks.heads`), by the kind of task."""


class AffectModel(nn.Module):
    """TPSBT encoder with linear heads on its embedding or tokens.

    Args:
        size: a row of the zoo.
        tasks: at most one of each kind.
        stochastic_depth: see `Encoder`.
        clip: frames and side in pixels of the clips; needed only for heads that read all tokens.

    Attributes:
        size: the encoder's size.
        tasks: the tasks.
        by_place: the kinds of tasks whose heads read all tokens.

    Raises:
        ValueError: there are such heads, but `clip` is missing.
    """

    def __init__(
        self,
        size: Size,
        tasks: Sequence[LearntTask],
        stochastic_depth: float = 0.0,
        clip: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        self.tasks = tuple(tasks)
        self.encoder = Encoder(size, stochastic_depth)
        self._frozen = False
        self.norm = nn.LayerNorm(size.width, eps=NORM_EPS)
        self.by_place = frozenset(task.kind for task in tasks if size.heads_by_place or kind_of(task).by_place)
        if self.by_place and clip is None:
            raise ValueError("heads that read all tokens need the shape of the clips")
        tokens = last_tokens(size, *clip) if clip else 1
        # Scale down the inputs: with T/4·P times as many, equal weight updates would change the outputs far more.
        self._share = tokens**-0.5
        self.heads = nn.ModuleDict(
            {
                task.kind: kind_of(task).head(task, size.width * (tokens if task.kind in self.by_place else 1))
                for task in tasks
            }
        )

    def freeze_encoder(self) -> None:
        """Train the heads alone from now on: the encoder, its norms' statistics and the last norm stay as they are."""
        self._frozen = True
        for module in (self.encoder, self.norm):
            module.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set training mode, of a frozen encoder evaluation mode."""
        super().train(mode)
        if self._frozen:
            self.encoder.eval()
        return self

    def forward(self, clips: Tensor) -> ModelOutput:
        """Compute embedding and outputs of normalised RGB clips, (B, 3, frames, height, width)."""
        *_, last = self.encoder(clips)
        embedding: Tensor = self.norm(last.mean(dim=(1, 2)))  # (B, T/4, P, D) → (B, D)
        places = self._share * self.norm(last).flatten(1)  # (B, T/4, P, D) → (B, T/4·P·D)
        outputs = {kind: head(places if kind in self.by_place else embedding) for kind, head in self.heads.items()}
        return ModelOutput(embedding, outputs)

    def read(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert outputs to a bundle's: probabilities and values, (B, columns), by the kind of task."""
        return {kind: cast("Head", self.heads[kind]).read(output) for kind, output in outputs.items()}
