"""The current status: model, endpoint, source of the key, thread and spending."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from cc_jupyter.client.endpoint import find_endpoint
from cc_jupyter.core.display import Card
from cc_jupyter.core.errors import CcError
from cc_jupyter.core.money import EXACT, format_usd
from cc_jupyter.core.text import pluralize
from cc_jupyter.models.registry import LOCAL, chosen_model, settings_for

if TYPE_CHECKING:
    from cc_jupyter.session.session import Session


def current_status(session: Session) -> Card:
    """Return the current status; a missing model or key is a line in it, not an error."""
    settings = session.settings()
    card = Card(model="", endpoint="", key="", thread=session.conversations.current, spent="")
    try:
        name = chosen_model(None, settings)
        card["model"] = name
        card["model from"] = settings.sources.get("model", "base_url = local")
        if LOCAL in (name, settings.base_url):
            card["endpoint"], card["key"] = "the local model", "none needed"
        else:
            endpoint = find_endpoint(settings_for(name, settings))
            model = session.models.find(name, endpoint, settings.models)
            card["endpoint"] = f"{endpoint.api_root}{model.endpoint}"
            card["key"] = f"from {endpoint.key.source}"
    except CcError as error:
        card["missing"] = f"{error} ({error.hint})"
    card["spent"] = spent_text(session)
    return Card({name: value for name, value in card.items() if value != ""})


def spent_text(session: Session) -> str:
    """Return the cost of the session as text; requests of unknown cost are counted."""
    known = [reply.cost.usd for reply in session.replies if reply.cost.usd is not None]
    unknown = len(session.replies) - len(known)
    with localcontext(EXACT):
        total = format_usd(sum(known, Decimal(0)))
    requests = pluralize(len(session.replies), "request")
    return f"{total} in {requests}" + (f", {unknown} of unknown cost" if unknown else "")
