-- Give a lease back. Its epoch stays, so that the next one is higher.
-- 'forget' deletes it altogether: its camera was removed.
-- KEYS: lease    ARGV: instance, epoch, 'forget' or 'keep'
local held = redis.call('HMGET', KEYS[1], 'instance', 'epoch')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then
  return 0
end
if ARGV[3] == 'forget' then
  redis.call('DEL', KEYS[1])
else
  redis.call('HDEL', KEYS[1], 'instance', 'address',
    SUCCESSOR, SUCCESSOR_ADDRESS, SUCCESSOR_STATE, SUCCESSOR_UNTIL_MS)
  redis.call('HSET', KEYS[1], 'expires_ms', '0', 'state', 'released')
end
return 1
