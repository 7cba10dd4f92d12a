-- Append a chunk to a camera's frame log, if the writer still holds the decoder lease.
-- KEYS: frames, lease:decoder    ARGV: instance, epoch, id, min id or '', payload
-- Returns OK, DUPLICATE (the same entry was added before: a retry), FENCED, or BEHIND <last id>.
local held = redis.call('HMGET', KEYS[2], 'instance', 'epoch')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then
  return 'FENCED'
end

local function last_id()
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      return info[i + 1]
    end
  end
end

local added = redis.pcall('XADD', KEYS[1], ARGV[3], 'c', ARGV[5])
if type(added) == 'table' and added.err and string.find(added.err, 'equal or smaller', 1, true) then
  local there = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3], 'COUNT', 1)[1]
  local last = last_id()
  -- The last entry can be missing: the call that added it also trimmed it.
  if (there and there[2][2] == ARGV[5]) or (not there and last == ARGV[3]) then
    return 'DUPLICATE'
  end
  return 'BEHIND ' .. last
end
if ARGV[4] ~= '' then
  -- Also after an error: this makes room in a Redis that is full.
  redis.call('XTRIM', KEYS[1], 'MINID', ARGV[4])
end
if type(added) == 'table' and added.err then
  return redis.error_reply(added.err)
end
return 'OK'
