import hashlib

import pytest

from mien.contract.api_keys import new_api_key, parse_api_key


def test_a_key_is_read_as_its_id_and_its_digest():
    text = new_api_key()
    key = parse_api_key(text)

    assert text.startswith(f"mien_{key.id}_")
    assert key.digest == hashlib.sha256(text.encode()).hexdigest()
    assert parse_api_key(text) == key


def test_keys_differ():
    keys = [new_api_key() for _ in range(50)]

    assert len(set(keys)) == len({parse_api_key(text).digest for text in keys}) == 50
    assert len(keys[0]) == len("mien_") + 8 + 1 + 43 + 1 + 8  # 32 random bytes are 43 characters


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-1],
        lambda text: text + "0",
        lambda text: text.replace("mien_", "main_"),
        lambda text: text[:20] + ("A" if text[20] != "A" else "B") + text[21:],
        lambda text: text.upper(),
        lambda text: f" {text}",
        lambda text: text + "\n",
        lambda _: "",
    ],
)
def test_a_mistyped_key_is_refused_by_its_checksum(spoil):
    with pytest.raises(ValueError, match="not an API key"):
        parse_api_key(spoil(new_api_key()))
