-- Queues a job again that has not ended but has lost its stream entry.
-- KEYS: job, queue, live
-- ARGV: job id
-- Returns 1 if queued again, else 0.
local job = redis.call('HMGET', KEYS[1], 'state', 'entry')
if job[1] ~= 'queued' and job[1] ~= 'running' then
  redis.call('ZREM', KEYS[3], ARGV[1])
  local owner = string.match(ARGV[1], '^(.+)%-')
  if owner then redis.call('SREM', 'mien:live:' .. owner, ARGV[1]) end
  return 0
end
if #redis.call('XRANGE', KEYS[2], job[2], job[2]) > 0 then return 0 end
redis.call('HINCRBY', KEYS[1], 'fence', 1)
redis.call('HSET', KEYS[1], 'state', 'queued', 'entry', redis.call('XADD', KEYS[2], '*', 'job', ARGV[1]))
return 1
