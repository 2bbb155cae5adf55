-- Erases a job in any state, its stream entry and its events with it, and leaves a tombstone.
-- KEYS: job, queue, live, live_bytes, gone, events, jobs
-- ARGV: job id, group, tombstone ttl s, channel
-- Returns {upload, result or ""} of the erased job, or {} where there is none.
local job = redis.call('HMGET', KEYS[1], 'state', 'entry', 'bytes', 'upload', 'result', 'created_ms')
if not job[1] then return {} end
if job[1] == 'queued' or job[1] == 'running' then
  redis.call('XACK', KEYS[2], ARGV[2], job[2])
  redis.call('XDEL', KEYS[2], job[2])
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('DECRBY', KEYS[4], job[3])
end
redis.call('DEL', KEYS[1], KEYS[6])
redis.call('ZREM', KEYS[7], job[6] .. ':' .. ARGV[1])
redis.call('SET', KEYS[5], 'deleted', 'EX', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[1])
return {job[4], job[5] or ''}
