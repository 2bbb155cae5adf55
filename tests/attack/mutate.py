"""Damage to real videos: bytes flipped, cut out, doubled and swapped."""

import random


def mutated(content: bytes, dice: random.Random) -> bytes:
    """Return the content with one to eight kinds of damage."""
    data = bytearray(content)
    for _ in range(dice.choice([1, 1, 2, 3, 8])):
        kind = dice.choice(["flip", "flip", "set", "cut", "drop", "double", "swap", "zero"])
        at = dice.randrange(len(data))
        length = dice.choice([1, 2, 4, 16, 200])
        if kind == "flip":
            data[at] ^= 1 << dice.randrange(8)
        elif kind == "set":
            # Sizes and counts at their extremes.
            data[at : at + 4] = dice.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4), b"\x80\x00\x00\x00"])
        elif kind == "cut":
            del data[max(at, 20) :]
        elif kind == "drop":
            del data[at : at + length]
        elif kind == "double":
            data[at:at] = data[at : at + length]
        elif kind == "swap":
            other = dice.randrange(len(data))
            data[at : at + length] = data[other : other + length]
        else:
            data[at : at + length] = bytes(len(data[at : at + length]))
        if len(data) < 20:
            data += bytes(20)
    return bytes(data)
