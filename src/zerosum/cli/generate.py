"""`zerosum generate`: a client file made up for trying things out."""

from __future__ import annotations

from zerosum.cli.talk import FAILED, USAGE, CommandFailed, drop_stdout, results, told_plainly
from zerosum.ingest.client_files.sample import SamplePlan, sample_file


@told_plainly
def run_generate(plan: SamplePlan) -> int:
    if sum(plan.shares) > 1:
        raise CommandFailed("the shares are more than 1 together", USAGE)
    try:
        out = results()
        for chunk in sample_file(plan):
            out.write(chunk)
        out.flush()
    except BrokenPipeError:
        drop_stdout()
    except OSError as error:
        drop_stdout()
        raise CommandFailed(f"stdout cannot be written: {error.strerror}", FAILED) from None
    return 0
