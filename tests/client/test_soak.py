"""The short soak: what 150 requests with faults among them leave behind."""

from __future__ import annotations

from support.provider import KEY
from support.soak import FAULTS, soak


def test_a_hundred_and_fifty_requests_leave_no_thread_no_descriptor_and_no_memory(monkeypatch):
    for name, value in (("BASE_URL", ""), ("API_KEY", KEY), ("IDLE_TIMEOUT_S", "0.3")):
        monkeypatch.setenv(f"CMD_{name}", value)
    monkeypatch.setattr("support.soak.FAULT_SHARE", 0.3)
    (first, *_, last), seen = soak(150, seed=1, samples=3)
    assert last.threads == first.threads
    assert abs(last.descriptors - first.descriptors) <= 1  # the one connection that is kept
    # the session keeps 150 replies of 1.7 kB with their counts: 244 to 258 kB were measured, alone
    # and after 3,000 other tests; a leaked response is 10 kB and more, so 30 of them exceed this
    assert last.traced_kb - first.traced_kb < 500
    assert len(seen) > len(FAULTS) // 2
