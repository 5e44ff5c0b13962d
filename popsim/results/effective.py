"""What requests that depend on each other are worth, and the intervals of means and shares that follow."""

from __future__ import annotations

import math

from popsim.engine.outputs import Floats

# A design effect under 1 is believed only if independent requests would agree so well in one case of a hundred: where
# users are fixed, as probes are, replications differ less than a sample of users would.
AGREEMENT = 0.01
LEAST_FOR_AGREEMENT = 5  # replications, and events in each of them
# From so many events per replication on, the rarer side of a share varies about normally
REGULAR_EVENTS = 10
LEAST_DESIGN_EFFECT = 1e-6


def student_t(replications: float, confidence: float) -> float:
    """Return the two-sided quantile of Student's t; infinite for fewer than two replications."""
    if replications < 2.0:
        return math.inf
    from scipy.special import stdtrit

    return float(stdtrit(replications - 1.0, 0.5 + confidence / 2.0))


def normal_z(confidence: float) -> float:
    """Return the two-sided quantile of the normal distribution."""
    from scipy.special import ndtri

    return float(ndtri(0.5 + confidence / 2.0))


def mean_error(values: Floats, confidence: float, growth: float = 1.0) -> float:
    """Return half of Student's t interval of a mean; nan for fewer than two values.

    With ``growth``, that of as many times more values that vary alike.
    """
    if len(values) < 2:
        return math.nan
    count = len(values) * growth
    deviation = float(values.std(ddof=1))
    return student_t(count, confidence) * deviation / math.sqrt(count)


def clopper_pearson(hits: float, tries: float, confidence: float) -> tuple[float, float]:
    """Return the exact interval of a share; hits and tries need not be whole.

    >>> [round(end, 5) for end in clopper_pearson(0, 100, 0.95)]
    [0.0, 0.03622]
    """
    from scipy.special import betaincinv

    alpha, misses = (1.0 - confidence) / 2.0, tries - hits
    low = float(betaincinv(hits, misses + 1.0, alpha)) if hits > 0.0 else 0.0
    high = float(betaincinv(hits + 1.0, misses, 1.0 - alpha)) if misses > 0.0 else 1.0
    return low, high


def effective_tries(hits: Floats, tries: Floats, confidence: float, growth: float = 1.0) -> float:
    """Return how many independent tries those of some replications are worth.

    That is all of them over their design effect. Student's t over the normal quantile accounts for how few replications
    it is known from. Replications that agree better than independent requests would count for no more than these,
    unless chance can't explain it.
    """
    from scipy.special import chdtri

    count, total = len(tries), float(tries.sum())
    share = float(hits.sum()) / total
    binomial = total * share * (1.0 - share)
    if binomial <= 0.0:
        return total * growth
    freedom = count - 1
    spread = float(((hits - share * tries) ** 2).sum()) * count / freedom
    effect = spread / binomial
    few = min(count, min(share, 1.0 - share) * total / count) < LEAST_FOR_AGREEMENT
    agree = not few and freedom * effect < float(chdtri(freedom, 1.0 - AGREEMENT))
    t = student_t(count * growth, confidence) / normal_z(confidence)
    least = LEAST_DESIGN_EFFECT if agree else 1.0
    return float(total * growth / max(effect * t * t, least))


def agrees(counts: Floats) -> bool:
    """Tell whether counts of events differ less than those of independent events would in one case of a hundred."""
    from scipy.special import chdtri

    count, mean = len(counts), float(counts.mean())
    if count < 2 or mean < 1.0:
        return False
    dispersion = float(((counts - mean) ** 2).sum()) / mean
    if (
        dispersion == 0.0
    ):  # the sum of the n-th powers of Poisson probabilities, which are about normal
        all_equal = (2.0 * math.pi * mean) ** (-(count - 1) / 2.0) / math.sqrt(count)
        return bool(all_equal < AGREEMENT)
    if min(count, mean) < LEAST_FOR_AGREEMENT:
        return False
    return dispersion < float(chdtri(count - 1, 1.0 - AGREEMENT))


def are_common(hits: Floats, tries: Floats) -> bool:
    """Tell whether hits and misses both are many in a replication."""
    rarer = min(float(hits.sum()), float((tries - hits).sum()))
    return len(tries) >= 2 and rarer >= REGULAR_EVENTS * len(tries)
