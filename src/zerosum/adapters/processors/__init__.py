"""Outside processors: what they are asked and answer, and the kinds that are built in (docs/changing/processor.md)."""

from zerosum.adapters.processors.contract import BadCallback as BadCallback
from zerosum.adapters.processors.contract import NotSent as NotSent
from zerosum.adapters.processors.contract import Processor as Processor
from zerosum.adapters.processors.contract import ProcessorAnswer as ProcessorAnswer
from zerosum.adapters.processors.contract import ProcessorCallback as ProcessorCallback
from zerosum.adapters.processors.contract import ProcessorDispute as ProcessorDispute
from zerosum.adapters.processors.contract import ProcessorOrder as ProcessorOrder
from zerosum.adapters.processors.contract import ProcessorOutcome as ProcessorOutcome
from zerosum.adapters.processors.contract import ProcessorRefundOrder as ProcessorRefundOrder
from zerosum.adapters.processors.contract import RefundingProcessor as RefundingProcessor
from zerosum.adapters.processors.contract import WithdrawingProcessor as WithdrawingProcessor
