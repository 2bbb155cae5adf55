-- Accepts a job: its hash, its place among the live ones and in the list, its stream entry and its idempotency key
-- appear together, once. If the key belongs to another job by now, only the reservation is released.
-- The idempotency key is listed for erasure when it has expired, as end_job.lua does with the job.
-- KEYS: job, queue, live, live_bytes, reserved, jobs, reserved_bytes, live_price, erase, and the idempotency key if
--   there is one
-- ARGV: job id, created_ms, upload, bytes, options, digest, idempotency key's ttl s, callback or "",
--   traceparent or "", price
-- Returns {}, or {job, options, digest} of that other job, or {"", "", ""} if that was erased.
-- The first write needs memory: a full server refuses a script at such a write, but not after another write.
local function release()
  redis.call('ZREM', KEYS[5], ARGV[1])
  redis.call('HDEL', KEYS[7], ARGV[1])
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  release()
  return {}
end
if KEYS[10] then
  local holder = redis.call('HMGET', KEYS[10], 'job', 'options', 'digest', 'erased')
  if holder[3] or holder[4] then
    release()
    return holder[4] and {'', '', ''} or {holder[1], holder[2], holder[3]}
  end
  redis.call('HSET', KEYS[10], 'job', ARGV[1], 'options', ARGV[5], 'digest', ARGV[6])
  redis.call('EXPIRE', KEYS[10], ARGV[7])
  redis.call('ZADD', KEYS[9], ARGV[2] + ARGV[7] * 1000 + 1000, KEYS[10])
end
local entry = redis.call('XADD', KEYS[2], '*', 'job', ARGV[1])
redis.call('HSET', KEYS[1], 'state', 'queued', 'created_ms', ARGV[2], 'upload', ARGV[3], 'bytes', ARGV[4],
  'price', ARGV[10], 'options', ARGV[5], 'entry', entry, 'fence', 0, 'attempts', 0)
if ARGV[8] ~= '' then redis.call('HSET', KEYS[1], 'callback', ARGV[8]) end
if ARGV[9] ~= '' then redis.call('HSET', KEYS[1], 'trace', ARGV[9]) end
if KEYS[10] then redis.call('HSET', KEYS[1], 'key', KEYS[10]) end
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
redis.call('ZADD', KEYS[6], 0, ARGV[2] .. ':' .. ARGV[1])
redis.call('INCRBY', KEYS[4], ARGV[4])
redis.call('INCRBY', KEYS[8], ARGV[10])
local owner = string.match(ARGV[1], '^(.+)%-')
if owner then redis.call('SADD', 'mien:live:' .. owner, ARGV[1]) end
release()
return {}
