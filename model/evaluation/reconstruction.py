"""Draw a masked autoencoder's reconstruction of a clip: original, masked, reconstructed.

Masked tubelets are predicted normalised by their own mean and standard deviation; the picture scales them back with
the original's. Visible tubelets are shown unchanged.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.errors import ModelError
from model.tpsbt.autoencoder import STD_FLOOR, TUBELET_PIXELS, MaskedAutoencoder, reconstruction_loss, target
from model.tpsbt.masking import TubeMask, at_places, draw_mask
from model.tpsbt.tubelets import TUBELET, cut, join

GRAY = 0.5
_GAP = 2  # pixels between the pictures


def write_reconstruction(model: MaskedAutoencoder, clip: Tensor, mask_ratio: float, out: Path) -> float:
    """Write a PNG of three rows, a column for every time step: original, masked, reconstructed.

    Args:
        model: in evaluation mode.
        clip: RGB in [0, 1], (1, 3, T, H, W), on the model's device.
        mask_ratio: share of masked places, the same ones each time.
        out: the PNG file.

    Returns:
        The loss of this clip and mask.

    Raises:
        ModelError: the picture cannot be written.
    """
    tubelets = cut(clip)
    mask = draw_mask(1, tubelets.shape[2], torch.Generator().manual_seed(0), mask_ratio).to(tubelets.device)
    with torch.inference_mode():
        predicted = model(tubelets, mask).float()
    masked, reconstructed = _restored(tubelets, predicted, mask)
    rows = clip.shape[3] // TUBELET[1]
    picture = _picture([join(part, rows)[0].cpu() for part in (tubelets, masked, reconstructed)])
    written, content = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(content.tobytes() if written else b"")
    except OSError as error:
        raise ModelError(f"{out} cannot be written: {error.strerror}.") from error
    return reconstruction_loss(predicted, target(tubelets, mask)).item()


def _restored(tubelets: Tensor, predicted: Tensor, mask: TubeMask) -> tuple[Tensor, Tensor]:
    """Return the tubelets (1, T, P, 1536) with the masked ones gray, and with them predicted."""
    hidden = at_places(tubelets, mask.hidden)
    hidden = hidden.reshape(*hidden.shape[:3], TUBELET_PIXELS, 3)  # (1, T, H, 1536) → (1, T, H, 512, 3)
    std, mean = torch.std_mean(hidden, dim=-2, keepdim=True)
    guess = predicted.reshape(hidden.shape)
    masked, reconstructed = tubelets.clone(), tubelets.clone()
    masked[:, :, mask.hidden[0]] = GRAY
    reconstructed[:, :, mask.hidden[0]] = (guess * (std + STD_FLOOR) + mean).flatten(-2).clamp(0, 1)
    return masked, reconstructed


def _picture(clips: list[Tensor]) -> NDArray[np.uint8]:
    """Put the first frame of each tubelet of clips (3, T, H, W) side by side, the clips below each other."""
    frames = [clip[:, :: TUBELET[0]].permute(1, 2, 3, 0) for clip in clips]  # (3, T, H, W) → (T/2, H, W, 3)
    padded = [torch.nn.functional.pad(part, (0, 0, 0, _GAP, 0, _GAP), value=1.0) for part in frames]
    rows = [torch.cat(list(part), dim=1) for part in padded]  # (T/2, H, W, 3) → (H, T/2·W, 3)
    picture: NDArray[np.uint8] = (torch.cat(rows)[:-_GAP, :-_GAP] * 255).round().to(torch.uint8).numpy()
    return np.ascontiguousarray(picture)
