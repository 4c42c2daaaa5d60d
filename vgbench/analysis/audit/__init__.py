"""May a protocol judge methods? Its tasks without a trained model, and the records of recipes on them, against rules.

`audit` makes the record, `vgbench.analysis.audit.rules` has the rules.
"""

from vgbench.analysis.audit.rules import RULES, Rule
from vgbench.analysis.audit.run import audit

__all__ = ["RULES", "Rule", "audit"]
