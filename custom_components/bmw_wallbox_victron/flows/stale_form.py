"""What a form changes: it may have been open for long."""

from collections.abc import Mapping
from typing import Any

import voluptuous as vol


def form_values(stored: Mapping[str, Any], schema: vol.Schema) -> dict[str, Any]:
    """Return what is stored of the fields of a form."""
    return {str(key): stored[key] for key in schema.schema if key in stored}


def merged(
    opened: Mapping[str, Any] | None,
    sent: Mapping[str, Any],
    stored: Mapping[str, Any],
    defaults: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what is to be stored once a form was sent.

    `opened` is what was stored of the form's fields when it was opened (None: it was
    sent without being shown), `stored` what is now, `defaults` what the form shows of a
    field that is not stored. A form sends all its fields; only those count that its
    user changed, so that one that was open meanwhile puts no old setting back. A field
    that was emptied is not among what is sent.
    """
    if opened is None:
        return {**stored, **sent}
    after = dict(stored)
    for key in {**opened, **sent}:
        shown = opened.get(key, (defaults or {}).get(key))
        if sent.get(key) == shown and (key in opened or key in stored):
            continue
        if key in sent:
            after[key] = sent[key]
        else:
            after.pop(key, None)
    return after
