"""The tables of TeX commands that titles and abstracts use, and what each stands for in text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache

from quiver.markup.tree import Style

Names = Mapping[str, object] | frozenset[str]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε", "zeta": "ζ",
    "eta": "η", "theta": "θ", "vartheta": "ϑ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν",
    "xi": "ξ", "omicron": "ο", "pi": "π", "varpi": "ϖ", "rho": "ρ", "varrho": "ϱ", "sigma": "σ",
    "varsigma": "ς", "tau": "τ", "upsilon": "υ", "phi": "φ", "varphi": "φ", "chi": "χ", "psi": "ψ",
    "omega": "ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π",
    "Sigma": "Σ", "Upsilon": "Υ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip

_ARROWS = {
    "rightarrow": "→", "leftarrow": "←", "leftrightarrow": "↔", "Rightarrow": "⇒", "Leftarrow": "⇐",
    "Leftrightarrow": "⇔", "longrightarrow": "⟶", "longleftarrow": "⟵", "uparrow": "↑", "downarrow": "↓",
    "mapsto": "↦", "to": "→", "hookrightarrow": "↪", "rightleftharpoons": "⇌", "implies": "⟹", "iff": "⟺",
}  # fmt: skip

_MATHS = {
    "times": "×", "cdot": "·", "cdots": "⋯", "pm": "±", "mp": "∓", "div": "÷", "ast": "∗", "star": "⋆",
    "bigstar": "★", "circ": "∘", "bullet": "•", "oplus": "⊕", "otimes": "⊗", "odot": "⊙", "leq": "≤",
    "le": "≤", "geq": "≥", "ge": "≥", "neq": "≠", "ne": "≠", "approx": "≈", "sim": "∼", "simeq": "≃",
    "equiv": "≡", "cong": "≅", "propto": "∝", "ll": "≪", "gg": "≫", "lesssim": "≲", "gtrsim": "≳", "in": "∈",
    "notin": "∉", "ni": "∋", "subset": "⊂", "subseteq": "⊆", "supset": "⊃", "supseteq": "⊇", "cup": "∪",
    "cap": "∩", "setminus": "∖", "emptyset": "∅", "varnothing": "∅", "forall": "∀", "exists": "∃",
    "neg": "¬", "lnot": "¬", "land": "∧", "wedge": "∧", "lor": "∨", "vee": "∨", "infty": "∞",
    "partial": "∂", "nabla": "∇", "sum": "∑", "prod": "∏", "int": "∫", "ell": "ℓ", "hbar": "ℏ", "Re": "ℜ",
    "Im": "ℑ", "aleph": "ℵ", "prime": "′", "angle": "∠", "perp": "⊥", "bot": "⊥", "top": "⊤",
    "parallel": "∥", "mid": "|", "vert": "|", "Vert": "‖", "lvert": "|", "rvert": "|", "lVert": "‖",
    "rVert": "‖", "langle": "⟨", "rangle": "⟩", "lceil": "⌈", "rceil": "⌉", "lfloor": "⌊", "rfloor": "⌋",
    "lbrace": "{", "rbrace": "}", "sharp": "♯", "flat": "♭", "natural": "♮", "square": "□", "Box": "□",
    "triangle": "△", "diamond": "⋄", "checkmark": "✓", "dagger": "†", "ddagger": "‡", "colon": ":",
    "lt": "<", "gt": ">", "degree": "°",
}  # fmt: skip

# The space that ends these commands is TeX's and not the sentence's: "S\\o ren".
LETTERS = {
    "ss": "ß", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ",
    "aa": "å", "AA": "Å", "i": "ı", "j": "ȷ", "dh": "ð", "DH": "Ð", "th": "þ", "TH": "Þ", "dj": "đ",
    "DJ": "Đ", "ng": "ŋ", "NG": "Ŋ",
}  # fmt: skip

_TEXT = {
    "ldots": "…", "dots": "…", "textellipsis": "…", "textdegree": "°", "textperthousand": "‰", "dag": "†",
    "ddag": "‡", "copyright": "©", "textcopyright": "©", "textregistered": "®", "texttrademark": "™",
    "pounds": "£", "textsterling": "£", "euro": "€", "texteuro": "€", "textbackslash": "\\",
    "textasciitilde": "~", "textasciicircum": "^", "textunderscore": "_", "textless": "<",
    "textgreater": ">", "textbar": "|", "textbraceleft": "{", "textbraceright": "}", "textdollar": "$",
    "textpercent": "%", "textquoteleft": "‘", "textquoteright": "’", "textquotedblleft": "“",
    "textquotedblright": "”", "textendash": "–", "textemdash": "—", "textbullet": "•",
    "textperiodcentered": "·", "textmu": "µ", "slash": "/", "quad": " ",
    "qquad": " ", "newline": " ", "linebreak": " ", "par": " ", "space": " ", "enspace": " ",
    "thinspace": " ", "item": " ", "LaTeX": "LaTeX", "TeX": "TeX", "BibTeX": "BibTeX", "choose": " choose ",
}  # fmt: skip

# Abbreviations that authors define; the full stop is part of them.
ABBREVIATIONS = {
    "eg": "e.g.", "Eg": "E.g.", "ie": "i.e.", "Ie": "I.e.", "etal": "et al.", "etc": "etc.", "cf": "cf.",
    "wrt": "w.r.t.", "iid": "i.i.d.", "vs": "vs.", "aka": "a.k.a.", "dof": "d.o.f.",
}  # fmt: skip

SYMBOLS = _GREEK | _ARROWS | _MATHS | LETTERS | _TEXT | ABBREVIATIONS

FUNCTIONS = _words(
    "log ln lg exp sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh min max sup inf lim liminf limsup "
    "arg argmin argmax det dim ker deg gcd Pr hom mod bmod softmax sign sgn tr rank diag poly polylog"
)

# Sources lose the space (or the braces) that ended a command: "En\\rightarrowDe", "\\alphaNLI", "\\sqrtT".
_GLUED_TO_ANYTHING = sorted(_ARROWS.keys() - {"to", "iff"}, key=len, reverse=True)
_GLUED_TO_CAPITALS = sorted(
    {name for name in _GREEK | _ARROWS | _MATHS if len(name) > 1} | FUNCTIONS, key=len, reverse=True
)

# Command -> how its argument is shown; whether the argument is mathematics.
_PLAIN_TEXT = _words(
    "text textrm textsc textsf textup textmd textnormal underline uline mbox hbox fbox section subsection paragraph "
    "title caption keywords ul hl st"
)
_PLAIN_MATHS = _words(
    "mathbf boldsymbol bm pmb mathcal mathbb mathfrak mathscr mathrm mathit mathsf mathtt operatorname ensuremath "
    "mathop underbrace overbrace overrightarrow phantom"
)
STYLES: dict[str, tuple[Style, bool]] = {
    **dict.fromkeys(_PLAIN_TEXT, ("plain", False)),
    **dict.fromkeys(_PLAIN_MATHS, ("plain", True)),
    "textbf": ("strong", False),
    "emph": ("emphasis", False),
    "textit": ("emphasis", False),
    "textsl": ("emphasis", False),
    "texttt": ("code", False),
    "verb": ("code", False),
    "textsuperscript": ("sup", False),
    "textsubscript": ("sub", False),
}

# Commands that change the rest of their group.
_PLAIN_DECLARATIONS = _words(
    "rm sf sc rmfamily sffamily scshape upshape normalfont tiny scriptsize footnotesize small normalsize large Large "
    "LARGE huge Huge displaystyle textstyle scriptstyle centering noindent xspace protect limits nolimits left right "
    "big Big bigg Bigg bigl bigr Bigl Bigr middle nonumber notag"
)
DECLARATIONS: dict[str, Style] = {
    **dict.fromkeys(_PLAIN_DECLARATIONS, "plain"),
    **dict.fromkeys(("bf", "bfseries", "boldmath"), "strong"),
    **dict.fromkeys(("it", "em", "itshape", "sl"), "emphasis"),
    **dict.fromkeys(("tt", "ttfamily"), "code"),
}

# What these hold is for the typesetter; how many arguments go with them.
DROPPED = {
    "vspace": 1, "hspace": 1, "label": 1, "color": 1, "thispagestyle": 1, "pagestyle": 1, "usepackage": 1,
    "setlength": 2, "addtolength": 2, "begin": 1, "end": 1, "documentclass": 1, "phantomsection": 0,
}  # fmt: skip

CITATIONS = _words("cite citet citep citealp citealt citeauthor citeyear parencite textcite shortcite")

# Combining characters. Those of punctuation stand before any letter, the others need braces or a space.
ACCENTS = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", '"': "\u0308", "=": "\u0304", ".": "\u0307",
    "c": "\u0327", "v": "\u030c", "u": "\u0306", "H": "\u030b", "k": "\u0328", "r": "\u030a", "d": "\u0323",
    "b": "\u0331", "hat": "\u0302", "widehat": "\u0302", "tilde": "\u0303", "widetilde": "\u0303",
    "bar": "\u0304", "overline": "\u0304", "vec": "\u20d7", "dot": "\u0307", "ddot": "\u0308",
    "check": "\u030c", "breve": "\u0306", "acute": "\u0301", "grave": "\u0300", "mathring": "\u030a",
    "not": "\u0338",
}  # fmt: skip

# Bare names between dollars whose backslash a source has eaten: "un$cdot$e".
BARE_NAMES = frozenset(_GREEK) | {"cdot", "times", "rightarrow", "leftrightarrow", "approx", "infty", "ell"}


@cache
def _library_symbols() -> dict[str, str]:
    # Imported late: it reads a large table, and few texts need it.
    from latex2mathml.symbols_parser import SYMBOLS as TABLE

    return {name[1:]: chr(int(code, 16)) for name, code in TABLE.items() if len(name) > 2 and "-" not in code}


def symbol(name: str) -> str | None:
    """The text that the command *name* (without its backslash) stands for; None where it is no symbol.

    >>> symbol("phi"), symbol("nonesuch")
    ('φ', None)
    """
    return SYMBOLS.get(name) or (_library_symbols().get(name) if len(name) > 2 else None)


def is_known(name: str) -> bool:
    """Whether *name* is a command of any table here.

    >>> is_known("texttt"), is_known("users")
    (True, False)
    """
    return (
        name in SYMBOLS
        or name in STYLES
        or name in FUNCTIONS
        or name in DECLARATIONS
        or name in DROPPED
        or name in CITATIONS
        or name in ("frac", "dfrac", "tfrac", "sqrt", "binom", "url", "href", "textcolor", "footnote")
        or (len(name) > 1 and name in ACCENTS)
    )


@lru_cache(maxsize=4096)
def split_glued(name: str) -> str | None:
    """The command that *name* begins with, where a source glued it to the next word; None if there is none.

    >>> split_glued("rightarrowen"), split_glued("alphaNLI"), split_glued("toolname")
    ('rightarrow', 'alpha', None)
    """
    for command in _GLUED_TO_ANYTHING:
        if name.startswith(command):
            return command
    for command in ("sqrt", *_GLUED_TO_CAPITALS):
        if name.startswith(command) and name[len(command) :][:1].isupper():
            return command
    return None
