"""Splits: nothing that trains or validates is ever tested on, and slabs keep their distance."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from unetflow.datasets.splits import PARTS, make_splits
from unetflow.errors import InputError


def entries(count, groups=1, official=0):
    train = [
        {"name": f"{z:03d}", "group": str(z * groups // count), "part": "train", "annotated": True}
        for z in range(count)
    ]
    return train + [{"name": f"t{z}", "group": "test", "part": "test", "annotated": False} for z in range(official)]


@settings(max_examples=200, deadline=None)
@given(
    st.integers(2, 40), st.integers(2, 8), st.integers(0, 2), st.integers(0, 2), st.sampled_from(["slabs", "images"])
)
def test_every_slice_is_tested_once_and_parts_never_share(count, folds, guard, validation, method):
    assume(folds <= count)
    try:
        splits = make_splits(entries(count), method, folds, guard, validation)
    except InputError as error:
        assert "leaves nothing to train on" in str(error)
        return
    tested = [name for fold in range(folds) for name in splits[str(fold)]["test"]]
    assert sorted(tested) == [f"{z:03d}" for z in range(count)]
    for fold in range(folds):
        parts = [set(splits[str(fold)][part]) for part in PARTS]
        assert sum(map(len, parts)) == len(set.union(*parts)) == count
        if method == "slabs":
            test = sorted(int(n) for n in splits[str(fold)]["test"])
            assert test == list(range(test[0], test[-1] + 1))
            for name in splits[str(fold)]["train"] + splits[str(fold)]["validation"]:
                assert not test[0] - guard <= int(name) <= test[-1] + guard


def test_the_isbi_protocol():
    split = make_splits(entries(30, official=30), "slabs", folds=5, guard=1)
    assert split["4"]["test"] == [f"{z:03d}" for z in range(24, 30)] and split["4"]["guard"] == ["023"]
    assert len(split["4"]["train"]) == 23
    assert len(split["all"]["train"]) == 30 and len(split["all"]["test"]) == 30


def test_groups_are_swapped():
    splits = make_splits(entries(7, groups=2), "groups", folds=5, validation=1)
    assert splits["0"]["test"] == ["000", "001", "002", "003"]
    assert splits["1"]["train"] == ["000", "001", "002"] and splits["1"]["validation"] == ["003"]


def test_silver_slices_train_where_nothing_of_their_group_is_tested():
    slices = entries(6, groups=2)
    slices += [{"name": f"s{k}", "group": str(k), "part": "silver", "annotated": True} for k in range(2)]
    splits = make_splits(slices, "groups", folds=2, validation=1)
    assert splits["0"]["train"] == ["003", "004", "s1"] and splits["1"]["train"] == ["000", "001", "s0"]
    assert splits["all"]["train"][-2:] == ["s0", "s1"]
    assert not any("s0" in splits[f][part] for f in "01" for part in ("validation", "test", "guard"))
    slabs = make_splits(slices, "slabs", folds=2)
    assert slabs["0"]["train"] == ["003", "004", "005", "s1"], "neighbours of what is tested don't train"
