-- Renews the lease of an attempt that is still the job's current one, and says whether it is.
-- XCLAIM with JUSTID resets the entry's idle time and leaves its delivery count.
-- KEYS: job, queue
-- ARGV: fence, group, consumer
-- Returns 1, or 0 if the job ended, was erased or has another attempt.
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] or redis.call('HGET', KEYS[1], 'state') ~= 'running' then return 0 end
redis.call('XCLAIM', KEYS[2], ARGV[2], ARGV[3], 0, redis.call('HGET', KEYS[1], 'entry'), 'JUSTID')
return 1
