-- Takes the callback that is most overdue, and hides it from others for a while: if its taker dies, it is due again.
-- KEYS: callbacks
-- ARGV: now_ms, until when it is hidden, ms
-- Returns the job's id, or false.
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 1)
if not due[1] then return false end
redis.call('ZADD', KEYS[1], ARGV[2], due[1])
return due[1]
