"""`python -m zerosum` is the `zerosum` command."""

from zerosum.cli import main

if __name__ == "__main__":
    main()
