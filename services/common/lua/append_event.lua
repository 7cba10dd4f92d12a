-- Append a message about an event to the stream of events, once, and keep the event as it leaves it.
-- KEYS: events, the event's record, index, open events, id of the newest entry that was trimmed
-- ARGV: event id, key of the message (the same for a repeated one),
--   kind: 'open', 'closed' or 'note' as the event is after it, or 'ack',
--   event without sentence, pictures and acknowledgement, sentence, frames with pictures, the same
--   frames without, acknowledgement (each serialised, or ''),
--   member of the index, opened (ms), watch and camera,
--   ms for which events are kept, how many are kept
-- Returns {outcome, id of the entry, sequence}; outcome: ADDED, DUPLICATE, OVER (the event is
-- closed), UNKNOWN (there is no event to acknowledge), ACKNOWLEDGED (by another, before).
-- Concatenated, serialised messages are one message, so parts are put together without a parser.
local MOST_AT_ONCE = 100
local RECORD, INDEX, OPEN = KEYS[2], KEYS[3], KEYS[4]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local kind, keep, most = ARGV[3], tonumber(ARGV[12]), tonumber(ARGV[13])

local function varint(number)
  local bytes = ''
  while number >= 128 do
    bytes = bytes .. string.char(number % 128 + 128)
    number = math.floor(number / 128)
  end
  return bytes .. string.char(number)
end

local before = redis.call('HGET', RECORD, 'key:' .. ARGV[2])
if before then
  return {'DUPLICATE', string.match(before, '^(%S+) (%d+)$')}
end
local old = redis.call('HMGET', RECORD, 'event', 'sentence', 'ack', 'over')
if kind == 'ack' and not old[1] then
  return {'UNKNOWN', '', '0'}
elseif kind == 'ack' and old[3] then
  return {'ACKNOWLEDGED', '', '0'}
elseif kind == 'open' and old[4] and ARGV[5] == '' then
  return {'OVER', '', '0'}
elseif kind == 'closed' and old[4] and string.sub(ARGV[2], 1, 6) == 'closed' then
  return {'OVER', '', '0'}
end

local event, sentence, ack = ARGV[4], ARGV[5], old[3] or ''
local updated = (old[1] or '') .. '\16\2'  -- as it was, but for its type (field 2)
if kind == 'ack' then
  event, ack = updated, ARGV[8]
elseif kind == 'open' and old[4] then
  event, kind = updated, 'closed'  -- a sentence that comes when it is over
end
if sentence == '' then
  sentence = old[2] or ''
end
local sequence = redis.call('HINCRBY', RECORD, 'sequence', 1)
local message = event .. sentence .. ack .. ARGV[6] .. '\176\1' .. varint(sequence)  -- field 22
local id = redis.call('XADD', KEYS[1], '*', 'e', message)
redis.call('HSET', RECORD, 'event', event, 'sentence', sentence,
  'key:' .. ARGV[2], id .. ' ' .. string.format('%.0f', sequence))
if ack ~= '' then
  redis.call('HSET', RECORD, 'ack', ack)
end
if ARGV[6] ~= '' then
  redis.call('HSET', RECORD, 'frames', ARGV[7], 'frames_at', id)
end
if kind ~= 'ack' then
  if not old[1] then
    redis.call('ZADD', INDEX, ARGV[10], ARGV[9])
  end
  if kind == 'open' then
    redis.call('HSET', OPEN, ARGV[1], ARGV[11])
  else
    redis.call('HDEL', OPEN, ARGV[1])
    redis.call('HSET', RECORD, 'over', '1')
    redis.call('PEXPIRE', RECORD, string.format('%.0f', keep))
  end
end

local function trimmed(entry)
  redis.call('SET', KEYS[5], entry[1])
end
local cut = string.format('%.0f', math.max(0, now - keep))
local last = redis.call('XREVRANGE', KEYS[1], '(' .. cut .. '-0', '-', 'COUNT', 1)
if last[1] then
  trimmed(last[1])
  redis.call('XTRIM', KEYS[1], 'MINID', cut)
end
local length = redis.call('XLEN', KEYS[1])
local excess = math.min(length - most, MOST_AT_ONCE)
if excess > 0 then
  trimmed(redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', excess)[excess])
  redis.call('XTRIM', KEYS[1], 'MAXLEN', length - excess)
end

local RECORDS = string.sub(RECORD, 1, #RECORD - #ARGV[1])
local function forget(members)
  for _, member in ipairs(members) do
    local other = string.match(member, '[^/]*$')
    redis.call('DEL', RECORDS .. other)
    redis.call('HDEL', OPEN, other)
    redis.call('ZREM', INDEX, member)
  end
end
excess = math.min(redis.call('ZCARD', INDEX) - most, MOST_AT_ONCE)
if excess > 0 then
  forget(redis.call('ZRANGE', INDEX, 0, excess - 1))
end
local aged = redis.call('ZRANGEBYSCORE', INDEX, '-inf', cut, 'LIMIT', 0, MOST_AT_ONCE)
local gone = {}
for _, member in ipairs(aged) do
  -- An event that was open for long is kept as long as its record.
  if redis.call('EXISTS', RECORDS .. string.match(member, '[^/]*$')) == 0 then
    table.insert(gone, member)
  end
end
forget(gone)
return {'ADDED', id, string.format('%.0f', sequence)}
