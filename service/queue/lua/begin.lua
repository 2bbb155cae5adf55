-- Starts an attempt: takes the next fence, so that every earlier attempt can no longer write. What an earlier one
-- told is dropped, and the first event of the new one says that it begins.
-- An entry whose job has ended, was erased or was queued anew is acknowledged and deleted.
-- A job whose attempts are used up fails here, for the worker that died in it could not say so.
-- KEYS: job, queue, live, live_bytes, gone, dead, events
-- ARGV: entry, group, job id, now_ms, most attempts, result ttl s, tombstone ttl s, error of exhaustion, channel,
--   events ttl s
-- Returns {fence, attempts, created_ms, upload, bytes, options, traceparent or ""}, or {} where there is nothing to do.
local state = redis.call('HGET', KEYS[1], 'state')
if (state ~= 'queued' and state ~= 'running') or redis.call('HGET', KEYS[1], 'entry') ~= ARGV[1] then
  redis.call('XACK', KEYS[2], ARGV[2], ARGV[1])
  redis.call('XDEL', KEYS[2], ARGV[1])
  return {}
end
local fence = redis.call('HINCRBY', KEYS[1], 'fence', 1)
if tonumber(redis.call('HGET', KEYS[1], 'attempts')) >= tonumber(ARGV[5]) then
  redis.call('HSET', KEYS[1], 'state', 'failed', 'ended_ms', ARGV[4], 'expires_ms', ARGV[4] + ARGV[6] * 1000, 'error', ARGV[8])
  redis.call('EXPIRE', KEYS[1], ARGV[6])
  redis.call('EXPIRE', KEYS[7], ARGV[10])
  redis.call('SET', KEYS[5], 'expired', 'EX', ARGV[6] + ARGV[7])
  redis.call('ZREM', KEYS[3], ARGV[3])
  redis.call('DECRBY', KEYS[4], redis.call('HGET', KEYS[1], 'bytes'))
  redis.call('LPUSH', KEYS[6], ARGV[3])
  redis.call('LTRIM', KEYS[6], 0, 999)
  redis.call('EXPIRE', KEYS[6], ARGV[7])
  redis.call('XACK', KEYS[2], ARGV[2], ARGV[1])
  redis.call('XDEL', KEYS[2], ARGV[1])
  redis.call('PUBLISH', ARGV[9], ARGV[3])
  return {}
end
local attempts = redis.call('HINCRBY', KEYS[1], 'attempts', 1)
local event = fence .. '-0'
redis.call('HSET', KEYS[1], 'state', 'running', 'started_ms', ARGV[4], 'event', event)
redis.call('DEL', KEYS[7])
redis.call('XADD', KEYS[7], event, 'kind', 'began', 'data', '{"attempt":' .. attempts .. '}')
redis.call('PUBLISH', ARGV[9], ARGV[3])
local job = redis.call('HMGET', KEYS[1], 'created_ms', 'upload', 'bytes', 'options', 'trace')
return {fence, attempts, job[1], job[2], job[3], job[4], job[5] or ''}
