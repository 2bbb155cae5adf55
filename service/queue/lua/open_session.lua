-- Gives a live analysis one of its API key's places, if there is one.
-- KEYS: live analyses of the API key
-- ARGV: now_ms, end of the lease in ms, session id, maximum live analyses
-- Returns 1, or 0 if there are too many.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
redis.call('PEXPIREAT', KEYS[1], ARGV[2])
return 1
