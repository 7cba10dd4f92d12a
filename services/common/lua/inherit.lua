-- Say that we make ready to be handed a camera that another instance holds, or that we do not.
-- KEYS: lease    ARGV: instance, address, epoch of the holder, 'preparing' or 'ready' or '', ttl in ms
-- Returns HEIR, TAKEN (another one makes ready), or GONE (the holder is another one now, or we are).
local held = redis.call('HMGET', KEYS[1], 'instance', 'epoch', 'heir', 'heir_until_ms')
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if not held[1] or held[1] == ARGV[1] or held[2] ~= ARGV[3] then
  return 'GONE'
end
if held[3] and held[3] ~= ARGV[1] and tonumber(held[4]) > now then
  return 'TAKEN'
end
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[1], 'heir', 'heir_address', 'heir_state', 'heir_until_ms')
  return 'GONE'
end
redis.call('HSET', KEYS[1], 'heir', ARGV[1], 'heir_address', ARGV[2], 'heir_state', ARGV[4],
  'heir_until_ms', string.format('%.0f', now + tonumber(ARGV[5])))
return 'HEIR'
