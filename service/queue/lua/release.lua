-- Hands a job back: its fence ends, and its entry goes to nobody with a lease that has run out, so that the next worker
-- with room takes it over, before those that have not begun yet: who watches it does not wait for all of these.
-- KEYS: job, queue
-- ARGV: job id, fence, group, "1" where the attempt does not count (a drain), the error that broke it or "", consumer
--   that stands for nobody, milliseconds that are longer than any lease
-- Returns 1, or 0 where the attempt is no longer the job's current one.
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[2] or redis.call('HGET', KEYS[1], 'state') ~= 'running' then return 0 end
redis.call('XCLAIM', KEYS[2], ARGV[3], ARGV[6], 0, redis.call('HGET', KEYS[1], 'entry'), 'IDLE', ARGV[7], 'JUSTID')
redis.call('HINCRBY', KEYS[1], 'fence', 1)
if ARGV[4] == '1' then redis.call('HINCRBY', KEYS[1], 'attempts', -1) end
redis.call('HSET', KEYS[1], 'state', 'queued', 'last_error', ARGV[5])
return 1
