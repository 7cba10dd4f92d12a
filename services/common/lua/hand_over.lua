-- Make the heir of a lease its holder, under a new epoch.
-- KEYS: lease    ARGV: instance, epoch, heir, ttl in ms
-- Returns GIVEN, KEPT (that heir is not ready any more), or LOST (it was not ours to give).
local held = redis.call('HMGET', KEYS[1], 'instance', 'epoch',
  'heir', 'heir_address', 'heir_state', 'heir_until_ms')
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
redis.call('HDEL', KEYS[1], 'heir', 'heir_address', 'heir_state', 'heir_until_ms')
return 'GIVEN'
