-- Accepts a job: its hash, its place among the live ones and in the list, its stream entry and its idempotency key
-- appear together, once. Where the key stands for another job by now, only the reservation is given up.
-- KEYS: job, queue, live, live_bytes, reserved, jobs, and the idempotency key where there is one
-- ARGV: job id, reservation, created_ms, upload, bytes, options, digest, idempotency key's ttl s, callback or "",
--   traceparent or ""
-- Returns {}, or {job, options, digest} of that other job.
-- The first write takes memory: a server that is full refuses a script at such a one, but lets it go on after another.
if redis.call('EXISTS', KEYS[1]) == 1 then return {} end
if KEYS[7] then
  local holder = redis.call('HMGET', KEYS[7], 'job', 'options', 'digest')
  if holder[3] then
    redis.call('ZREM', KEYS[5], ARGV[2])
    return holder
  end
  redis.call('HSET', KEYS[7], 'job', ARGV[1], 'options', ARGV[6], 'digest', ARGV[7])
  redis.call('EXPIRE', KEYS[7], ARGV[8])
end
local entry = redis.call('XADD', KEYS[2], '*', 'job', ARGV[1])
redis.call('HSET', KEYS[1], 'state', 'queued', 'created_ms', ARGV[3], 'upload', ARGV[4], 'bytes', ARGV[5],
  'options', ARGV[6], 'entry', entry, 'fence', 0, 'attempts', 0)
if ARGV[9] ~= '' then redis.call('HSET', KEYS[1], 'callback', ARGV[9]) end
if ARGV[10] ~= '' then redis.call('HSET', KEYS[1], 'trace', ARGV[10]) end
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
redis.call('ZADD', KEYS[6], 0, ARGV[3] .. ':' .. ARGV[1])
redis.call('INCRBY', KEYS[4], ARGV[5])
redis.call('ZREM', KEYS[5], ARGV[2])
return {}
