"""The containers that gateway and workers take: those of every service, and those that its operator allows."""

from __future__ import annotations

from pydantic import BaseModel, Field

from mien.contract.containers import OPTIONAL_CONTAINERS, UPLOAD_CONTAINERS, Container, OptionalFormat


class FormatSettings(BaseModel):
    """The containers that the operator allows. Gateway and workers need the same."""

    formats: tuple[OptionalFormat, ...] = Field(
        (),
        description="Containers that are taken besides MP4, MOV, 3GP, MKV, WebM and AVI, as a JSON list of: "
        f"{', '.join(f'`{name}`' for name in OPTIONAL_CONTAINERS)}. Each is one more parser that strangers' bytes "
        "reach, in the confined decoding process only.",
    )

    @property
    def containers(self) -> tuple[Container, ...]:
        """All containers that are taken."""
        return UPLOAD_CONTAINERS + tuple(OPTIONAL_CONTAINERS[name] for name in self.formats)
