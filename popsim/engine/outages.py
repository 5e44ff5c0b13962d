"""Outages of sites and central stores, and how the routing learns of them: control processes of a scenario's events.

Routing watches a site, not the outages that keep it down: it learns that a site is down, or back, if it has been so without
a break for as long as that takes. So outages that overlap, or follow each other at once, are one to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from popsim.engine.control import Control, Process


@dataclass(eq=False)
class Watch:
    """What the routing knows of a site that a scenario's events take down."""

    outages: int = 0  # that have begun and not ended
    turns: int = 0  # how often the site has gone down or come back
    is_withdrawn: bool = False

    def change(self, outages: int) -> bool:
        """Note that an outage begins (1) or ends (-1); tell whether the site has gone down, or come back."""
        was_down = self.outages > 0
        self.outages += outages
        turned = was_down != (self.outages > 0)
        self.turns += turned
        return turned

    def learn(self, control: Control, site: str, after_ms: float) -> Process:
        """Withdraw a site that is down, or announce one that is back, if it still is when the routing notices."""
        turn = self.turns
        yield control.env.timeout(after_ms)
        is_down = self.outages > 0
        if self.turns != turn or self.is_withdrawn == is_down:
            return
        self.is_withdrawn = is_down
        if is_down:
            control.withdraw(site)
        else:
            control.announce(site)


def outage(
    control: Control,
    site: str,
    at_ms: float,
    lasting_ms: float | None,
    convergence_ms: tuple[float, float],
    watch: Watch,
) -> Process:
    """Fail ``site`` at a time, and restore it; the routing follows.

    ``convergence_ms`` is how long the routing takes to notice that the site is down, and that it is back; ``watch`` is the
    site's, for all its outages.
    """
    noticed, welcomed = convergence_ms
    yield control.env.timeout(at_ms)
    control.fail(site)
    if watch.change(1):
        control.env.process(watch.learn(control, site, noticed))
    if lasting_ms is not None:
        yield control.env.timeout(lasting_ms)
        control.restore(site)
        if watch.change(-1):
            control.env.process(watch.learn(control, site, welcomed))


def store_outage(control: Control, store: str, at_ms: float, lasting_ms: float | None) -> Process:
    """Stop a central store at a time, and start it again."""
    yield control.env.timeout(at_ms)
    control.stop_store(store)
    if lasting_ms is not None:
        yield control.env.timeout(lasting_ms)
        control.start_store(store)
