"""The traits of `VODUpload`: options checked by the one table, and live values that only show. Floor 4."""

from __future__ import annotations

from typing import Any

import traitlets

from .errors import InvalidArgumentError
from .options import OPTIONS, check_value

__all__ = ["LiveTrait", "OptionError", "option_traits"]


class OptionTrait(traitlets.TraitType[Any, Any]):
    """A trait that is checked by the table of options."""

    def validate(self, _obj: Any, value: Any) -> Any:
        assert self.name is not None
        try:
            return check_value(self.name, value)
        except InvalidArgumentError as error:
            raise OptionError(error) from None


class OptionError(InvalidArgumentError, traitlets.TraitError):
    """A bad value given to an option after construction."""

    def __init__(self, error: InvalidArgumentError) -> None:
        super().__init__(error.message, code=error.code, hint=error.hint)


class LiveTrait(traitlets.TraitType[Any, Any]):
    """A read-only trait that always shows the present value; observers are told by the timer thread."""

    def get(self, obj: Any, _cls: Any = None) -> Any:
        """Return the present value."""
        return obj.live_value(self.name)

    def set(self, _obj: Any, _value: Any) -> None:
        """Refuse."""
        raise traitlets.TraitError(f"{self.name} is read-only")


def option_traits() -> dict[str, OptionTrait]:
    """Make one trait for each row of the table of options."""
    return {o.name: OptionTrait(o.default, allow_none=o.optional, help=o.text) for o in OPTIONS}
