-- Erases a job in any state together with its stream entry, its events, its places on lists and its idempotency key's
-- request, lists its blobs for erasure, and leaves a tombstone (end_job.lua).
-- KEYS: job, queue, live, live_bytes, gone, events, jobs, dead, callbacks, erase, file, and the job's idempotency key
--   if it has one
-- ARGV: job id, group, tombstone ttl s, channel, now_ms
-- Returns {upload, result or ""} of the erased job, or {} if there is none.
local job = redis.call('HMGET', KEYS[1], 'state', 'upload', 'result', 'created_ms')
if not job[1] then return {} end
if job[1] == 'queued' or job[1] == 'running' then leave_queue(ARGV[1], ARGV[2]) end
redis.call('DEL', KEYS[1], KEYS[6])
redis.call('ZREM', KEYS[7], job[4] .. ':' .. ARGV[1])
redis.call('LREM', KEYS[8], 0, ARGV[1])
redis.call('ZREM', KEYS[9], ARGV[1])
redis.call('ZREM', KEYS[10], KEYS[1], KEYS[6])
redis.call('ZADD', KEYS[10], ARGV[5], job[2])
if job[3] then redis.call('ZADD', KEYS[10], ARGV[5], job[3]) end
-- If the client repeats its request, it learns that the analysis is gone, for as long as the key would have been valid.
if KEYS[12] and redis.call('HGET', KEYS[12], 'job') == ARGV[1] then
  redis.call('HSET', KEYS[12], 'erased', 1)
  redis.call('HDEL', KEYS[12], 'job', 'options', 'digest')
  redis.call('ZREM', KEYS[10], KEYS[12])
end
redis.call('HINCRBY', KEYS[11], 'erasures', 1)
redis.call('SET', KEYS[5], 'deleted', 'EX', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[1])
return {job[2], job[3] or ''}
