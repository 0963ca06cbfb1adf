import csv
from pathlib import Path

import pytest

from leadlab_edge.indicators import Indicator

PANEL = Path(__file__).parents[2] / "train" / "leadlab_train" / "data" / "panel.csv"


@pytest.mark.parametrize(
    ("analyte", "direction", "slug"),
    [
        ("POTASSIUM", ">", "potassium_high"),
        ("RED CELL DISTRIBUTION WIDTH (RDW)", "<", "red_cell_distribution_width_low"),
        ("MONOCYTE % (AUTO DIFF)", ">", "monocyte_percent_high"),
        ("IRON>TIBC RATIO", "<", "iron_tibc_ratio_low"),
        ("CHOLESTEROL, HDL", ">", "cholesterol_hdl_high"),
        ("CHOLESTEROL/HDL", ">", "cholesterol_hdl_ratio_high"),
        ("Na+ (serum)", "<", "na_low"),
    ],
)
def test_slugs(analyte, direction, slug):
    assert Indicator.slug_for(analyte, direction) == slug


@pytest.mark.parametrize(
    ("finding", "label"),
    [
        (("POTASSIUM", ">", 5.0, "mmol/L"), "Potassium > 5 mmol/L"),
        (("BNP, NT-PRO", ">", 300.0, "pg/mL"), "BNP, NT-pro > 300 pg/mL"),
        (("IRON>TIBC RATIO", "<", 0.15, "RATIO"), "Iron/TIBC ratio < 0.15"),
        (("LACTATE.WHOLE BLD", ">", 2.0, "mmol/L"), "Lactate, whole bld > 2 mmol/L"),
        (
            ("PART. THROMBOPLASTIN TIME", ">", 35.0, "seconds"),
            "Part. thromboplastin time > 35 seconds",
        ),
        (("D-DIMER, ELISA", ">", 500.0, "ng/mL FEU"), "D-dimer, ELISA > 500 ng/mL FEU"),
        (("pH arterial", "<", 7.35, ""), "pH arterial < 7.35"),
    ],
)
def test_labels_are_readable(finding, label):
    assert Indicator.define(*finding).label == label


@pytest.mark.parametrize(
    ("auroc", "ci", "tier"),
    [
        (0.65, (0.64, 0.66), "strong"),
        (0.6499, (0.64, 0.66), "moderate"),
        (0.55, (0.54, 0.56), "moderate"),
        (0.549, (0.54, 0.56), "weak"),
        (0.495, (0.491, 0.5), "weak"),
        (0.407, (0.392, 0.421), "below_chance"),
        (None, None, "unrated"),
    ],
)
def test_tier_follows_from_the_study(auroc, ci, tier):
    indicator = Indicator.define("X", ">", 1.0, "g", auroc, ci)
    assert indicator.tier == tier
    assert indicator.shown == (tier != "below_chance")


def test_the_panel_of_the_study_has_108_unique_names():
    with PANEL.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = {Indicator.slug_for(row["analyte"], row["direction"]) for row in rows}
    assert len(names) == len(rows) == 108
