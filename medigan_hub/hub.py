"""Hub: the one object that a user needs. It delegates; the work is done elsewhere."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medigan_hub.catalogue import Catalogue, Entry
from medigan_hub.errors import HubNote, HubWarning, RequestError
from medigan_hub.execution import KNOBS, documented
from medigan_hub.reading import READING

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf
    from PIL.Image import Image
    from torch.nn import Module
    from torch.utils.data import DataLoader
    from typing_extensions import Unpack

    from medigan_hub.app.server import Running
    from medigan_hub.dataset import SavedDataset, Verdict
    from medigan_hub.evaluation.benchmark import Benchmark
    from medigan_hub.evaluation.extractors import Extractor
    from medigan_hub.evaluation.judged import Judged
    from medigan_hub.evaluation.judging import Compared
    from medigan_hub.evaluation.privacy.judged import JudgedPrivacy
    from medigan_hub.evaluation.sources import ImageSet
    from medigan_hub.evaluation.utility.judged import JudgedUtility
    from medigan_hub.generation import Wishes
    from medigan_hub.inputs import Source
    from medigan_hub.loaders.torch import SampleDataset, SampleStream
    from medigan_hub.metadata import ModelMetadata
    from medigan_hub.plugins import Plugin
    from medigan_hub.samples import GenerationRequest, SampleBatch
    from medigan_hub.search import Criteria, Index, Match

    class Asked(Criteria, Wishes):
        """What a search and a job may ask for, in one call."""


@dataclass(frozen=True, repr=False)
class Found:
    """The samples of a model that was searched for: a stream of ``SampleBatch``."""

    model: ModelMetadata
    reason: str
    """Which model was taken, and why, in one line."""
    _batches: Iterator[SampleBatch]

    def __repr__(self) -> str:
        return f"<Found {self.reason}>"

    def __iter__(self) -> Iterator[SampleBatch]:
        return self._batches

    def __next__(self) -> SampleBatch:
        return next(self._batches)


class Hub:
    """Finds models and generates with them.

    ``model`` is a model's name, its medigan id or the number of that.
    What goes wrong is a ``medigan_hub.HubError`` whose message says what to
    do; a plugin that can't be used is a ``HubWarning``.
    """

    def __init__(self) -> None:
        self._catalogue = Catalogue()

    def models(self) -> list[Entry]:
        """Return every model that the hub knows, in the order of their names."""
        return self._catalogue.entries()

    def model(self, model: str | int) -> Entry:
        """Return one model: its metadata, and its plugin if that is installed."""
        return self._catalogue.find(model)

    def search(self, words: str | Sequence[str] = (), **criteria: Unpack[Criteria]) -> list[Match]:
        """Return the models that fit, the best match first.

        Parameters
        ----------
        words
            What to look for: a string, split at white space but for phrases in
            double quotes, or a sequence, each item one word or phrase. Words are
            matched in every form (mass, masses) and with their synonyms (CXR,
            chest x-ray). No words list all models.
        operator
            ``and`` (the default): a model has all the words; ``or``: one of them
            or more; ``xor``: exactly one. It may also stand among the words.
        case_sensitive
            Match words exactly as they are written, without other forms and
            synonyms; by default False.
        modality, organ, task, architecture, dataset, framework, licence
            Keep models with this value, or with one of these. Case, hyphens and
            synonyms don't matter.
        installed
            Keep models whose plugin is installed (True), or is not (False).
        rank_by
            Sort by a metric, such as ``FID`` or ``CLF.trained_on_real_and_fake.f1``;
            models without it come last, with the value None.
        order
            ``asc`` or ``desc``; by default the better value first. Of several
            values of one model the one that comes first counts.
        figures
            A ``benchmark.json`` (or ``evaluation.json``): models are ranked by what was measured
            there, and not by what was published, which a ``HubNote`` says where those figures were
            not made alike. Where it has several of a metric: ``KID.texture.minmax``.
        limit
            Return so many models at most.

        Raises
        ------
        RequestError
            A value, metric or operator is not known; the message lists those
            that are.
        """
        return self._search(words, criteria)

    def find_and_generate(
        self,
        words: str | Sequence[str] = (),
        *,
        num_samples: int | None = None,
        **asked: Unpack[Asked],
    ) -> Found:
        """Search, rank, and generate with the first model that is installed.

        Takes what ``search`` and ``generate`` take. What is returned is a
        stream of batches that also says which model was taken, and why.

        >>> hub = Hub()
        >>> found = hub.find_and_generate("tomosynthesis", num_samples=4, seed=7)
        >>> found.model.name
        'cyclegan-dbt'
        >>> found.reason
        "cyclegan-dbt: the best of 1 match for 'tomosynthesis'"
        >>> sum(len(batch) for batch in found)
        4

        Raises
        ------
        RequestError
            No model fits, or none that does is installed.
        HubError
            As for ``search`` and ``generate``.
        """
        from medigan_hub.search.choice import choose, split

        criteria, wishes = split(asked)
        entry, reason = choose(self._search(words, criteria), words, criteria.get("order"))
        batches = self.generate(entry.metadata.name, num_samples, **wishes)
        return Found(entry.metadata, reason, batches)

    @documented(reading=READING, knobs=KNOBS)
    def generate(
        self, model: str, num_samples: int | None = None, **wishes: Unpack[Wishes]
    ) -> Iterator[SampleBatch]:
        """Return a stream of synthetic samples.

        Values are checked and the model is loaded at once; samples are made
        as the stream is read, one batch in memory at a time. Sample i of a
        model, version, seed and conditions is the same sample whatever the
        batch size; between batch sizes and devices its pixels may differ by
        rounding.

        Parameters
        ----------
        num_samples
            How many; by default one for each input, latent vector or value of a
            condition, or one.
        seed
            0 to 2**64 - 1; by default 0.
        indices
            Which samples alone, in place of ``num_samples``: one, such as 37, or a
            run, such as ``range(100, 200)`` or ``"100:200"``. They are those that a
            job of all would make, but for rounding; item i of inputs, latents and
            values of conditions is that of sample i.
        inputs
            For models that start from images: a file (PNG, TIFF, JPEG, BMP, GIF,
            PGM, DICOM, NIfTI, NumPy), a folder, an array (height, width) or
            (height, width, channels), a stack of them (n, height, width,
            channels), an image of Pillow, or an iterable of such. Each frame, page
            or slice in a file is an input. uint8 arrays use their whole range,
            uint16 arrays 12, 14 or 16 bits; fractions lie in [0, 1]. Of a model
            with several inputs, a mapping from their names to such; files in
            folders go together by their names, arrays in their order.
        conditions
            A mapping from the conditions that the model's metadata declares to
            values: one for all samples, or a sequence with one for each. Where
            a condition has no default, and none is given, each sample draws
            its own.
        balance
            Samples take turns in the values that were given of a condition;
            with none given, in all that the conditions have to choose from.
        latents
            For models with a latent vector: the vectors to use in place of
            those drawn by the seed, (n, latent size).
        options
            A mapping from the model's options to values.
        {reading}
        {knobs}

        Raises
        ------
        HubError
            The model is unknown or not installed, or a value is not possible.
        """
        from medigan_hub import generation

        plugin, request = self.request(model, num_samples, wishes)
        return generation.stream(plugin, request)

    def save(
        self,
        model: str,
        num_samples: int | None,
        output: str | Path,
        *,
        format: str = "png",  # noqa: A002 (the name that callers know)
        shard_size: int | None = None,
        layout: str = "folders",
        split: Mapping[str, float] | None = None,
        overwrite: bool = False,
        resume: bool = False,
        progress: Callable[[int, int], None] | None = None,
        **wishes: Unpack[Wishes],
    ) -> SavedDataset:
        """Generate a data set with its manifest into the folder ``output``.

        Parameters
        ----------
        format
            ``png``, ``npz``, ``nifti``, ``dicom``, ``webdataset``, or one that an
            extension brings.
        shard_size
            Samples in a file, for ``webdataset``; by default an eighth of all, at
            least 1 and at most 1000, so that several workers of a loader have a
            file each.
        layout
            ``folders``: a folder for each image, mask and input. ``classes``: the
            images in a folder for each class, as ``ImageFolder`` of torchvision
            and ``image_dataset_from_directory`` of Keras read them; the data set's
            README says which folder to give them. The class is that of a label, of
            a condition with few values, or of the folder that an input lay in;
            where several tell it, ``classes:NAME`` names one.
        split
            A mapping from names of splits to their shares, which sum to 1:
            ``{"train": 0.8, "val": 0.1, "test": 0.1}``. Which split a sample
            belongs to depends on seed and index alone; the shares are kept but for
            a few samples. Samples that were made from one file are in one split.
            The manifest says which; with ``classes`` each has a folder, too.
        overwrite
            Replace another data set that the folder holds. The same data set
            may be written again without.
        resume
            Go on with what an interrupted job left in the folder: finished
            samples are verified and kept, missing ones made. The end is the
            same, byte for byte, as that of a job that was not interrupted. A data
            set of fewer samples of the same job, finished or not, grows to this one.
        progress
            Called with the samples done and the samples in all: at the start,
            and after each batch.
        wishes
            As for ``generate``.

        Raises
        ------
        RequestError
            As for ``generate``; also when the format can't hold what the model makes.
        OutputError
            The folder can't be used, and nothing has been written; or the disk
            is full, and what was finished stays.
        Interrupted
            Ctrl-C was pressed; the batch in hand was finished, and what is
            finished stays.
        """
        from medigan_hub import dataset, generation, writers

        if overwrite and resume:
            raise RequestError("overwrite and resume exclude each other; ask for one of them")
        arranged = writers.wishes(shard_size=shard_size, layout=layout, split=split)
        how: Any = {"overwrite": overwrite, "resume": resume}
        plugin = self._catalogue.plugin(model)
        asked = generation.request(plugin.metadata, num_samples, **wishes)
        arrangement = writers.arrange(writers.find(format, asked), asked, **arranged)
        folder = Path(output)
        dataset.check_place(folder)
        chosen = generation.chosen(asked)
        dataset.check_folder(folder, chosen, arrangement, **how)

        def first(count: int) -> GenerationRequest:
            return generation.ready(plugin, chosen.first(count))

        request = generation.ready(plugin, chosen)
        produce = partial(generation.stream, plugin)
        return dataset.write(
            produce, request, folder, arrangement, first=first, progress=progress, **how
        )

    def verify(self, folder: str | Path) -> Verdict:
        """Hold a data set on disk against its manifest, and say what is missing, changed or extra.

        Raises
        ------
        OutputError
            The folder holds no data set, or can't be read.
        """
        from medigan_hub import dataset

        return dataset.verify(Path(folder))

    @documented(reading=READING, knobs=KNOBS)
    def evaluate(
        self,
        real: Source | ImageSet,
        synthetic: Source | ImageSet,
        *,
        metrics: Sequence[str] = (),
        extractors: Sequence[str | Extractor | Module] = (),
        weights: Mapping[str, str | Path] | None = None,
        normalize: str = "none",
        protocol: str = "hub",
        num_samples: int | None = None,
        patients: str | None = None,
        table: str | Path | None = None,
        by: str | Sequence[str] = (),
        probes: str | Sequence[str] | None = None,
        progress: Callable[[int, int], None] | None = None,
        **wishes: Unpack[Wishes],
    ) -> Judged:
        """Judge synthetic images: how far they are from real ones, in figures with intervals.

        Each figure comes with what the same metric says of real images and other real ones, as
        many of each. Features of images are kept in the cache, so that a further metric takes a
        moment, and interrupted work goes on.

        Parameters
        ----------
        real, synthetic
            A file or folder of images, a data set of the hub in any format, arrays or
            images as for ``inputs`` of ``generate``; ``"model:NAME"``, whose samples are made
            as they are needed; or an ``ImageSet`` of ``medigan_hub.evaluation.sources``.
        metrics
            Their names, such as KID; by default the usual ones of ``evaluation.metrics``.
        extractors
            What describes images by numbers: names, files of ONNX, an ``Extractor``, or a module
            of PyTorch (of other images than 224 x 224 in colour: ``plugin.of_module``); by
            default ``texture``, and ``imagenet`` where it is installed.
        weights
            A mapping from names of extractors to files with their weights.
        normalize
            ``none``; ``minmax``, each image's least and greatest value become black and white; or
            ``both``.
        protocol
            ``hub``; or ``medigan``, images as medigan's own script prepares them.
        num_samples
            How many samples a model makes; by default as many as there are real images.
        patients
            What tells whose an image is: a column of ``table`` or of the data set, or a regular
            expression with one group for the names of files. Images of one patient are left out,
            and drawn, together.
        table
            A CSV file on the real images, whose first column names their files.
        by
            Columns of ``table``, of the data set, or elements of DICOM by their keyword, such as
            ``PatientSex``. Distances of each group of the real images, and whether synthetic
            images leave it out, are in ``figures`` and ``subgroups``.
        probes
            Columns of both sets. Whether synthetic images show what they were asked for is told
            by a probe that learns from real ones, and is in ``conditions``. By default each
            condition of the synthetic images that the real ones have as a column; ``()`` for none.
        progress
            Called with the images described and those in all.
        wishes
            Of a model, as for ``generate``; ``seed`` is that of the figures, too.
        {reading}
        {knobs}

        Raises
        ------
        HubError
            There is no such metric, extractor or column, something is not installed, the sets
            share images or are too small, or an image can't be read.
        """
        from medigan_hub.evaluation import judging

        return judging.evaluate(
            real,
            synthetic,
            metrics=metrics,
            given=extractors,
            weights=weights,
            normalize=normalize,
            protocol=protocol,
            num_samples=num_samples,
            patients=patients,
            table=table,
            by=by,
            probes=probes,
            progress=progress,
            **wishes,
        )

    @documented(reading=READING, knobs=KNOBS)
    def benchmark(
        self,
        real: Source | ImageSet,
        models: Sequence[str | int | Path | ImageSet],
        *,
        metrics: Sequence[str] = (),
        extractors: Sequence[str | Extractor | Module] = (),
        weights: Mapping[str, str | Path] | None = None,
        normalize: str = "none",
        protocol: str = "hub",
        num_samples: int | None = None,
        patients: str | None = None,
        table: str | Path | None = None,
        output: str | Path | None = None,
        progress: Callable[[int, int], None] | None = None,
        **wishes: Unpack[Wishes],
    ) -> Benchmark:
        """Measure several models against the same real images, with as many images of each.

        What is returned has an evaluation of each model, and their ``ranks``: each figure with the
        first and the last place that the model may have. A model that can't be measured is a
        ``HubWarning``, and stands among those that are ``missing`` with the reason.

        Parameters
        ----------
        real, metrics, extractors, weights, normalize, protocol, patients, table
            As for ``evaluate``; real images are not those of a model.
        models
            Two or more: names or medigan ids of models, whose samples are made as they are needed;
            folders or data sets with synthetic images (a folder in the current one that is called
            as a model: ``"./NAME"``); or an ``ImageSet``.
        num_samples
            How many images of each; by default as many as there are real ones, or, where one has
            fewer, as many as that. Of sets that hold more, some are drawn by the seed.
        output
            A folder for ``benchmark.json`` and ``benchmark.svg``, which are written after each
            model. The same call goes on with the models that are finished there.
        progress
            Called with the images described and those in all.
        wishes
            As for ``generate``, without ``indices`` and ``latents``. Conditions, options and inputs
            go to those models that take them, and a note says to whom; models that need
            different ones are measured by data sets that were made before.
        {reading}
        {knobs}

        Raises
        ------
        HubError
            As for ``evaluate``; also when there are fewer than two models, one is given twice, or
            the folder holds what was measured with other settings.
        """
        from medigan_hub.evaluation import benchmarking

        return benchmarking.run(
            real,
            models,
            metrics=metrics,
            given=extractors,
            weights=weights,
            normalize=normalize,
            protocol=protocol,
            num_samples=num_samples,
            patients=patients,
            table=table,
            output=output,
            progress=progress,
            **wishes,
        )

    @documented(reading=READING, knobs=KNOBS)
    def compare(
        self,
        real: Source | ImageSet,
        synthetic: Source | ImageSet,
        *,
        metrics: Sequence[str] = (),
        masks: Source | None = None,
        match: str | None = None,
        num_samples: int | None = None,
        patients: str | None = None,
        table: str | Path | None = None,
        progress: Callable[[int, int], None] | None = None,
        **wishes: Unpack[Wishes],
    ) -> Compared:
        """Compare each synthetic image with the real one that it should be.

        What is returned has the figures (``evaluation``: means with intervals) and all cases
        (``pairs``).

        Parameters
        ----------
        real, synthetic
            As for ``evaluate``. Samples go with the input that they were made from, other
            images by the names of their files.
        metrics
            Their names, such as SSIM, Dice or HD95; by default SSIM, PSNR, MAE and NMSE.
        masks
            A mask for each real image: figures are given inside it, too.
        match
            What tells the real image of a synthetic one: a column of the data set, or ``name``.
        num_samples, patients, table, progress, wishes
            As for ``evaluate``.
        {reading}
        {knobs}

        Raises
        ------
        HubError
            No images go together, or a pair can't be compared; the message names it.
        """
        from medigan_hub.evaluation import judging

        return judging.compare(
            real,
            synthetic,
            metrics=metrics,
            masks=masks,
            match=match,
            num_samples=num_samples,
            patients=patients,
            table=table,
            progress=progress,
            **wishes,
        )

    @documented(reading=READING, knobs=KNOBS)
    def privacy(
        self,
        train: Source | ImageSet,
        heldout: Source | ImageSet,
        synthetic: Source | ImageSet,
        *,
        extractors: Sequence[str | Extractor | Module] = (),
        weights: Mapping[str, str | Path] | None = None,
        normalize: str = "none",
        num_samples: int | None = None,
        patients: str | None = None,
        table: str | Path | None = None,
        progress: Callable[[int, int], None] | None = None,
        **wishes: Unpack[Wishes],
    ) -> JudgedPrivacy:
        """Look for copies of training images among synthetic ones, and say what was found.

        Whatever is found is held against held-out images, which can't have been copied: how many
        synthetic images are nearer to a training image than these are, with an exact interval and
        test; C_T and AuthPct; and whether nearness tells training images from held-out ones.
        Finding no copies does not mean that none can be got.

        Parameters
        ----------
        train
            The images that the model was trained on, as ``real`` of ``evaluate``.
        heldout
            Others of the same kind that it never saw: 20 at least, 100 or more for sharp findings,
            of other patients.
        synthetic
            As for ``evaluate``. It may hold training images: that is what is looked for.
        extractors, weights, normalize
            As for ``evaluate``. Grey levels are compared in any case, also mirrored and moved.
        num_samples
            How many samples a model makes; by default as many as there are held-out images, and at
            least 500.
        patients, table
            As for ``evaluate``, of training and held-out images: of images of one patient, one
            stands for all in tests.
        progress
            Called with the images described and those in all.
        wishes
            Of a model, as for ``generate``; ``seed`` is also that of what is drawn here.
        {reading}
        {knobs}

        Raises
        ------
        HubError
            There is no such extractor, held-out images are too few, or share an image or a patient
            with the training images, or an image can't be read.
        """
        from medigan_hub.evaluation.privacy import assessing

        return assessing.assess(
            train,
            heldout,
            synthetic,
            given=extractors,
            weights=weights,
            normalize=normalize,
            num_samples=num_samples,
            patients=patients,
            table=table,
            progress=progress,
            **wishes,
        )

    @documented(reading=READING, knobs=KNOBS)
    def utility(
        self,
        train: Source | ImageSet,
        test: Source | ImageSet,
        synthetic: Source | ImageSet,
        *,
        label: str | None = None,
        masks: str | Mapping[str, Source] | None = None,
        learner: str | Callable[[int, int], Module] | None = None,
        extractors: Sequence[str | Extractor | Module] = (),
        weights: Mapping[str, str | Path] | None = None,
        shares: Sequence[float] = (0.1, 0.3, 1.0),
        ratios: Sequence[float] = (0.5, 1, 2, 4),
        repeats: int = 10,
        by: str | None = None,
        num_samples: int | None = None,
        patients: str | None = None,
        table: str | Path | None = None,
        progress: Callable[[int, int], None] | None = None,
        **wishes: Unpack[Wishes],
    ) -> JudgedUtility:
        """Tell whether synthetic images help a task, for whom, and how many of them.

        A learner is given real images, synthetic ones, or both, several times over, and tested on
        real images. What synthetic images gain is held against real ones alone, and against what
        costs nothing: training as long with real ones, and flips with slight noise. Intervals are
        those of repeats and test patients together. What was learned is kept in the cache, so that
        interrupted work goes on.

        Parameters
        ----------
        train, test
            Real images, as for ``evaluate``; no patient may be in both.
        synthetic
            Synthetic ones likewise, or ``"model:NAME"``.
        label
            The column of classes that is to be learned: of ``table``, of a data set, an element of
            DICOM, or ``label``, the folders that files lie in. Of synthetic images that lack it, a
            column with the same classes is taken, and a note says so.
        masks
            In place of a label, what is to be outlined: the name of a mask of data sets and models,
            or where masks lie that are named as their images are; or a mapping of these from
            ``train``, ``test`` and ``synthetic``. What is not black is inside.
        learner
            ``probe``, a linear model on features, for a label; ``cnn``, a small network, for a
            label; ``unet``, a small one for masks; or a function that makes a network of PyTorch
            for a number of channels and one of outputs: (N, channels, 64, 64) to (N, outputs), or,
            for masks, to (N, outputs, 64, 64) logits. By default probe, or unet for masks.
        extractors, weights
            What describes images to the probe, as for ``evaluate``; by default ``texture``. Those
            of several stand side by side.
        shares
            Of the training images, whole patients: numbers above 0 up to 1.
        ratios
            Synthetic images for each real one: numbers above 0.
        repeats
            How often each is learned, at least three times: with other images drawn, and other
            beginnings of a network.
        by
            A column of the test images: the gain of each of its groups is told, too.
        num_samples
            How many samples a model makes; by default as many as the largest mixture needs.
        patients, table, progress, wishes
            As for ``evaluate``; ``progress`` counts images read and learners trained. The table is
            that of both sets of real images, and of synthetic files that lack the label.
        {reading}
        {knobs}

        Raises
        ------
        HubError
            A value can't be used, the sets share images or patients, one lacks a class, an image
            or a mask can't be used, or something is not installed.
        """
        from medigan_hub.evaluation.utility import measuring

        return measuring.measure(
            train,
            test,
            synthetic,
            label=label,
            masks=masks,
            learner=learner,
            extractors=extractors,
            weights=weights,
            shares=shares,
            ratios=ratios,
            repeats=repeats,
            by=by,
            num_samples=num_samples,
            patients=patients,
            table=table,
            progress=progress,
            **wishes,
        )

    def preview(
        self,
        model: str,
        num_samples: int | None = None,
        *,
        grid: tuple[int, int] | None = None,
        interpolate: tuple[int, int] | None = None,
        across: str | None = None,
        **wishes: Unpack[Wishes],
    ) -> Image:
        """Return one picture of several samples, captioned as synthetic.

        Takes what ``generate`` takes; where nothing says how many, it shows six.
        One of these asks for another picture than a plain grid of samples:

        Parameters
        ----------
        grid
            How many rows and columns of samples; ``num_samples`` may be left out.
        interpolate
            Two seeds: ``num_samples`` pictures, by default eight, from sample 0
            of the first seed to sample 0 of the second. Conditions, and all else
            that is drawn, stay as the first seed draws them.
        across
            The name of a condition: ``num_samples`` samples, by default three, a
            row each, at several values of it, a column each. The values are
            those that ``conditions`` gives, or its choices, or six of its range.

        Raises
        ------
        HubError
            As for ``generate``; also when the model has no latent vector to
            interpolate, or no such condition.
        """
        from medigan_hub import preview

        plugin = self._catalogue.plugin(model)
        return preview.picture(
            plugin, num_samples, wishes, grid=grid, interpolate=interpolate, across=across
        )

    def directions(
        self,
        model: str,
        count: int = 10,
        *,
        progress: Callable[[int, int], None] | None = None,
        **wishes: Unpack[Wishes],
    ) -> np.ndarray:
        """Return the directions in a model's latent space along which its images change most.

        Rows of unit length, the strongest first: (count, latent size) float32,
        or fewer where the latent vector is shorter. ``steering.move`` goes along
        them. They are found from 256 samples, which takes its time, and kept in
        the cache; ``steering.principal`` says how.

        Parameters
        ----------
        count
            1 to 32.
        progress
            Called with the samples done and the samples in all, after each
            batch; what it raises stops the work. Not called where the
            directions are in the cache.
        wishes
            As for ``generate``. Conditions are held at one value, those that are
            open at their first choice or the middle of their range; seed and
            latents are of no account.

        Raises
        ------
        HubError
            As for ``generate``; also when the model has no latent vector.
        """
        from medigan_hub import steering

        steering.latent_of(self.model(model).metadata)  # before weights are fetched for nothing
        plugin, request = self.request(model, None, wishes)
        return steering.directions(plugin, request, count, progress)

    def request(
        self, model: str, num_samples: int | None, wishes: Wishes, *, default_count: int = 1
    ) -> tuple[Plugin, GenerationRequest]:
        """Return what ``generate`` runs: the plugin, and the request with every value checked.

        Weights that are remote have been fetched. ``generation.stream`` makes the samples.

        Parameters
        ----------
        wishes
            As for ``generate``, as a mapping.
        default_count
            How many samples, where nothing says how many.

        Raises
        ------
        HubError
            As for ``generate``.
        """
        from medigan_hub import generation

        plugin = self._catalogue.plugin(model)
        request = generation.request(
            plugin.metadata, num_samples, default_count=default_count, **wishes
        )
        return plugin, generation.ready(plugin, generation.chosen(request))

    def visualize(
        self, model: str | None = None, *, port: int | None = None, block: bool = True
    ) -> Running:
        """Open the app on a model: in a notebook inside it, elsewhere in a browser.

        Parameters
        ----------
        model
            The model that the page opens with; by default the page begins with the catalogue.
        port
            By default the first free one from 7860 on. The app listens to this machine alone.
        block
            Wait until the app is ended with Ctrl-C. In a notebook or at Python's
            prompt it does not wait; ``close()`` of what is returned ends the app.

        Raises
        ------
        HubError
            There is no such model, the extra ``app`` is not installed, or the
            port is in use.
        """
        from medigan_hub.app import server
        from medigan_hub.app.settings import Settings

        running = server.serve(self, Settings(model), port=port)
        server.show(running, block=block)
        return running

    def dataset(
        self,
        model: str,
        num_samples: int | None = None,
        *,
        transform: Callable[[dict[str, Any]], Any] | None = None,
        cache: str | Path | None = None,
        **wishes: Unpack[Wishes],
    ) -> SampleDataset:
        """Return samples as a map-style data set of PyTorch, which makes them on demand.

        Item i is sample i of ``generate``: a dictionary of tensors, images and
        masks channels first.

        ``sample``
            The image in float32, from 0 to 1.
        ``mask``
            Where the model makes masks: all of them as channels, with their own values.
        ``label``
            Where it makes labels: int64 for classes, float32 for measures; a
            dictionary of them by name where there are several.
        ``other_imaging_output``
            Where there are further images, or an input that the sample was made
            from: as ``sample``; a dictionary by name where there are several.

        Everything is checked at once, and the network is loaded when the first
        sample is made, so that workers of a data loader can be started in every way.

        Parameters
        ----------
        transform
            Called with each item; what it returns takes the item's place.
            Transforms for dictionaries fit, such as MONAI's. Those of torchvision
            change the first plain tensor alone: wrap a mask that is to move with
            its image in ``tv_tensors.Mask``.
        cache
            Where samples are kept as the model made them, before the transform:
            None, nowhere; ``memory``, in each process its own; or a folder,
            which several processes and later runs may share.
        wishes
            As for ``generate``. ``batch_size`` samples are made at a time where
            they are asked for together or one after the other.

        Raises
        ------
        HubError
            As for ``generate``; also when PyTorch is not installed, or the
            folder of the cache holds something else.
        """
        from medigan_hub.loaders.torch import SampleDataset

        plugin = self._catalogue.plugin(model)
        return SampleDataset.of(plugin, num_samples, wishes, transform=transform, cache=cache)

    def iterable_dataset(
        self,
        model: str,
        num_samples: int | None = None,
        *,
        transform: Callable[[dict[str, Any]], Any] | None = None,
        **wishes: Unpack[Wishes],
    ) -> SampleStream:
        """Return samples as an iterable data set of PyTorch: a stream, in order, never shuffled.

        Items are those of ``dataset``. The workers of a data loader, and the
        processes of ``torch.distributed`` where that is initialised, share the
        samples without repeats: whole batches are dealt in turns, so that a
        loader with the same batch size delivers them in order. Of processes, one
        may get a batch more than another.

        Parameters
        ----------
        transform
            As for ``dataset``.
        wishes
            As for ``generate``. ``batch_size`` samples are made at a time.

        Raises
        ------
        HubError
            As for ``generate``; also when PyTorch is not installed.
        """
        from medigan_hub.loaders.torch import SampleStream

        plugin = self._catalogue.plugin(model)
        return SampleStream.of(plugin, num_samples, wishes, transform=transform)

    def dataloader(
        self,
        model: str,
        num_samples: int | None = None,
        *,
        batch_size: int | None = 32,
        transform: Callable[[dict[str, Any]], Any] | None = None,
        cache: str | Path | None = None,
        **arguments: Any,
    ) -> DataLoader[Any]:
        """Return a ``torch.utils.data.DataLoader`` of samples; its items are those of ``dataset``.

        Parameters
        ----------
        batch_size
            How many samples the loader delivers, and the network makes, at a
            time. With None it delivers single items, not batches.
        transform, cache
            As for ``dataset``. A cache in memory is each worker's own, and lasts
            beyond an epoch with ``persistent_workers=True``.
        arguments
            What a ``DataLoader`` takes: ``shuffle``, ``num_workers``,
            ``sampler``, ``batch_sampler`` and so on. And what ``generate``
            takes: ``seed``, ``inputs``, ``conditions`` and so on.

            Workers start in every way. Forked ones, the default of Linux before
            Python 3.14, can't use a GPU or TensorFlow once this process has used
            it; ``multiprocessing_context="spawn"`` ones can.

        Raises
        ------
        RequestError
            An argument is known to neither, or is not possible.
        HubError
            As for ``dataset``.
        """
        from medigan_hub.loaders import torch

        wishes, arguments = torch.split(arguments, batch_size)
        made = self.dataset(model, num_samples, transform=transform, cache=cache, **wishes)
        return torch.loader(made, **arguments)

    def tf_dataset(
        self, model: str, num_samples: int | None = None, **wishes: Unpack[Wishes]
    ) -> tf.data.Dataset:
        """Return samples as a ``tf.data.Dataset``, whatever framework the model runs on.

        Elements are single items as those of ``dataset``, with images and masks
        channels last. They are made while the data set is read, and anew each
        time: ``.cache()`` keeps them, ``.batch(32)`` and ``.shuffle(1000)`` are
        TensorFlow's own. What goes wrong while reading is an error of
        TensorFlow's with the hub's words in it.

        Parameters
        ----------
        wishes
            As for ``generate``. ``batch_size`` samples are made at a time.

        Raises
        ------
        HubError
            As for ``generate``; also when TensorFlow is not installed.
        """
        from medigan_hub.loaders import tensorflow

        return tensorflow.dataset(self._catalogue.plugin(model), num_samples, wishes)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the index behind, which can't go to another process and is soon built again."""
        return {name: value for name, value in self.__dict__.items() if name != "_index"}

    def _search(self, words: str | Sequence[str], criteria: Mapping[str, Any]) -> list[Match]:
        result = self._index.search(words, **criteria)
        for line in result.advice:
            warnings.warn(line, HubWarning, stacklevel=3)  # where the hub was asked
        for line in result.notes:
            warnings.warn(line, HubNote, stacklevel=3)
        return result.matches

    @cached_property
    def _index(self) -> Index:
        from medigan_hub.search import Index

        return Index(self._catalogue.entries())
