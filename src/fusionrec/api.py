"""fusionrec from Python: the command line's words, thin over the rooms that do the work.

import fusionrec

data = fusionrec.read_frames(orders, items=products, user="customer", item="sku")
model = fusionrec.train(data, home="shop")
with fusionrec.Recommender("shop") as recommender:
    answer = recommender.recommend(user="c7", k=5)
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

from fusionrec.data.arguments import expected, instance, listed, text, texts, whole_number
from fusionrec.data.dataset import Dataset
from fusionrec.errors import ConfigError, Log, Progress, UsageError
from fusionrec.models.presets import AnyRecipe, preset_recipe, saved_recipe
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    from fusionrec.data.schema import Schema
    from fusionrec.deploy.open import OpenVersion
    from fusionrec.errors import StoreError
    from fusionrec.evaluation.result import Result
    from fusionrec.index import Condition, Place
    from fusionrec.recommend.answer import Answer
    from fusionrec.recommend.batch import BatchRecommender
    from fusionrec.recommend.query import Query
    from fusionrec.recommend.query_builder import QueryRequest
    from fusionrec.recommend.recommender import Recommender as Engine
    from fusionrec.recommend.user_history import KnownUser
    from fusionrec.recommend.why_not import WhyNot
    from fusionrec.registry import Artifact

Home = str | Path | None
_FILES = (".parquet", ".csv", ".tsv", ".txt", ".json", ".jsonl")  # all but the first are refused
_DATASET = "a Dataset, as read_data and read_frames give it"
Texts = str | Sequence[object]
Ratings = Mapping[str, float] | Sequence[tuple[str, float]]


class Filters(TypedDict, total=False):
    """Which items, and how many.

    Attributes:
        k: number of items; 10 by default.
        where: conditions that every item must meet: texts such as ``year=1980..1989``, or typed
            ones such as ``index.Only``. One, or a list.
        only, without: the only items to choose from, and items to leave out, by id or title.
    """

    k: int
    where: str | Sequence[str | Condition]
    only: Texts
    without: Texts


class Person(Filters, total=False):
    """Who asks, beside the user id.

    Attributes:
        profile: user attribute -> value; wins over the stored profile.
        liked: items that the person likes, by id or title.
        rated: item, by id or title -> rating, or pairs of these. Refused by a version whose
            interactions are events.
        seen: whether items that the person has rated may be in the answer.
        goal: what the list is for, of a version made of parts: ``later`` (all that people take
            after now), ``next`` (their next item) or ``taste`` (what else they like).
    """

    profile: Mapping[str, object] | None
    liked: Texts
    rated: Ratings | None
    seen: bool
    goal: str | None


class Wishes(Person, total=False):
    """What else an answer can be given.

    Attributes:
        explain: whether each item says why it is recommended.
        diversity: 0..1, how different the items should be from each other.
        calibration: 0..1, how closely their categories should match the person's own mix.
    """

    explain: bool
    diversity: float
    calibration: float


def _silent(_: str) -> None:
    """Logs nothing."""


def read_data(
    name_or_path: str | Path, home: Home = None, *, accept: bool = False, allow_remote: bool = False
) -> Dataset:
    """Reads a data set by name (``ml-1m``, ``ml-100k``, ``synthetic``) or by path.

    Args:
        name_or_path: as ``--data`` of the command line; a folder with a ``fusionrec.toml``, say.
        home: the workspace folder, which keeps downloads and caches; by default
            ``FUSIONREC_HOME``, else ``./.fusionrec``.
        accept: whether to read a ``fusionrec.toml`` although ``init`` has grave doubts about it
            that nobody has looked at.
        allow_remote: whether a ``fusionrec.toml`` may name URLs and files outside its folder.

    Raises:
        UsageError: neither a known name nor an existing path.
        DataError: the files are missing or damaged, or there are such doubts (``unreviewed``).
    """
    from fusionrec.data.catalog import load

    found = Workspace.find(home).data
    return load(str(name_or_path), found, accept=accept, allow_remote=allow_remote)


@dataclass(frozen=True)
class Model:
    """A trained model: one version in a workspace, with its vectors, tables and towers."""

    workspace: Workspace
    artifact: Artifact

    @property
    def version(self) -> str:
        """The version's name, such as ``v3``."""
        return self.artifact.version

    @property
    def worth(self) -> Mapping[str, Any] | None:
        """What its lists are worth beside simple methods, on what was held out.

        ``goal``, ``users``, ``ndcg@10``, ``parts`` and ``baselines`` (name -> NDCG@10), ``best``
        (of these), ``gain`` (over it, as a share), ``sure`` (whether that is more than chance) and
        ``sentence``. None for models other than ``auto`` and ``linear``.
        """
        return self.artifact.worth

    def index(self, milvus: str = "") -> str:
        """Puts the item vectors into Milvus and activates the version.

        Args:
            milvus: a path or ``http(s)://host:port``; by default the workspace's embedded Milvus.

        Returns:
            The address, without secrets.

        Raises:
            StoreError: Milvus cannot be reached or written.
        """
        from fusionrec.deploy.build import build_index

        return build_index(self.workspace, self.artifact, _place_in(self.workspace, milvus))


def train(
    dataset: Dataset,
    model: str | None = None,
    preset: str | None = None,
    *,
    home: Home = None,
    settings: Mapping[str, Any] | None = None,
    start: str | Model | None = None,
    log: Log = _silent,
) -> Model:
    """Trains a model and saves it as the workspace's next version.

    Args:
        dataset: the training data.
        model: by default ``auto``, which joins parts that read histories and profiles, as far as
            each is of use; ``fusion`` reads ids and profiles, ``sequence`` and ``linear`` a
            person's history and profile; see ``docs/models.md``.
        preset: named settings: ``quick``, the default, trains fast (``auto`` about a minute),
            ``full`` is the most accurate; ``auto`` also has ``default``, half an hour at most.
        home: the workspace folder, as in ``read_data``.
        settings: overrides, such as ``{"training.minutes": 10}``.
        start: a version, such as ``v3``, whose weights are learned on from, on data that has grown:
            quicker than afresh. Its own settings hold unless model or preset is given.
        log: called with a message on each epoch, such as ``print``.

    Raises:
        UsageError: there is no such model or preset, or the workspace cannot be written.
        ConfigError: a setting is unknown or out of range.
        TrainingError: the training diverged, or the version that it starts with does not fit.
    """
    instance("dataset", dataset, Dataset, _DATASET)
    texts(model=model, preset=preset)
    _check_log(log)
    workspace, begun = Workspace.find(home), None
    if start is not None:
        from fusionrec.registry import versions

        texts(start=None if isinstance(start, Model) else start)
        begun = start.artifact if isinstance(start, Model) else versions.load(workspace, start)
    recipe = _recipe(model, preset, settings, begun)
    with _own_log():
        from fusionrec.training.progress import log_epochs
        from fusionrec.training.train import import_engine
        from fusionrec.training.train import train as run

        import_engine(recipe)
    made = Model(workspace, run(dataset, recipe, workspace, log_epochs(log), start=begun, log=log))
    if made.worth is not None:
        log(made.worth["sentence"])
    return made


def evaluate(
    dataset: Dataset,
    protocol: str = "next-item",
    *,
    model: str | Model | None = "auto",
    preset: str = "quick",
    settings: Mapping[str, Any] | None = None,
    k: int = 10,
    seeds: Sequence[int] = (0,),
    baselines: Sequence[str] | None = None,
    goal: str | None = None,
    engine: str = "process",
    log: Log = _silent,
) -> Result:
    """Measures a model and baselines on the same splits; see ``docs/evaluation.md``.

    Args:
        dataset: the data set.
        protocol: the question, such as ``next-item`` or ``rating``.
        model: a name, trained on each split and thrown away afterwards; a version that was trained
            on such a split; or None for baselines alone.
        preset, settings: as in ``train``.
        k: length of the lists.
        seeds: of splits and trainings.
        baselines: their names; by default all that suit the data set.
        goal: what the lists of a model with parts are for; by default what the protocol asks.
            ``default`` asks without a goal.
        engine: ``process``, or ``ray`` to measure the runs of seeds and folds by its workers; see
            ``engine.engine``.
        log: called with progress messages.

    Raises:
        UsageError: the data set, an option or the model does not suit the protocol, or the model
            may have seen the test rows.
        EngineError: as of ``engine.engine`` and its ``map``.
    """
    from fusionrec.evaluation.model_source import TrainedVersion, TrainOnSplit
    from fusionrec.evaluation.protocols import ProtocolOptions, named
    from fusionrec.evaluation.run import evaluate as run

    instance("dataset", dataset, Dataset, _DATASET)
    texts(protocol=protocol, preset=preset, goal=goal, engine=engine)
    if not isinstance(model, Model):
        texts(model=model)
    _check_log(log)
    chosen = None if baselines is None else tuple(listed("baselines", baselines))
    options = ProtocolOptions(seeds=tuple(listed("seeds", seeds)), k=k, baselines=chosen, goal=goal)
    source: TrainOnSplit | TrainedVersion | None = None
    if isinstance(model, Model):
        source = TrainedVersion(model.artifact)
    elif model is not None:
        source = TrainOnSplit(_recipe(model, preset, settings))
    with _own_log():
        return run(dataset, named(protocol), options, source, log=log, engine=engine)


class Recommender:
    """Answers from one version of a workspace. Close it, or use it with ``with``.

    It knows the item changes until it was opened, and feedback until each question. Milvus is
    opened at the first question that needs it, so that invalid questions are refused without it.

    Args:
        home: the workspace or its folder, as in ``read_data``.
        version: such as ``v3``; by default the active one, else the newest.
        milvus: as in ``Model.index``; by default where the version was indexed. If it was not, or
            Milvus cannot be reached, the artifact's own vectors answer, and the answer says so.
        copy: whether an exact copy in memory answers in place of an embedded Milvus of up to 50,000
            items that was verified within a day and not written since: sooner, for one answer.
        log: called with messages on slow steps.

    Raises:
        ArtifactError: the workspace has no version, or it is damaged.
        UsageError: there is no version of that name.
    """

    def __init__(
        self,
        home: Home | Workspace = None,
        *,
        version: str | None = None,
        milvus: str | Place = "",
        copy: bool = False,
        log: Log = _silent,
    ) -> None:
        from fusionrec.deploy.deployment import resolve
        from fusionrec.recommend.catalog import current
        from fusionrec.recommend.feedback import Feedback
        from fusionrec.recommend.recommender import Recommender as Engine

        _check_log(log)
        texts(version=version)
        workspace = home if isinstance(home, Workspace) else Workspace.find(home)
        place = _place_in(workspace, milvus) if isinstance(milvus, str) else milvus
        # Named: another version may become active, but towers and index must be of this one.
        self._deployed, self._log = replace(resolve(workspace, version, place), named=True), log
        ledger = self._deployed.ledger
        home = self._deployed.workspace.home
        self._engine = Engine(current(self._deployed.artifact, ledger), None, folder=home)
        self._feedback = Feedback(ledger)
        self._opened: OpenVersion | None = None
        self._copy = copy

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes Milvus; closing twice does nothing."""
        if self._opened is not None:
            self._opened.recommender.close()

    @property
    def version(self) -> str:
        """The name of the version that answers."""
        return self._deployed.artifact.version

    @property
    def schema(self) -> Schema:
        """The fields of users and items."""
        return self._deployed.artifact.schema

    @property
    def problem(self) -> StoreError | None:
        """Why the artifact answered instead of Milvus; None if Milvus answered."""
        return None if self._opened is None else self._opened.problem

    def recommend(self, user: object = None, **wishes: Unpack[Wishes]) -> Answer:
        """Recommends items for a user, a profile, liked or rated items, or any mixture; without
        any, the most popular items.

        Args:
            user: an id of the training data or of feedback; a number becomes its digits.
            wishes: any of ``profile``, ``liked``, ``rated``, ``k``, ``where``, ``only``,
                ``without``, ``seen``, ``goal``, ``explain``, ``diversity`` and ``calibration``;
                see ``Filters``, ``Person`` and ``Wishes``.

        Raises:
            UsageError: the user is unknown and nothing else was said, or a value cannot be used.
            StoreError: Milvus failed.
        """
        query = self._query(_request(Wishes, wishes, user=user))
        person = self._engine.person(query)
        engine = self._engine if person.vector is None else self._with_index()
        return engine.recommend_to(person, query)

    def why_not(self, item: object, user: object = None, **person: Unpack[Person]) -> WhyNot:
        """Finds out why an item is not in the answer of ``recommend``: barred, filtered, or its
        rank among all items.

        Args:
            item: its id or title.
            user: as in ``recommend``.
            person: any of ``profile``, ``liked``, ``rated``, ``k``, ``where``, ``only``,
                ``without``, ``goal`` and ``seen``; see ``Filters`` and ``Person``.

        Raises:
            UsageError: there is no such item; else as in ``recommend``.
            StoreError: Milvus failed.
        """
        from fusionrec.recommend.why_not import why_not

        asked = text("item", item)
        named = self._engine.finder.item(asked) or asked
        self._engine.finder.row(named)
        query = self._query(_request(Person, person, user=user))
        popular = self._engine.person(query).vector is None
        return why_not(self._engine if popular else self._with_index(), query, named)

    def similar(self, item: object, **filters: Unpack[Filters]) -> Answer:
        """Finds the items whose vectors are nearest to an item's, named by id or title.

        Args:
            item: its id or title.
            filters: any of ``k``, ``where``, ``only`` and ``without``; see ``Filters``.

        Raises:
            UsageError: there is no such item, or a condition is invalid.
            StoreError: Milvus failed.
        """
        from fusionrec.recommend.query_builder import conditions

        items = self._engine.finder
        asked = text("item", item)
        named = items.item(asked) or asked
        items.row(named)
        request = _request(Filters, filters)
        exact = self._deployed.artifact.has_parts  # from its own vectors, without Milvus
        engine = self._engine if exact else self._with_index()
        return engine.similar(named, request.k, conditions(request, items))

    def search(self, words: str, *, user: object = None, **person: Unpack[Person]) -> Answer:
        """Finds items by words of titles and categories, ordered by taste too if it knows whose.

        Args:
            words: one text.
            user: as in ``recommend``.
            person: any of ``profile``, ``liked``, ``rated``, ``k``, ``where``, ``only``,
                ``without``, ``goal`` and ``seen``, which is True by default; see ``Filters`` and
                ``Person``.

        Raises:
            UsageError: the text has no word; else as in ``recommend``.
            StoreError: Milvus failed.
        """
        query = self._query(_request(Person, {"seen": True, **person}, user=user))
        instance("words", words, str, "one text")
        by_taste = query.user is not None or query.profile or query.history
        engine = self._with_index() if by_taste else self._engine
        return engine.search(words, query)

    def user(self, user: object, *, k: int = 10, offset: int = 0) -> KnownUser:
        """What is known of a user: their profile, and what they rated or took, in training and
        since, the newest first.

        Args:
            user: an id of the training data or of feedback; a number becomes its digits.
            k: how much of what they said is wanted.
            offset: how much of it is passed over.

        Raises:
            UsageError: nothing is known of such a user; the hint says which ids are like it.
        """
        from fusionrec.recommend.user_history import known_user, stranger

        named = text("user", user)
        whole_number("k", k, 1)
        whole_number("offset", offset, 0)
        found = known_user(self._engine.catalog, self._deployed.ledger, named, k, offset)
        if found.is_nobody:
            raise stranger(self._deployed.artifact, named)
        return found

    def recommend_all(
        self, *, seen: bool = False, goal: str | None = None, **filters: Unpack[Filters]
    ) -> Any:
        """Recommends items for every user of the version, as a pandas DataFrame with a row for
        each user and item; see ``recommend.batch.table``.

        Raises:
            UsageError: a condition is invalid, or the version has no such goal.
        """
        from fusionrec.recommend.batch import joined, table

        batch = self.batch(seen=seen, goal=goal, **filters)
        return table(joined([lists for lists, _ in batch.lists()]), self._engine).to_pandas()

    def write_all(
        self,
        file: str | Path,
        *,
        shards: int | None = None,
        engine: str = "process",
        seen: bool = False,
        goal: str | None = None,
        **filters: Unpack[Filters],
    ) -> int:
        """Writes the same as Parquet, in bounded memory; returns the number of rows.

        Args:
            file: a name that ends in ``.parquet`` is one file, which appears whole; any other is a
                folder of files for some of the users each, which a second call goes on with after
                the first was ended. See ``recommend.shards``.
            shards: files of the folder, whatever its name; by default one for 65,536 users.
            engine: ``process``, or ``ray`` for a folder; see ``engine.engine``.
            seen, goal, filters: as in ``recommend_all``.

        Raises:
            UsageError: as of ``recommend.batch.write_answers`` and ``recommend.shards``.
            EngineError: as of ``engine.engine`` and its ``map``.
        """
        from fusionrec.recommend.batch import write_answers

        if not isinstance(file, str | os.PathLike) or not Path(file).name:
            raise expected("file", "the path of a file or a folder", file)
        texts(engine=engine)
        if is_one_file(Path(file), shards, engine):
            return write_answers(Path(file), self.batch(seen=seen, goal=goal, **filters))
        now = self.begun(file)
        batch = self.batch(seen=seen, goal=goal, now=now, **filters)
        return self.write_shards(file, batch, shards=shards, engine=engine, log=self._log)

    def begun(self, folder: str | Path) -> float | None:
        """The time as of which a folder of ``write_all`` answers, which who goes on with it must
        keep; in seconds since 1970, None where nothing was begun.

        Raises:
            UsageError: the folder's manifest cannot be read.
        """
        from fusionrec.recommend.shards import question_in

        held = question_in(Path(folder))
        return None if held is None else held.now

    def write_shards(
        self,
        folder: str | Path,
        batch: BatchRecommender,
        *,
        shards: int | None = None,
        engine: str = "process",
        progress: Progress = lambda *_: None,
        log: Log = _silent,
    ) -> int:
        """Writes the answers of a batch into a folder; see ``write_all`` and
        ``recommend.shards.write_shards``.
        """
        from fusionrec.engine import engine as opened
        from fusionrec.recommend.shards import Answers, Question, write_shards

        if shards is not None:
            whole_number("shards", shards, 1)
        question, path = Question.of(batch, shards), Path(folder).absolute()
        deployed = self._deployed
        changes = [c for c in deployed.ledger.item_changes() if c.number <= question.items]
        home = deployed.workspace.home.absolute()
        answers = Answers(home, path, question, batch.query, changes, batch)
        with opened(engine) as made:
            return write_shards(answers, made, progress, log)

    def batch(
        self,
        *,
        seen: bool = False,
        goal: str | None = None,
        threads: int = 1,
        now: float | None = None,
        **filters: Unpack[Filters],
    ) -> BatchRecommender:
        """Makes what answers all users of the version block by block; ``filters``, ``seen`` and
        ``goal`` are those of ``Filters`` and ``Person``. ``now`` is the time as of which is
        answered, in seconds since 1970; the present by default.

        Raises:
            UsageError: a condition is invalid, or the version has no users or no such goal.
        """
        from fusionrec.recommend.batch import BatchRecommender
        from fusionrec.recommend.query import Query
        from fusionrec.recommend.query_builder import conditions

        whole_number("threads", threads, 1)
        request = _request(Filters, filters, seen=seen, goal=goal)
        where = conditions(request, self._engine.finder)
        query = Query(k=request.k, where=where, seen=request.seen, goal=request.goal, now=now)
        return BatchRecommender(self._engine, self._feedback, query, threads=threads)

    def _query(self, request: QueryRequest) -> Query:
        from fusionrec.recommend.query_builder import build_query

        return build_query(request, self._engine.finder, self._feedback)[0]

    def _with_index(self) -> Engine:
        """The recommender over its index, which is opened the first time."""
        from fusionrec.deploy.open import open_copy, open_deployment

        if self._opened is None and self._copy:
            self._opened = open_copy(self._deployed, before=self._engine)
        if self._opened is None:
            self._opened = open_deployment(self._deployed, self._log, before=self._engine)
        return self._opened.recommender


def is_one_file(path: Path, shards: int | None, engine: str = "process") -> bool:
    """Whether everybody's answers go into one Parquet file there, or else into a folder.

    Raises:
        UsageError: an engine is asked for that does not write one file.
    """
    one = shards is None and path.suffix.lower() in _FILES and not path.is_dir()
    if one and engine != "process":
        raise UsageError(
            f"the engine {engine} writes a folder, and {path.name} is named as a file",
            f"name a folder, such as {path.stem}, or say how many shards",
        )
    return one


def _request(options: type, given: Mapping[str, Any], **more: object) -> QueryRequest:
    """The request of a method's keyword arguments, of which ``options`` names those it has.

    Raises:
        TypeError: an argument is none of them.
    """
    from fusionrec.recommend.query_builder import QueryRequest

    names = options.__annotations__.keys()  # with those that are inherited
    for name in given:
        if name not in names:
            raise TypeError(f"unexpected argument {name!r}; there are {', '.join(names)}")
    return QueryRequest.of(**given, **more)


@contextmanager
def _own_log() -> Iterator[None]:
    """Restores the program's own logging: importing Paddle adds a handler to a root logger without
    any, which then prints the messages of every library.
    """
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        yield
    finally:
        if not before:
            root.handlers.clear()
            root.setLevel(level)


def _check_log(log: object) -> None:
    if not callable(log):
        raise expected("log", "a function of one text, such as print", log)


def _recipe(
    model: str | None,
    preset: str | None,
    settings: Mapping[str, Any] | None,
    start: Artifact | None = None,
) -> AnyRecipe:
    instance("settings", settings or {}, Mapping, 'a dictionary such as {"training.minutes": 10}')
    try:
        # JSON's numbers, texts, booleans and lists are TOML as well.
        written = {text("a setting", n): json.dumps(v) for n, v in (settings or {}).items()}
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"settings must be numbers, texts, truth values or lists: {error}"
        ) from error
    if start is not None and model is None and preset is None:
        return saved_recipe(start.manifest).change(written)
    return preset_recipe(model or "auto", preset or "quick").change(written)


def _place_in(workspace: Workspace, milvus: str) -> Place:
    """Milvus by its URI; by the workspace's own settings if that is empty."""
    from fusionrec.index import place_from

    return place_from({"uri": milvus} if milvus else {}, file=workspace.settings)
