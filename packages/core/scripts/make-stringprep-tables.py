#!/usr/bin/env python3
"""Writes what SASLprep and the trace profile need to know about each code point, and digests to check it by.

    python3 make-stringprep-tables.py

The source is Python's own `stringprep` (RFC 3454) with `unicodedata.ucd_3_2_0`, which is Unicode 3.2 and stays so in
every release of Python. Writes `src/text/stringprep-tables.ts` and `test/stringprep-reference.json`.
"""
import hashlib
import itertools
import json
import pathlib
import stringprep as sp
import unicodedata

CORE = pathlib.Path(__file__).resolve().parent.parent
UCD = unicodedata.ucd_3_2_0
CODE_POINTS = range(0x110000)

# Of combining class 0, but made of characters with another: src/text/canonical-order.ts names them too.
HIDDEN_MARKS = (0x0F73, 0x0F75, 0x0F81, 0xFF9E, 0xFF9F)

C_BOTH = (sp.in_table_c21_c22, sp.in_table_c3, sp.in_table_c4, sp.in_table_c5, sp.in_table_c6, sp.in_table_c8, sp.in_table_c9)


# -- The two profiles, as plainly as the RFCs put them: the reference for the digests -----------------


def allowed(text, prohibited, unassigned):
    """RFC 3454 sections 5, 6 and 7."""
    if any(table(c) for table in prohibited for c in text):
        return False
    if not unassigned and any(map(sp.in_table_a1, text)):
        return False
    if any(map(sp.in_table_d1, text)):
        return not any(map(sp.in_table_d2, text)) and sp.in_table_d1(text[0]) and sp.in_table_d1(text[-1])
    return True


def nfkc(text):
    """Unicode 3.2. Python takes combining classes from its newest data, so later characters are kept apart: in 3.2 they
    are starters that neither decompose nor compose."""
    pieces = itertools.groupby(text, sp.in_table_a1)
    return "".join("".join(piece) if unassigned else UCD.normalize("NFKC", "".join(piece)) for unassigned, piece in pieces)


def saslprep(text, query):
    """RFC 4013 section 2; None where it refuses. A character in both C.1.2 and B.1 becomes a space."""
    mapped = "".join(" " if sp.in_table_c12(c) else c for c in text)
    mapped = "".join(c for c in mapped if not sp.in_table_b1(c))
    output = nfkc(mapped)
    return output if allowed(output, (sp.in_table_c12, sp.in_table_c7, *C_BOTH), query) else None


def trace(text):
    """RFC 4505 section 3."""
    return allowed(text, C_BOTH, True)


# -- Tables --------------------------------------------------------------------------------------------


def class_of(code_point):
    c = chr(code_point)
    if any(table(c) for table in C_BOTH):
        # B.1 is gone before SASLprep looks for prohibited characters; the trace profile maps nothing.
        return "T" if sp.in_table_b1(c) else "X"
    if sp.in_table_c12(c):
        return "W"
    if sp.in_table_b1(c):
        return "N"
    if sp.in_table_c7(c):
        return "S"
    if sp.in_table_a1(c):
        return "U"
    if UCD.normalize("NFKC", c) != unicodedata.normalize("NFKC", c):
        return "C"
    return "R" if sp.in_table_d1(c) else "L" if sp.in_table_d2(c) else "A"


def base36(number):
    digits = "" if number else "0"
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


def combining_runs():
    """Combining classes other than 0, as gap since the run before, length and class."""
    runs, end = [], 0
    for code_point in CODE_POINTS:
        c = chr(code_point)
        combining = 0 if sp.in_table_a1(c) else UCD.combining(c)
        decomposed = [UCD.combining(d) for d in nfkc_parts(c)]
        if code_point in HIDDEN_MARKS:
            assert combining == 0 and decomposed[0] != 0
        else:
            # Nothing else turns into a mark of another class: what is sorted before NFKC stays sorted.
            assert decomposed[0] == 0 or set(decomposed) == {combining}
        if combining == 0:
            continue
        assert unicodedata.category(c)[0] == "M"
        if runs and end == code_point and runs[-1][2] == combining:
            runs[-1][1] += 1
        else:
            runs.append([code_point - end, 1, combining])
        end = code_point + 1
    return ";".join(",".join(map(base36, run)) for run in runs)


def nfkc_parts(c):
    return c if sp.in_table_a1(c) else UCD.normalize("NFKD", c)


def make_tables():
    runs, corrections = [], {}
    for code_point in CODE_POINTS:
        name = class_of(code_point)
        if runs and runs[-1][0] == name:
            runs[-1][1] += 1
        else:
            runs.append([name, 1])
        if name == "C":
            corrections[code_point] = UCD.normalize("NFKC", chr(code_point))
            # A swap before normalization is right only for characters that interact with no other.
            assert sp.in_table_d2(chr(code_point)) and len(corrections[code_point]) == 1
            assert all(UCD.combining(c) == 0 for c in (chr(code_point), corrections[code_point]))
        if name in "NWS":
            # The algorithm takes these for neutral in the direction check.
            assert not sp.in_table_d1(chr(code_point)) and not sp.in_table_d2(chr(code_point))
    encoded = "".join((base36(length) if length > 1 else "") + name for name, length in runs)
    pairs = ", ".join(f"[0x{k:x}, \"\\u{{{ord(v):x}}}\"]" for k, v in corrections.items())
    return f"""// Generated by scripts/make-stringprep-tables.py from the Unicode 3.2 data of Python; do not edit.

/**
 * What RFC 3454 says about each code point from U+0000 to U+10FFFF, as {len(runs)} runs: a length in base 36, left out where it
 * is 1, and a class. A neutral, L left to right (D.2), R right to left (D.1), U unassigned (A.1), W becomes a space
 * (C.1.2), N becomes nothing (B.1), T likewise but prohibited in a trace, S prohibited by SASLprep alone (C.7),
 * X prohibited, C like L with a correction.
 */
export const runs: string =
  {wrapped(encoded)};

/** What class C normalizes to in Unicode 3.2; Corrigendum 4 changed it afterwards. */
export const corrections: readonly (readonly [codePoint: number, normalized: string])[] = [
  {pairs},
];

/**
 * The combining classes of Unicode 3.2 other than 0: runs of characters with one class, each as the gap since the run
 * before, the length and the class, all in base 36.
 */
export const combiningClasses: string =
  {wrapped(combining_runs())};
"""


def wrapped(text):
    return " +\n  ".join(json.dumps(text[at:at + 110]) for at in range(0, len(text), 110))


# -- Digests -------------------------------------------------------------------------------------------


def line(text):
    stored, query = saslprep(text, False), saslprep(text, True)
    parts = ["!" if stored is None else stored, "!" if query is None else query, "+" if trace(text) else "-"]
    return "\t".join(parts) + "\n"


def samples(pool, count, longest):
    """Strings of characters from the pool, picked by a small generator that is easy to repeat elsewhere."""
    state = 1

    def pick(below):
        nonlocal state
        state = (state * 48271) % 0x7FFFFFFF
        return state % below

    for _ in range(count):
        yield "".join(chr(pool[pick(len(pool))]) for _ in range(1 + pick(longest)))


def digest(texts):
    sha = hashlib.sha256()
    for text in texts:
        sha.update(line(text).encode())
    return sha.hexdigest()


def make_samples(ranges, count, longest):
    pool = [c for first, last in ranges for c in range(first, last + 1)]
    digest_ = digest(samples(pool, count, longest))
    return {"ranges": ranges, "count": count, "longest": longest, "digest": digest_}


def make_reference():
    scalars = [c for c in CODE_POINTS if not 0xD800 <= c <= 0xDFFF]
    assert all(saslprep(chr(c), True) is None and not trace(chr(c)) for c in range(0xD800, 0xE000))
    # Where rules meet: marks, Hangul, directions, mapped, unassigned and corrected characters.
    ranges = [
        (0x20, 0x7E), (0xA0, 0xFF), (0x300, 0x362), (0x5B0, 0x5C4), (0x5D0, 0x5EA), (0x627, 0x655), (0x660, 0x669),
        (0x900, 0x970), (0x9BE, 0x9CD), (0xB3E, 0xB57), (0xBC6, 0xBCC), (0x1100, 0x1112), (0x1161, 0x1175),
        (0x11A8, 0x11C2), (0x1E00, 0x1EFF), (0x1FE8, 0x1FFE), (0x2000, 0x2070), (0x2126, 0x212B), (0x221, 0x221),
        (0x2D30, 0x2D34), (0x3041, 0x3063), (0x3099, 0x309C), (0x32FF, 0x32FF), (0xAC00, 0xAC10), (0xF900, 0xF910),
        (0xFB1D, 0xFB4F), (0xFDF0, 0xFDFC), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFF61, 0xFF9F), (0x1D157, 0x1D172),
        (0x2F868, 0x2F868), (0x2F874, 0x2F874), (0x2F91F, 0x2F91F), (0x2F95F, 0x2F95F), (0x2F9BF, 0x2F9BF),
    ]
    marks = [(0x61, 0x61), (0x300, 0x362), (0x5B0, 0x5C4), (0x64B, 0x655), (0xF71, 0xF84), (0x3099, 0x309A), (0xFF9E, 0xFF9F)]
    return {
        "note": "Made by scripts/make-stringprep-tables.py with Python's stringprep and Unicode 3.2 data. SHA-256 over one "
        "line per string: SASLprep as stored, as query ('!' refused), trace profile ('+' or '-'), with tabs between.",
        "scalars": digest(map(chr, scalars)),
        "between_letters": digest(f"a{chr(c)}\u0301" for c in scalars if c < 0x30000 or c >= 0xE0000 and c < 0xE2000),
        "samples": [make_samples(ranges, 60000, 8), make_samples(marks, 2000, 200)],
    }


def reference_text(reference):
    """One entry per line."""
    lines = (f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in reference.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


(CORE / "src/text/stringprep-tables.ts").write_text(make_tables(), encoding="utf-8")
(CORE / "test/stringprep-reference.json").write_text(reference_text(make_reference()), encoding="utf-8")
