"""What happens to the copies of balances inside Redis, in Lua. `balance_cache.py` says why.

    (absent)                            nobody has read the account lately
    R<token>                            a reader is fetching it from PostgreSQL; only that reader may fill it
    V<version> <ledger> <account> …     the balances at that version, from `balance_text.py`

Whatever lies under a key ends a fixed time after the lease it began with, however often it is refreshed. All keys carry
the epoch, a random text; where it is missing (after a flush, say) a new one is made, so that nothing from before can be
met again. A key of a wrong type is nobody's and is removed.
"""

from __future__ import annotations

from zerosum.adapters.redis import Script

_BEGIN = """
local function get(key)
    local text = redis.pcall('GET', key)
    if type(text) ~= 'table' then return text end
    redis.call('DEL', key)
    return false
end
local epoch = get(KEYS[1])
if not epoch then
    epoch = ARGV[1]
    redis.call('SET', KEYS[1], epoch)
end
local prefix = KEYS[1] .. ':' .. epoch .. ':'
"""

# Arguments: the accounts. Those of them under which anything lies.
FIND = Script(
    _BEGIN
    + """
local keys = {}
for index = 2, #ARGV do keys[index - 1] = prefix .. ARGV[index] end
local found = {ARGV[1]}
for index, present in ipairs(redis.call('MGET', unpack(keys))) do
    if present then found[#found + 1] = ARGV[index + 1] end
end
return found
"""
)

# Arguments: account, version and value for each; the last two empty where there is no value. What is older is
# replaced, what is no value (a reader's lease, nonsense) is removed, and where there is nothing, nothing is put.
STORE = Script(
    _BEGIN
    + """
for index = 2, #ARGV, 3 do
    local key = prefix .. ARGV[index]
    local version = tonumber(ARGV[index + 1])
    local present = get(key)
    local known = present and tonumber(string.match(present, '^V(%d+) %x+ %x+ [%-%.%d]+ [%-%.%d]+ [%-%.%d]+ %d+$'))
    if present and not (version and known and redis.call('PTTL', key) > 0) then
        redis.call('DEL', key)
    elseif present and known < version then
        redis.call('SET', key, ARGV[index + 2], 'KEEPTTL')
    end
end
return {ARGV[1]}
"""
)

# Arguments: account, token, milliseconds. What is there; where there is nothing, it is leased to this reader.
READ = Script(
    _BEGIN
    + """
local key = prefix .. ARGV[2]
local present = get(key)
if not present or not string.find(present, '^[RV]') then
    redis.call('SET', key, 'R' .. ARGV[3], 'PX', ARGV[4])
    present = false
end
return {ARGV[1], present}
"""
)

# Arguments: account, token, value, its milliseconds, those of the lease. The value's time runs from the lease on,
# since it may be as old as that.
FILL = Script(
    _BEGIN
    + """
local key = prefix .. ARGV[2]
if get(key) == 'R' .. ARGV[3] then
    local elapsed = ARGV[6] - redis.call('PTTL', key)
    redis.call('SET', key, ARGV[4], 'PX', math.max(1, ARGV[5] - elapsed))
end
return {ARGV[1]}
"""
)

RAISE_EPOCH = Script("""
redis.call('SET', KEYS[1], ARGV[1])
return {ARGV[1]}
""")
