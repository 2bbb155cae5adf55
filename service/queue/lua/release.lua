-- Hands a job back: the attempt's entry is replaced by a new one, and its fence ends.
-- KEYS: job, queue
-- ARGV: job id, fence, group, "1" where the attempt does not count (a drain), the error that broke it or ""
-- Returns 1, or 0 where the attempt is no longer the job's current one.
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[2] or redis.call('HGET', KEYS[1], 'state') ~= 'running' then return 0 end
local entry = redis.call('HGET', KEYS[1], 'entry')
redis.call('XACK', KEYS[2], ARGV[3], entry)
redis.call('XDEL', KEYS[2], entry)
redis.call('HINCRBY', KEYS[1], 'fence', 1)
if ARGV[4] == '1' then redis.call('HINCRBY', KEYS[1], 'attempts', -1) end
redis.call('HSET', KEYS[1], 'state', 'queued', 'last_error', ARGV[5], 'entry', redis.call('XADD', KEYS[2], '*', 'job', ARGV[1]))
return 1
