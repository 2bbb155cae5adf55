"""Draw a pre-trained model's reconstruction of a video: original, masked, reconstructed."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mien.contract.bundle import FaceCrop
from model.data.augment import as_floats
from model.data.faces import crop_face
from model.data.media import ClipUnreadable, open_media
from model.data.sampling import Sampling
from model.evaluation.reconstruction import write_reconstruction
from model.tpsbt.autoencoder import DecoderSize, MaskedAutoencoder
from model.train import checkpoint
from model.train.config import renamed


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
    sampling = Sampling(**about["clip"], interval_s=about["intervals_s"][0], region=None)
    pixels = _clip(video, sampling, FaceCrop.model_validate(about["crop"]))
    clip = as_floats(torch.from_numpy(pixels)[None])
    return write_reconstruction(model.eval(), clip, renamed(state["config"])["mask_ratio"], out)


def _clip(video: Path, sampling: Sampling, crop: FaceCrop) -> NDArray[np.uint8]:
    """Return the clip in the middle of a video, (T, H, W, 3)."""
    with tempfile.TemporaryDirectory(prefix="mien-") as folder:
        face = Path(folder, "face.mp4")
        try:
            crop_face(video, face, crop=crop)
        except ClipUnreadable:
            face = video
        return sampling.take(partial(open_media, face, None), partial(sampling.view_start_s, share=0.5))
