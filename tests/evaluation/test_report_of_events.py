"""The report of a version that learned from what people did: no rating is named in it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from pages import words_of

from builders import recipe, sequence_recipe
from event_data import baskets, data_set, groups, schema
from fusionrec.data.dataset import Dataset
from fusionrec.data.schema import Field
from fusionrec.registry import Artifact
from fusionrec.training.train import train
from fusionrec.workspace import Workspace

# What only a rating is called. Settings keep their names, such as training.rating_dropout.
OF_RATINGS = re.compile(r"\b(?:un)?(?:rat(?:ed|es?|ings?)|stars?)\b", re.IGNORECASE)
# What the data below are called: these words are the users' own.
OWN = re.compile(r"Star rating \d+|rated (?:even|odd)|(?:rating|star) club")

# What a report says of ratings, and what of events.
ANYWHERE = (
    ("Ratings given to training", "Interactions given to training"),
    ("of them rated", "of them taken"),
    ("of rated pairs of user and item", "of taken pairs of user and item"),
    ("drawn at random that nobody rated", "drawn at random that nobody took"),
    ("Scores by rating", "Scores by interaction"),
    ("Larger points were rated more often", "Larger points were taken more often"),
    ("Near each other: rated alike", "Near each other: taken by the same people"),
    ("without what they have rated.", "without what they have taken."),
    ("(100 is the most rated)", "(100 is the most taken)"),
    ("of all ratings.", "of all interactions."),
    ("Lists beside what people rated themselves.", "Lists beside what people took themselves."),
    ("Mean popularity percentile (100 the most rated)", "percentile (100 the most taken)"),
    ("what they liked best", "what they took, the greatest weights first"),
    ("Some of what they rated", "Some of what they took"),
)
MEASURED = (
    ("ratings held out of training", "interactions held out of training"),
    ("that a user had not rated in the training rows", "that a user had not taken in the training"),
    ("Any held-out rating is relevant", "Any held-out interaction is relevant"),
    ("On the same held-out ratings", "On the same held-out interactions"),
    ("Users Ratings NDCG@10", "Users Interactions NDCG@10"),
    ("Items from the most rated on", "Items from the most taken on"),
    ("third of the training ratings is", "third of the training interactions is"),
    ("Training ratings Places", "Training interactions Places"),
    ("Held-out ratings Recall", "Held-out interactions Recall"),
)


@pytest.fixture(scope="module")
def doings() -> Dataset:
    """``groups`` with two weights, and names of people's and items' own that speak of ratings."""
    plain = groups(times=True)
    fields = (
        Field("club", "user", "category"),
        Field("name", "item", "text"),
        Field("shelf", "item", "category"),
    )
    users, items = range(len(plain.users)), range(len(plain.items))
    return data_set(
        replace(schema(*fields), title="name"), plain.user, plain.item, time=plain.time,
        weight=np.where(np.arange(len(plain)) % 3, 1.0, 0.2),
        users={"club": [("rating club", "star club")[n % 2] for n in users]},
        items={
            "name": [f"Star rating {n}" for n in items],
            "shelf": [("rated even", "rated odd")[n % 2] for n in items],
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def reader(doings: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A version that reads histories, and holds out the latest of some."""
    home = Workspace(tmp_path_factory.mktemp("reader"))
    return train(doings, sequence_recipe(validation=0.4), home)


@pytest.fixture(scope="module")
def fused(doings: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A version that holds nothing out."""
    home = Workspace(tmp_path_factory.mktemp("fused"))
    return train(doings, recipe(epochs=2, batch=100), home)


@pytest.mark.parametrize("made", ["reader", "fused"])
def test_events_are_called_events_and_only_the_data_speak_of_ratings(made, doings, request):
    artifact = request.getfixturevalue(made)
    for said in (words_of(artifact, doings), words_of(artifact)):
        assert OF_RATINGS.findall(OWN.sub("", said)) == []
        assert [words for _, words in ANYWHERE if words not in said] == []
        assert {"rated even", "rated odd", "rating club", "star club"} <= set(OWN.findall(said))
        assert "Among the best known: Star rating " in said
        assert "not taken" in said
    assert "taken, weight 0.2" in words_of(artifact, doings)


def test_events_are_measured_as_such(reader, doings):
    said = words_of(reader, doings)
    assert [words for _, words in MEASURED if words not in said] == []
    assert "the newest 12 interactions" in said
    assert "what others took later" in said
    assert re.search(r"head: \d+% of items, \d+% of interactions, ", said)


def test_ratings_are_called_ratings(published, dataset):
    said = words_of(published, dataset)
    assert [words for words, _ in (*ANYWHERE, *MEASURED) if words not in said] == []
    assert re.search(r"head: \d+% of items, \d+% of ratings, ", said)
    assert not re.search(r"\b(interactions?|took|not taken|most taken)\b", said)


def test_what_is_taken_again_is_said_to_be_asked_and_shown(tmp_path):
    data = baskets()
    said = words_of(train(data, sequence_recipe(validation=0.4), Workspace(tmp_path)), data)
    assert OF_RATINGS.findall(said) == []
    assert "every item, also what a user had taken in the training rows, is ranked" in said
    assert "what they have taken included." in said
    assert said.count("Whoever took an item several times counts once for it.") == 2
    assert "not taken in the training rows" not in said
    assert "without what they have taken" not in said
