"""Meanings of features, kept with the feature group as parameters of each feature [pure].

A value of a parameter has at most 255 characters and few kinds of them, so the text of a meaning
is quoted, and left out if it is too long; its digest always decides.
"""

import re
from collections.abc import Mapping

from txfeatures.domain.features.kinds import digest

DIGEST = "meaning-digest"
TEXT = "meaning"
KEYS = (DIGEST, TEXT)

_LONGEST = 255
_OTHER = re.compile(r"[^A-Za-z0-9 _.:/+\-]")
_QUOTED = re.compile(r"=([0-9A-F]{2})")


def parameters(meaning: str) -> dict[str, str]:
    """Return the parameters that keep a meaning."""
    text = _OTHER.sub(lambda found: f"={ord(found[0]):02X}", meaning)
    kept = {TEXT: text} if len(text) <= _LONGEST else {}
    return {DIGEST: digest(meaning)} | kept


def difference(meaning: str, found: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the former and the declared meaning if they differ; None if not, or none is kept."""
    if found.get(DIGEST, digest(meaning)) == digest(meaning):
        return None
    former = _QUOTED.sub(lambda quoted: chr(int(quoted[1], 16)), found.get(TEXT, ""))
    return former or f"of the digest {found[DIGEST]}", meaning
