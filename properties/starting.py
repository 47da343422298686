"""The first lines of an analysis: what `elbound new NAME` writes."""

import keyword
from pathlib import Path

from elbound.properties.analysis import BadInput

TEMPLATE = '''"""The importance-weighted bound with K samples misses at least chi2 / (2 K w_max) of the log-evidence.

The first line is the claim in words; the report shows it.

    elbound check {name}.py             judge it
    pytest {name}.py                    the same, as tests
    elbound list settings               other situations to speak about
    elbound show iwae                   the letters, facts and experiments of this one
"""

from sympy import Ge

from elbound.theory.claim import Claim
from elbound.theory.settings import IWAE, WEIGHT_BOUNDED
from elbound.theory.symbols import K, chi2, gap, w_max

# Letters are sympy symbols, so a bound is written as on paper; sums over steps are total(...) of the settings module.
bound = chi2 / (2 * K * w_max)

# One claim per name: a setting, a relation <=, >= or =, and what it assumes, relations or facts of the setting.
BOUND = Claim(
    IWAE,
    Ge(gap[K], bound),
    assuming=(WEIGHT_BOUNDED,),
    # Mistakes a proof might contain. Each must be refuted, or the bound is not as sharp as it looks.
    wrong={{"w_max forgotten": Ge(gap[K], chi2 / (2 * K))}},
)

# A situation of your own is a Setting, measured by an Experiment that this file defines as well; their classes say how:
#     from elbound.theory.claim import Setting
#     from elbound.properties.experiment import Experiment, Exact, Situation
# Its letters: quantity("x", "its meaning", r"\\xi", real=True), or curve(...) with an index, of theory.symbols.
# Your experiment on a setting of the catalogue is judged by those of its claims that this file imports, or names:
#     JUDGED_BY = ("estimators/unbiased",)
'''


def write_new(name: str, folder: Path) -> Path:
    """Writes NAME.py, a commented analysis that runs. Raises BadInput for a name that cannot be or is taken."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise BadInput(f"name {name!r}: allowed: a Python identifier, such as my_analysis, without .py")
    path = folder / f"{name}.py"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE.format(name=name))
    except FileExistsError:
        raise BadInput(f"name {name!r}: {path} is there already, and is not overwritten; choose another name") from None
    return path
