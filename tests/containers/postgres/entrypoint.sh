#!/bin/bash
# What docker-compose.yml expects of the official image: the variables POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB and
# POSTGRES_INITDB_ARGS; on an empty volume, scripts of /docker-entrypoint-initdb.d against a server that listens on its
# socket only; then the server, on all addresses, under an account of its own.
set -Eeuo pipefail

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chown -R postgres: "$PGDATA" /var/run/postgresql
    chmod 0700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

export PGHOST=/var/run/postgresql
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    : "${POSTGRES_PASSWORD:?the password of the administrator}"
    # Several words are meant.
    # shellcheck disable=SC2086
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --pgdata="$PGDATA" ${POSTGRES_INITDB_ARGS-}
    printf '\nhost all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"
    pg_ctl --pgdata="$PGDATA" -o "-c listen_addresses= -c unix_socket_directories=$PGHOST" --wait start
    export PGPASSWORD="$POSTGRES_PASSWORD"
    if [ "$POSTGRES_DB" != postgres ]; then
        psql --username "$POSTGRES_USER" --dbname postgres --set db="$POSTGRES_DB" <<<'create database :"db";'
    fi
    for script in /docker-entrypoint-initdb.d/*; do
        case $script in
            *.sh) if [ -x "$script" ]; then "$script"; else source "$script"; fi ;;
            *.sql) psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --file "$script" ;;
        esac
    done
    unset PGPASSWORD
    pg_ctl --pgdata="$PGDATA" --mode=fast --wait stop
fi

exec "$@" -c listen_addresses='*' -c unix_socket_directories="$PGHOST"
