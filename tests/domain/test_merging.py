"""The table at the top of domain/merging.py, row by row, and the laws behind it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.merging import History, Merged, merge


@pytest.mark.parametrize(
    ("left", "right", "stands"),
    [
        ([(1, "A")], [(1, "A")], Merged("A", False, False, False, False)),
        ([(1, "A"), (3, "B")], [(1, "A"), (2, "B")], Merged("B", False, False, False, False)),
        ([(1, "A"), (3, "left")], [(1, "A")], Merged("left", True, False, True, False)),
        ([(1, "A"), (3, "left")], [(2, "A"), (4, "A")], Merged("left", True, False, True, False)),
        ([(1, "A")], [(1, "A"), (3, "right")], Merged("right", False, False, False, True)),
        ([(1, "A"), (4, "A")], [(2, "A"), (3, "right")], Merged("right", False, False, False, True)),
        ([(1, "A"), (3, "left")], [(1, "A"), (2, "right")], Merged("right", False, True, True, True)),
        ([(1, "A"), (2, "left")], [(1, "A"), (3, "right")], Merged("right", False, True, True, True)),
        ([(1, "left")], [(1, "right")], Merged("right", False, False, False, False)),
        ([(2, "left")], [(1, "right")], Merged("right", False, False, False, False)),
        ([(1, "A"), (2, "B"), (4, "left")], [(1, "A"), (3, "B")], Merged("left", True, False, True, False)),
        ([(1, "A"), (4, "A")], [(1, "A"), (2, "B"), (3, "C")], Merged("C", False, False, False, True)),
        ([(1, "A"), (5, "B")], [(2, "A"), (3, "B"), (6, "A")], Merged("A", False, False, False, True)),
        ([(1, None), (2, "left")], [(1, None)], Merged("left", True, False, True, False)),
        ([(1, "A"), (2, None)], [(1, "A")], Merged(None, True, False, True, False)),
        ([(1, "A")], [(1, "A"), (2, None)], Merged(None, False, False, False, True)),
    ],
    ids=[
        "equal from the start",
        "both moved to the same",
        "only left moved",
        "only left moved, right repeated itself",
        "only right moved",
        "only right moved, left repeated itself",
        "both moved, left later",
        "both moved, right later",
        "never agreed",
        "never agreed, left later",
        "agreed a second time, then left moved",
        "right moved twice",
        "agreed again, then right moved back",
        "from nothing",
        "left took it away",
        "right took it away",
    ],
)
def test_one_field_of_two_histories(left: History, right: History, stands: Merged) -> None:
    assert merge(left, right) == stands


VALUES = st.sampled_from(["A", "B", "C", None])


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, str | None]]:
    """One side's words, each at a time of its own."""
    times = draw(st.lists(st.integers(0, 12), min_size=1, max_size=6, unique=True))
    return [(time, draw(VALUES)) for time in sorted(times)]


@given(histories(), histories())
def test_what_stands_is_the_newest_word_of_one_of_the_sides(left: History, right: History) -> None:
    found = merge(left, right)
    assert found.value == (left[-1][1] if found.from_left else right[-1][1])


@given(histories())
def test_of_equal_histories_their_newest_word_stands_and_nothing_is_lost(history: History) -> None:
    assert merge(history, history) == Merged(history[-1][1], False, False, False, False)


@given(histories(), histories(), st.data())
def test_saying_the_same_again_changes_nothing(left: History, right: History, data: st.DataObject) -> None:
    again = data.draw(st.integers(0, len(left) - 1))
    other = data.draw(st.integers(0, len(right) - 1))
    twice = [*left[: again + 1], *left[again:]]
    also = [*right[: other + 1], *right[other:]]
    assert merge(twice, right) == merge(left, right) == merge(left, also) == merge(twice, also)


@given(histories(), histories(), st.integers(-1000, 1000))
def test_only_the_order_of_the_times_counts(left: History, right: History, shift: int) -> None:
    moved = merge([(time * 7 + shift, value) for time, value in left], [(time * 7 + shift, value) for time, value in right])
    assert moved == merge(left, right)


@given(histories(), histories())
def test_a_value_is_lost_only_to_another_and_never_the_one_that_stands(left: History, right: History) -> None:
    found = merge(left, right)
    if found.lost:
        assert (found.left_moved, found.right_moved) == (True, True)
        assert not found.from_left
        assert left[-1][1] != found.value


@given(histories(), histories())
def test_left_stands_if_it_alone_moved_and_is_lost_if_both_did(left: History, right: History) -> None:
    found = merge(left, right)
    assert found.from_left == (found.left_moved and not found.right_moved)
    assert found.lost == (found.left_moved and found.right_moved)


@given(histories(), histories(), VALUES, VALUES)
def test_the_side_that_alone_moved_since_they_agreed_is_heard(left: History, right: History, agreed: str | None, new: str | None) -> None:
    left, right = [*left, (50, agreed)], [*right, (50, agreed)]
    assert merge([*left, (60, new)], right).value == new
    assert merge(left, [*right, (60, new)]).value == new
    assert merge([*left, (60, new)], [*right, (60, agreed)]).value == new


@given(histories(), histories(), st.integers(51, 90), st.integers(51, 90))
def test_where_both_moved_since_they_agreed_right_is_heard_whoever_was_later(left: History, right: History, one: int, other: int) -> None:
    found = merge([*left, (50, "agreed"), (one, "left")], [*right, (50, "agreed"), (other, "right")])
    assert found == Merged("right", from_left=False, lost=True, left_moved=True, right_moved=True)
