"""Tone mapping: PQ and HLG become what an SDR camera would have shown of the same scene.

Each of red, green and blue goes through one curve. Up to the knee it keeps the light as it was,
relative to HDR's reference white, and codes it for an SDR display; lights from the knee up to the
brightest are compressed into what is left. So a grey card (38 % of the signal in both, ITU-R
BT.2408) has the level that it has in SDR, and white clouds still differ from the sun.
"""

from __future__ import annotations

from services.decoder.colour import Transfer

REFERENCE_WHITE_NITS = 203  # ITU-R BT.2408
BRIGHTEST_NITS = 1000
"""What HLG is graded for, and most PQ. Anything brighter is white."""

KNEE = 0.5  # of reference white
DISPLAY_GAMMA = 2.4  # ITU-R BT.1886

# SMPTE ST 2084, as an expression of the library's `lut` filters; nits.
_PQ = (
    f"st(0, pow(clipval/maxval, {32 / 2523}));"
    f"10000 * pow(max(ld(0) - {3424 / 4096}, 0) / ({2413 / 128} - {2392 / 128} * ld(0)),"
    f" {16384 / 2610})"
)
# ARIB STD-B67 with the system gamma of ITU-R BT.2100 for a display of 1,000 nits.
_HLG = (
    "st(0, clipval/maxval);"
    "1000 * pow(if(lte(ld(0), 0.5), ld(0) * ld(0) / 3,"
    " (exp((ld(0) - 0.55991073) / 0.17883277) + 0.28466892) / 12), 1.2)"
)


def curve(transfer: Transfer) -> str:
    """The curve of PQ or HLG, from code value to code value."""
    nits = _PQ if transfer == Transfer.PQ else _HLG
    brightest = BRIGHTEST_NITS / REFERENCE_WHITE_NITS
    slope = (brightest - KNEE) / (1 - KNEE)
    bend = 1 / (slope - 1)  # so that the curve has no corner at the knee
    return (
        f"st(1, ({nits}) / {REFERENCE_WHITE_NITS});"
        f"st(2, clip((ld(1) - {KNEE}) / {brightest - KNEE}, 0, 1));"
        f"st(3, if(lt(ld(1), {KNEE}), ld(1),"
        f" {KNEE} + {1 - KNEE} * ld(2) * {1 + bend} / (ld(2) + {bend})));"
        f"round(maxval * pow(ld(3), {1 / DISPLAY_GAMMA}))"
    )
