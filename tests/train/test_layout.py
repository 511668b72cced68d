"""Where tokens stand in a row, prompts of siblings once."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgym.train.batch import WeightedSample, pad
from agentgym.train.layout import LEAST_SHARED, Layout, laid_out, shared_part
from agentgym.types import Sample

# A row: which of two prompts and how much of it, and what follows, of two kinds of token.
ROWS = st.lists(
    st.tuples(
        st.sampled_from((7, 8)),
        st.sampled_from((1, 2, LEAST_SHARED, LEAST_SHARED + 1, LEAST_SHARED + 5)),
        st.lists(st.tuples(st.sampled_from((1, 2)), st.booleans()), min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=8,
)


def batch_of(rows: list[tuple[int, int, list[tuple[int, bool]]]]) -> tuple[torch.Tensor, ...]:
    items = []
    for token, length, rest in rows:
        ids = (token,) * length + tuple(each for each, _ in rest)
        mask = (0,) * length + tuple(int(sampled) for _, sampled in rest)
        items.append(WeightedSample(Sample(ids, mask, (0.0,) * len(ids))))
    batch = pad(items)
    return batch.ids, batch.mask, batch.lengths


def keys_of(layout: Layout, place: int) -> list[int]:
    """Which places the query at this one sees: its segment's, causal to the bottom right."""
    seams, key_seams = layout.seams.tolist(), layout.key_seams.tolist()
    segment = max(n for n, seam in enumerate(seams[:-1]) if seam <= place)
    keys = layout.keys.tolist() or list(range(seams[-1]))
    after = seams[segment + 1] - 1 - place
    return keys[key_seams[segment] : key_seams[segment + 1] - after]


@settings(max_examples=200, deadline=None)
@given(ROWS, st.booleans())
def test_every_wanted_state_sees_its_own_sequence_and_nothing_else(
    rows: list[tuple[int, int, list[tuple[int, bool]]]], share: bool
) -> None:
    ids, mask, lengths = batch_of(rows)
    layout = laid_out(ids, mask, lengths, share=share)
    tokens = ids[layout.rows, layout.columns].tolist()
    places = layout.places(mask).tolist()
    wanted = mask.nonzero().tolist()
    assert len(set(places)) == len(places) == len(wanted)
    for place, (row, column) in zip(places, wanted, strict=True):
        seen = keys_of(layout, place)
        assert [tokens[each] for each in seen] == ids[row, : column + 1].tolist()
        assert layout.columns[seen].tolist() == list(range(column + 1))
    # A token of a prompt sees what stands before it there too.
    for place in range(len(tokens)):
        seen = keys_of(layout, place)
        assert seen[-1] == place
        assert layout.columns[seen].tolist() == list(range(int(layout.columns[place]) + 1))
    assert layout.longest == int(layout.seams.diff().max())
    assert layout.longest_keys == int(layout.key_seams.diff().max())


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_every_prompt_that_several_share_stands_there_once(
    rows: list[tuple[int, int, list[tuple[int, bool]]]],
) -> None:
    ids, mask, lengths = batch_of(rows)
    parts = []
    for row, counts in zip(ids.tolist(), mask.tolist(), strict=True):
        parts.append(shared_part(row, counts.index(True) if True in counts else 0))
    saved = sum(len(part) * (parts.count(part) - 1) for part in set(parts))
    layout = laid_out(ids, mask, lengths, share=True)
    assert len(layout.rows) == int(lengths.sum()) - saved
    assert (len(layout.keys) > 0) == (saved > 0)


def test_layout_of_two_siblings_by_hand() -> None:
    """Prompts of 18 share 17; the row holds those, then 1 + 2 tokens of one and 1 + 1 of other."""
    siblings = [(7, 18, [(1, True), (2, True)]), (7, 18, [(2, True)])]
    layout = laid_out(*batch_of(siblings), share=True)
    assert layout.columns.tolist() == [*range(17), 17, 18, 19, 17, 18]
    assert layout.rows.tolist() == [0] * 20 + [1] * 2
    assert layout.seams.tolist() == [0, 17, 20, 22]
    assert layout.key_seams.tolist() == [0, 17, 37, 56]
    assert layout.keys.tolist() == [*range(17), *range(20), *range(17), 20, 21]
    assert layout.origins.tolist() == [0, 3]
    assert (layout.longest, layout.longest_keys) == (17, 20)


def test_prompts_that_differ_in_a_token_stand_apart() -> None:
    ids, mask, lengths = batch_of([(7, 30, [(1, True)]), (7, 30, [(1, True)])])
    ids[0, 3] = 1
    assert len(laid_out(ids, mask, lengths, share=True).rows) == 62
