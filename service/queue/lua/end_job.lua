-- Functions that end a job, for the scripts that begin, commit and cancel; scripts.py puts this text before theirs.
-- A job ends the same way whichever script ends it. The calling script's keys start with
-- KEYS: job, queue, live, live_bytes, gone

-- Charges the seconds of video that were analysed to an API key, for a day from the first.
local function charge(owner, done_s)
  local charged = 'mien:video_s:' .. owner
  redis.call('INCRBYFLOAT', charged, done_s)
  if redis.call('TTL', charged) < 0 then redis.call('EXPIRE', charged, 86400) end
end

-- Deletes the stream entry of a job that has not ended, releases its places, the bytes of its upload and its price, and
-- charges the API key that it was sent with.
local function leave_queue(job_id, group)
  local job = redis.call('HMGET', KEYS[1], 'entry', 'bytes', 'done_s', 'price')
  redis.call('XACK', KEYS[2], group, job[1])
  redis.call('XDEL', KEYS[2], job[1])
  redis.call('ZREM', KEYS[3], job_id)
  redis.call('DECRBY', KEYS[4], job[2])
  if job[4] then redis.call('DECRBY', 'mien:live_price', job[4]) end
  local owner = string.match(job_id, '^(.+)%-')
  if owner then
    redis.call('SREM', 'mien:live:' .. owner, job_id)
    if job[3] then charge(owner, job[3]) end
  end
end

-- Sets the outcome of a job that has not ended, the expiry of the job and its events, and its tombstone; queues its
-- callback if it has one; lists it as dead if its attempts are exhausted; publishes that it changed.
-- What it leaves behind is listed for erasure: its upload now, its result, its events and the job when they have expired;
-- keys a second later, for Redis takes a moment to erase what has expired.
-- KEYS continues with: dead, events, callbacks, erase
-- ARGV starts with: job id, group, now_ms, results ttl s, tombstone ttl s, events ttl s, channel
-- `...`: further fields of the job and their values
local function end_job(state, dead, ...)
  local job_id, now_ms, results_ttl_s, tombstone_ttl_s = ARGV[1], ARGV[3], ARGV[4], ARGV[5]
  redis.call('HSET', KEYS[1], 'state', state, 'ended_ms', now_ms, 'expires_ms', now_ms + results_ttl_s * 1000, ...)
  redis.call('EXPIRE', KEYS[1], results_ttl_s)
  redis.call('EXPIRE', KEYS[7], ARGV[6])
  redis.call('SET', KEYS[5], 'expired', 'EX', results_ttl_s + tombstone_ttl_s)
  leave_queue(job_id, ARGV[2])
  local blobs = redis.call('HMGET', KEYS[1], 'upload', 'result')
  redis.call('ZADD', KEYS[9], now_ms, blobs[1], now_ms + ARGV[6] * 1000 + 1000, KEYS[7],
    now_ms + results_ttl_s * 1000 + 1000, KEYS[1])
  if blobs[2] then redis.call('ZADD', KEYS[9], now_ms + results_ttl_s * 1000, blobs[2]) end
  if dead then
    redis.call('LPUSH', KEYS[6], job_id)
    redis.call('LTRIM', KEYS[6], 0, 999)
    redis.call('EXPIRE', KEYS[6], tombstone_ttl_s)
  end
  if redis.call('HEXISTS', KEYS[1], 'callback') == 1 then redis.call('ZADD', KEYS[8], now_ms, job_id) end
  redis.call('PUBLISH', ARGV[7], job_id)
end
