"""Indicator: one laboratory finding that a model scores, such as "potassium above 5 mmol/L"."""

import re
from dataclasses import dataclass, field
from typing import Literal, Self

Direction = Literal[">", "<"]
Tier = Literal["strong", "moderate", "weak", "below_chance", "unrated"]

STRONG_AUROC = 0.65
MODERATE_AUROC = 0.55
_UNIT_RANGE = {"min": 0.0, "max": 1.0}

_ACRONYM = re.compile(
    "ALT|AST|BNP|BUN|CK|CO2|CRP|ELISA|ESR|HCT|HDL|I|LDH|LDLD?|MCV|NT|PLT|RBC|RDW|SGOT|SGPT"
    "|TIBC|TSH|UIBC|WAM|WBC"
)


@dataclass(frozen=True, slots=True)
class Indicator:
    """One finding: an analyte beyond a threshold, with what is known of how well an ECG shows it.

    Attributes
    ----------
    name
        Unique slug, the key in every table and message: ``"potassium_high"``.
    label
        For people: ``"Potassium > 5 mmol/L"``.
    analyte, direction, threshold, unit
        The finding is positive where ``analyte direction threshold``, in ``unit``.
    study_auroc, study_ci
        AUROC with 95 % interval as the study printed them; None where the panel is not the study's.
    auroc, positives
        AUROC measured for the packed model, and the number of distinct positive patients behind it.
    operating_threshold
        Probability at and above which the finding is reported, fixed on validation data.
    shown
        Whether a device shows this indicator by default.
    """

    name: str
    label: str
    analyte: str
    direction: Direction
    threshold: float
    unit: str
    study_auroc: float | None = field(default=None, metadata=_UNIT_RANGE)
    study_ci: tuple[float, float] | None = None
    auroc: float | None = field(default=None, metadata=_UNIT_RANGE)
    positives: int | None = field(default=None, metadata={"min": 0})
    operating_threshold: float | None = field(default=None, metadata=_UNIT_RANGE)
    shown: bool = True

    @classmethod
    def define(
        cls,
        analyte: str,
        direction: Direction,
        threshold: float,
        unit: str,
        study_auroc: float | None = None,
        study_ci: tuple[float, float] | None = None,
    ) -> Self:
        """Build an indicator from a panel row; name and label follow from the finding.

        What the study found to lie wholly below chance is not shown.
        """
        return cls(
            name=cls.slug_for(analyte, direction),
            label=cls.label_for(analyte, direction, threshold, unit),
            analyte=analyte,
            direction=direction,
            threshold=threshold,
            unit=unit,
            study_auroc=study_auroc,
            study_ci=study_ci,
            shown=study_ci is None or study_ci[1] >= 0.5,
        )

    @property
    def tier(self) -> Tier:
        """How well the study's ECGs showed this finding, from its AUROC and interval."""
        if self.study_auroc is None:
            return "unrated"
        if self.study_ci is not None and self.study_ci[1] < 0.5:
            return "below_chance"
        if self.study_auroc >= STRONG_AUROC:
            return "strong"
        return "moderate" if self.study_auroc >= MODERATE_AUROC else "weak"

    @staticmethod
    def slug_for(analyte: str, direction: Direction) -> str:
        """Return ``"red_cell_distribution_width_low"`` for ``("RED CELL ... (RDW)", "<")``.

        Parentheses are dropped, ``%`` is spelled out, ``A/B`` alone is a ratio ("CHOLESTEROL/HDL"
        is not "CHOLESTEROL, HDL"), and all else that is not a letter or digit joins words.
        """
        text = re.sub(r"\(.*?\)", " ", analyte).replace("%", " percent ")
        if re.fullmatch(r"\w+/\w+", text):
            text += " ratio"
        suffix = "high" if direction == ">" else "low"
        return "_".join([*re.findall(r"[a-z0-9]+", text.lower()), suffix])

    @staticmethod
    def label_for(analyte: str, direction: Direction, threshold: float, unit: str) -> str:
        """Return ``"Potassium > 5 mmol/L"``; analytes in capitals are put into readable case."""
        shown_unit = "" if unit.lower() == "ratio" else unit
        return f"{_readable(analyte)} {direction} {threshold:g} {shown_unit}".rstrip()


def _readable(analyte: str) -> str:
    """Lower the case of an all-capitals name, but for acronyms and the first letter."""
    if not analyte.isupper():
        return analyte
    text = re.sub(r"\.(?=[A-Z])", ", ", analyte.replace(">", "/"))
    words = re.sub(r"[A-Z0-9]+", lambda m: m[0] if _ACRONYM.fullmatch(m[0]) else m[0].lower(), text)
    return words[0].upper() + words[1:]
