-- Record a snapshot as the newest of its camera, if the writer still holds the camera's lease.
-- KEYS: checkpoint, lease:worker
-- ARGV: instance, epoch, entry (JSON), id of the last log entry in it, how many to keep
-- Returns FENCED, or the entries that were dropped.
local held = redis.call('HMGET', KEYS[2], 'instance', 'epoch')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then
  return 'FENCED'
end
local stored = redis.call('HGET', KEYS[1], 'snapshots')
local entries = stored and cjson.decode(stored) or {}
if entries[1] == ARGV[3] then
  return {}  -- a retry of a call that succeeded
end
table.insert(entries, 1, ARGV[3])
local dropped = {}
while #entries > tonumber(ARGV[5]) do
  table.insert(dropped, table.remove(entries))
end
redis.call('HSET', KEYS[1], 'snapshots', cjson.encode(entries), 'id', ARGV[4], 'epoch', ARGV[2])
return dropped
