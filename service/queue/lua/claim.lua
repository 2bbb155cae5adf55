-- Claims an idempotency key for an upload that begins or continues, so that no second one begins.
-- KEYS: idempotency key
-- ARGV: job id, ms for which the claim holds
-- Returns {} if it is claimed, else {job} of the upload that has it, {job, options, digest} of the accepted job, or
--   {"", "", ""} if that was erased.
local holder = redis.call('HMGET', KEYS[1], 'job', 'options', 'digest', 'erased')
if holder[4] then return {'', '', ''} end
if holder[3] then return {holder[1], holder[2], holder[3]} end
if holder[1] and holder[1] ~= ARGV[1] then return {holder[1]} end
redis.call('HSET', KEYS[1], 'job', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {}
