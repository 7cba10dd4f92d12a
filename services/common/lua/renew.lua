-- Extend our lease, and write the state of its holder into it.
-- KEYS: lease    ARGV: instance, epoch, ttl in ms, state, ms to keep the key
-- Returns KEPT, LOST (another instance took it), or MISSING (no lease, or one that is older than
-- ours: Redis lost its data, or an older copy of it was started).
local held = redis.call('HMGET', KEYS[1], 'instance', 'epoch')
if not held[2] or tonumber(held[2]) < tonumber(ARGV[2]) then
  return 'MISSING'
end
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then
  return 'LOST'
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HSET', KEYS[1], 'expires_ms', string.format('%.0f', now + tonumber(ARGV[3])), 'state', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 'KEPT'
