"""Tiny datasets, laid out exactly as the owners publish theirs. Each maker returns what a reader must find.

What is found is a dict: clip → (part, subject, labels), with our names of labels.
"""

from __future__ import annotations

import pickle
import shutil
import struct
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import cv2
import numpy as np

from tests.videos import write_video

Found = dict[str, tuple[str, str, dict[str, object]]]


@cache
def tiny_video(suffix: str) -> Path:
    """A video of eight gray frames, 64 by 48."""
    codec, rate = {".flv": ("flv", 30), ".avi": ("mpeg4", 25)}.get(suffix, ("libx264", 25))
    pictures = [np.full((48, 64, 3), 30 * index, np.uint8) for index in range(8)]
    return write_video(Path(mkdtemp()) / f"tiny{suffix}", pictures, fps=rate, codec=codec)


def put_video(path: Path, content: Path | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(content or tiny_video(path.suffix), path)
    return path


def put_frames(folder: Path, names: Iterable[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((32, 32, 3), 10 + 20 * index, np.uint8))
    return folder


def put_huge_picture(path: Path) -> Path:
    """The header of a BMP picture of 40,000 by 40,000 pixels, which OpenCV refuses."""
    path.write_bytes(struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54, 0, 0, 54, 40, 40_000, 40_000, 1, 24, *(0,) * 6))
    return path


def put_text(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def dfew(root: Path, frames: str = "clip_224x224") -> Found:
    labels = ["happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear"]
    found: Found = {}
    listed: dict[int, list[str]] = {}
    for number in range(1, 11):  # two clips a fold
        fold, label = (number - 1) % 5 + 1, (number - 1) % 7 + 1
        found[f"{number:05d}"] = (str(fold), "", {"expression": labels[label - 1]})
        listed.setdefault(fold, []).append(f"{number},{label}")
        put_frames(root / f"Clip/{frames}/{number:05d}", [f"{index}.jpg" for index in range(1, 13)])
    split = root / "EmoLabel_DataSplit"
    for fold, lines in listed.items():
        others = [line for other, of in listed.items() if other != fold for line in of]
        put_text(split / f"test(single-labeled)/set_{fold}.csv", "video_name,label", *lines)
        put_text(split / f"train(single-labeled)/set_{fold}.csv", "video_name,label", *others)
    return found


def ferv39k(root: Path) -> Found:
    found: Found = {}
    for part, scene in (("train", "Action"), ("test", "Daily Life".replace(" ", ""))):
        lines = []
        for index, (name, ours) in enumerate((("Happy", "happiness"), ("Sad", "sadness"), ("Surprise", "surprise"))):
            clip = f"{scene}/{name}/{index:04d}"
            put_frames(root / "2_ClipsforFaceCrop" / clip, ["00001.jpg", "00002.jpg", "00003.jpg"])
            lines.append(f"{clip} {name}")
            found[clip] = (part, "", {"expression": ours})
        put_text(root / f"4_setups/All_scenes/{part}_All.csv", *lines)
    return found


def mafw(root: Path) -> Found:
    found: Found = {}
    for fold, label in enumerate(("anger", "contempt", "anxiety", "helplessness", "disappointment"), 1):
        put_frames(root / f"data/frames/{fold:05d}", ["00001.png", "00002.png"])
        found[f"{fold:05d}"] = (str(fold), "", {"expression": label})
    for fold in range(1, 6):
        lines = {clip: f"{clip}.mp4 {labels['expression']}" for clip, (_, _, labels) in found.items()}
        split = root / f"Train & Test Set/single/no_caption/set_{fold}"
        put_text(split / "test.txt", lines.pop(f"{fold:05d}"))
        put_text(split / "train.txt", *lines.values())
    return found


def crema_d(root: Path) -> Found:
    found: Found = {}
    for actor, part in ((1001, "1"), (1018, "1"), (1019, "2"), (1037, "3"), (1055, "4"), (1073, "5"), (1091, "5")):
        for code, ours in (("ANG", "anger"), ("HAP", "happiness"), ("NEU", "neutral")):
            clip = f"{actor}_DFA_{code}_XX"
            put_video(root / f"VideoFlash/{clip}.flv")
            found[clip] = (part, str(actor), {"expression": ours})
    put_video(root / "VideoFlash/1076_MTI_NEU_XX.flv")  # broken, and left out by the protocol
    put_text(root / "VideoDemographics.csv", "ActorID,Age,Sex")
    return found


def ravdess(root: Path) -> Found:
    found: Found = {}
    emotions = ["neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise"]
    for actor in range(1, 25):
        code = (actor - 1) % 8 + 1
        clip = f"02-01-{code:02d}-01-02-01-{actor:02d}"
        folder = root / f"Actor_{actor:02d}"
        put_video(folder / f"{clip}.mp4")
        put_video(folder / f"01{clip[2:]}.mp4")  # with sound
        found[clip] = (str((actor - 1) // 4 + 1), str(actor), {"expression": emotions[code - 1]})
    put_video(root / "Actor_01/02-02-03-01-01-01-01.mp4")  # sung
    return found


def enterface05(root: Path) -> Found:
    found: Found = {}
    for subject in range(1, 11):
        for emotion in ("anger", "surprise"):
            sentence = "" if subject == 6 else "sentence 1/"
            clip = f"subject {subject}/{emotion}/{sentence}s{subject}_{emotion[:2]}_1"
            put_video(root / f"{clip}.avi")
            found[clip] = (str((subject - 1) // 2 + 1), str(subject), {"expression": emotion})
    return found


def werewolf_xl(root: Path) -> Found:
    found: Found = {}
    lines = ["VideoName,Mean_P_1_2_3_4,Mean_A_1_2,Mean_D_1_2_4"]
    for group, part in ((1, "1"), (6, "1"), (7, "2"), (13, "3"), (19, "4"), (25, "5"), (30, "5")):
        clip = f"{group:02d}_03_012"
        put_video(root / f"Werewolf-XL_Speaker_Video/{group:02d}/{clip}.mp4")
        lines.append(f"{clip},{group / 20},-1.5,2")
        found[clip] = (part, clip[:2], {"arousal": -1.5, "valence": group / 20, "dominance": 2.0})
    put_text(root / "PAD/average.csv", *lines)
    return found


def avcaffe(root: Path) -> Found:
    found: Found = {}
    people = {
        "aiim001": ("test", "Excited", 4.0, "Unpleasant", 0.0),
        "aiim003": ("train", "Dull", 1.0, "Pleased", 3.0),
        "aiim108": ("test", "Neutral", 2.0, "Neutral", 2.0),
    }
    for person, (part, _, arousal, _, valence) in people.items():
        for segment in ("001", "002"):
            clip = f"{person}/task_1/{person}_task_1_{segment}"
            put_video(root / f"videos/shorter_segments/{clip}.avi")
            found[clip] = (part, person, {"arousal": arousal, "valence": valence})
    truths = root / "ground_truths"
    put_text(truths / "arousal.txt", *(f"{person}_task_1, {about[1]}" for person, about in people.items()))
    put_text(truths / "valence.txt", *(f"{person}_task_1, {about[3]}" for person, about in people.items()))
    return found


def chalearn(root: Path) -> Found:
    found: Found = {}
    traits = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
    for part, file in (("train", "training"), ("validation", "validation"), ("test", "test")):
        clips = [f"{part}J4GQm9j0JZ0.00{number}" for number in (1, 2)]
        scores = {trait: {f"{clip}.mp4": 0.1 * index for clip in clips} for index, trait in enumerate(traits)}
        # protocol 2, as Python 2 writes it; the interview's score is there, too
        pickled = pickle.dumps(scores | {"interview": {f"{clip}.mp4": 0.5 for clip in clips}}, protocol=2)
        (root / f"annotation_{file}.pkl").write_bytes(pickled)
        for clip in clips:
            put_video(root / f"{file}-1/{clip}.mp4")
            found[clip] = (part, "", {trait: 0.1 * index for index, trait in enumerate(traits)})
    return found


def voxceleb2(root: Path) -> Found:
    clips = ("id00012/21Uxsk56VDQ/00001", "id00012/21Uxsk56VDQ/00002", "id00015/0fijmz4vTVU/00001")
    pictures = [np.full((224, 224, 3), 30 * index, np.uint8) for index in range(8)]
    root.mkdir(parents=True, exist_ok=True)
    first = write_video(root / "224.mp4", pictures)
    for clip in clips:
        put_video(root / f"dev/mp4/{clip}.mp4", first)
    return {clip: ("train", clip[:7], {}) for clip in clips}


EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")


def ferplus(root: Path) -> Found:
    root.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    votes = np.array([[6, 1, 0, 3, 0, 0, 0, 0, 0, 0], [4, 0, 4, 0, 0, 2, 0, 0, 0, 0], [0, 9, 0, 0, 0, 0, 0, 1, 0, 0]])
    for number, part in enumerate(("train", "valid")):
        np.savez(
            root / f"ferplus_{number}.npz",
            images=random.integers(0, 256, (3, 48, 48), np.uint8),
            votes=votes.astype(np.uint8),
            part=np.array([part] * 3),
            columns=np.array(EXPRESSIONS),
        )
    parts = ("train", "validation")
    return {
        f"ferplus_{number}/{index}": (part, "", {"expression": label, "votes": text})
        for number, part in enumerate(parts)
        for index, (label, text) in enumerate(
            # In the order of the task's labels; a single vote is none, and the first column wins a tie.
            (("neutral", "0 3 6 0 0 0 0"), ("neutral", "0 0 4 0 4 2 0"), ("happiness", "9 0 0 0 0 0 0"))
        )
    }


def pictures(root: Path) -> Found:
    root.mkdir(parents=True, exist_ok=True)
    shades = [np.full((40, 30 + 10 * index, 3), 60 * index, np.uint8) for index in range(3)]
    jpegs = [cv2.imencode(".jpg", shade)[1].ravel() for shade in shades]
    np.savez(
        root / "pictures_0.npz",
        jpegs=np.concatenate(jpegs),
        offsets=np.cumsum([0, *map(len, jpegs)]),
        labels=np.array(["fear", "happiness", "neutral"]),
        person=np.array([7, 8, -1]),
        part=np.array(["train", "valid", "train"]),
    )
    return {
        "pictures_0/0": ("train", "7", {"expression": "fear"}),
        "pictures_0/1": ("validation", "8", {"expression": "happiness"}),
        "pictures_0/2": ("train", "", {"expression": "neutral"}),
    }


def folder(root: Path) -> Found:
    put_video(root / "a.mp4")
    put_video(root / "deep/er/b.mov", tiny_video(".mp4"))
    put_text(root / "notes.txt", "no video")
    return {"a.mp4": ("train", "", {}), "deep/er/b.mov": ("train", "", {})}


def csv(root: Path) -> Found:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        put_video(root / "videos" / name)
    put_text(
        root / "labels.csv",
        "path,subject,part,expression,valence,openness",
        "videos/a.mp4,ann,train,sadness,-0.5,",
        "videos/b.mp4,bob,test,happiness,,0.25",
        "videos/c.mp4,ann,train,,,",
    )
    return {
        "videos/a.mp4": ("train", "ann", {"expression": "sadness", "valence": -0.5}),
        "videos/b.mp4": ("test", "bob", {"expression": "happiness", "openness": 0.25}),
        "videos/c.mp4": ("train", "ann", {}),
    }


MAKERS: dict[str, Callable[[Path], Found]] = {
    "dfew": dfew,
    "ferv39k": ferv39k,
    "mafw": mafw,
    "crema-d": crema_d,
    "ravdess": ravdess,
    "enterface05": enterface05,
    "werewolf-xl": werewolf_xl,
    "avcaffe": avcaffe,
    "chalearn": chalearn,
    "voxceleb2": voxceleb2,
    "ferplus": ferplus,
    "pictures": pictures,
    "folder": folder,
    "csv": csv,
}
