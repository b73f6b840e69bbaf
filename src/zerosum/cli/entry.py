"""Running the command: what is wrong with the words of a command line is told in one line, as everything else."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer

from zerosum.cli.talk import FAILED, USAGE, CommandFailed, drop_stdout, put, say, speak_any_encoding

STOPPED = 130

# Typer keeps the classes above its own to itself; which library they come from depends on its version.
UsageError: Any = typer.BadParameter.__bases__[0]
ClickError: Any = UsageError.__bases__[0]


def run(app: typer.Typer) -> None:
    """Ends the process with the command's exit code."""
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    speak_any_encoding()
    sys.exit(_exit_code(typer.main.get_command(app)))


def _exit_code(command: Any) -> int:
    try:
        if sys.stdout is None and {"--help", "--version"} & set(sys.argv[1:]):
            raise CommandFailed("stdout cannot be written: it is closed")
        code = command.main(prog_name="zerosum", standalone_mode=False)
        if sys.stdout is not None:
            put("")  # Also what has only been printed must get there.
    except ClickError as error:
        return _tell(error)
    except CommandFailed as error:
        say(f"zerosum: {error}")
        return error.exit_code
    except BrokenPipeError:
        drop_stdout()
        return 0
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        say(f"zerosum: {error.strerror or error}{where}")
        drop_stdout()
        return FAILED
    except (typer.Abort, KeyboardInterrupt):
        say("zerosum: stopped")
        return STOPPED
    return code if isinstance(code, int) else 0


def _tell(error: Any) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()  # The help itself, on stderr.
        return USAGE
    words = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    hint = f" (see {context.command_path} --help)" if context is not None else ""
    say(f"zerosum: {words}{hint}")
    return int(error.exit_code)
