-- Write fields of a camera's status, if the writer still holds its lease.
-- KEYS: status, lease    ARGV: instance, epoch, field, value, ...
local held = redis.call('HMGET', KEYS[2], 'instance', 'epoch')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
return 1
