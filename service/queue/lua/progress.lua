-- Notes how far an attempt has come, if it is still the job's current one.
-- KEYS: job
-- ARGV: fence, done_s, total_s ("" where unknown)
-- Returns 1, or 0 where the job ended, was erased or went to another attempt.
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] or redis.call('HGET', KEYS[1], 'state') ~= 'running' then return 0 end
redis.call('HSET', KEYS[1], 'done_s', ARGV[2], 'total_s', ARGV[3])
return 1
