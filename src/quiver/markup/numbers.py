"""Decimals that a source broke with a space: "11. 04" for 11.04.

A full stop before a number also ends sentences ("in 2022. 15 papers", "from 0 to 5. 0 means"), so two numbers are
joined only where the digits or the words around them say so:

- the first number stands alone (no decimal or thousands point before it, not at the start of a sentence) and has one to
  three digits: no years;
- *certain*: the second one is several digits with a leading zero ("11. 04"); or is followed by punctuation that no
  sentence has after its first number ("7. 71.", "17. 5)"); or by "%", but not "% of", which starts sentences; or the
  first one is the version of a model ("GPT-3. 5", "Qwen2. 5-7B");
- *likely*: a word of amount comes before ("by 12. 5") and a word that goes on after it ("over"). Where the text has a
  certain one and no intact decimal at all, its source breaks every decimal, and one of the two is enough.
"""

from __future__ import annotations

import re

_BROKEN = re.compile(r"(?<![\d.,])(\d{1,3})\. (\d{1,6})(?![\d])")
_INTACT = re.compile(r"\d\.\d")
_AMOUNT = re.compile(
    r"(?:\b(?:by|of|to|from|at|with|than|is|are|was|about|around|only|nearly|over|approximately|achieves?|and|a|"
    r"scores?|reaches|reaching|up to)|[=≈~<>≤≥±(+\-–])\s?\Z"
)
_GOES_ON = re.compile(
    r"\s?(?:(?:and|or|to|over|points?|percent|percentage|on|for|in|with|at|than|compared|while|respectively|times|"
    r"million|billion|trillion|k|ms|s|seconds|minutes|hours|days|fps|FPS|GB|MB|dB|BLEU|ROUGE|mAP|AP|F1|PSNR|FID|Hz|"
    r"mm|cm|km|m|x)\b|[×±]|-\d)"
)
_PUNCTUATION = re.compile(r"[,;)\]]|\.(?:\s|\Z)|\Z|\\times|\$|[x×]\b")
_PERCENT = re.compile(r"\s?\\?%(?!\s(?:of|dos|des|de)\b)")
_VERSION = re.compile(
    r"(?:GPT|Qwen|LLaMA|Llama|Gemini|Claude|Phi|Vicuna|Diffusion|SDXL?|CLIP|Mistral|InternVL|LLaVA|YOLOv?|[Vv]ersion|"
    r"\b[vV])[- ]?(?:\d)\Z"
)
_SENTENCE_START = re.compile(r"(?:\A|[.;:!?]\s)\Z")


def _context(text: str, match: re.Match[str]) -> tuple[str, str]:
    return text[max(0, match.start() - 24) : match.start()], text[match.end() : match.end() + 16]


def _is_certain(before: str, match: re.Match[str], after: str) -> bool:
    whole, fraction = match[1], match[2]
    if _SENTENCE_START.search(before[-2:] if len(before) > 1 else before):
        return False  # "1. 5 tasks" counts items
    if len(fraction) > 1 and fraction[0] == "0":
        return True
    if _VERSION.search(before + whole):
        return len(fraction) == 1
    if before[-1:].isalpha() or (before[-2:-1].isalpha() and before[-1:] == "-"):
        return after[:1] == "-" and after[1:2].isdigit()  # a name that ends in a number: "BERT-2. 5 papers"
    return bool(_PUNCTUATION.match(after) or _PERCENT.match(after))


def _is_likely(before: str, match: re.Match[str], after: str, broken_source: bool) -> bool:
    if _SENTENCE_START.search(before[-2:] if len(before) > 1 else before) or before[-1:].isalpha():
        return False
    cues = bool(_AMOUNT.search(before)) + bool(_GOES_ON.match(after))
    return cues >= (1 if broken_source else 2)


def join_decimals(text: str) -> str:
    """*text* with its broken decimals joined.

    >>> join_decimals("scores by 11. 04 and 7. 71. In 2022. 15 papers")
    'scores by 11.04 and 7.71. In 2022. 15 papers'
    """
    matches = list(_BROKEN.finditer(text))
    if not matches:
        return text
    contexts = [(*_context(text, match), match) for match in matches]
    certain = {match.start() for before, after, match in contexts if _is_certain(before, match, after)}
    broken_source = bool(certain) and _INTACT.search(text) is None
    parts: list[str] = []
    done = 0
    for before, after, match in contexts:
        if match.start() in certain or _is_likely(before, match, after, broken_source):
            parts += (text[done : match.start()], f"{match[1]}.{match[2]}")
            done = match.end()
    return "".join(parts) + text[done:]
