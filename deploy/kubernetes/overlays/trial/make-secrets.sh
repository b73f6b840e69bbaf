#!/bin/sh
# Writes the secrets of a trial into the folder `secrets` beside this file, once. Needs nothing but a shell and /dev/urandom.
set -eu
cd "$(dirname "$0")"
umask 077

if [ -e secrets ]; then
    echo "the folder secrets is there already, and what is in it may be in use: nothing was changed." >&2
    exit 0
fi

secret() {
    head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

admin=$(secret) owner=$(secret) service=$(secret) valkey=$(secret)
rm -rf secrets.new
mkdir secrets.new
cat > secrets.new/postgres.env <<END
POSTGRES_PASSWORD=$admin
POSTGRES_OWNER_PASSWORD=$owner
POSTGRES_SERVICE_PASSWORD=$service
END
cat > secrets.new/valkey.env <<END
VALKEY_PASSWORD=$valkey
END
cat > secrets.new/owner.env <<END
ZEROSUM_MIGRATION_DATABASE_URL=postgresql://zerosum_owner:$owner@postgres:5432/zerosum
END
cat > secrets.new/servers.env <<END
ZEROSUM_DATABASE_URL=postgresql://zerosum_service:$service@postgres:5432/zerosum
ZEROSUM_REDIS_URL=redis://:$valkey@valkey:6379/0
ZEROSUM_MASTER_KEYS=first:$(secret)
END
cat > secrets.new/callers.env <<END
ZEROSUM_API_KEY_PEPPER=$(secret)
ZEROSUM_CURSOR_SECRET=$(secret)
ZEROSUM_METRICS_TOKEN=$(secret)
END
cp ../../../postgres/roles.sh secrets.new/roles.sh
mv secrets.new secrets
echo "the secrets are made: kubectl apply -k deploy/kubernetes/overlays/trial" >&2
