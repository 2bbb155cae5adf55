-- Erases a job in any state together with its stream entry and its events, and leaves a tombstone (end_job.lua).
-- KEYS: job, queue, live, live_bytes, gone, events, jobs
-- ARGV: job id, group, tombstone ttl s, channel
-- Returns {upload, result or ""} of the erased job, or {} where there is none.
local job = redis.call('HMGET', KEYS[1], 'state', 'upload', 'result', 'created_ms')
if not job[1] then return {} end
if job[1] == 'queued' or job[1] == 'running' then leave_queue(ARGV[1], ARGV[2]) end
redis.call('DEL', KEYS[1], KEYS[6])
redis.call('ZREM', KEYS[7], job[4] .. ':' .. ARGV[1])
redis.call('SET', KEYS[5], 'deleted', 'EX', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[1])
return {job[2], job[3] or ''}
