-- Starts an attempt: increments the fence, so that no earlier attempt can write any more, drops the events of earlier
-- attempts and adds the event `began`.
-- An entry whose job has ended, was erased or was requeued is acknowledged and deleted.
-- A job whose attempts are exhausted fails here, because the worker that died could not report it (end_job.lua).
-- KEYS: job, queue, live, live_bytes, gone, dead, events, callbacks
-- ARGV: job id, group, now_ms, results ttl s, tombstone ttl s, events ttl s, channel, entry, most attempts,
--   error of exhaustion
-- Returns {fence, attempts, created_ms, upload, bytes, options, traceparent or ""}, or {} where there is nothing to do.
local state = redis.call('HGET', KEYS[1], 'state')
if (state ~= 'queued' and state ~= 'running') or redis.call('HGET', KEYS[1], 'entry') ~= ARGV[8] then
  redis.call('XACK', KEYS[2], ARGV[2], ARGV[8])
  redis.call('XDEL', KEYS[2], ARGV[8])
  return {}
end
local fence = redis.call('HINCRBY', KEYS[1], 'fence', 1)
if tonumber(redis.call('HGET', KEYS[1], 'attempts')) >= tonumber(ARGV[9]) then
  end_job('failed', true, 'error', ARGV[10])
  return {}
end
local attempts = redis.call('HINCRBY', KEYS[1], 'attempts', 1)
local event = fence .. '-0'
redis.call('HSET', KEYS[1], 'state', 'running', 'started_ms', ARGV[3], 'event', event)
redis.call('DEL', KEYS[7])
redis.call('XADD', KEYS[7], event, 'kind', 'began', 'data', '{"attempt":' .. attempts .. '}')
redis.call('PUBLISH', ARGV[7], ARGV[1])
local job = redis.call('HMGET', KEYS[1], 'created_ms', 'upload', 'bytes', 'options', 'trace')
return {fence, attempts, job[1], job[2], job[3], job[4], job[5] or ''}
