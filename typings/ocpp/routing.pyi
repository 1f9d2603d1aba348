from collections.abc import Callable

from ocpp.v201.enums import Action

def on[F: Callable[..., object]](
    action: Action, *, skip_schema_validation: bool = False
) -> Callable[[F], F]: ...
