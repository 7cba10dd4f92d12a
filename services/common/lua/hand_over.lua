-- Make the successor the holder of a lease, under a new epoch.
-- KEYS: lease    ARGV: instance, epoch, successor, ttl in ms
-- Returns GIVEN, KEPT (the successor is no longer ready), or LOST (the lease is not ours).
local held = redis.call('HMGET', KEYS[1], 'instance', 'epoch',
  SUCCESSOR, SUCCESSOR_ADDRESS, SUCCESSOR_STATE, SUCCESSOR_UNTIL_MS)
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then
  return 'LOST'
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if held[3] ~= ARGV[3] or held[5] ~= 'ready' or tonumber(held[6]) <= now then
  return 'KEPT'
end
redis.call('HSET', KEYS[1], 'instance', held[3], 'address', held[4],
  'epoch', string.format('%.0f', math.max(tonumber(held[2]) + 1, now)),
  'expires_ms', string.format('%.0f', now + tonumber(ARGV[4])), 'state', 'handed over')
redis.call('HDEL', KEYS[1], SUCCESSOR, SUCCESSOR_ADDRESS, SUCCESSOR_STATE, SUCCESSOR_UNTIL_MS)
return 'GIVEN'
