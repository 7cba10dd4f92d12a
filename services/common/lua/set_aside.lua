-- Keep a lease that Redis forgot from everyone but its holder, until it has run out.
-- KEYS: lease    ARGV: ttl in ms
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HSET', KEYS[1], 'expires_ms', string.format('%.0f', now + tonumber(ARGV[1])), 'state', 'set aside')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
