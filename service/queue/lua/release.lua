-- Hands a job back: increments the fence and moves the entry to the consumer `released`, as a rule with an expired lease,
-- so that the next free worker claims it before new jobs.
-- KEYS: job, queue
-- ARGV: job id, fence, group, "1" if the attempt does not count (a drain), the error that broke it or "", the consumer
--   of released entries, milliseconds that its lease counts as having run
-- Returns 1, or 0 if the attempt is not the job's current one.
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[2] or redis.call('HGET', KEYS[1], 'state') ~= 'running' then return 0 end
redis.call('XCLAIM', KEYS[2], ARGV[3], ARGV[6], 0, redis.call('HGET', KEYS[1], 'entry'), 'IDLE', ARGV[7], 'JUSTID')
redis.call('HINCRBY', KEYS[1], 'fence', 1)
if ARGV[4] == '1' then redis.call('HINCRBY', KEYS[1], 'attempts', -1) end
redis.call('HSET', KEYS[1], 'state', 'queued', 'last_error', ARGV[5])
return 1
