"""The panel: the study's table, its round trip, and what a panel file must not say."""

from pathlib import Path

import numpy as np
import pytest

from leadlab_train.errors import CohortError
from leadlab_train.panel import load_panel

HEAD = "analyte,direction,threshold,unit"


@pytest.fixture
def write(tmp_path):
    def to_file(*lines: str) -> Path:
        path = tmp_path / "panel.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return to_file


def test_default_panel_is_the_studys_table():
    panel = load_panel()
    assert len(panel) == 108
    assert len(panel.analytes) == 66
    assert len(set(panel.names)) == 108
    assert sum(indicator.direction == ">" for indicator in panel) == 64
    potassium = panel.indicators[panel.index("potassium_high")]
    assert (potassium.threshold, potassium.unit) == (5.0, "mmol/L")
    assert potassium.study_auroc == 0.678
    assert np.isclose(panel.prevalence[panel.index("potassium_high")], 555336 / 6773875)


def test_tiers_are_the_studys_own_strata():
    tiers = [indicator.tier for indicator in load_panel()]
    assert tiers.count("strong") == 33
    assert tiers.count("moderate") == 58
    assert tiers.count("weak") + tiers.count("below_chance") == 17


def test_both_directions_of_an_analyte_share_an_index():
    panel = load_panel()
    low, high = panel.index("potassium_low"), panel.index("potassium_high")
    assert panel.analyte_index[low] == panel.analyte_index[high]
    assert panel.analytes[panel.analyte_index[low]] == "POTASSIUM"


def test_round_trip(tmp_path):
    panel = load_panel()
    panel.write(tmp_path / "panel.csv")
    again = load_panel(tmp_path / "panel.csv")
    assert again.indicators == panel.indicators
    np.testing.assert_array_equal(again.n_all, panel.n_all)
    np.testing.assert_array_equal(again.n_positive, panel.n_positive)


def test_own_panel_needs_no_study(write, tmp_path):
    panel = load_panel(write(HEAD, "eGFR,<,60,mL/min", "HEMOGLOBIN (HGB),<,8,g/dL"))
    assert panel.names == ("egfr_low", "hemoglobin_low")
    assert np.isnan(panel.prevalence).all()
    assert panel.indicators[0].tier == "unrated"
    panel.write(tmp_path / "again.csv")
    assert load_panel(tmp_path / "again.csv").indicators == panel.indicators


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([HEAD], "no findings"),
        (["analyte,direction,threshold", "X,>,1"], "lacks the columns"),
        ([HEAD + ",color", "X,>,1,g,red"], "unknown columns"),
        ([HEAD, "X,>=,1,g"], "direction"),
        ([HEAD, "X,>,one,g"], "line 2"),
        ([HEAD, "X,>"], "line 2"),
        ([HEAD, "X,>,1,g", "X,>,2,g"], "more than once"),
        ([HEAD + ",n_all,n_positive", "X,>,1,g,10,11"], "n_positive 11"),
    ],
)
def test_bad_panels_are_refused(write, lines, says):
    with pytest.raises(CohortError, match=says):
        load_panel(write(*lines))


def test_missing_file_and_unknown_name(tmp_path):
    with pytest.raises(CohortError, match="cannot be read"):
        load_panel(tmp_path / "none.csv")
    with pytest.raises(CohortError, match="no indicator"):
        load_panel().index("potassium")
