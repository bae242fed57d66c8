"""Shielding counts of large tables: which more must be withheld, shown by points well inside what the attacker knows.

What the attacker knows is a polytope: bounds on each count and sums that hold. A withheld count is shielded if two
points of it lie `WIDTH` apart in that count. From one point well inside (`_middle`) each withheld count is moved up and
down, all others following with least effort, where effort is by the room that each has; mostly that is all. Where it
is not, the move goes on from where it is, with the room as it is there: each step is an interior point of the same
polytope, and the last but the exact bound. Every end is checked against sums and bounds before it is believed.

Where that is too little, what the last step pressed against says who stands in the way; of these the count is
withheld that helps most for the least cost. Withholding more never makes anything found before false.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from popstrat.core.compiled import compiled
from popstrat.privacy.disclosure.rules import WIDTH
from popstrat.privacy.disclosure.sums import Floats, Ints, Pattern, Sums, factor, keep_sums, pattern, sums_of

Bools = npt.NDArray[np.bool_]

_FAR = 100.0
"""Room that is as good as any."""
_NONE = 1e-7
"""Room under this is none."""
_ENOUGH = 1e-9
_WIDE = WIDTH - 5e-7
_STEPS = 20
_ROUNDS = 40
_PATIENCE, _MANY = 10, 10
_ENOUGH_FAIL = 12
_TURNS, _NEWTON, _INSIDE = 8, 40, 4
_GENTLE = 0.3
_LOW = 200.0
_TURN_LOW = _GENTLE, _LOW, _GENTLE
_NEAR = 0.995
"""How far of the way to the nearest bound a step goes."""


class Known(NamedTuple):
    """Counts as the attacker knows them. ``floor`` and ``ceiling`` are what is known of a count once it is withheld to
    protect others. ``loose`` are small rests of which less is known once their count is withheld (from
    ``loose_starts``), ``owners`` the other way round."""

    x: Floats
    low: Floats
    high: Floats
    guarded: Bools
    movable: Bools
    costs: Floats
    floor: Floats
    ceiling: Floats
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
def _withhold(known: Known, i: int) -> None:
    known.movable[i], known.guarded[i] = False, True
    known.low[i], known.high[i] = known.floor[i], known.ceiling[i]
    for k in range(known.loose_starts[i], known.loose_starts[i + 1]):
        j = known.loose[k]
        known.low[j], known.high[j] = 0.0, np.inf


@compiled
def _by_rows(sums: Sums, known: Known, of: Bools, hidden: Bools) -> None:
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
                if min(b, known.high[i]) - max(a, known.low[i]) >= WIDTH - 1e-6:
                    break
                pick = -1
                for k in range(sums.starts[r], sums.starts[r + 1]):
                    c = sums.counts[k]
                    if known.movable[c] and (pick < 0 or known.costs[c] < known.costs[pick]):
                        pick = c
                if pick < 0:
                    break
                hidden[pick] = True
                _withhold(known, pick)
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
    """Whether a point is within all bounds and has the same sums as another, each by itself: within a place sums lack
    their terms outside, so that no one tolerance fits them all."""
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
def _settle(sums: Sums, shape: Pattern, known: Known, truth: Floats, low: float, on: bool) -> bool:
    """Start from a point well inside instead of the truth, where small counts are rather low: a few people spread over
    many areas would have to come from everywhere to show that they could be in any one. Whether there is such a point.

    Newton's method on the logarithms of all room, within bounds that are first as much wider as is needed (``slack``)
    and then less and less; or ``on`` from where it is. A count that cannot leave its bound whatever others do stays.
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
        now = _GENTLE
        for _ in range(_NEWTON):
            for j in range(n):
                weights[j] = move[j] = 0.0
                if free[j]:
                    a = 1.0 / (x[j] - known.low[j] + slack)
                    b = 1.0 / (min(known.high[j], truth[j] + _FAR) - x[j] + slack)
                    pull = b - a
                    if known.guarded[j] and np.isfinite(known.high[j]):
                        pull += now
                    weights[j] = 1.0 / (a * a + b * b)
                    move[j] = -pull * weights[j]
            factor(sums, shape, weights, lower)
            keep_sums(sums, shape, lower, weights, move, y)
            keep_sums(sums, shape, lower, weights, move, y)  # once more, for what was lost to rounding
            far = 1.0
            for j in range(n):
                if free[j]:
                    if move[j] > 0.0:
                        far = min(far, 0.7 * (min(known.high[j], truth[j] + _FAR) - x[j] + slack) / move[j])
                    elif move[j] < 0.0:
                        far = min(far, 0.7 * (x[j] - known.low[j] + slack) / -move[j])
            worst = -np.inf
            for j in range(n):
                x[j] += far * move[j]
                if free[j]:
                    worst = max(worst, known.low[j] - x[j], x[j] - known.high[j])
            inside = inside + 1 if slack == 0.0 else 0
            if slack == 0.0:
                now = min(2.0 * now, low)
            if inside == (_INSIDE if low == _GENTLE else 3 * _INSIDE):
                break
            if slack > 0.0:
                slack = (
                    0.0 if worst < 0.0 else min(slack, max((1.3 if far == 1.0 else 2.0) * worst + 1e-4, 0.3 * slack))
                )
        share = 1.0  # of the way from the truth: what is but a little off is inside before it is there
        for j in range(n):
            if x[j] < known.low[j]:
                share = min(share, (truth[j] - known.low[j]) / (truth[j] - x[j]))
            elif x[j] > known.high[j]:
                share = min(share, (known.high[j] - truth[j]) / (x[j] - truth[j]))
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
        if room[j] > 0.0 and min(x[j] - known.low[j], known.high[j] - x[j]) < 0.3:
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
def shield(
    sums: Sums, shape: Pattern, known: Known, asked: Bools, shown: Bools, hidden: Bools, last_resort: bool,
) -> None:  # fmt: skip
    """Withhold counts until every guarded one of those ``asked`` has the width.

    ``shown`` says for which it was, ``hidden`` which were withheld (and are asked from then on); bounds, guarded and
    movable of ``known`` are changed with them."""
    n, m = len(known.x), len(sums.starts) - 1
    weights, room = np.empty(n), np.empty(n)
    lower, lower_there = np.zeros(len(shape.rows)), np.zeros(len(shape.rows))
    y, base, x, move, first = np.empty(m), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    free, blame, gain = np.empty(n, np.bool_), np.zeros(n), np.zeros(n)
    left, tried = np.zeros(n, np.bool_), np.zeros(n, np.int64)
    top, bottom = known.x.copy(), known.x.copy()  # of all points found so far
    more_room = False
    for turn in range(_ROUNDS):
        if turn > 0 and more_room:  # what was withheld has made room
            _settle(sums, shape, known, base, _GENTLE, False)
        base[:] = known.x
        for j in range(n):
            free[j] = known.high[j] - known.low[j] > _ENOUGH
        _room(known, base, free, weights)
        factor(sums, shape, weights, lower)
        np.maximum(top, base, top)
        np.minimum(bottom, base, bottom)
        failing, who, what, share = 0, [0][:0], [0][:0], [0.0][:0]
        for i in range(n):
            if not known.guarded[i] or shown[i] or not asked[i] or left[i]:
                continue
            if top[i] - bottom[i] >= _WIDE:
                shown[i] = True
                continue
            first[:] = 0.0
            first[i] = 1.0
            keep_sums(sums, shape, lower, weights, first, y)
            blame[:] = 0.0
            for phase in range(4):  # up and down as far as the first step goes; if that is too little, on from there
                sign = 1.0 - 2.0 * (phase % 2)
                if first[i] < 1e-9 and phase < 2:
                    continue
                x[:] = base
                lack = _WIDE + 1e-8 - (top[i] - bottom[i])
                gone = top[i] - base[i] if sign > 0 else base[i] - bottom[i]
                own = known.high[i] - base[i] if sign > 0 else base[i] - known.low[i]
                goal = min(gone + lack, own)  # no further than its own bound, for which nobody is to blame
                if goal - gone < 1e-9:
                    continue
                move[:] = first
                slow, went = 0, 0.0
                last = False
                for step in range(1 if phase < 2 else _STEPS):
                    if step > 0 or first[i] < 1e-9:
                        _room(known, x, free, room)
                        room[i] = 0.0  # it goes one way, and the others follow
                        factor(sums, shape, room, lower_there)
                        move[:] = 0.0
                        move[i] = 1.0
                        keep_sums(sums, shape, lower_there, room, move, y)
                    wanted = (goal - went) / move[i]
                    far = _farthest(known, x, move, sign, wanted)
                    last = far >= wanted
                    if not last:
                        far *= 0.9 if step == 0 and phase > 1 else _NEAR
                    for j in range(n):
                        x[j] += sign * far * move[j]
                    went += far * move[i]
                    if last:
                        break
                    slow = slow + 1 if far * move[i] < 0.02 * (goal - went) else 0
                    if slow == 2:
                        break
                if _sound(sums, known, x, base):
                    np.maximum(top, x, top)
                    np.minimum(bottom, x, bottom)
                if top[i] - bottom[i] >= _WIDE:
                    break
                if phase > 1 and not last:
                    _stops(known, x, move, room, blame)
            if top[i] - bottom[i] >= _WIDE:
                shown[i] = True
                continue
            for j in range(n):
                if blame[j] > 0.0:
                    who.append(failing)
                    what.append(j)
                    share.append(blame[j])
            tried[failing] = i
            failing += 1
            if failing == _ENOUGH_FAIL and not last_resort:  # what helps them may help others too
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
            _withhold(known, pick)
        if not helped.any() and not last_resort:  # nothing that is pressed against may be withheld
            for k in range(failing):
                left[tried[k]] = True
            more_room = False
            continue
        more_room = True
        if not helped.any() or (last_resort and turn > _PATIENCE):
            for i in range(n):
                if known.guarded[i] and asked[i] and not shown[i]:
                    pick = _nearest(sums, known, i)
                    if pick >= 0:
                        new[pick] = True
                        _withhold(known, pick)
                    break
        if not new.any():
            break
        _by_rows(sums, known, new.copy(), new)
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


def shield_all(
    sums: Sums, known: Known, blocks: Ints, *, done: Bools | None = None, to_the_end: bool = True
) -> tuple[Bools, Bools]:
    """Withhold counts until every guarded one has the width: which were withheld, and for which it was shown.

    ``blocks`` numbers the block of each count, -1 for those that hang together with all. What must go is first sought
    block by block, where counts of -1 follow as far as the other blocks have room: none of them is withheld for what a
    block can do by itself. Then it is shown, block by block with all others staying as they are, and what remains with
    all together; there counts of -1 may go as well. Of those ``done`` it is shown already. Unless it is ``to the end``
    some may be left."""
    n = len(known.x)
    hidden, at = np.zeros(n, bool), np.full(n, -1, np.int64)
    shown = np.zeros(n, bool) if done is None else done.copy()
    _by_rows(sums, known, ~shown, hidden)
    everything, truth = pattern(sums), known.x.copy()
    several, everybody = blocks.max(initial=-1) > 0, np.ones(n, bool)
    for low in _TURN_LOW if to_the_end else _TURN_LOW[:2]:
        if not (known.guarded & ~shown).any():
            break
        _settle(sums, everything, known, truth, low, low != _GENTLE)
        if low != _GENTLE:
            _settle(sums, everything, known, truth, low, True)
        if several:
            todo = np.unique(blocks[known.guarded & ~shown & (blocks >= 0)]).tolist()
            give = _give(sums, known, blocks)
            found = [_seek(sums, known, blocks, block, give[:, block], shown, hidden, at) for block in todo]
            if any(found):  # which has made room
                _settle(sums, everything, known, truth, low, low != _GENTLE)
            for block in todo:
                _show(sums, known, blocks, block, shown, at)
        shield(sums, everything, known, everybody, shown, hidden, False)
    if to_the_end and (known.guarded & ~shown).any():
        shield(sums, everything, known, everybody, shown, hidden, True)
    return hidden, shown


def _give(sums: Sums, known: Known, blocks: Ints) -> Floats:
    """How far each count of no block can follow one block, by half of the room that those of the others in one sum with
    it have; by block."""
    n, m, count = len(known.x), len(sums.starts) - 1, int(blocks.max()) + 1
    row, of = np.repeat(np.arange(m), np.diff(sums.starts)), blocks[sums.counts]
    room = np.clip(np.minimum(known.x - known.low, known.high - known.x), 0.0, WIDTH)
    of_row, inside = np.zeros((m, count)), of >= 0
    np.add.at(of_row, (row[inside], of[inside]), room[sums.counts[inside]])
    others = 0.5 * (of_row.sum(axis=1, keepdims=True) - of_row)
    some = ~inside & (np.count_nonzero(of_row, axis=1) > 1)[row]
    found = np.full((n, count), np.inf)
    np.minimum.at(found, sums.counts[some], others[row[some]])
    found[~np.isfinite(found)] = 0.0
    return found


def _seek(
    sums: Sums, known: Known, blocks: Ints, block: int, give: Floats, shown: Bools, hidden: Bools, at: Ints
) -> bool:
    """What must go of one block, counts of no block following further than they can alone: so nothing is shown by it.
    Whether anything must."""
    own = blocks == block
    inside = np.flatnonzero(own | (blocks == -1))
    asked = own[inside]
    wide = np.where(own, 0.0, give)
    of, part = _inside(sums, known, inside, at, known.low - wide, known.high + wide, known.movable & own)
    new = np.zeros(len(inside), bool)
    shield(of, pattern(of), part, asked, shown[inside], new, False)
    for i in inside[new].tolist():
        _withhold(known, i)
    hidden[inside[new]] = True
    return bool(new.any())


def _show(sums: Sums, known: Known, blocks: Ints, block: int, shown: Bools, at: Ints) -> None:
    """Show for counts of one block that they have the width, all others but those of no block staying as they are."""
    own = blocks == block
    inside = np.flatnonzero(own | (blocks == -1))
    of, part = _inside(sums, known, inside, at, known.low, known.high, np.zeros_like(own))
    here, nothing = shown[inside], np.zeros(len(inside), bool)
    shield(of, pattern(of), part, own[inside], here, nothing, False)
    shown[inside] = here


def _inside(
    sums: Sums, known: Known, inside: Ints, at: Ints, low: Floats, high: Floats, movable: Bools
) -> tuple[Sums, Known]:
    """The sums over some counts and what is known of them, as copies."""
    starts, counts, signs = within(sums, inside, at)
    at[inside] = np.arange(len(inside))
    loose = _part(known.loose_starts, known.loose, inside, at)
    owners = _part(known.owner_starts, known.owners, inside, at)
    at[inside] = -1
    part = Known(
        known.x[inside], low[inside], high[inside], known.guarded[inside], movable[inside], known.costs[inside],
        known.floor[inside], known.ceiling[inside], *loose, *owners,
    )  # fmt: skip
    return sums_of(len(inside), starts, counts, signs), part
