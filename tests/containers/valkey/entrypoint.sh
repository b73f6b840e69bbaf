#!/bin/sh
# What docker-compose.yml expects of the official image: as root, the server is started under an account of its own.
set -e

if [ "${1#-}" != "$1" ]; then
    set -- valkey-server "$@"
fi
if [ "$1" = valkey-server ] && [ "$(id -u)" = 0 ]; then
    chown 999:1000 .
    exec setpriv --reuid=999 --regid=1000 --clear-groups "$0" "$@"
fi
exec "$@"
