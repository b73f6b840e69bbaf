#!/bin/sh
# Writes compose.env out of compose.env.example, once: a fresh secret for each line that has no value. Needs nothing but a
# shell and /dev/urandom. Another port than 8080:
#   PUBLISHED_PORT=9000 sh deploy/compose/make-env.sh
set -eu
cd "$(dirname "$0")/../.."
umask 077
port=${PUBLISHED_PORT:-8080}

if [ -e compose.env ]; then
    echo "compose.env is there already, and its secrets are in use: nothing was changed." >&2
    exit 0
fi
case $port in
    *[!0-9]* | '') echo "PUBLISHED_PORT must be a number" >&2; exit 2 ;;
esac

secret() {
    head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

while IFS= read -r line; do
    case $line in
        '#'*) printf '%s\n' "$line" ;;
        *= | *=*:) printf '%s%s\n' "$line" "$(secret)" ;;
        PUBLISHED_PORT=*) printf 'PUBLISHED_PORT=%s\n' "$port" ;;
        ZEROSUM_BASE_URL=*) printf 'ZEROSUM_BASE_URL=http://127.0.0.1:%s\n' "$port" ;;
        *) printf '%s\n' "$line" ;;
    esac
done < compose.env.example > compose.env.new
mv compose.env.new compose.env

if [ -e .env ] || [ -L .env ]; then
    echo "compose.env is made. Because there is an .env already: docker compose --env-file compose.env up" >&2
else
    ln -s compose.env .env
    echo "compose.env is made, and .env is a link to it: docker compose up" >&2
fi
