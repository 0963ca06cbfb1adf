import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadlab_edge.config import load_settings
from leadlab_edge.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Inner:
    mode: Literal["fast", "careful"] = "careful"
    weights: tuple[float, ...] = (1.0,)
    pair: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    hop_s: float = field(default=5.0, metadata={"min": 1.0, "max": 60.0})
    windows: int = field(default=12, metadata={"min": 1})
    loud: bool = False
    path: Path | None = None
    inner: Inner = Inner()
    names: dict[str, int] = field(default_factory=dict)

    def __post_init__(self):
        if self.loud and self.windows > 100:
            raise ValueError("loud is true with 101 windows or more; the limit is 100")


def test_defaults_when_nothing_is_said():
    assert load_settings(Settings, {}) == Settings()
    assert load_settings(Settings, {"other": {}}, "run.pipeline") == Settings()


def test_a_toml_file_with_a_section(tmp_path):
    file = tmp_path / "leadlab.toml"
    file.write_text(
        '[run.pipeline]\nhop_s = 2\npath = "a/b"\nnames = {x = 1}\n'
        '[run.pipeline.inner]\nmode = "fast"\nweights = [1, 2.5]\npair = [3, "c"]\n'
    )
    expected = Settings(
        hop_s=2.0, path=Path("a/b"), names={"x": 1}, inner=Inner("fast", (1.0, 2.5), (3, "c"))
    )
    assert load_settings(Settings, file, "run.pipeline") == expected


def test_numpy_numbers_are_numbers():
    settings = load_settings(Settings, {"hop_s": np.float32(2.5), "windows": np.int64(3)})
    assert (type(settings.hop_s), type(settings.windows)) == (float, int)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"hop": 3}, r"^hop is not a known name; did you mean hop_s\?"),
        ({"zzz": 3}, "^zzz is not a known name; legal names are hop_s, windows"),
        ({"inner": {"mod": "fast"}}, r"^inner\.mod is not a known name; did you mean mode\?"),
        ({"inner": {"mode": "fats"}}, r"^inner\.mode is 'fats'; .*did you mean fast\?"),
        ({"inner": {"mode": []}}, r"^inner\.mode is \[\]"),
        ({"inner": 3}, "^inner is 3; it must be a table"),
        ({"hop_s": 0.5}, "^hop_s is 0.5; it must be at least 1.0"),
        ({"hop_s": 61}, "^hop_s is 61.0; it must be at most 60.0"),
        ({"hop_s": "5"}, "^hop_s is '5'; it must be a number"),
        ({"hop_s": True}, "^hop_s is True"),
        ({"hop_s": float("nan")}, "^hop_s is nan; it must be a finite number"),
        ({"hop_s": 10**400}, "^hop_s is 1000"),
        ({"windows": 1.5}, "^windows is 1.5; it must be a whole number"),
        ({"windows": True}, "^windows is True"),
        ({"loud": 1}, "^loud is 1; it must be true or false"),
        ({"path": 3}, "^path is 3"),
        ({"names": {"x": "y"}}, r"^names\.x is 'y'"),
        ({"inner": {"weights": 3}}, r"^inner\.weights is 3; it must be a list"),
        ({"inner": {"weights": [1, "b"]}}, r"^inner\.weights\[1\] is 'b'"),
        ({"inner": {"pair": [1]}}, r"^inner\.pair is \[1\]; it must be a list of 2"),
        ({"loud": True, "windows": 101}, "the limit is 100"),
    ],
)
def test_what_is_not_understood_is_refused(table, message):
    with pytest.raises(ConfigError, match=message):
        load_settings(Settings, table)


def test_a_setting_without_default_must_be_given():
    @dataclass(frozen=True)
    class Strict:
        rate_hz: float

    with pytest.raises(ConfigError, match="rate_hz is missing"):
        load_settings(Strict, {})


@pytest.mark.parametrize("content", [b"hop_s = ", b"\xff\xfe"])
def test_files_that_are_not_toml(tmp_path, content):
    file = tmp_path / "x.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="not readable TOML"):
        load_settings(Settings, file)
    with pytest.raises(ConfigError, match="does not exist"):
        load_settings(Settings, tmp_path / "y.toml")


def test_a_section_must_be_a_table():
    with pytest.raises(ConfigError, match="run is 3; it must be a table"):
        load_settings(Settings, {"run": 3}, "run.pipeline")


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
known = st.sampled_from(["hop_s", "windows", "loud", "path", "inner", "names", "mode"])


@given(st.dictionaries(known, json_like, max_size=4))
def test_any_table_loads_or_is_refused(table):
    with contextlib.suppress(ConfigError):
        assert isinstance(load_settings(Settings, table), Settings)
