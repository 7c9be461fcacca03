"""The ledger of a session: sums are exact, whatever the thread's decimal context."""

from __future__ import annotations

from decimal import Decimal, localcontext

from support.store.samples import turn

from cc_jupyter.core.money import Cost
from cc_jupyter.usage.ledger import add_up


def test_sums_do_not_depend_on_the_decimal_context_of_the_notebook():
    reported = [turn(cost=Cost(Decimal("0.1234567891"), "reported", None)) for _ in range(3)]
    guessed = turn(cost=Cost(Decimal("0.0000000001"), "estimated", None))
    with localcontext(prec=2):
        (row,) = add_up([*reported, guessed], "model")
    assert row.reported_usd == Decimal("0.3703703673")
    assert row.estimated_usd == Decimal("0.0000000001")
