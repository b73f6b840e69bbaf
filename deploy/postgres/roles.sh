#!/bin/sh
# Run once by the PostgreSQL image on an empty volume: the role the service logs in as. It owns nothing; migrations
# grant the application role what the service may do.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set password="$ZEROSUM_SERVICE_PASSWORD" <<'SQL'
create role zerosum_app nologin;
create role zerosum_service login password :'password';
grant zerosum_app to zerosum_service;
SQL
