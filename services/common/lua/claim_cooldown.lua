-- Whether an event of a watch may open: not within the cooldown of the last one that was
-- opened, before or after it, because cameras' clocks differ. A claim of the same camera that
-- no event followed does not count: its owner ended before it wrote the event.
-- KEYS[1]: when the last one was opened (ms of capture time), and of which camera
-- ARGV[1]: capture time now (ms), ARGV[2]: the cooldown (ms), ARGV[3]: the camera,
-- ARGV[4]: when the camera's own last event was opened (ms), or ''
local at, cooldown = tonumber(ARGV[1]), tonumber(ARGV[2])
local last, camera = string.match(redis.call('GET', KEYS[1]) or '', '^(%-?%d+) ?(.*)$')
last = tonumber(last or '')
local unused = camera == ARGV[3] and last ~= tonumber(ARGV[4])
if last and not unused and math.abs(at - last) < cooldown then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[3], 'PX', cooldown)
return 1
