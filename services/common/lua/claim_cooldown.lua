-- Whether an event of a watch may open: not within the cooldown of the last one that was
-- opened, before or after it, because cameras' clocks differ.
-- KEYS[1]: when the last one was opened (ms of capture time)
-- ARGV[1]: capture time now (ms), ARGV[2]: the cooldown (ms)
local at, cooldown = tonumber(ARGV[1]), tonumber(ARGV[2])
local last = tonumber(redis.call('GET', KEYS[1]) or '')
if last and math.abs(at - last) < cooldown then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', cooldown)
return 1
