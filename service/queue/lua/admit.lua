-- Reserves room for an upload that has not been read yet, or says what there is no room for.
-- KEYS: queue, live_bytes, reserved
-- ARGV: now_ms, deadline_ms, job id, bytes, most jobs, most bytes, most seconds of wait, bytes a second (0: unknown)
-- Returns "" when reserved, else "jobs", "bytes" or "wait".
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ARGV[1])
local reserved = redis.call('ZRANGE', KEYS[3], 0, -1)
local bytes = tonumber(redis.call('GET', KEYS[2]) or '0') + tonumber(ARGV[4])
for _, member in ipairs(reserved) do
  bytes = bytes + tonumber(string.match(member, ':(%d+)$'))
end
if redis.call('XLEN', KEYS[1]) + #reserved >= tonumber(ARGV[5]) then return 'jobs' end
if bytes > tonumber(ARGV[6]) then return 'bytes' end
if tonumber(ARGV[8]) > 0 and (bytes - tonumber(ARGV[4])) / tonumber(ARGV[8]) > tonumber(ARGV[7]) then return 'wait' end
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[3] .. ':' .. ARGV[4])
return ''
