-- Take a lease that is free, unattended, or already ours, under a new epoch.
-- KEYS: lease, aside (exists while the lease is kept for a holder that Redis forgot), status
-- ARGV: instance, address, ttl in ms, an epoch that the new one exceeds, ms to keep the key,
--   'resume' if we hold the lease and Redis forgot it, else 'begin',
--   epoch and expiry of an owner that has not renewed for a full TTL, or '' and '',
--   the field of the status that only an owner of this role writes
-- Returns {epoch, previous epoch}, or {0, epoch of the owner}.
-- Redis's clock may be stepped, so it does not decide whether an owner still renews.
-- The claimant has watched the lease; it must not have changed since.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 'instance', 'epoch', 'expires_ms')
local stored, above = tonumber(held[2] or '0'), tonumber(ARGV[4])
if not held[2] and not held[3] and ARGV[6] ~= 'resume' then
  -- Either this lease was never held, or Redis lost it and its holder does not know yet.
  local status = redis.pcall('HMGET', KEYS[3], ARGV[9])
  if not status.err and status[1] then
    redis.call('HSET', KEYS[1], 'expires_ms', string.format('%.0f', now + tonumber(ARGV[3])))
    redis.call('PEXPIRE', KEYS[1], ARGV[5])
    return {0, 0}
  end
end
local free = not held[1] and tonumber(held[3] or '0') <= now and redis.call('EXISTS', KEYS[2]) == 0
local unattended = held[1] and held[2] == ARGV[7] and held[3] == ARGV[8]
-- An older copy of Redis, made before we took the lease, names the owner of that time.
local forgotten = ARGV[6] == 'resume' and (not held[1] or stored < above)
if not (free or unattended or forgotten or held[1] == ARGV[1]) then
  return {0, stored}
end
local epoch = math.max(stored + 1, now, above + 1)
redis.call('HSET', KEYS[1], 'instance', ARGV[1], 'address', ARGV[2],
  'epoch', string.format('%.0f', epoch),
  'expires_ms', string.format('%.0f', now + tonumber(ARGV[3])), 'state', 'acquired')
redis.call('HDEL', KEYS[1], SUCCESSOR, SUCCESSOR_ADDRESS, SUCCESSOR_STATE, SUCCESSOR_UNTIL_MS)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return {epoch, stored}
