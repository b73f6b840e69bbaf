"""Rules as a file describes them, those that ask outside among them (docs/RULES.md, docs/changing/rule.md)."""

from zerosum.adapters.rules.contract import RulePayment as RulePayment
from zerosum.adapters.rules.contract import RuleVerdict as RuleVerdict
from zerosum.adapters.rules.contract import allow as allow
from zerosum.adapters.rules.contract import refuse as refuse
from zerosum.adapters.rules.contract import review as review
