-- Ends a job once: only for the current fence of a job that has not ended. All of its end is one step (end_job.lua).
-- Repeated by the same attempt, the script changes nothing and returns 1 again.
-- KEYS: job, queue, live, live_bytes, gone, dead, events, callbacks, erase
-- ARGV: job id, group, now_ms, results ttl s, tombstone ttl s, events ttl s, channel, fence, state, "dead" or "",
--   then fields of the job
-- Returns 1 if this attempt's outcome is the job's, else 0.
local state = redis.call('HGET', KEYS[1], 'state')
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[8] then return 0 end
if state == 'succeeded' or state == 'failed' then return 1 end
end_job(ARGV[9], ARGV[10] == 'dead', unpack(ARGV, 11))
return 1
