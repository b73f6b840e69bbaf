#!/bin/sh
# Makes the first ledger, once: its credentials are written into a file that only their owner can read. Run again it
# finds the file and does nothing.
#   first-ledger.sh NAME FILE
set -eu
umask 077
name=$1
file=$2

if [ -s "$file" ]; then
    echo "zerosum: the credentials are in $file already" >&2
    exit 0
fi
if zerosum ledgers create "$name" > "$file.new"; then
    mv "$file.new" "$file"
    echo "zerosum: the credentials of the ledger '$name' are in $file" >&2
else
    code=$?
    rm -f "$file.new"
    exit "$code"
fi
