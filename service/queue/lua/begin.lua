-- Starts an attempt: increments the fence, so that no earlier attempt can write any more, drops the events of earlier
-- attempts and adds the event `began`. Repeated with the same token, the script changes nothing and returns the same.
-- An entry whose job has ended, was erased or was requeued is acknowledged and deleted; one that another worker holds
-- now is left alone.
-- A job whose attempts are exhausted fails here, because the worker that died could not report it (end_job.lua).
-- A job that was tried before is only begun by a worker that runs nothing else, because it may kill the worker. Until
-- then the lease is not renewed: if other work, such as a live analysis, runs here for long, an idle worker takes the
-- job over.
-- KEYS: job, queue, live, live_bytes, gone, dead, events, callbacks, erase
-- ARGV: job id, group, now_ms, results ttl s, tombstone ttl s, events ttl s, channel, entry, maximum attempts,
--   error of exhaustion, consumer, token, "1" if the worker runs nothing else
-- Returns {fence, attempts, created_ms, upload, bytes, price, options, traceparent or ""}, {"alone"} if the job waits
--   for the worker to run nothing else, or {} if there is nothing to do.
local function attempt()
  local job = redis.call('HMGET', KEYS[1], 'fence', 'attempts', 'created_ms', 'upload', 'bytes', 'price', 'options',
    'trace')
  return {job[1], job[2], job[3], job[4], job[5], job[6] or job[5], job[7], job[8] or ''}
end
local state = redis.call('HGET', KEYS[1], 'state')
if (state ~= 'queued' and state ~= 'running') or redis.call('HGET', KEYS[1], 'entry') ~= ARGV[8] then
  redis.call('XACK', KEYS[2], ARGV[2], ARGV[8])
  redis.call('XDEL', KEYS[2], ARGV[8])
  return {}
end
local holder = redis.call('XPENDING', KEYS[2], ARGV[2], ARGV[8], ARGV[8], 1)[1]
if not holder or holder[2] ~= ARGV[11] then return {} end
if redis.call('HGET', KEYS[1], 'token') == ARGV[12] then return attempt() end
local tried = tonumber(redis.call('HGET', KEYS[1], 'attempts'))
if tried >= tonumber(ARGV[9]) then
  redis.call('HINCRBY', KEYS[1], 'fence', 1)
  end_job('failed', true, 'error', ARGV[10])
  return {}
end
if tried > 0 and ARGV[13] ~= '1' then return {'alone'} end
local event = redis.call('HINCRBY', KEYS[1], 'fence', 1) .. '-0'
redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('HSET', KEYS[1], 'state', 'running', 'started_ms', ARGV[3], 'event', event, 'token', ARGV[12])
redis.call('DEL', KEYS[7])
redis.call('XADD', KEYS[7], event, 'kind', 'began', 'data', '{"attempt":' .. tried + 1 .. '}')
redis.call('PUBLISH', ARGV[7], ARGV[1])
return attempt()
