#!/bin/bash
# Run once by the PostgreSQL image, on an empty volume: the owner of the tables, who migrates, and the role the service
# logs in as, which owns nothing. Migrations grant zerosum_app what the service may do. The passwords may hold any
# character: psql takes them from the environment and quotes them.
#
# In a subshell, because the image reads a script that is not executable into its own shell.
(
    set -eu
    : "${POSTGRES_OWNER_PASSWORD:?the password of the role zerosum_owner}"
    : "${POSTGRES_SERVICE_PASSWORD:?the password of the role zerosum_service}"
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv owner_password POSTGRES_OWNER_PASSWORD
\getenv service_password POSTGRES_SERVICE_PASSWORD
create role zerosum_owner login password :'owner_password';
create role zerosum_app nologin;
create role zerosum_service login password :'service_password';
-- The second one to see how long other roles' transactions are open, and how far standbys are behind.
grant zerosum_app, pg_read_all_stats to zerosum_service;
select format('alter database %I owner to zerosum_owner', current_database()) \gexec
SQL
)
