from __future__ import annotations

import io

import pytest
from rich.console import Console

from medigan_hub.evaluation.table import sections, table
from support.evaluations import condition, evaluation, figure, subgroup


def printed(made, width=80):
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(table(made))
    return stream.getvalue()


BIASED = {"value": 141.2, "low": None, "high": None, "biased": True, "baseline": None}


def test_figures_of_the_same_features_stand_together_with_the_numbers_of_images():
    made = evaluation(
        figure(),
        figure("FD", "imagenet", **BIASED),
        figure(normalize="minmax"),
        figure("MMD"),
        figure(group="benign", num_synthetic=300),
    )
    found = {section.heading: [row[0] for row in section.rows] for section in sections(made)}
    assert found == {
        "texture: 600 real, 600 synthetic; baseline with 300 in each set": ["KID", "MMD"],
        "imagenet: 600 real, 600 synthetic": ["FD"],
        "texture, min-max: 600 real, 600 synthetic; baseline with 300 in each set": ["KID"],
        "texture, benign alone: 600 real, 300 synthetic; baseline with 300 in each set": ["KID"],
    }


@pytest.mark.parametrize(
    ("value", "low", "high", "shown", "interval"),
    [
        (0.01234567, 0.0101234, 0.0145, "0.0123", "0.0101 to 0.0145"),
        (123.456, 123.401, 123.511, "123.46", "123.40 to 123.51"),
        (1335.4, 1204, 1482, "1340", "1200 to 1480"),
        (0.0000123, 0.0000101, 0.0000145, "1.23e-05", "1.01e-05 to 1.45e-05"),
        (-0.00001, -0.0012, 0.0013, "-0.00001", "-0.00120 to 0.00130"),
        (0.95, 0.9, 1.0, "0.95", "0.90 to 1.00"),
        (0.5, None, None, "0.500", "-"),
        (float("nan"), None, None, "-", "-"),
        (0, 0, 0, "0.00", "0.00 to 0.00"),
    ],
)
def test_a_value_has_the_digits_that_its_interval_bears(value, low, high, shown, interval):
    (section,) = sections(evaluation(figure(value=value, low=low, high=high)))
    assert section.rows[0][1:3] == (shown, interval)


def test_baseline_difference_and_ratio_stand_beside_the_value():
    (section,) = sections(evaluation(figure()))
    assert section.rows[0][3:] == ("0.0002 ± 0.0003", "0.0123", "0.017")


def test_a_biased_figure_is_marked_in_words_and_explained():
    text = printed(evaluation(figure(), figure("FD", "imagenet", **BIASED)))
    (row,) = [line for line in text.splitlines() if line.split()[:1] == ["FD"]]
    assert row.split() == ["FD", "141", "biased", "-", "-", "-"]
    assert "It is no ground for an order" in " ".join(text.split())
    assert "no ground for an order" not in printed(evaluation(figure()))


def test_what_leads_and_which_way_is_better_is_said():
    text = " ".join(printed(evaluation(figure(), figure("recall", better="higher"))).split())
    assert "Read KID first" in text
    assert "Better is lower for KID; higher for recall." in text
    assert "Read KID first" not in printed(evaluation(figure("recall", better="higher")))


def test_it_fits_into_80_columns_and_says_what_was_judged():
    names = ("KID", "precision", "coverage")
    text = printed(evaluation(*(figure(name, low=-0.0101) for name in names), notes=("A note.",)))
    assert text.startswith("600 synthetic images by toy-noise 1.0.0, against 600 real ones (real).")
    rows = [line for line in text.splitlines() if line.split()[:1] in ([each] for each in names)]
    assert len(rows) == 3
    assert all(row.rstrip().endswith("0.017") for row in rows)
    assert "…" not in text
    assert text.rstrip().endswith("A note.")


def test_nothing_in_it_takes_the_terminal_over():
    made = evaluation(figure("K\x1b[2J[red]ID", group="a\x1bb"), notes=("n\x1b[bold]",))
    text = printed(made)
    assert "\x1b" not in text
    assert "K\\x1b[2J[red]ID" in text


FINE = {"coverage": 0.9, "difference": -0.03, "low": -0.1, "high": 0.04, "p": 0.3, "p_corrected": 1}


def test_groups_and_conditions_have_sections_of_their_own_and_verdicts_come_first():
    made = evaluation(
        figure(),
        figure("coverage", group="sex F", num_real=90),
        figure(group="sex F", num_real=90, num_synthetic=50),
        subgroups=(subgroup(), subgroup("sex M", **FINE)),
        conditions=(condition(), condition("side", value=0.1, low=0.05, high=0.16)),
    )
    _, figures, covered, obeyed = sections(made)
    assert figures.heading.startswith("texture, sex F alone: 90 real, 50 or 600 synthetic; baseli")
    assert covered.heading == "texture: are groups left out?"
    assert dict(zip(covered.columns, covered.rows[0], strict=True)) == {
        "group": "sex F",
        "images": "90",
        "coverage": "0.12",
        "others": "0.93",
        "difference": "-0.81",
        "95 % interval": "-0.90 to -0.71",
        "p": "< 0.001",
    }
    assert [row[-1] for row in covered.rows] == ["< 0.001", "1.000"]
    assert obeyed.rows[0] == (
        *("label", "AUC", "0.971", "0.952 to 0.990", "0.980", "0.960 to 0.991"),
    )
    text = " ".join(printed(made, 100).split())
    first = text.index("left out: sex F (coverage 0.12 against 0.93 of the others, by texture)")
    second = text.index("swapped: side, as what is asked for looks like another (AUC 0.100 (0.050")
    assert first < second < text.index("Read KID first")
    assert "Holm" in text
    assert "a probe learned it" in text


def test_that_no_group_is_left_out_is_said_where_groups_were_judged():
    words = "left out: no group, as far as so many images tell"
    assert words in printed(evaluation(figure(), subgroups=(subgroup(**FINE),)))
    assert words not in printed(evaluation(figure(), subgroups=(subgroup(),)))
    assert "left out" not in printed(evaluation(figure()))


def test_sections_of_groups_fit_into_80_columns():
    made = evaluation(subgroups=(subgroup("age 40 to 53"),), conditions=(condition(),))
    assert "…" not in printed(made)


def test_a_score_has_three_decimal_places_at_most():
    (section,) = sections(evaluation(conditions=(condition(value=0.99994, low=0.99988, high=1),)))
    assert section.rows[0][2:4] == ("1.000", "1.000 to 1.000")
    error = condition(score="MAE", better="lower", value=0.00012, low=0.0001, high=0.00014)
    (section,) = sections(evaluation(conditions=(error,)))
    assert section.rows[0][2] == "0.000120"
