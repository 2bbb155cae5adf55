-- Ends a job, once: only for the current fence of a job that has not ended. Outcome, tombstone,
-- acknowledgement and deletion of the entry are one step, and so is that its callback is due. Said again by the same attempt, it answers as before.
-- KEYS: job, queue, live, live_bytes, gone, dead, events, callbacks
-- ARGV: job id, fence, group, state, now_ms, result ttl s, tombstone ttl s, channel, "dead" or "", events ttl s,
--   then fields of the job
-- Returns 1 when this attempt's outcome stands, else 0.
local state = redis.call('HGET', KEYS[1], 'state')
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[2] then return 0 end
if state == 'succeeded' or state == 'failed' then return 1 end
local entry = redis.call('HGET', KEYS[1], 'entry')
redis.call('HSET', KEYS[1], 'state', ARGV[4], 'ended_ms', ARGV[5], 'expires_ms', ARGV[5] + ARGV[6] * 1000, unpack(ARGV, 11))
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('EXPIRE', KEYS[7], ARGV[10])
redis.call('SET', KEYS[5], 'expired', 'EX', ARGV[6] + ARGV[7])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('DECRBY', KEYS[4], redis.call('HGET', KEYS[1], 'bytes'))
if ARGV[9] == 'dead' then
  redis.call('LPUSH', KEYS[6], ARGV[1])
  redis.call('LTRIM', KEYS[6], 0, 999)
  redis.call('EXPIRE', KEYS[6], ARGV[7])
end
if redis.call('HEXISTS', KEYS[1], 'callback') == 1 then redis.call('ZADD', KEYS[8], ARGV[5], ARGV[1]) end
redis.call('XACK', KEYS[2], ARGV[3], entry)
redis.call('XDEL', KEYS[2], entry)
redis.call('PUBLISH', ARGV[8], ARGV[1])
return 1
