"""Shielding counts of large tables: which more must be withheld, shown by points well inside what the attacker knows.

What the attacker knows is a polytope: bounds on each count and sums that hold. A withheld count is shielded if two
points of it lie `WIDTH` apart in that count. From one point well inside (`settle`) each withheld count is moved up and
down, all others following with least effort, where effort is by the room that each has. Where one step is too little,
the move goes on from where it is, with the room as it is there: each step is an interior point of the same polytope,
and the last but the exact bound. Every end is checked against sums and bounds before it is believed.

Where that is too little, what the last step pressed against says who stands in the way; of these the count is
withheld that helps most for the least cost. Withholding more never makes anything found before false.

This is done place by place (`shield_all`): sums of one place are few, and a factor of few sums costs little. The point
to start from has small counts as low as they can be, so that in every place there is room for a few people more.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from popstrat.core.compiled import compiled
from popstrat.privacy.disclosure.rules import WIDTH
from popstrat.privacy.disclosure.sums import Floats, Ints, Pattern, Sums, factor, keep_sums, pattern, sums_of, worst_off

Bools = npt.NDArray[np.bool_]

_FAR = 100.0
"""Room that is as good as any."""
_NONE = 1e-7
"""Room under this is none."""
_ENOUGH = 1e-9
_AMPLE = 7.0
"""How far one step goes at most."""
_STEPS, _ROUNDS, _ENOUGH_FAIL, _PATIENCE = 12, 20, 4, 12
_TURNS, _NEWTON, _INSIDE = 8, 40, 4
_GENTLE, _LOW = 0.3, 10.0
_TURN_LOW = _LOW, 100.0, _GENTLE
"""How strongly small counts are drawn down, at first and then, against the pull of one that has a room of 1."""
_FEW_LEFT, _TO_THE_END = 40, 1000
"""So many that are left over may be tried with all together, which takes long."""
_NEAR = 0.995
"""How far of the way to the nearest bound a step goes."""


class Known(NamedTuple):
    """Counts as the attacker knows them. ``floor`` and ``ceiling`` are what is known of a count once it is withheld to
    protect others, ``pull`` is how strongly it is drawn down where it is withheld. ``loose`` are small rests of which
    less is known once their count is withheld (from ``loose_starts``), ``owners`` the other way round."""

    x: Floats
    low: Floats
    high: Floats
    guarded: Bools
    movable: Bools
    costs: Floats
    floor: Floats
    ceiling: Floats
    pull: Floats
    loose_starts: Ints
    loose: Ints
    owner_starts: Ints
    owners: Ints


@compiled
def _implied(sums: Sums, low: Floats, high: Floats, r: int, i: int) -> tuple[float, float]:
    """What one sum says of one of its counts."""
    a, b, sign = 0.0, 0.0, 1.0
    for k in range(sums.starts[r], sums.starts[r + 1]):
        c = sums.counts[k]
        if c == i:
            sign = sums.signs[k]
        elif sums.signs[k] > 0:
            a += low[c]
            b += high[c]
        else:
            a -= high[c]
            b -= low[c]
    return (-b, -a) if sign > 0 else (a, b)


@compiled
def withhold(known: Known, i: int) -> None:
    known.movable[i], known.guarded[i] = False, True
    known.low[i], known.high[i] = known.floor[i], known.ceiling[i]
    for k in range(known.loose_starts[i], known.loose_starts[i + 1]):
        j = known.loose[k]
        known.low[j], known.high[j] = 0.0, np.inf


@compiled
def by_rows(sums: Sums, known: Known, of: Bools, hidden: Bools, width: float) -> None:
    """Where one sum alone bounds a count too closely, one of that sum must go, whatever else does: the cheapest."""
    todo = [0][:0]
    for i in range(len(known.x)):
        if known.guarded[i] and of[i]:
            todo.append(i)
    done = 0
    while done < len(todo):
        i = todo[done]
        done += 1
        for q in range(sums.row_starts[i], sums.row_starts[i + 1]):
            r = sums.rows[q]
            while True:
                a, b = _implied(sums, known.low, known.high, r, i)
                if min(b, known.high[i]) - max(a, known.low[i]) >= width - 1e-6:
                    break
                pick = -1
                for k in range(sums.starts[r], sums.starts[r + 1]):
                    c = sums.counts[k]
                    if known.movable[c] and (pick < 0 or known.costs[c] < known.costs[pick]):
                        pick = c
                if pick < 0:
                    break
                hidden[pick] = True
                withhold(known, pick)
                todo.append(pick)


@compiled
def _room(known: Known, x: Floats, free: Bools, weights: Floats) -> None:
    for j in range(len(x)):
        room = min(x[j] - known.low[j], known.high[j] - x[j], _FAR)
        weights[j] = room * room if free[j] and room > _NONE else 0.0


@compiled
def _farthest(known: Known, x: Floats, move: Floats, sign: float, wanted: float) -> float:
    """How far of a move there is room for, at most as far as wanted."""
    step = wanted
    for j in range(len(x)):
        by = sign * move[j]
        if by > 1e-12:
            step = min(step, (known.high[j] - x[j]) / by)
        elif by < -1e-12:
            step = min(step, (known.low[j] - x[j]) / by)
    return max(step, 0.0)


@compiled
def _sound(sums: Sums, known: Known, x: Floats, like: Floats) -> bool:
    """Whether a point is within all bounds and has the same sums as another, each by itself."""
    for j in range(len(x)):
        if not (known.low[j] - 1e-6 <= x[j] <= known.high[j] + 1e-6):
            return False
    for r in range(len(sums.starts) - 1):
        total = 0.0
        for k in range(sums.starts[r], sums.starts[r + 1]):
            total += sums.signs[k] * (x[sums.counts[k]] - like[sums.counts[k]])
        if not abs(total) <= 1e-6:
            return False
    return True


@compiled
def settle(sums: Sums, shape: Pattern, known: Known, truth: Floats, low: float, on: bool) -> bool:
    """Start from a point well inside instead of the truth, where small counts are as low as they can be: a few people
    spread over many areas would have to come from everywhere to show that they could be in any one. Whether there is
    such a point.

    Newton's method on the logarithms of all room, within bounds that are first as much wider as is needed (``slack``)
    and then less and less; or ``on`` from where it is. A count that cannot leave its bound whatever
    others do stays. The truth need not be within the bounds, only keep the sums.
    """
    n, m = len(known.x), len(sums.starts) - 1
    x, y, move, weights = np.empty(n), np.empty(m), np.empty(n), np.empty(n)
    lower, free = np.zeros(len(shape.rows)), np.empty(n, np.bool_)
    for j in range(n):
        free[j] = known.high[j] - known.low[j] > _ENOUGH
        if on and min(known.x[j] - known.low[j], known.high[j] - known.x[j]) < _NONE:
            free[j] = False
    for turn in range(_TURNS):
        x[:] = known.x if on and turn == 0 else truth
        slack, inside = 0.0 if on and turn == 0 else 1.0, 0
        if slack > 0.0:
            for j in range(n):
                if free[j]:
                    slack = max(slack, 2.0 * (known.low[j] - x[j]), 2.0 * (x[j] - known.high[j]))
        now = min(_GENTLE, low)
        for _ in range(_NEWTON):
            for j in range(n):
                weights[j] = move[j] = 0.0
                if free[j]:
                    a = 1.0 / (x[j] - known.low[j] + slack)
                    b = 1.0 / (min(known.high[j], max(truth[j], known.low[j]) + _FAR) - x[j] + slack)
                    pull = b - a
                    if known.guarded[j]:
                        pull += now * known.pull[j]
                    weights[j] = 1.0 / (a * a + b * b)
                    move[j] = -pull * weights[j]
            factor(sums, shape, weights, lower)
            keep_sums(sums, shape, lower, weights, move, y)
            keep_sums(sums, shape, lower, weights, move, y)  # once more, for what was lost to rounding
            far = 1.0
            for j in range(n):
                if free[j]:
                    if move[j] > 0.0:
                        top = min(known.high[j], max(truth[j], known.low[j]) + _FAR)
                        far = min(far, 0.7 * (top - x[j] + slack) / move[j])
                    elif move[j] < 0.0:
                        far = min(far, 0.7 * (x[j] - known.low[j] + slack) / -move[j])
            worst = -np.inf
            for j in range(n):
                x[j] += far * move[j]
                if free[j]:
                    worst = max(worst, known.low[j] - x[j], x[j] - known.high[j])
            inside = inside + 1 if slack == 0.0 and now == low else 0
            if slack == 0.0:
                now = min(2.0 * now, low)
            if inside == _INSIDE:
                break
            if slack > 0.0:
                slack = (
                    0.0 if worst < 0.0 else min(slack, max((1.3 if far == 1.0 else 2.0) * worst + 1e-4, 0.3 * slack))
                )
        share = 1.0  # of the way from the truth: what is but a little off is inside before it is there
        for j in range(n):
            if x[j] < known.low[j]:
                share = min(share, (truth[j] - known.low[j]) / (truth[j] - x[j]) if truth[j] > known.low[j] else 0.0)
            elif x[j] > known.high[j]:
                share = min(share, (known.high[j] - truth[j]) / (x[j] - truth[j]) if truth[j] < known.high[j] else 0.0)
        if share > 0.5:
            share *= 1.0 if slack == 0.0 else 0.95
            for j in range(n):
                room = min(x[j] - known.low[j], known.high[j] - x[j], 1.0)
                weights[j] = room if free[j] and room > 0.0 else 0.0
                move[j] = share * (x[j] - truth[j])
            factor(sums, shape, weights, lower)
            keep_sums(sums, shape, lower, weights, move, y)
            keep_sums(sums, shape, lower, weights, move, y)
            for j in range(n):
                x[j] = truth[j] + move[j]
            if not _sound(sums, known, x, truth):
                return False
            known.x[:] = x
            return True
        stays = False
        for j in range(n):
            if free[j] and (x[j] < known.low[j] + slack / 2 or x[j] > known.high[j] - slack / 2):
                free[j], stays = False, True
        if not stays:
            break
    return False


@compiled
def _stops(known: Known, x: Floats, move: Floats, room: Floats, blame: Floats) -> None:
    """Who stops a count: those at their bounds, with how much further it would go for each step of theirs (of the
    one for whom that is most, 1)."""
    most = 0.0
    for j in range(len(x)):
        if room[j] > 0.0:
            most = max(most, abs(move[j]) / room[j])
    for j in range(len(x)):
        if room[j] > 0.0:
            by = abs(move[j]) / room[j] / most
            if by > 0.02:
                if known.movable[j]:
                    blame[j] = max(blame[j], by)
                for k in range(known.owner_starts[j], known.owner_starts[j + 1]):
                    owner = known.owners[k]
                    if known.movable[owner]:
                        blame[owner] = max(blame[owner], by)


@compiled
def _nearest(sums: Sums, known: Known, i: int) -> int:
    """The cheapest count that may be withheld among those fewest sums away; -1 if there is none."""
    seen, edge = np.zeros(len(known.x), np.bool_), [i]
    seen[i] = True
    while len(edge):
        pick, more = -1, [0][:0]
        for j in edge:
            for q in range(sums.row_starts[j], sums.row_starts[j + 1]):
                r = sums.rows[q]
                for k in range(sums.starts[r], sums.starts[r + 1]):
                    c = sums.counts[k]
                    if not seen[c]:
                        seen[c] = True
                        more.append(c)
                        if known.movable[c] and (pick < 0 or known.costs[c] < known.costs[pick]):
                            pick = c
        if pick >= 0:
            return pick
        edge = more
    return -1


@compiled
def _reach(
    sums: Sums, shape: Pattern, known: Known, x: Floats, weights: Floats, lower: Floats, i: int, y: Floats,
    move: Floats, there: Floats, top: Floats, bottom: Floats,
) -> None:  # fmt: skip
    """Move a count up and down from a point, in one step each, all others following with least effort."""
    n = len(x)
    move[:] = 0.0
    move[i] = 1.0
    keep_sums(sums, shape, lower, weights, move, y)
    if move[i] < _ENOUGH:
        return
    for way in range(2):
        sign = 1.0 - 2.0 * way
        far = _farthest(known, x, move, sign, _AMPLE / move[i])
        for j in range(n):
            there[j] = x[j] + sign * far * move[j]
        if (there[i] > top[i] or there[i] < bottom[i]) and _sound(sums, known, there, x):
            for j in range(n):
                top[j], bottom[j] = max(top[j], there[j]), min(bottom[j], there[j])


@compiled
def shield(
    sums: Sums, shape: Pattern, known: Known, asked: Bools, shown: Bools, hidden: Bools, rounds: int, width: float,
    low: float, patience: int,
) -> None:  # fmt: skip
    """Withhold counts until every guarded one of those ``asked`` has the width, or nothing that may be withheld would
    help.

    Each is moved in one step from the middle. One for which that is too little is pushed on, step by step, with the
    room as it is there; from where it has got to its neighbours are moved in one step, since those who were gathered
    for it are at hand: mostly one push shows a whole area. What a push that fails presses against is withheld.

    ``shown`` says for which it was, ``hidden`` which were withheld (and are asked from then on); bounds, guarded,
    movable and the point of ``known`` are changed with them."""
    n, m = len(known.x), len(sums.starts) - 1
    weights, room = np.empty(n), np.empty(n)
    lower, lower_there = np.zeros(len(shape.rows)), np.zeros(len(shape.rows))
    y, x, move, there = np.empty(m), np.empty(n), np.empty(n), np.empty(n)
    free, blame, gain = np.empty(n, np.bool_), np.zeros(n), np.zeros(n)
    left, base, thorough = np.zeros(n, np.bool_), known.x, patience > 0
    top, bottom = base.copy(), base.copy()  # of all points found so far
    for turn in range(rounds):
        if turn > 0:  # what was withheld has made room
            settle(sums, shape, known, base.copy(), low, not thorough)  # anew, what could not move may now
        for j in range(n):
            free[j] = known.high[j] - known.low[j] > _ENOUGH
        _room(known, base, free, weights)
        factor(sums, shape, weights, lower)
        np.maximum(top, base, top)
        np.minimum(bottom, base, bottom)
        for i in range(n):
            if known.guarded[i] and asked[i] and not shown[i]:
                if top[i] - bottom[i] < width:
                    _reach(sums, shape, known, base, weights, lower, i, y, move, there, top, bottom)
                shown[i] = top[i] - bottom[i] >= width
        failing, who, what, share, tried = 0, [0][:0], [0][:0], [0.0][:0], [0][:0]
        for i in range(n):
            if not known.guarded[i] or not asked[i] or shown[i] or left[i]:
                continue
            blame[:] = 0.0
            for way in range(2):
                sign = 1.0 - 2.0 * way
                if top[i] - bottom[i] >= width:
                    break
                x[:] = base
                goal = bottom[i] + width + 1e-8 if sign > 0 else top[i] - width - 1e-8
                goal = min(goal, known.high[i]) if sign > 0 else max(goal, known.low[i])
                if sign * goal < (top[i] if sign > 0 else -bottom[i]) + _ENOUGH:
                    continue  # it is as far as it may be for itself, for which nobody is to blame
                slow, last = 0, False
                for step in range(_STEPS if not thorough else 4 * _STEPS):
                    _room(known, x, free, room)
                    room[i] = 0.0  # it goes one way, and the others follow
                    factor(sums, shape, room, lower_there)
                    move[:] = 0.0
                    move[i] = 1.0
                    keep_sums(sums, shape, lower_there, room, move, y)
                    if worst_off(sums, move) > 1e-3:  # nobody is left who could follow
                        break
                    wanted = sign * (goal - x[i]) / move[i]
                    far = _farthest(known, x, move, sign, wanted)
                    last = far >= wanted
                    if not last:
                        far *= 0.9 if step == 0 else _NEAR
                    for j in range(n):
                        x[j] += sign * far * move[j]
                    if last:
                        break
                    slow = slow + 1 if far * move[i] < 0.03 * abs(goal - x[i]) else 0
                    if slow == 3 and not thorough:
                        break
                if not last:
                    _stops(known, x, move, room, blame)
                if not _sound(sums, known, x, base):
                    continue
                np.maximum(top, x, top)
                np.minimum(bottom, x, bottom)
                _room(known, x, free, room)
                factor(sums, shape, room, lower_there)
                for q in range(sums.row_starts[i], sums.row_starts[i + 1]):
                    r = sums.rows[q]
                    for z in range(sums.starts[r], sums.starts[r + 1]):
                        k = sums.counts[z]
                        if k != i and known.guarded[k] and asked[k] and not shown[k]:
                            if top[k] - bottom[k] < width:
                                _reach(sums, shape, known, x, room, lower_there, k, y, move, there, top, bottom)
                            shown[k] = top[k] - bottom[k] >= width
            if top[i] - bottom[i] >= width:
                shown[i] = True
                continue
            for j in range(n):
                if blame[j] > 0.0:
                    who.append(failing)
                    what.append(j)
                    share.append(blame[j])
            tried.append(i)
            failing += 1
            if failing == _ENOUGH_FAIL:  # what helps them may help others too
                break
        if failing == 0:
            break
        helped, new = np.zeros(failing, np.bool_), np.zeros(n, np.bool_)
        while not helped.all():
            gain[:] = 0.0
            for k in range(len(who)):
                if not helped[who[k]] and known.movable[what[k]]:
                    gain[what[k]] += share[k]
            pick = -1
            for j in range(n):
                if gain[j] > 0.0 and (
                    pick < 0 or max(known.costs[j], 1.0) * gain[pick] < max(known.costs[pick], 1.0) * gain[j]
                ):
                    pick = j
            if pick < 0:
                break
            for k in range(len(who)):
                if what[k] == pick:
                    helped[who[k]] = True
            new[pick] = True
            withhold(known, pick)
        if not helped.any() and patience > 0:
            pick, patience = _nearest(sums, known, tried[0]), patience - 1
            if pick >= 0:
                new[pick] = helped[0] = True
                withhold(known, pick)
        for k in range(failing):
            if not helped[k] and (patience == 0 or not helped.any()):  # nothing that it presses against may go
                left[tried[k]] = True
        by_rows(sums, known, new.copy(), new, width)
        for j in range(n):
            if new[j]:
                hidden[j] = asked[j] = True


@compiled
def within(sums: Sums, inside: Ints, at: Ints) -> tuple[Ints, Ints, Floats]:
    """The sums over some of the counts, those outside staying as they are; ``at`` is -1 everywhere, and left so."""
    for j in range(len(inside)):
        at[inside[j]] = j
    seen = np.zeros(len(sums.starts) - 1, np.bool_)
    starts, counts, signs = [0], [0][:0], [0.0][:0]
    for j in range(len(inside)):
        for q in range(sums.row_starts[inside[j]], sums.row_starts[inside[j] + 1]):
            r = sums.rows[q]
            if not seen[r]:
                seen[r] = True
                for k in range(sums.starts[r], sums.starts[r + 1]):
                    if at[sums.counts[k]] >= 0:
                        counts.append(at[sums.counts[k]])
                        signs.append(sums.signs[k])
                starts.append(len(counts))
    for j in range(len(inside)):
        at[inside[j]] = -1
    return np.array(starts, np.int64), np.array(counts, np.int64), np.array(signs, np.float64)


def _part(starts: Ints, ends: Ints, inside: Ints, at: Ints) -> tuple[Ints, Ints]:
    """Lists of some of the counts, in the numbers of those."""
    sizes = starts[inside + 1] - starts[inside]
    found = np.zeros(len(inside) + 1, np.int64)
    np.cumsum(sizes, out=found[1:])
    index = np.repeat(starts[inside] - found[:-1], sizes) + np.arange(found[-1])
    return found, at[ends[index]]


def inside(sums: Sums, shape: Pattern, known: Known) -> bool:
    """Move all counts well inside what is known, small ones as low as they can be. Whether that could be done."""
    truth = known.x.copy()
    found = bool(settle(sums, shape, known, truth, _GENTLE, False))
    if found:
        settle(sums, shape, known, truth, _LOW, True)
    return found


def shield_all(
    sums: Sums, known: Known, blocks: Ints, *, shape: Pattern | None = None, done: Bools | None = None,
    settled: bool = False, width: float = WIDTH, to_the_end: bool = False,
) -> tuple[Bools, Bools]:  # fmt: skip
    """Withhold counts until every guarded one has the width: which were withheld, and for which it was shown; some may
    be left for which it is not.

    ``blocks`` numbers the block of each count, -1 for those that hang together with all. Block by block, all others but
    those of -1 staying as they are, it is shown, and found what must go of the block; then all together for what is
    left, if that is little or it is ``to_the_end``. Of those ``done`` it is shown already. ``shape`` is the `pattern`
    of the sums, where it is there; ``settled`` says that the counts of ``known`` are well inside already. They
    are moved there."""
    n = len(known.x)
    hidden, at = np.zeros(n, bool), np.full(n, -1, np.int64)
    shown = np.zeros(n, bool) if done is None else done.copy()
    by_rows(sums, known, ~shown, hidden, width)
    if not (known.guarded & ~shown).any():
        return hidden, shown
    if not settled:
        shape = pattern(sums) if shape is None else shape
        inside(sums, shape, known)
    for low in _TURN_LOW:
        if low != _LOW:
            shape, truth = pattern(sums) if shape is None else shape, known.x.copy()
            settle(sums, shape, known, truth, low, True)
        for block in np.unique(blocks[known.guarded & ~shown & (blocks >= 0)]).tolist():
            _of_block(sums, known, blocks, block, shown, hidden, at, width, low)
        if not (known.guarded & ~shown).any():
            break
    left = int(np.count_nonzero(known.guarded & ~shown))
    if left > 0 and (left <= _FEW_LEFT or to_the_end):
        shape = pattern(sums) if shape is None else shape
        rounds, patience = (_TO_THE_END, _TO_THE_END) if to_the_end else (_ROUNDS, _PATIENCE)
        shield(sums, shape, known, np.ones(n, bool), shown, hidden, rounds, width - 5e-7, _LOW, patience)
    return hidden, shown


def _of_block(
    sums: Sums, known: Known, blocks: Ints, block: int, shown: Bools, hidden: Bools, at: Ints, width: float,
    low: float,
) -> None:  # fmt: skip
    """What can be shown, and must go, of one block."""
    here = np.flatnonzero((blocks == block) | (blocks == -1))
    of, part = _within(sums, known, here, at, known.movable)
    found, new = shown[here], np.zeros(len(here), bool)
    shield(of, pattern(of), part, np.ones(len(here), bool), found, new, _ROUNDS, width - 5e-7, low, 0)
    shown[here] = found
    for i in here[new].tolist():
        withhold(known, i)
    hidden[here[new]] = True
    known.x[here] = part.x


def _within(sums: Sums, known: Known, here: Ints, at: Ints, movable: Bools) -> tuple[Sums, Known]:
    """The sums over some counts and what is known of them, as copies."""
    starts, counts, signs = within(sums, here, at)
    at[here] = np.arange(len(here))
    loose = _part(known.loose_starts, known.loose, here, at)
    owners = _part(known.owner_starts, known.owners, here, at)
    at[here] = -1
    part = Known(
        known.x[here], known.low[here], known.high[here], known.guarded[here], movable[here],
        known.costs[here], known.floor[here], known.ceiling[here], known.pull[here], *loose, *owners,
    )  # fmt: skip
    return sums_of(len(here), starts, counts, signs), part
