"""What one caller may hold and ask for: by its token, or else as the gateway has it for all."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from hermes.errors import LimitReached


class TokenLimits(BaseModel):
    """Limits of one caller. None: as for all callers of the gateway. 0: no limit."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )

    cameras: int | None = Field(None, ge=0)
    """Cameras that it has added and that are registered."""
    watches: int | None = Field(None, ge=0)
    """Watches that it has created and that are registered."""
    followers: int | None = Field(None, ge=0)
    """Calls of it that follow events or are sent frames, at one gateway at a time."""
    cameras_asked: int | None = Field(None, ge=0)
    """Cameras that one question may ask."""
    span_s: float | None = Field(None, ge=0)
    """Seconds of the past that one question with a span may ask about, over all its cameras."""

    @field_validator("*", mode="before")
    @classmethod
    def _is_number(cls, value: Any) -> Any:
        # YAML reads `no` and `off` as false, which would count as 0: no limit.
        if isinstance(value, bool):
            raise ValueError("must be a number; 0 is no limit")
        return value

    @classmethod
    def parse(cls, claim: Any) -> TokenLimits:
        """From a JWT's claim. Raises ValueError naming what cannot be read."""
        try:
            return cls.model_validate({} if claim is None else claim)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from None

    def over(self, defaults: TokenLimits) -> TokenLimits:
        """These, and the gateway's where these say nothing."""
        return defaults.model_copy(update=self.model_dump(exclude_none=True))


NONE = TokenLimits()


class Quota:
    """How much of one kind a caller may hold."""

    def __init__(self, who: str, most: int, kind: str, remedy: str) -> None:
        """`who`: the caller, empty if it is not known. `most`: 0 is no limit. `kind`: in the
        plural, as people call it. `remedy`: what a caller can do.
        """
        self.who = who
        self.most = most
        self._kind = kind
        self._remedy = remedy

    @property
    def bounds(self) -> bool:
        """Whether there is a limit."""
        return bool(self.who and self.most)

    def check(self, held: int) -> None:
        """Raises `LimitReached` if the caller may not hold one more."""
        if self.bounds and held >= self.most:
            raise LimitReached(
                f"this token has as many {self._kind} as it may ({held} of {self.most}):"
                f" {self._remedy}, or ask its issuer for more"
            )


UNBOUNDED = Quota("", 0, "", "")
