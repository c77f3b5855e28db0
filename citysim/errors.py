"""The one kind of error of the simulated city; it belongs to the library's tree, so that callers catch one base."""

from __future__ import annotations

from l2ltr_core.errors import L2LTRError


class CitySimError(L2LTRError):
    """A city that is not known, or an OpenStreetMap extract that cannot become one."""
