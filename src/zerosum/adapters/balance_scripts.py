"""What happens to the copies of balances inside Redis, in Lua. `balance_cache.py` says why.

    (absent)                            nobody has read the account lately
    R<token>                            a reader is fetching it from PostgreSQL; only that reader may fill it
    M<floor>|<token>@<until>,…          writers are changing it; each has its own mark, which expires by itself
    V<version> <ledger> <account> …     the balances at that version, from `balance_text.py`

`floor` is the newest version that was stored while marks stood there: no older one may be written when the last mark is
lifted. All keys carry the epoch, a random text; where it is missing (after a flush, say) a new one is made, so that
nothing from before can be met again. A key of a wrong type is nobody's and is removed.
"""

from __future__ import annotations

from zerosum.adapters.redis import Script

MARKS_MAX = 32
"""On one account. The oldest are forgotten first, which is as harmless as a flush."""

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

_BEGIN_MARKS = (
    _BEGIN
    + """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function marks_of_others(text, mine)
    local others, is_mine = {}, false
    for token, ends in string.gmatch(text, '(%x+)@(%d+)') do
        if token == mine then is_mine = true
        elseif tonumber(ends) > now then others[#others + 1] = token .. '@' .. ends end
    end
    return others, is_mine
end
local function floor_of(text)
    return tonumber(string.match(text, '^M(%d+)|')) or 0
end
"""
)

# Arguments: token, milliseconds, then the accounts.
MARK = Script(
    _BEGIN_MARKS
    + f"""
local mark = ARGV[2] .. '@' .. string.format('%d', now + ARGV[3])
for index = 4, #ARGV do
    local key = prefix .. ARGV[index]
    local present = get(key)
    local text = 'M0|' .. mark
    if present and string.sub(present, 1, 1) == 'M' then
        local marks = marks_of_others(present, '')
        table.insert(marks, 1, mark)
        text = 'M' .. string.format('%d', floor_of(present)) .. '|' .. table.concat(marks, ',', 1, math.min(#marks, {MARKS_MAX}))
    end
    redis.call('SET', key, text, 'PX', ARGV[3])
end
return {{ARGV[1]}}
"""  # noqa: E501 - one line of Lua
)

# Arguments: token, milliseconds, then account, version and value for each; both empty where a mark is only lifted.
STORE = Script(
    _BEGIN_MARKS
    + """
for index = 4, #ARGV, 3 do
    local key = prefix .. ARGV[index]
    local version, value = tonumber(ARGV[index + 1]), ARGV[index + 2]
    local present = get(key)
    local state = present and string.sub(present, 1, 1)
    if state == 'M' then
        local others, is_mine = marks_of_others(present, ARGV[2])
        local floor = math.max(floor_of(present), version or 0)
        if #others > 0 or not is_mine then
            local text = 'M' .. string.format('%d', floor) .. '|' .. table.concat(others, ',')
            redis.call('SET', key, text, 'KEEPTTL')
        elseif version == floor then
            redis.call('SET', key, value, 'PX', ARGV[3])
        else
            redis.call('DEL', key)
        end
    elseif present and version then
        local known = state == 'V' and tonumber(string.match(present, '^V(%d+) '))
        if not known then
            redis.call('DEL', key)
        elseif known < version then
            redis.call('SET', key, value, 'PX', ARGV[3])
        end
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
if not present or not string.find(present, '^[MRV]') then
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
