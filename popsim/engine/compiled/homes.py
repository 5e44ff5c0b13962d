"""Where objects live: who decides it, what happens when a home is lost, who confirms; twin of specification/homes.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine import object_layout as obl
from popsim.engine.compiled import draw, hashing, object_record
from popsim.engine.compiled.constants import NONE, ONE, ZERO
from popsim.engine.compiled.jit import call_back, helper


@helper
def find_actor(st, number, replica):
    """Return the row of an object or replica, -1 if nobody has called it yet."""
    index, length = st.object_index, st.object_index.shape[0]
    tag = ((number << obl.REPLICA_BITS) | replica) + ONE
    position = hashing.home_of(tag, st.object_run[0].index_shift)
    while index[position].tag != 0:
        if index[position].tag == tag:
            return index[position].row
        position = (position + 1) & (length - 1)
    return NONE


@helper
def index_actor(st, tag, row):
    """Note where an actor is."""
    index, length = st.object_index, st.object_index.shape[0]
    position = hashing.home_of(tag, st.object_run[0].index_shift)
    while index[position].tag != 0:
        position = (position + 1) & (length - 1)
    index[position].tag, index[position].row = tag, row


@helper
def distance(st, site, host):
    """Return the RTT in ms between a site and a host."""
    return st.host_rtt[site * st.object_rules[0].host_count + host]


@helper
def is_host_up(st, host):
    """Tell whether a host's site is up."""
    return st.sites[st.host_sites[host]].up != 0


@helper
def give_home(st, slot, row, site, time):
    """Give an actor a home, asked for from a site; False if no host can be it (rule 39)."""
    actor = st.actors[row]
    is_lost, since = actor.lost_from >= 0, actor.available
    if is_lost:
        since = max(since, restorable_since(st, actor.lost_from))
        if since == np.inf:
            return False
    host = wanted_home(st, row, site, time)
    if host >= 0 and not is_host_up(st, host):
        host = substitute(st, host)
    if host < 0:
        return False
    if is_lost:
        word = draw.two_words(st, draws.TAKEOVER, actor.number, actor.generation)[0]
        actor.available = since + draw.quantile(st, st.object_rules[0].takeover_table, word)
        object_record.count_object(st, slot, actor.object_class, obl.O_FAILOVERS)
    else:
        object_record.record_created(st, actor.object_class, site, host, time)
    actor.home = host
    return True


@helper
def restorable_since(st, host):
    """Return since when what a host had confirmed can be had again, in ms; inf if it cannot yet (rule 39)."""
    first, count = host * st.object_rules[0].followers, ZERO
    for row in range(st.object_rules[0].followers):
        follower = st.followers[first + row].site
        if follower >= 0 and st.sites[follower].up != 0:
            insert_time(st, count, st.sites[follower].up_since)
            count += 1
    since, home = nth_time(st, count), st.sites[st.host_sites[host]]
    return min(since, home.up_since) if home.up != 0 else since


@helper
def insert_time(st, count, time):
    """Put a time among the first ``count`` of the scratch space, which are in order."""
    times, hole = st.follower_times, count
    while hole > 0 and times[hole - 1] > time:
        times[hole] = times[hole - 1]
        hole -= 1
    times[hole] = time


@helper
def nth_time(st, count):
    """Return the quorum-th of ``count`` times in the scratch space; inf if there are fewer."""
    quorum = st.object_rules[0].quorum
    return st.follower_times[quorum - 1] if count >= quorum else np.inf


@helper
def wanted_home(st, row, site, time):
    """Ask the placement model's table, list or Python code."""
    actor = st.actors[row]
    mode = st.object_rules[0].mode
    if mode == obl.BY_TABLE:
        position = draw.uniform(draw.two_words(st, draws.PLACE, actor.number, actor.generation)[0])
        choice = site * st.object_rules[0].choices
        while not position < st.home_choices[choice].cumulative:
            choice += 1
        return st.home_choices[choice].host
    if mode == obl.ASKED:
        address = st.object_run[0].ask_address
        return call_back(address, actor.number, actor.object_class, site, time)
    low, high = ZERO, np.int64(st.known_numbers.shape[0])
    while low < high:
        middle = (low + high) >> 1
        if st.known_numbers[middle] < actor.number:
            low = middle + 1
        else:
            high = middle
    if low < st.known_numbers.shape[0] and st.known_numbers[low] == actor.number:
        return st.known_homes[low]
    return st.nearest_host[site]


@helper
def substitute(st, host):
    """Return the first substitute of a host that is up, -1 if there is none."""
    hosts = st.object_rules[0].host_count
    for number in range(host * hosts, (host + 1) * hosts):
        other = st.substitutes[number]
        if other >= 0 and is_host_up(st, other):
            return other
    return NONE


@helper
def confirmation(st, entity, host, place):
    """Return how long until a quorum of followers has a write, in ms; inf if too few are up (rule 45)."""
    first, count = host * st.object_rules[0].followers, ZERO
    for row in range(st.object_rules[0].followers):
        follower = st.followers[first + row]
        if follower.site < 0 or st.sites[follower.site].up == 0:
            continue
        word = draw.two_words(st, draws.CONFIRM, entity, place + row)[0]
        insert_time(
            st, count, follower.rtt + draw.quantile(st, st.object_rules[0].commit_table, word)
        )
        count += 1
    return nth_time(st, count)


# --- replicas -------------------------------------------------------------------------------------------------


@helper
def nearest_replica(st, site):
    """Return which replica is nearest to a site and up, from 1; 0 if there is none."""
    best, best_rtt = ZERO, np.inf
    for row in range(st.object_rules[0].replica_count):
        host = st.replica_hosts[row]
        if is_host_up(st, host) and distance(st, site, host) < best_rtt:
            best, best_rtt = np.int64(row + 1), distance(st, site, host)
    return best


@helper
def arrival_at(st, primary, replica, version):
    """Return when a replica has a version of its primary, in ms (rule 49)."""
    first, copy = st.actors[primary], st.actors[replica]
    home = first.home if first.home >= 0 else first.lost_from
    way = distance(st, st.host_sites[copy.home], home) * 0.5
    word = draw.two_words(
        st, draws.LAG, first.number, (version << obl.REPLICA_BITS) | copy.replica
    )[0]
    lag = draw.quantile(st, st.object_rules[0].lag_table, word)
    return st.commits[primary, version % history(st)] + (way + lag)


@helper
def visible(st, primary, replica, time):
    """Return the newest version of its primary that a replica has; what is forgotten counts as there."""
    version = st.actors[primary].version
    forgotten = max(version - history(st), ZERO)
    while version > forgotten:
        if arrival_at(st, primary, replica, version) <= time:
            return version
        version -= 1
    return forgotten


@helper
def history(st):
    """Return how many commits of an object are remembered."""
    return np.int64(st.commits.shape[1])
