"""Run `mien-model recipes`: list the recipes, or explain every key of a kind of recipe."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.console import Console
from rich.table import Table

from model.finetune import FinetuneRecipe
from model.pretrain import PretrainRecipe
from model.train.config import part_of

KINDS: dict[str, type[BaseModel]] = {"pretrain": PretrainRecipe, "finetune": FinetuneRecipe}


def show(console: Console) -> None:
    """Print the recipes of `model/recipes`, then each key with its default and meaning."""
    listed = Table("recipe", "command", "what", title="Recipes")
    for name, kind, what in recipes():
        listed.add_row(name, kind, what)
    console.print(listed)
    for kind, recipe in KINDS.items():
        keys = Table("key", "default", "what", title=f"Keys of a recipe for {kind}")
        for key, default, what in explained(recipe):
            keys.add_row(key, default, what)
        console.print(keys)


def recipes() -> Iterator[tuple[str, str, str]]:
    """Yield (name, command, first comment) of each recipe in `model/recipes`."""
    for file in sorted((resources.files("model") / "recipes").iterdir(), key=lambda each: each.name):
        if file.name.endswith(".yaml"):
            text = file.read_text(encoding="utf-8")
            comment = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("#")]
            keys = yaml.safe_load(text).keys()
            kind = next(kind for kind, recipe in KINDS.items() if keys <= recipe.model_fields.keys())
            yield file.name.removesuffix(".yaml"), kind, " ".join(comment)


def explained(recipe: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield (key, default, meaning) of all keys, those of parts with their part's name."""
    for name, field in recipe.model_fields.items():
        part = part_of(field)
        yield f"{prefix}{name}", _default(field), field.description or _first_line(part)
        if part is not None:
            listed = ".0" if "tuple" in str(field.annotation) else ""
            yield from explained(part, f"{prefix}{name}{listed}.")


def _first_line(part: type[BaseModel] | None) -> str:
    return (part.__doc__ or "").strip().splitlines()[0] if part else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "as below" if isinstance(field.default, BaseModel) else str(field.default)
