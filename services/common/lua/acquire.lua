-- Take a lease that is free, expired, or already ours, under a new epoch.
-- KEYS: lease
-- ARGV: instance, address, ttl in ms, an epoch to stay above, ms to keep the key,
--   'resume' if we hold the lease and Redis forgot it, else 'begin'
-- Returns {epoch, previous epoch}, or {0, epoch of the owner}.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 'instance', 'epoch', 'expires_ms')
local stored = tonumber(held[2] or '0')
local ours = held[1] == ARGV[1] or (not held[1] and ARGV[6] == 'resume')
if not ours and tonumber(held[3] or '0') > now then
  return {0, stored}
end
local epoch = math.max(stored + 1, now, tonumber(ARGV[4]) + 1)
redis.call('HSET', KEYS[1], 'instance', ARGV[1], 'address', ARGV[2],
  'epoch', string.format('%.0f', epoch),
  'expires_ms', string.format('%.0f', now + tonumber(ARGV[3])), 'state', 'acquired')
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return {epoch, stored}
