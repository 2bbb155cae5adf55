-- Gives up the claim of an upload that failed; the key of an accepted job stays.
-- KEYS: idempotency key
-- ARGV: job id
local holder = redis.call('HMGET', KEYS[1], 'job', 'digest')
if holder[1] == ARGV[1] and not holder[2] then redis.call('DEL', KEYS[1]) end
