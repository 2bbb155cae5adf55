-- Accepts a job: its hash, its place among the live ones and its stream entry appear together, once.
-- KEYS: job, queue, live, live_bytes, reserved
-- ARGV: job id, reservation, created_ms, upload, bytes, options
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local entry = redis.call('XADD', KEYS[2], '*', 'job', ARGV[1])
redis.call('HSET', KEYS[1], 'state', 'queued', 'created_ms', ARGV[3], 'upload', ARGV[4], 'bytes', ARGV[5],
  'options', ARGV[6], 'entry', entry, 'fence', 0, 'attempts', 0)
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
redis.call('INCRBY', KEYS[4], ARGV[5])
redis.call('ZREM', KEYS[5], ARGV[2])
return 1
