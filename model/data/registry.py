"""The datasets that `mien-model prepare` knows: nine of affect, VoxCeleb2, two of stills, and users' own.

Labels are in the order of the published checkpoints (Sun et al., SVFAP, arXiv 2401.00416). All nine need their
owners' permission; none comes with Mien.
"""

from __future__ import annotations

from mien.contract.bundle import Dimension, DimensionsTask, ExpressionTask, PersonalityTask
from model.data.dataset import PublishedDataset
from model.data.layouts import acted, annotated, chalearn, frame_lists, plain, stills
from model.data.prepared import Region
from model.data.vocabulary import EXPRESSIONS, TRAITS
from model.errors import ModelError

_ASK = "Research only, by an agreement with its owners."
_FRAMES = "Frame folders do not say their rate: 25 frames a second are taken."
_STRIDE = "The stride is our choice."
_FIVE = ("1", "2", "3", "4", "5")

_SAME = {name: name for name in EXPRESSIONS}
_DFEW = dict(zip("1234567", EXPRESSIONS, strict=True))
_FERV39K = dict(zip(("Happy", "Sad", "Neutral", "Angry", "Surprise", "Disgust", "Fear"), EXPRESSIONS, strict=True))
_MAFW = {
    name: name
    for name in (
        *sorted(EXPRESSIONS),
        *("contempt", "anxiety", "helplessness", "disappointment"),
    )
}
_CREMA_D = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
_RAVDESS = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
_ENTERFACE = {name: name for name in sorted(EXPRESSIONS) if name != "neutral"}


def _expressions(codes: dict[str, str]) -> tuple[ExpressionTask]:
    return (ExpressionTask(labels=tuple(codes.values())),)


DATASETS: dict[str, PublishedDataset] = {
    "dfew": PublishedDataset(
        title="DFEW",
        read=frame_lists.read_dfew,
        codes=_DFEW,
        tasks=_expressions(_DFEW),
        protocol="folds",
        parts=_FIVE,
        clips=dict(zip(_FIVE, (2341, 2341, 2340, 2339, 2336), strict=True)),
        stride=4,
        fps=25,
        choice=_FRAMES,
        crops=True,
        fit="squeeze",
        licence=_ASK,
    ),
    "ferv39k": PublishedDataset(
        title="FERV39k",
        read=frame_lists.read_ferv39k,
        codes=_FERV39K,
        tasks=_expressions(_FERV39K),
        parts=("train", "test"),
        clips={"train": 31_088, "test": 7_847},
        stride=1,
        fps=25,
        choice=_FRAMES,
        crops=True,
        fit="squeeze",
        licence=_ASK,
    ),
    "mafw": PublishedDataset(
        title="MAFW",
        read=frame_lists.read_mafw,
        codes=_MAFW,
        tasks=_expressions(_MAFW),
        protocol="folds",
        parts=_FIVE,
        clips=dict(zip(_FIVE, (1839, 1837, 1833, 1832, 1831), strict=True)),
        stride=4,
        fps=25,
        choice=_FRAMES,
        crops=True,
        fit="squeeze",
        licence=_ASK,
    ),
    "crema-d": PublishedDataset(
        title="CREMA-D",
        read=acted.read_crema_d,
        codes=_CREMA_D,
        tasks=_expressions(_CREMA_D),
        protocol="folds",
        parts=_FIVE,
        subjects=dict(zip(_FIVE, (18, 18, 18, 18, 19), strict=True)),
        left_out=frozenset({"1076_MTI_NEU_XX", "1076_MTI_SAD_XX", "1064_TIE_SAD_XX", "1064_IEO_DIS_MD"}),
        stride=2,
        fps=30,
        choice=_STRIDE,
        licence="Open Database License; the clips themselves under the Database Contents License.",
    ),
    "ravdess": PublishedDataset(
        title="RAVDESS",
        read=acted.read_ravdess,
        codes=_RAVDESS,
        tasks=_expressions(_RAVDESS),
        protocol="folds",
        parts=(*_FIVE, "6"),
        total=1_440,
        subjects=dict.fromkeys((*_FIVE, "6"), 4),
        stride=2,
        fps=30,
        choice=_STRIDE,
        licence="CC BY-NC-SA 4.0",
    ),
    "enterface05": PublishedDataset(
        title="eNTERFACE'05",
        read=acted.read_enterface,
        codes=_ENTERFACE,
        tasks=_expressions(_ENTERFACE),
        protocol="folds",
        parts=_FIVE,
        stride=2,
        fps=25,
        choice=_STRIDE,
        licence=_ASK,
    ),
    "werewolf-xl": PublishedDataset(
        title="Werewolf-XL",
        read=annotated.read_werewolf_xl,
        columns={
            "clip": "VideoName",
            "arousal": "Mean_A_1_2",
            "valence": "Mean_P_1_2_3_4",
            "dominance": "Mean_D_1_2_4",
        },
        tasks=(
            DimensionsTask(
                dimensions=(
                    Dimension(name="arousal", minimum=-2, maximum=2),
                    Dimension(name="valence", minimum=-2, maximum=2),
                    Dimension(name="dominance", minimum=-2, maximum=2),
                )
            ),
        ),
        protocol="folds",
        parts=_FIVE,
        total=14_457,
        stride=3,
        fps=25,
        choice="The stride is published; 25 frames a second, at which it is counted, are our choice. The folds of six "
        "sessions are published; a person may sit in sessions of several folds.",
        licence=_ASK,
    ),
    "avcaffe": PublishedDataset(
        title="AVCAffe",
        read=annotated.read_avcaffe,
        tasks=(
            DimensionsTask(
                dimensions=(
                    Dimension(name="arousal", minimum=0, maximum=4),
                    Dimension(name="valence", minimum=0, maximum=4),
                ),
                levels=5,
            ),
        ),
        crops_in=("images/shorter_segments_face", "images/face_crops", "face_crops"),
        parts=("train", "test"),
        stride=4,
        fps=25,
        choice=_STRIDE,
        licence=_ASK,
    ),
    "chalearn": PublishedDataset(
        title="ChaLearn First Impressions V2",
        read=chalearn.read_chalearn,
        tasks=(PersonalityTask(traits=TRAITS),),
        parts=("train", "validation", "test"),
        clips={"train": 6_000, "validation": 2_000, "test": 2_000},
        stride=6,
        fps=30,
        choice=_STRIDE,
        licence="CC BY-NC 4.0",
    ),
    "voxceleb2": PublishedDataset(
        title="VoxCeleb2",
        read=plain.read_voxceleb2,
        region=Region(left=32, top=0, width=160, height=160),
        clips={"train": 1_091_726},
        stride=4,
        fps=25,
        crops=True,
        licence="CC BY 4.0 for the metadata; the videos belong to those who uploaded them.",
    ),
    "ferplus": PublishedDataset(
        title="FER+",
        read=stills.read_ferplus,
        codes=_SAME,
        tasks=_expressions(_SAME),
        parts=("train", "validation"),
        stride=2,
        fps=25,
        choice="Stills have no rate: the default model's is taken.",
        crops=True,
        licence="Labels: MIT. Pictures: found by a search engine, given out for research, without licences.",
    ),
    "pictures": PublishedDataset(
        title="muxspace/facial_expressions",
        read=stills.read_pictures,
        codes=_SAME,
        tasks=_expressions(_SAME),
        parts=("train", "validation"),
        stride=2,
        fps=25,
        choice="Stills have no rate: the default model's is taken.",
        licence="Repository: Apache-2.0. Pictures: press photographs and stills of films.",
    ),
    "folder": PublishedDataset(
        title="A folder of videos",
        read=plain.read_folder,
        stride=4,
        fps=25,
        choice="The stride is VoxCeleb2's.",
        licence="Yours.",
    ),
    "csv": PublishedDataset(
        title="Videos and pictures with labels of one's own",
        read=plain.read_csv,
        settle=plain.settle_csv,
        columns={name: name for name in ("path", "subject", "part", "groups", "expression", *plain.LABELS)},
        stride=4,
        fps=25,
        choice="The stride is DFEW's.",
        licence="Yours.",
    ),
}


def find(name: str) -> PublishedDataset:
    """Return a dataset's row.

    Raises:
        ModelError: there is no such dataset.
    """
    if name not in DATASETS:
        raise ModelError(f"There is no dataset {name!r}; known are {', '.join(DATASETS)}.")
    return DATASETS[name]


def title_of(name: str) -> str:
    """Return a dataset's name as people write it; the name itself if there is no such row."""
    return DATASETS[name].title if name in DATASETS else name
