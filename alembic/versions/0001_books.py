"""The books: ledgers, accounts, the journal with its guards, payments, events, keys.

Revision: 0001, the first. It needs a role that may create roles, or an existing role `zerosum_app`.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = {
    "ledgers": """
        ledger_id uuid not null,
        name text not null,
        created_at timestamptz not null,
        constraint ledgers_pkey primary key (ledger_id)
    """,
    "currencies": """
        ledger_id uuid not null,
        code text not null,
        exponent smallint not null,
        name text not null,
        created_at timestamptz not null,
        constraint currencies_pkey primary key (ledger_id, code),
        constraint currencies_exponent_in_range check (exponent between 0 and 18)
    """,
    "accounts": """
        ledger_id uuid not null,
        id uuid not null,
        version bigint not null,
        code text not null,
        name text,
        currency text not null,
        type text not null,
        status text not null,
        overdrawn boolean default false not null,
        posted_debits numeric not null,
        posted_credits numeric not null,
        held numeric not null,
        min_available numeric,
        max_available numeric,
        head bytea not null,
        created_at timestamptz not null,
        metadata jsonb,
        constraint accounts_pkey primary key (ledger_id, id),
        constraint accounts_code_unique unique (ledger_id, code),
        constraint accounts_type_known check (type in ('asset', 'liability', 'equity', 'revenue', 'expense')),
        constraint accounts_status_known check (status in ('open', 'frozen', 'closed')),
        constraint accounts_version_not_negative check (version >= 0),
        constraint accounts_totals_not_negative check (posted_debits >= 0 and posted_credits >= 0 and held >= 0),
        constraint accounts_available_above_floor check (
            min_available is null or overdrawn
            or (case when type in ('asset', 'expense') then posted_debits - posted_credits
                else posted_credits - posted_debits end) - held >= min_available
        ),
        constraint accounts_limits_ordered check (min_available <= max_available)
    """,
    "journal_entries": """
        ledger_id uuid not null,
        id uuid not null,
        effective_at timestamptz not null,
        posted_at timestamptz not null,
        idempotency_key text not null,
        fingerprint bytea not null,
        resource_type text not null,
        resource_id text,
        reason text not null,
        actor text not null,
        reverses uuid,
        metadata jsonb,
        constraint journal_entries_pkey primary key (ledger_id, id),
        constraint journal_entries_idempotency_key_unique unique (ledger_id, idempotency_key)
    """,
    "postings": """
        ledger_id uuid not null,
        account_id uuid not null,
        account_version bigint not null,
        entry_id uuid not null,
        effective_at timestamptz not null,
        posted_at timestamptz not null,
        place smallint not null,
        side "char" not null,
        layer "char" not null,
        releases boolean not null,
        currency text not null,
        amount numeric not null,
        balance_after numeric not null,
        held_after numeric not null,
        hash bytea not null,
        constraint postings_pkey primary key (ledger_id, account_id, account_version),
        constraint postings_amount_positive check (amount > 0),
        constraint postings_held_not_negative check (held_after >= 0),
        constraint postings_side_known check (side in ('d', 'c')),
        constraint postings_layer_known check (layer in ('p', 'h'))
    """,
    "payments": """
        ledger_id uuid not null,
        id uuid not null,
        type text not null,
        status text not null,
        currency text not null,
        amount numeric not null,
        payer_id uuid not null,
        payee_id uuid not null,
        processor text not null,
        reference text,
        description text,
        constraint payments_pkey primary key (ledger_id, id),
        constraint payments_amount_positive check (amount > 0),
        constraint payments_two_accounts check (payer_id <> payee_id)
    """,
    "refusals": """
        ledger_id uuid not null,
        idempotency_key text not null,
        fingerprint bytea not null,
        problem jsonb not null,
        created_at timestamptz not null,
        constraint refusals_pkey primary key (ledger_id, idempotency_key)
    """,
    "events": """
        ledger_id uuid not null,
        xid xid8 default pg_current_xact_id() not null,
        id uuid not null,
        created_at timestamptz not null,
        type text not null,
        resource_type text not null,
        resource_id uuid,
        data jsonb,
        constraint events_pkey primary key (ledger_id, xid, id)
    """,
    "api_keys": """
        ledger_id uuid not null,
        id uuid not null,
        name text not null,
        scopes text[] not null,
        secret_hash bytea not null,
        created_at timestamptz not null,
        expires_at timestamptz,
        revoked_at timestamptz,
        constraint api_keys_pkey primary key (ledger_id, id)
    """,
    "data_keys": """
        ledger_id uuid not null,
        id uuid not null,
        master_key_id text not null,
        wrapped_key text not null,
        created_at timestamptz not null,
        constraint data_keys_pkey primary key (ledger_id, id)
    """,
    "signing_keys": """
        ledger_id uuid not null,
        id text not null,
        algorithm text not null,
        public_jwk jsonb not null,
        sealed_private_key text not null,
        created_at timestamptz not null,
        activates_at timestamptz not null,
        expires_at timestamptz not null,
        constraint signing_keys_pkey primary key (ledger_id, id)
    """,
}

GRANTS = {
    "ledgers": "insert",
    "currencies": "insert",
    "accounts": "insert, update (version, name, status, overdrawn, posted_debits, posted_credits, held, "
    "min_available, max_available, head, metadata)",
    "journal_entries": "insert",
    "postings": "insert",
    "payments": "insert, update (status)",
    "refusals": "insert",
    "events": "insert",
    "api_keys": "insert, update (revoked_at)",
    "data_keys": "insert, update (master_key_id, wrapped_key)",
    "signing_keys": "insert, update (expires_at, sealed_private_key), delete",
}

CHECK_POSTINGS = """
create function zerosum_check_postings() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if exists (
        select from new_postings
        group by ledger_id, entry_id, currency, layer, releases
        having sum(case side when 'd' then amount else -amount end) <> 0
    ) then
        raise exception 'a journal entry does not balance'
            using errcode = 'check_violation', constraint = 'postings_balance';
    end if;
    if exists (
        select from (
            select (
                select account.version = last.account_version
                   and account.currency = last.lowest_currency and account.currency = last.highest_currency
                   and account.head = last.hash and account.held = last.held_after
                   and last.balance_after = case when account.type in ('asset', 'expense')
                       then account.posted_debits - account.posted_credits
                       else account.posted_credits - account.posted_debits end
                from accounts account
                where account.ledger_id = last.ledger_id and account.id = last.account_id
            ) and last.account_version - last.first_version = last.number - 1
              and (last.first_version = 1 or (
                select true from postings before
                where before.ledger_id = last.ledger_id and before.account_id = last.account_id
                  and before.account_version = last.first_version - 1
            )) as fits
            from (
                select distinct on (ledger_id, account_id)
                    ledger_id, account_id, account_version, balance_after, held_after, hash,
                    min(currency) over of_account as lowest_currency, max(currency) over of_account as highest_currency,
                    min(account_version) over of_account as first_version, count(*) over of_account as number
                from new_postings
                window of_account as (partition by ledger_id, account_id)
                order by ledger_id, account_id, account_version desc
            ) last
        ) checked
        where fits is not true
    ) then
        raise exception 'a posting does not fit its account'
            using errcode = 'check_violation', constraint = 'postings_fit_account';
    end if;
    return null;
end
$$
"""

REFUSE_CHANGE = """
create function zerosum_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the journal is only ever added to: % on % is refused', tg_op, tg_table_name
        using errcode = 'insufficient_privilege';
end
$$
"""

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)
OPERATOR_IS_SET = "(select current_setting('zerosum.operator', true)) = 'on'"


def upgrade() -> None:
    op.execute(
        "do $$ begin if not exists (select from pg_roles where rolname = 'zerosum_app') then "
        "create role zerosum_app nologin; end if; "
        # Roles are the server's: another of its databases may be migrated at this moment.
        "exception when duplicate_object or unique_violation then null; end $$"
    )
    for name, columns in TABLES.items():
        op.execute(f"create table {name} ({columns})")
    # Room for updates on the same page: balances change all the time and no indexed column ever does.
    op.execute("alter table accounts set (fillfactor = 70)")
    op.execute(
        "create unique index journal_entries_reverses_unique on journal_entries (ledger_id, reverses) "
        "where reverses is not null"
    )
    op.execute("create index postings_entry on postings (ledger_id, entry_id)")

    op.execute(CHECK_POSTINGS)
    op.execute(REFUSE_CHANGE)
    op.execute(
        "create trigger postings_checked after insert on postings referencing new table as new_postings "
        "for each statement execute function zerosum_check_postings()"
    )
    for name in ("journal_entries", "postings", "refusals"):
        op.execute(
            f"create trigger {name}_unchanged before update or delete or truncate on {name} "
            "for each statement execute function zerosum_refuse_change()"
        )
    for name in TABLES:
        rule = f"{LEDGER_IS_SET} or {OPERATOR_IS_SET}" if name in ("ledgers", "api_keys") else LEDGER_IS_SET
        op.execute(f"alter table {name} enable row level security")
        op.execute(f"alter table {name} force row level security")
        op.execute(f"create policy {name}_by_ledger on {name} using ({rule}) with check ({rule})")
        op.execute(f"grant select, {GRANTS[name]} on {name} to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    for name in reversed(TABLES):
        op.execute(f"drop table {name}")
    op.execute("drop function zerosum_check_postings()")
    op.execute("drop function zerosum_refuse_change()")
    # The role stays: other databases of the same server may use it.
