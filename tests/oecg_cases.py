"""Hypothesis strategies: any message of the open profile."""

import numpy as np
from hypothesis import strategies as st

from leadlab_bridge import oecg
from leadlab_bridge.oecg import Command, Data, Info, Response, Status
from leadlab_bridge.oecg.layout import INFO_LIMITS, SAMPLE_BYTES

U8, U16, U32 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32))
TLVS = st.lists(st.tuples(U8, st.binary(max_size=40)), max_size=4).map(tuple)


@st.composite
def frames(draw: st.DrawFn) -> Data:
    encoding = draw(st.sampled_from(list(SAMPLE_BYTES)))
    limit = 1 << (8 * SAMPLE_BYTES[encoding] - 1)
    n = draw(st.integers(1, oecg.max_samples(encoding)))
    seed = draw(st.integers(0, 2**32 - 1))
    samples = np.random.default_rng(seed).integers(-limit, limit, n)
    edges = draw(st.lists(st.sampled_from([-limit, limit - 1, 0, -1]), max_size=min(n, 4)))
    samples[: len(edges)] = edges
    return Data(
        samples,
        sample_index=draw(U32),
        ticks=draw(U32),
        config_id=draw(U8),
        flags=draw(U8),
        sequence=draw(U16),
        overrun=draw(U16),
        encoding=encoding,
    )


@st.composite
def infos(draw: st.DrawFn) -> Info:
    limited = {name: draw(st.integers(*limits)) for name, limits in INFO_LIMITS.items()}
    return Info(
        config_id=draw(U8),
        lead=draw(U8),
        features=draw(U16),
        minor=draw(U8),
        tlvs=draw(TLVS),
        **limited,
    )


def messages() -> st.SearchStrategy[oecg.Message]:
    return st.one_of(
        frames(),
        infos(),
        st.builds(Status, U8, U8, U8, U32, U32, U32, TLVS),
        st.builds(Command, U8, st.integers(1, 255), TLVS),
        st.builds(Response, U8, U8, U8, TLVS),
    )
