-- Write what triggers remember of a camera, and the messages about events that follow from it, if
-- the writer still holds the camera's lease.
-- KEYS: watch-state, watch-outbox, lease:worker
-- ARGV: instance, epoch, most messages in the outbox,
--   how many states, then watch id and state ('' deletes it) of each,
--   then number and message of each message
-- Returns OK, FENCED, or FULL (nothing was written).
local held = redis.call('HMGET', KEYS[3], 'instance', 'epoch')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then
  return 'FENCED'
end
local states = tonumber(ARGV[4])
local first = 5 + 2 * states
local messages = (#ARGV - first + 1) / 2
if messages > 0 and redis.call('HLEN', KEYS[2]) + messages > tonumber(ARGV[3]) then
  return 'FULL'
end
for at = 5, first - 1, 2 do
  if ARGV[at + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[at])
  else
    redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
  end
end
for at = first, #ARGV, 2 do
  redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
end
return 'OK'
