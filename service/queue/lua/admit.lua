-- Looks for room for an upload, and reserves it once its first bytes have come; a repeat changes what is reserved.
-- KEYS: queue, live_bytes, reserved, reserved_bytes, probe
-- ARGV: now_ms, end of the lease in ms (0: reserve nothing yet), job id, bytes that it needs in all, most jobs,
--   most bytes, most seconds of wait, bytes a second of all workers (0: unknown)
-- Returns "" where there is room, else "jobs", "bytes" or "wait".
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[1])) do
  redis.call('ZREM', KEYS[3], id)
  redis.call('HDEL', KEYS[4], id)
end
local queued = tonumber(redis.call('GET', KEYS[2]) or '0')
local begun = redis.call('ZSCORE', KEYS[3], ARGV[3])
if not begun then
  if redis.call('XLEN', KEYS[1]) + redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[5]) then return 'jobs' end
  if tonumber(ARGV[8]) > 0 and queued / tonumber(ARGV[8]) > tonumber(ARGV[7]) then return 'wait' end
end
local bytes = queued + tonumber(ARGV[4])
local reserved = redis.call('HGETALL', KEYS[4])
for i = 1, #reserved, 2 do
  if reserved[i] ~= ARGV[3] then bytes = bytes + tonumber(reserved[i + 1]) end
end
if bytes > tonumber(ARGV[6]) then return 'bytes' end
if ARGV[2] == '0' then
  redis.call('SET', KEYS[5], '1', 'EX', 60) -- a server that takes nothing refuses here, before the upload is read
else
  redis.call('HSET', KEYS[4], ARGV[3], ARGV[4])
  redis.call('ZADD', KEYS[3], ARGV[2], ARGV[3])
end
return ''
