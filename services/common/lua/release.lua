-- Give a lease back. Its epoch stays, so that the next one is higher.
-- KEYS: lease    ARGV: instance, epoch
local held = redis.call('HMGET', KEYS[1], 'instance', 'epoch')
if held[1] == ARGV[1] and held[2] == ARGV[2] then
  redis.call('HDEL', KEYS[1], 'instance', 'address')
  redis.call('HSET', KEYS[1], 'expires_ms', '0', 'state', 'released')
  return 1
end
return 0
