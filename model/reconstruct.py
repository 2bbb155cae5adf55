"""Draw a pre-trained model's reconstruction of a video: original, masked, reconstructed.

Masked tubelets are predicted normalised by their own mean and standard deviation; the picture scales them back with
the original's. Visible tubelets are shown unchanged.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.data.augment import as_floats
from model.data.faces import crop_face
from model.data.media import ClipUnreadable, open_media
from model.data.sampling import Sampling
from model.errors import ModelError
from model.tpsbt.autoencoder import STD_FLOOR, TUBELET_PIXELS, DecoderSize, MaskedAutoencoder
from model.tpsbt.masking import TubeMask, at_places, draw_mask
from model.tpsbt.tubelets import TUBELET, cut, join
from model.train import checkpoint

GRAY = 0.5
_GAP = 2  # pixels between the pictures


def reconstruct(path: Path, video: Path, out: Path) -> float:
    """Write a PNG of three rows, a column for every time step: original, masked, reconstructed.

    Args:
        path: a pre-training checkpoint.
        video: a video of a face, which is cropped; without a detected face, the middle of the frames is used.
        out: the PNG file.

    Returns:
        The loss of this clip and mask.

    Raises:
        ModelError: the checkpoint or the video cannot be read, or the picture cannot be written.
    """
    state = checkpoint.load(path, "pretraining")
    model = MaskedAutoencoder(checkpoint.size_of(state), DecoderSize(**state["about"]["decoder"]))
    checkpoint.fill(model, state["model"], path)
    about = state["about"]
    pixels = _clip(video, Sampling(**about["clip"], interval_s=about["intervals_s"][0], region=None))
    tubelets = cut(as_floats(torch.from_numpy(pixels)[None]))
    mask = draw_mask(1, tubelets.shape[2], torch.Generator().manual_seed(0))
    with torch.inference_mode():
        predicted = model.eval()(tubelets, mask)
    masked, reconstructed, loss = _restored(tubelets, predicted, mask)
    rows = about["clip"]["size"] // TUBELET[1]
    picture = _picture([join(part, rows)[0] for part in (tubelets, masked, reconstructed)])
    written, content = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(content.tobytes() if written else b"")
    except OSError as error:
        raise ModelError(f"{out} cannot be written: {error.strerror}.") from error
    return loss


def _clip(video: Path, sampling: Sampling) -> NDArray[np.uint8]:
    """Return the clip in the middle of a video, (T, H, W, 3)."""
    with tempfile.TemporaryDirectory(prefix="mien-") as folder:
        face = Path(folder, "face.mp4")
        try:
            crop_face(video, face)
        except ClipUnreadable:
            face = video
        return sampling.take(partial(open_media, face, None), partial(sampling.view_start_s, share=0.5))


def _restored(tubelets: Tensor, predicted: Tensor, mask: TubeMask) -> tuple[Tensor, Tensor, float]:
    """Return the tubelets (1, T, P, 1536) with the masked ones gray, the same with them predicted, and the loss."""
    hidden = at_places(tubelets, mask.hidden)
    hidden = hidden.reshape(*hidden.shape[:3], TUBELET_PIXELS, 3)  # (1, T, H, 1536) → (1, T, H, 512, 3)
    std, mean = torch.std_mean(hidden, dim=-2, keepdim=True)
    guess = predicted.reshape(hidden.shape)
    loss = ((guess - (hidden - mean) / (std + STD_FLOOR)) ** 2).mean().item()
    masked, reconstructed = tubelets.clone(), tubelets.clone()
    masked[:, :, mask.hidden[0]] = GRAY
    reconstructed[:, :, mask.hidden[0]] = (guess * (std + STD_FLOOR) + mean).flatten(-2).clamp(0, 1)
    return masked, reconstructed, loss


def _picture(clips: list[Tensor]) -> NDArray[np.uint8]:
    """Put the first frame of each tubelet of clips (3, T, H, W) side by side, the clips below each other."""
    frames = [clip[:, :: TUBELET[0]].permute(1, 2, 3, 0) for clip in clips]  # (3, T, H, W) → (T/2, H, W, 3)
    padded = [torch.nn.functional.pad(part, (0, 0, 0, _GAP, 0, _GAP), value=1.0) for part in frames]
    rows = [torch.cat(list(part), dim=1) for part in padded]  # (T/2, H, W, 3) → (H, T/2·W, 3)
    picture: NDArray[np.uint8] = (torch.cat(rows)[:-_GAP, :-_GAP] * 255).round().to(torch.uint8).numpy()
    return np.ascontiguousarray(picture)
