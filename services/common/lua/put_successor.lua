-- Report that we prepare to take over a camera that another instance holds, or no longer do.
-- KEYS: lease    ARGV: instance, address, epoch of the holder, 'preparing', 'ready' or '', ttl in ms
-- Returns SUCCESSOR, TAKEN (another instance is the successor), or GONE (we withdrew, or the lease
-- has a new holder, which may be us).
local held = redis.call('HMGET', KEYS[1], 'instance', 'epoch', SUCCESSOR, SUCCESSOR_UNTIL_MS)
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if not held[1] or held[1] == ARGV[1] or held[2] ~= ARGV[3] then
  return 'GONE'
end
if held[3] and held[3] ~= ARGV[1] and tonumber(held[4]) > now then
  return 'TAKEN'
end
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[1], SUCCESSOR, SUCCESSOR_ADDRESS, SUCCESSOR_STATE, SUCCESSOR_UNTIL_MS)
  return 'GONE'
end
redis.call('HSET', KEYS[1], SUCCESSOR, ARGV[1], SUCCESSOR_ADDRESS, ARGV[2],
  SUCCESSOR_STATE, ARGV[4],
  SUCCESSOR_UNTIL_MS, string.format('%.0f', now + tonumber(ARGV[5])))
return 'SUCCESSOR'
